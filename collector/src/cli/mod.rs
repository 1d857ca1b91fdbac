//! The command line: a thin shell that parses, calls the library and chooses the exit code.

use std::process::ExitCode;

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
