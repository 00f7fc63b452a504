//! The published bits: those of this build, of the code and of the README are the same.

use std::process::Command;

use chainrule_tensor::Isa;

#[test]
fn the_bits_that_the_readme_states_are_those_of_every_kernel_path_and_number_of_threads() {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
    let output = command.args(["verify-bits", "--threads", "1,3", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(rows.len(), 2 * Isa::available().len(), "each path, on 1 and on 3 threads: {said}");
    let readme = include_str!("../../../README.md");
    let vectors = rows.iter().filter(|row| row["kernel"] != "portable");
    for row in vectors {
        let hash = row["sha256"].as_str().unwrap();
        assert!(readme.contains(hash), "the README states another hash than {row}");
        assert_eq!(row["published"], hash, "{row}");
    }
}
