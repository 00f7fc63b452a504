//! The library `shim.c`: built once, preloaded into the program, and its log read.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A system call that writes or arranges files, as it ended.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub is_injected: bool,
    /// 0, or the error.
    pub result: i32,
    pub inode: u64,
    pub offset: usize,
    /// What was written.
    pub data: Vec<u8>,
    /// Below the root.
    pub path: PathBuf,
    /// The second path, or the length, of the calls that have one.
    pub second: String,
}

/// How a call may fail.
pub struct Fault {
    pub name: &'static str,
    /// Of Linux; -1 for half of a write.
    pub number: i32,
    /// The calls that may fail so.
    pub calls: &'static str,
    /// Whether the program makes the call again, and the run goes on.
    pub restarts: bool,
}

impl Fault {
    pub fn is_of(&self, call: &Call) -> bool {
        self.calls.split(' ').any(|name| name == call.name)
    }
}

/// The built library.
pub struct Shim(PathBuf);

impl Shim {
    /// # Panics
    /// If there is no C compiler, which Rust itself links with.
    pub fn build() -> Shim {
        static BUILT: AtomicUsize = AtomicUsize::new(0);
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shim-{}-{number}.so", std::process::id());
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(compiler);
        command.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c"));
        let output = command.args(["-ldl", "-lpthread"]).output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Shim(library)
    }

    /// Runs a program and returns the calls that it made below `root`. One of them fails, if that is
    /// asked for: the `n`-th of those that can fail so.
    pub fn run(
        &self,
        mut program: Command,
        root: &Path,
        fault: Option<(&Fault, usize)>,
    ) -> (Output, Vec<Call>) {
        let log = root.with_extension("log");
        program.env("LD_PRELOAD", &self.0).env("SHIM_ROOT", root).env("SHIM_LOG", &log);
        if let Some((fault, n)) = fault {
            program.env("SHIM_CALLS", fault.calls).env("SHIM_AT", n.to_string());
            program.env("SHIM_ERROR", fault.number.to_string());
        }
        let output = program.output().unwrap();
        let calls = parse(&std::fs::read(&log).unwrap(), root);
        std::fs::remove_file(log).unwrap();
        (output, calls)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn parse(mut log: &[u8], root: &Path) -> Vec<Call> {
    let below = |path: &str| match path.strip_prefix(root.to_str().unwrap()) {
        Some(rest) => rest.trim_start_matches('/').to_owned(),
        None => path.to_owned(),
    };
    let mut calls = vec![];
    while !log.is_empty() {
        let end = log.iter().position(|&byte| byte == b'\n').expect("a whole line");
        let line = std::str::from_utf8(&log[..end]).unwrap();
        log = &log[end + 1..];
        let [name, result, inode, offset, bytes, path, second] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("seven fields");
        let (data, rest) = log.split_at(bytes.parse().unwrap());
        log = rest;
        calls.push(Call {
            name: name.to_owned(),
            is_injected: result.starts_with('!'),
            result: result.trim_start_matches('!').parse().unwrap(),
            inode: inode.parse().unwrap(),
            offset: offset.parse().unwrap(),
            data: data.to_vec(),
            path: below(path).into(),
            second: below(second),
        });
    }
    calls
}
