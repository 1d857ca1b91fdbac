//! `twintap rules`: checks rules files, suggests rules, shows those that come with the program.

mod check;
mod load;
mod suggest;

use std::process::ExitCode;

use clap::Subcommand;

use super::terminal;
use crate::compare::rules::Preset;

pub(super) use load::RulesArgs;

/// Checks and suggests rules: which differences do not count, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<check::Args>),
    Suggest(Box<suggest::Args>),
    /// Prints the rules of a preset, to start a file from
    Preset {
        /// The preset
        #[arg(value_name = "NAME")]
        name: Preset,
    },
}

const AFTER_HELP: &str = "\
A rule names methods, parts of a call and paths, one thing that it takes for equal there (ignore,
unordered, tolerance, matches, class, empty_equals_absent, normalize or json), and why. docs/rules.md has
every key.

Examples:
  twintap rules check rules.yaml
  twintap rules preset loose > rules.yaml
  twintap rules suggest > noise.yaml
  twintap compare --rules rules.yaml";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Suggest(args) => suggest::run(&args),
        Command::Preset { name } => {
            terminal::print(name.yaml())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => check::run(&args),
    }
}
