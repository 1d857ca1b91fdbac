//! `twintap rules check`: what is wrong with rules files, and what their author may have overlooked.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Zoned;
use jiff::civil::Date;

use super::super::schema_args::TypeArgs;
use super::super::{EXIT_IO, EXIT_USAGE, terminal, told};
use super::load::read;
use crate::compare::Schema;
use crate::compare::rules::{Rule, file};

/// Days before its end at which a rule is worth a word.
const SOON_DAYS: i64 = 14;

/// Says what is wrong with rules files, with line and column.
///
/// With the types of the services, also says which rules are for none of their methods, and which
/// paths name none of their fields.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// YAML files, as for `twintap compare --rules`; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    types: TypeArgs,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all files are valid, whatever the warnings; 2 one is not; 3 one cannot be read. All are
checked.

Examples:
  twintap rules check rules.yaml
  twintap rules check rules.yaml --descriptors shop.binpb
  twintap rules suggest | twintap rules check -";

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let schema = args.types.load()?;
    let mut out = String::new();
    let today = Zoned::now().date();
    // The worst of all files: what cannot be read is worse than what is not valid.
    let mut exit_code = 0;
    for path in &args.files {
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
                for rule in &rules {
                    let remarks = remarks(rule, today).into_iter();
                    for what in remarks.chain(of_types(rule, schema.as_ref())) {
                        let (at, name) = (rule.origin(), &**rule.name());
                        out += &format!("{at}: warning: rule {name:?} {what}\n");
                    }
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

/// What a valid rule's author may have overlooked.
fn remarks(rule: &Rule, today: Date) -> Vec<String> {
    let mut remarks = Vec::new();
    if rule.covers_everything() {
        remarks.push("hides every difference of its parts of a call, of every method".to_owned());
    }
    if rule.reason().is_none() {
        remarks.push("gives no reason".to_owned());
    }
    if let Some(last) = rule.expires() {
        let left = today
            .until(last)
            .map_or(0, |span| i64::from(span.get_days()));
        match left {
            ..0 => remarks.push(format!("expired on {last} and is not applied")),
            0..SOON_DAYS => remarks.push(format!("expires on {last}")),
            _ => {}
        }
    }
    remarks
}

/// What of it the types do not know.
fn of_types(rule: &Rule, schema: Option<&Schema>) -> Vec<String> {
    let Some(schema) = schema else {
        return Vec::new();
    };
    match rule.unknown_paths(schema) {
        None => vec!["is for none of the methods of these types".to_owned()],
        Some(paths) => {
            let told = paths
                .into_iter()
                .map(|path| format!("names {path:?}, and its methods' types have no such field"));
            told.collect()
        }
    }
}
