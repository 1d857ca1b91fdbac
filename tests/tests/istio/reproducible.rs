//! The module is the same wherever it is built, so that anybody can check what a digest stands for. Of the
//! collector, which takes minutes, `make check-reproducible` shows the same.

use std::fs;
use std::process::Command;

use twintap_e2e::artifacts;

/// All that Cargo must see to build one crate of the workspace: the other members too.
const SOURCES: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo",
    "record",
    "decode",
    "filter",
    "capture",
    "collector",
    "tests",
    "demo",
];

#[test]
fn module_built_in_another_folder_has_the_same_bytes() {
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let copy = elsewhere.path().join("a/copy/of/the/sources");
    fs::create_dir_all(&copy).expect("a folder");
    let mut cp = Command::new("cp");
    cp.arg("-R").args(SOURCES).arg(&copy);
    let copied = cp.current_dir(artifacts::workspace()).status();
    assert!(copied.expect("cp starts").success());

    let target = elsewhere.path().join("built");
    let output = Command::new("cargo")
        .args([
            "build",
            "--locked",
            "--quiet",
            "--package",
            "twintap-filter",
        ])
        .args(["--target", "wasm32-wasip1", "--profile", "wasm"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&copy)
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let there = fs::read(target.join("wasm32-wasip1/wasm/twintap_filter.wasm")).expect("a module");
    let here = fs::read(artifacts::filter_wasm()).expect("a module");
    assert!(
        there == here,
        "{} and {} bytes differ",
        there.len(),
        here.len()
    );
}
