//! `twintap rules suggest`: learns noise from a data directory and writes it as a rules file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::super::UsageError;
use super::super::progress::progress;
use super::super::schema_args::SchemaArgs;
use super::super::selection::{SelectionArgs, why_nothing};
use super::super::terminal;
use super::super::values::parse_rate;
use super::super::whole_file::write_whole;
use super::RulesArgs;
use crate::compare;
use crate::noise::Thresholds;
use crate::pair;
use crate::pipeline::learning::Learning;
use crate::store::data_dir;
use crate::store::parquet::Dataset;

/// Learns which differences are noise, and writes rules that take them for equal, each with its
/// evidence.
///
/// Looks at what the old service differs from itself in: the answers of a second run (role
/// `secondary`), else answers to equal requests, else ids and times that are new in each answer.
/// Nothing is applied: read the file, then give it to `twintap compare --rules`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Data directory of `twintap serve` or `twintap ingest`
    #[arg(value_name = "DATA_DIR", default_value = "./twintap-data")]
    data_dir: PathBuf,

    /// Rules file to write, instead of standard output; one that is there is kept, unless --force
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file of --output
    #[arg(long, requires = "output")]
    force: bool,

    #[command(flatten)]
    types: SchemaArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    /// A difference is no noise if its share between primary and candidate is above that of noise by
    /// more than this share of both together, ...
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::default().relative, value_parser = parse_rate)]
    relative_over: f64,

    /// ... and by more than this share of all pairs
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::default().absolute, value_parser = parse_rate)]
    absolute_over: f64,

    /// Pairs in which noise has to be seen
    #[arg(long, value_name = "COUNT", default_value_t = Thresholds::default().pairs_min, value_parser = clap::value_parser!(u64).range(1..))]
    min_pairs: u64,

    #[command(flatten)]
    rules: RulesArgs,

    /// Pair calls that carry no id by method, request body and order
    #[arg(long)]
    pair_by_digest: bool,

    /// Learn with this one of several candidates that calls were mirrored to: its service, workload,
    /// `version` label or Envoy cluster
    #[arg(long, value_name = "NAME")]
    candidate: Option<String>,

    /// Memory for calls, about: in quarters for those being compared and those being read ahead
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..))]
    memory_mib: u64,
}

const AFTER_HELP: &str = "\
Record a second run of the old service with the filter's `role` set to `secondary`, mirrored the same
requests as the candidate. What --rules take for equal already is not suggested again. docs/rules.md
says what is suggested when.

Exit codes: 0 also where no noise was found; 2 usage; 3 the data cannot be read.

Examples:
  twintap rules suggest > noise.yaml
  twintap rules suggest --proto ./protos --output noise.yaml
  twintap rules suggest --rules rules.yaml --method 'shop.v1.Shop/*' --since 1h
  twintap rules check noise.yaml && twintap compare --rules noise.yaml";

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    check_output(args)?;
    let learning = learning(args)?;
    data_dir::refuse_absent(&args.data_dir)?;
    data_dir::refuse_newer(&args.data_dir)?;
    let selection = &learning.selection;
    let dataset = Dataset::open_within(&args.data_dir, selection.widened_ns())?;
    let progress = progress(dataset.rows());
    let (learned, has_calls) = learning.run(&dataset, |rows| progress.inc(rows))?;
    progress.finish_and_clear();
    let yaml = learned.to_yaml();
    match &args.output {
        Some(file) => write_whole(file, yaml.as_bytes())
            .with_context(|| format!("failed to write rules {}", file.display()))?,
        None => terminal::print(&yaml)?,
    }
    learned.summary().into_iter().for_each(terminal::tell);
    if !has_calls && let Some(why) = why_nothing(selection, &args.data_dir, None)? {
        terminal::tell(why);
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses an output that is a folder, or a file that holds something.
fn check_output(args: &Args) -> anyhow::Result<()> {
    if let Some(file) = args.output.as_ref().filter(|file| file.is_dir()) {
        let what = format!("--output {} is a folder", file.display());
        return Err(UsageError(what).into());
    }
    let holds_something = |file: &&PathBuf| {
        let there = std::fs::metadata(file);
        there.is_ok_and(|there| there.is_file() && there.len() > 0)
    };
    let output = args.output.as_ref().filter(|_| !args.force);
    match output.filter(holds_something) {
        Some(file) => Err(UsageError::error(format!(
            "--output {} is there already: give another name, or --force to replace it",
            file.display()
        ))),
        None => Ok(()),
    }
}

/// What the arguments come to.
fn learning(args: &Args) -> anyhow::Result<Learning> {
    let rules = args.rules.load_and_warn()?;
    Ok(Learning {
        comparing: compare::Settings {
            schema: args.types.load()?,
            rules,
            ..compare::Settings::default()
        },
        pairing: pair::Settings {
            by_digest: args.pair_by_digest,
            candidate: args.candidate.clone(),
            ..pair::Settings::default()
        },
        thresholds: Thresholds {
            relative: args.relative_over,
            absolute: args.absolute_over,
            pairs_min: args.min_pairs,
        },
        selection: args.selection.selection()?,
        memory_bytes_max: args.memory_mib.saturating_mul(1024 * 1024),
    })
}
