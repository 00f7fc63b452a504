//! Tells the program which commit it was built from.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Of another repository that the source may lie in, nothing is told.
    let ours = git(&["ls-files", "build.rs"]).is_some_and(|listed| !listed.is_empty());
    let commit = ours.then(|| git(&["describe", "--always", "--dirty=+", "--abbrev=12"])).flatten();
    println!("cargo:rustc-env=CHAINRULE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rerun-if-changed=..");
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
