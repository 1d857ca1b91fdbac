//! `twintap-capture`: opens an interface, drops every privilege, and pipes packets to standard output.
//!
//! What it says and how it ends is described in the library, `twintap_capture`. One thread, so that
//! what is dropped for a thread is dropped for the process. In this order: arguments, interface,
//! privileges, filter, packets.

mod arguments;
mod interface;
mod pipes;
mod privileges;
mod pump;
mod queue;

use std::io::Write;
use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser;
use twintap_capture::{ErrorKind, Line};

/// Wrong usage, no such interface, or a bad filter expression.
const EXIT_USAGE: u8 = 2;
/// Anything else.
const EXIT_IO: u8 = 3;

/// Why a capture did not start, or broke off.
#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    message: String,
}

impl Failure {
    fn other(what: &str, error: impl std::fmt::Display) -> Self {
        Self {
            kind: ErrorKind::Other,
            message: format!("{what}: {error}"),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.list_interfaces {
        interface::list()
    } else {
        capture(&arguments)
    };
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    let is_usage = matches!(failure.kind, ErrorKind::Interface | ErrorKind::Filter);
    say(&Line::Error(failure.kind, failure.message));
    ExitCode::from(if is_usage { EXIT_USAGE } else { EXIT_IO })
}

fn capture(arguments: &Arguments) -> Result<(), Failure> {
    privileges::keep_what_opening_needs()
        .map_err(|error| Failure::other("failed to drop privileges", error))?;
    let opened = interface::open(arguments);
    privileges::drop_all().map_err(|error| Failure::other("failed to drop privileges", error))?;
    let mut opened = opened?;
    opened.set_filter(&arguments.filter())?;
    pump::run(opened, arguments)
}

/// Writes a line to standard error. If that is full or closed there is nobody to tell.
fn say(line: &Line) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .ok();
}
