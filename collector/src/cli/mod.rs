//! The command line: a thin shell that parses, calls the library and chooses the exit code.
//!
//! One command a file, each with its `Args` and `run(args) -> Result<ExitCode>`.

pub mod capture;
pub mod check_config;
pub mod compare;
pub mod config_args;
mod core_dump;
pub mod doctor;
pub mod fsck;
mod help;
pub mod ingest;
pub mod logging;
mod open_files;
mod packets;
mod progress;
pub mod rules;
mod schema_args;
mod selection;
pub mod serve;
pub mod show;
mod terminal;
mod values;
mod whole_file;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::ConfigError;
use crate::pipeline::serve::RunError;

/// Wrong usage or configuration.
const EXIT_USAGE: u8 = 2;
/// Input or I/O failed.
const EXIT_IO: u8 = 3;
/// Lost data makes the answer unsafe.
const EXIT_INCOMPLETE: u8 = 4;
/// Nobody read what was printed to its end, and there was more to do: as if SIGPIPE had ended it.
const EXIT_PIPE: u8 = 141;

/// Records a gRPC service and its rewrite side by side, and says what differs.
#[derive(Debug, Parser)]
#[command(name = "twintap", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 differences over the threshold, 2 usage or configuration, 3 input or I/O,
4 incomplete (lost data makes the answer unsafe), 130 interrupted,
141 whoever read its lines left (an answer that is known keeps its code).

Start with:
  twintap serve              take records from the filter, write ./twintap-data
  twintap ingest a.pcap      rebuild calls from captured packets instead
  twintap capture -i eth0    or from packets as they pass
  twintap compare            say what differs in ./twintap-data
  twintap show PAIR          both sides of one pair
  twintap doctor *.yaml      find what will hurt in a set-up, before it does";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Ingest(ingest::Args),
    Capture(capture::Args),
    Compare(compare::Args),
    Show(show::Args),
    Doctor(doctor::Args),
    Rules(rules::Args),
    Fsck(fsck::Args),
    CheckConfig(check_config::Args),
}

/// Arguments that are well-formed and cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

impl UsageError {
    fn error(message: impl Into<String>) -> anyhow::Error {
        Self(message.into()).into()
    }
}

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    // Prints help, version and usage errors itself, with exit codes 0 and 2.
    let matches = help::unwrapped(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Ingest(args) => ingest::run(args),
        Command::Capture(args) => capture::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Show(args) => show::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Fsck(args) => fsck::run(args),
        Command::CheckConfig(args) => check_config::run(args),
    };
    result.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if terminal::is_closed_pipe(error) {
        // The reader, such as `head`, has seen enough; what is left is not done.
        return ExitCode::from(EXIT_PIPE);
    }
    terminal::tell(told(error));
    let usage = error.chain().any(|cause| {
        let run = cause.downcast_ref::<RunError>();
        cause.is::<ConfigError>()
            || cause.is::<UsageError>()
            || run.is_some_and(RunError::is_configuration)
    });
    ExitCode::from(if usage { EXIT_USAGE } else { EXIT_IO })
}

/// The error and its causes in one line, each once: some say theirs themselves.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_each_cause_once() {
        let cause = || anyhow::anyhow!("refused (111)");
        let says_it = cause().context("failed to connect: refused (111)");
        let error = says_it.context("failed to ask");
        assert_eq!(
            told(&error),
            "failed to ask: failed to connect: refused (111)"
        );
        let error = cause().context("failed to connect");
        assert_eq!(told(&error), "failed to connect: refused (111)");
    }
}
