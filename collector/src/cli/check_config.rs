//! `twintap check-config`: what would be in force, and from where.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::config_args::ConfigArgs;
use super::serve::EXPOSED;
use super::terminal;
use crate::config::{ENV_PREFIX, Origin};
use crate::pipeline::serve::{self, Settings};

/// Checks the configuration of `serve` and prints what is in force, as a file that says the same.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Say for each key where its value is from.
    #[arg(long)]
    origin: bool,
}

const AFTER_HELP: &str = "\
Exits with 2 and one line (file, line, column, hint) if something is wrong, certificates and tokens included, or if
there is no such configuration; with 3 if a file that it names cannot be read. Variables that begin with TWINTAP_
and are no keys are listed as ignored.

Examples:
  twintap check-config                           all keys, their defaults and meaning
  twintap check-config --config twintap.toml     is this file right?
  TWINTAP_LISTEN=[::1]:9090 twintap check-config --origin";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (layers, config) = args.config.load()?;
    let mut out = String::new();
    writeln!(
        out,
        "# Each key is also an environment variable: {ENV_PREFIX} and its name in capitals."
    )?;
    for unknown in layers.unknown() {
        writeln!(out, "# Ignored: {unknown}")?;
    }
    if config.is_exposed() {
        writeln!(out, "# Note: {EXPOSED}")?;
    }
    for (key, value, origin) in layers.effective() {
        writeln!(out, "\n# {}", key.meaning)?;
        let value = serde_json::to_string(value)?;
        match origin {
            origin if args.origin => writeln!(out, "{} = {value}  # {origin}", key.name)?,
            Origin::Default => writeln!(out, "{} = {value}", key.name)?,
            _ => writeln!(out, "{} = {value}  # default {:?}", key.name, key.default)?,
        }
    }
    terminal::print(&out)?;
    serve::read_guards(&Settings::from(&config)).context("serve would not start")?;
    Ok(ExitCode::SUCCESS)
}
