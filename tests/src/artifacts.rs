//! Where the programs under test come from: Envoy and Python from the virtual environment, the
//! wasm modules and the `twintap` program from this workspace, built once per test process.
//!
//! Overrides: `TWINTAP_VENV` (a virtual environment made by `make setup`), `TWINTAP_FILTER_WASM`,
//! `TWINTAP_BIN`, `TWINTAP_CAPTURE_BIN` (ready-made files, used as they are).

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
pub fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("tests/ has a parent")
        .to_path_buf()
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The Envoy program.
pub fn envoy() -> PathBuf {
    from_venv("envoy")
}

/// A Python with grpcio, DuckDB and pyarrow.
pub fn python() -> PathBuf {
    from_venv("python")
}

/// A script of `tests/python/`.
pub fn script(name: &str) -> PathBuf {
    workspace().join("tests/python").join(name)
}

/// The recording filter, as it ships.
pub fn filter_wasm() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| built("TWINTAP_FILTER_WASM", || wasm("twintap-filter")))
        .clone()
}

/// A module that does nothing in every callback.
pub fn noop_wasm() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| wasm("twintap-noop")).clone()
}

/// A module that traps on requests with the header `x-trap`.
pub fn trap_wasm() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| wasm("twintap-trap")).clone()
}

/// The `twintap` program.
pub fn twintap() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            built("TWINTAP_BIN", || {
                cargo(&["build", "--package", "twintap", "--bin", "twintap"]);
                target().join("debug/twintap")
            })
        })
        .clone()
}

/// The same, linked statically: in the same place, until [`twintap`] is asked for the first time.
pub fn twintap_linked_statically() -> PathBuf {
    let program = ["--package", "twintap", "--bin", "twintap"];
    let flags = ["--", "-C", "target-feature=+crt-static"];
    // Flags for this last crate alone: what it is made of is not built again.
    cargo(&[&["rustc"], &program[..], &flags].concat());
    target().join("debug/twintap")
}

/// The `twintap-capture` program, beside `twintap`; `Err` says why it cannot be built here.
pub fn twintap_capture() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        if let Some(path) = env::var_os("TWINTAP_CAPTURE_BIN") {
            return Ok(PathBuf::from(path));
        }
        let package = "twintap-capture";
        let feature = ["--features", "live-capture"];
        let arguments = ["build", "--package", package, "--bin", package];
        match try_cargo(&[&arguments[..], &feature].concat()) {
            Ok(()) => Ok(target().join("debug").join(package)),
            Err(errors) if errors.contains("-lpcap") => {
                Err("libpcap is missing: on Debian, apt-get install libpcap-dev".to_owned())
            }
            Err(errors) => panic!("{package} does not build:\n{errors}"),
        }
    };
    BUILT.get_or_init(build).clone()
}

fn from_venv(program: &str) -> PathBuf {
    let venv = env::var_os("TWINTAP_VENV").map_or_else(|| workspace().join(".venv"), PathBuf::from);
    let path = venv.join("bin").join(program);
    assert!(
        path.exists(),
        "{} is missing: run `make setup`",
        path.display()
    );
    path
}

fn built(override_by: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    match env::var_os(override_by) {
        Some(path) => PathBuf::from(path),
        None => build(),
    }
}

fn wasm(package: &str) -> PathBuf {
    cargo(&[
        "build",
        "--package",
        package,
        "--target",
        "wasm32-wasip1",
        "--profile",
        "wasm",
    ]);
    let file = format!("{}.wasm", package.replace('-', "_"));
    target().join("wasm32-wasip1/wasm").join(file)
}

fn cargo(arguments: &[&str]) {
    if let Err(errors) = try_cargo(arguments) {
        panic!("cargo {} failed:\n{errors}", arguments.join(" "));
    }
}

/// `cargo build` takes the build lock, so test processes that run side by side wait for each other.
fn try_cargo(arguments: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo told this test of itself: ring would be built again for it, and all that is above.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    // Before the arguments, which may end with what is rustc's.
    let output = cargo
        .arg("--quiet")
        .args(arguments)
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
