//! The Python of the repository's virtual environment, with DuckDB and pyarrow.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `.venv/` at the repository root, or what `TWINTAP_VENV` names.
pub(crate) fn python() -> PathBuf {
    let venv = std::env::var_os("TWINTAP_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv"),
        PathBuf::from,
    );
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "no {}: run `make setup-tests`",
        python.display()
    );
    python
}

/// Runs `tests/python/<script>` and returns what it printed; fails with it if the script does.
pub(crate) fn run(script: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script);
    let output = Command::new(python())
        .arg(&script)
        .args(arguments)
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{} failed\n{stdout}\n{stderr}",
        script.display()
    );
    stdout.into_owned()
}
