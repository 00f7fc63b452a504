//! The peers: other programs that do the same work, started and asked.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;

/// The peers that are programs of the workspace in `peers/`, and not scripts for Python.
const RUST_PEERS: [&str; 2] = ["burn", "candle"];

/// Where the peers are.
#[derive(clap::Args)]
pub struct Places {
    /// The Python that has the packages of peers/requirements.txt
    #[arg(long, default_value = "target/peers/bin/python")]
    pub python: PathBuf,
    /// The folder with the programs of the peers candle and burn
    #[arg(long, value_name = "DIR", default_value = "target/rust-peers/release")]
    pub rust_peers: PathBuf,
}

impl Places {
    /// The command that starts a peer: `candle`, `burn`, the name of a script in `peers/`, or the
    /// path of a program that speaks the protocol, with a slash in it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn command(&self, peer: &str) -> anyhow::Result<Command> {
        if peer.contains('/') {
            ensure!(Path::new(peer).is_file(), "{peer} is not there");
            return Ok(Command::new(peer));
        }
        if RUST_PEERS.contains(&peer) {
            let program = self.rust_peers.join(format!("{peer}-peer"));
            ensure!(
                program.is_file(),
                "{} is not there: just rust-peers builds it",
                program.display()
            );
            return Ok(Command::new(program));
        }
        self.script(&format!("{peer}_peer")).with_context(|| format!("no peer `{peer}`"))
    }

    /// The command that runs a script of `peers/`, which is named without its ending.
    ///
    /// # Errors
    /// If it is not there.
    pub fn script(&self, name: &str) -> anyhow::Result<Command> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("peers/{name}.py"));
        ensure!(script.is_file(), "{} is not there", script.display());
        let mut command = Command::new(&self.python);
        command.arg(script);
        Ok(command)
    }
}

/// Another program of this build.
///
/// # Errors
/// If it is not there.
pub fn sibling(name: &str) -> anyhow::Result<Command> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(
        program.is_file(),
        "{} is not there; build all programs of this crate: cargo build --release -p chainrule-bench",
        program.display()
    );
    Ok(Command::new(program))
}

/// A process that reads and answers in lines; it is stopped when it is dropped.
pub struct Peer {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts it.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start(mut command: Command) -> anyhow::Result<Peer> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("the process has no pipes");
        };
        Ok(Peer { process, input, output: BufReader::new(output).lines() })
    }

    /// Sends a line.
    ///
    /// # Errors
    /// If it has ended.
    pub fn send(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{line}").context("it ended too early")?;
        Ok(self.input.flush()?)
    }

    /// Waits for a line of JSON; `None` where there is no other.
    ///
    /// # Errors
    /// A line that is not such a `T`.
    pub fn next_answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        let Some(line) = self.output.next() else { return Ok(None) };
        let line = line?;
        let answer = serde_json::from_str(&line);
        Ok(Some(answer.with_context(|| format!("it answered `{line}`"))?))
    }

    /// Waits for a line of JSON.
    ///
    /// # Errors
    /// As [`Peer::next_answer`], or if it has ended.
    pub fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        self.next_answer()?.context("it ended without an answer")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it failed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let status = self.process.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A peer keeps no files, so it may be stopped at any moment; one that is gone is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(rust_peers: &Path) -> Places {
        Places { python: "python3".into(), rust_peers: rust_peers.into() }
    }

    #[test]
    fn a_rust_peer_that_is_not_built_is_told_from_one_that_does_not_exist() {
        let empty = tempfile::tempdir().unwrap();
        let places = places(empty.path());
        let error = places.command("candle").unwrap_err().to_string();
        assert!(error.ends_with("candle-peer is not there: just rust-peers builds it"), "{error}");
        let error = places.command("scandle").unwrap_err().to_string();
        assert_eq!(error, "no peer `scandle`");

        std::fs::write(empty.path().join("candle-peer"), "").unwrap();
        let command = places.command("candle").unwrap();
        assert_eq!(command.get_program(), empty.path().join("candle-peer"));
    }

    #[test]
    fn a_program_with_a_path_is_a_peer() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("chainrule-bench-step");
        let name = program.to_str().unwrap();
        let error = places(folder.path()).command(name).unwrap_err().to_string();
        assert_eq!(error, format!("{name} is not there"));
        std::fs::write(&program, "").unwrap();
        assert_eq!(places(folder.path()).command(name).unwrap().get_program(), program);
    }

    #[cfg(unix)]
    #[test]
    fn a_peer_that_ends_or_answers_nonsense_is_an_error() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Peer::start(command).unwrap()
        };
        let mut echo = shell("read line; echo $line; exit 3");
        echo.send("7").unwrap();
        assert_eq!(echo.answer::<u32>().unwrap(), 7);
        assert_eq!(echo.answer::<u32>().unwrap_err().to_string(), "it ended without an answer");
        assert!(echo.finish().unwrap_err().to_string().starts_with("it ended with"));

        let mut nonsense = shell("echo seven");
        assert_eq!(nonsense.answer::<u32>().unwrap_err().to_string(), "it answered `seven`");
    }
}
