//! `twintap rules`: checks rules files, suggests rules, shows those that come with the program.

mod load;
mod suggest;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Zoned;
use jiff::civil::Date;

use super::{EXIT_IO, EXIT_USAGE, terminal, told};
use crate::compare::rules::{Preset, Rule, file};

pub(super) use load::RulesArgs;

/// Days before its end at which a rule is worth a word.
const SOON_DAYS: i64 = 14;

/// Checks and suggests rules: which differences do not count, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what is wrong with rules files, with line and column
    Check {
        /// YAML files, as for `twintap compare --rules`; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
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

Exit codes: 0 all files are valid; 2 one is not; 3 one cannot be read. All are checked.

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
        Command::Check { files } => {
            let mut out = String::new();
            let today = Zoned::now().date();
            // The worst of all files: what cannot be read is worse than what is not valid.
            let mut exit_code = 0;
            for path in &files {
                let text = match path.as_os_str() == "-" {
                    true => std::io::read_to_string(std::io::stdin()).map_err(Into::into),
                    false => read(path),
                };
                let text = match text {
                    Ok(text) => text,
                    Err(error) => {
                        exit_code = EXIT_IO;
                        terminal::tell(told(&error));
                        continue;
                    }
                };
                let name = path.display().to_string();
                match file::parse(&text, &name) {
                    Ok(rules) => {
                        let plural = if rules.len() == 1 { "rule" } else { "rules" };
                        out += &format!("{name}: {} {plural}, valid\n", rules.len());
                        for remark in rules.iter().flat_map(|rule| remarks(rule, today)) {
                            out += &format!("{remark}\n");
                        }
                    }
                    Err(problems) => {
                        exit_code = exit_code.max(EXIT_USAGE);
                        for problem in problems {
                            out += &format!("{problem}\n");
                        }
                    }
                }
            }
            terminal::print(&out)?;
            Ok(ExitCode::from(exit_code))
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read rules {}", path.display()))
}

/// What a valid rule's author may have overlooked.
fn remarks(rule: &Rule, today: Date) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut say = |what: String| {
        remarks.push(format!(
            "{}: warning: rule {:?} {what}",
            rule.origin(),
            &**rule.name()
        ));
    };
    if rule.covers_everything() {
        say("hides every difference of its parts of a call, of every method".to_owned());
    }
    if rule.reason().is_none() {
        say("gives no reason".to_owned());
    }
    if let Some(last) = rule.expires() {
        let left = today
            .until(last)
            .map_or(0, |span| i64::from(span.get_days()));
        match left {
            ..0 => say(format!("expired on {last} and is not applied")),
            0..SOON_DAYS => say(format!("expires on {last}")),
            _ => {}
        }
    }
    remarks
}
