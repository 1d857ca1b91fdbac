//! `twintap compare`: what a [`Comparison`] of the data directory comes to.

mod output;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use uuid::Uuid;

use super::progress::progress;
use super::rules::RulesArgs;
use super::schema_args::SchemaArgs;
use super::selection::{SelectionArgs, why_nothing};
use super::terminal;
use super::values::parse_rate;
use crate::compare;
use crate::pair;
use crate::pipeline::comparison::{Comparison, Snapshot};
use crate::report::gate::Condition;
use crate::report::{Report, Thresholds};
use crate::store::data_dir::{self, DataDirError};
use crate::store::parquet::ReadError;

/// Says what differs between the recorded answers of two services.
///
/// Reads the calls that `twintap serve`, `ingest` or `capture` recorded, checks the files' checksums, pairs
/// primary and candidate, compares each pair and prints a report. Retried, aborted and one-sided calls are
/// counted, never reported as differences.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Data directory of `twintap serve` or `twintap ingest`
    #[arg(value_name = "DATA_DIR", default_value = "./twintap-data")]
    data_dir: PathBuf,

    #[command(flatten)]
    types: SchemaArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    /// Exit code 1 if this is true, such as `mismatch_rate > 0.1%` or
    /// `latency_p99_shift[shop.v1.*] > 20%`; 4 if it cannot be known. May be given several times
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,

    /// Share of judged pairs that may differ (`0.001`, `0.1%`) before the exit code is 1: the same as
    /// `--fail-if 'mismatch_rate > RATE'`. 0 unless a --fail-if says how large that rate of all methods
    /// together may be; one of single methods (`mismatch_rate[...]`) stands beside it
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    fail_over: Option<f64>,

    /// Share of calls that may have no partner or no judgement: the same as
    /// `--fail-if 'incomplete_rate > RATE'`, but with exit code 4
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = parse_rate)]
    incomplete_over: f64,

    #[command(flatten)]
    output: output::OutputArgs,

    #[command(flatten)]
    watch: watch::WatchArgs,

    /// Also count metadata that proxies and transport libraries set
    #[arg(long)]
    no_default_ignores: bool,

    #[command(flatten)]
    rules: RulesArgs,

    /// Pair calls that carry no id by method, request body and order
    #[arg(long)]
    pair_by_digest: bool,

    /// Pair with this one of several candidates that calls were mirrored to: its service, workload,
    /// `version` label or Envoy cluster
    #[arg(long, value_name = "NAME")]
    candidate: Option<String>,

    /// Do not write the `pairs` and `differences` datasets: also for a folder with `calls` that is no data
    /// directory, such as a copy of a part of one
    #[arg(long)]
    no_write: bool,

    /// Memory for calls, about: in quarters for those being compared and those being read ahead. More that
    /// share one id than a quarter holds are not paired, and say so
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..))]
    memory_mib: u64,

    /// Run id instead of a fresh UUIDv7, to make reports repeatable
    #[arg(long, value_name = "UUID", hide = true)]
    run_id: Option<Uuid>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 fine; 1 more pairs differ than --fail-over allows, or a --fail-if is true; 2 usage;
3 the data cannot be read, or a report not written; 4 neither, but the answer is unsafe:
nothing could be judged, or calls were lost and could hide more differences than allowed, or nothing
says whether calls were lost, or more than --incomplete-over have no partner, or the value of a
--fail-if cannot be known.

--fail-if METRIC[METHODS] COMPARISON NUMBER: docs/report.md lists the metrics. Without [METHODS] of
all methods together; with a pattern such as [shop.v1.*] of each method that matches.

Examples:
  twintap compare
  twintap compare --proto ./protos --rules rules.yaml
  twintap compare --descriptors shop.binpb --since 1h --method 'shop.v1.Shop/*'
  twintap compare --reflect old:50051 --candidate-reflect new:50051 --save-descriptors shop.binpb
  twintap compare --output json | jq '.differences[0]'
  twintap compare --fail-if 'mismatch_rate > 0.1%' --fail-if 'latency_p99_shift[*] > 20ms'
  twintap compare --proto old/ --candidate-proto new/ --fail-if 'schema_breaking > 0'
  twintap compare --write-report html=report.html --write-report junit=report.xml
  twintap compare --watch
  duckdb -c \"CREATE VIEW d AS FROM './twintap-data/differences/**/*.parquet';
    FROM d SELECT path, count(*) WHERE run_id = (SELECT max(run_id) FROM d) AND ignored_by IS NULL GROUP BY path\"";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let comparison = comparison(&args)?;
    args.output.check()?;
    args.watch.check(&args.output)?;
    data_dir::refuse_absent(&args.data_dir)?;
    if comparison.writes_datasets {
        may_write(&args.data_dir)?;
    }
    if let Some(interval) = args.watch.interval() {
        return watch::run(&args, comparison, interval);
    }
    let snapshot = comparison.open();
    let report = snapshot.and_then(|snapshot| report_of(&comparison, &snapshot, None));
    let report = report.map_err(say_what_helps)?;
    args.output.write_files(&report)?;
    terminal::answered(args.output.print(&report))?;
    explain_nothing(&comparison, &report)?;
    Ok(ExitCode::from(report.answer.exit_code))
}

/// A damaged file can be got out of the way.
fn say_what_helps(error: anyhow::Error) -> anyhow::Error {
    let read = error.downcast_ref::<ReadError>();
    if read.is_some_and(ReadError::is_of_the_file) {
        error.context("a file of calls cannot be read (twintap fsck --repair moves it aside)")
    } else {
        error
    }
}

/// Refuses to leave `pairs` and `differences` in a folder that is no data directory.
fn may_write(data_dir: &Path) -> anyhow::Result<()> {
    data_dir::check(data_dir).map_err(|error| match error {
        DataDirError::NotOne(_) => anyhow::anyhow!(
            "{error}; --no-write compares the calls below it, and writes nothing there"
        ),
        error => error.into(),
    })
}

/// What the arguments come to.
fn comparison(args: &Args) -> anyhow::Result<Comparison> {
    let selection = args.selection.selection()?;
    let schema = args.types.load()?;
    let rules = args.rules.load_and_warn()?;
    Ok(Comparison {
        data_dir: args.data_dir.clone(),
        selection,
        pairing: pair::Settings {
            by_digest: args.pair_by_digest,
            candidate: args.candidate.clone(),
            ..pair::Settings::default()
        },
        comparing: compare::Settings {
            schema,
            default_ignores: !args.no_default_ignores,
            rules,
        },
        thresholds: Thresholds {
            fail_over: args.fail_over,
            incomplete_over: args.incomplete_over,
            conditions: args.fail_if.clone(),
        },
        memory_bytes_max: args.memory_mib.saturating_mul(1024 * 1024),
        run_id: args.run_id.unwrap_or_else(Uuid::now_v7),
        writes_datasets: !args.no_write && args.watch.interval().is_none(),
    })
}

/// Compares what is there, and shows how far that is.
fn report_of(
    comparison: &Comparison,
    snapshot: &Snapshot,
    awaiting_from_ns: Option<u64>,
) -> anyhow::Result<Report> {
    let progress = progress(snapshot.rows());
    let report = comparison.run(snapshot, awaiting_from_ns, |rows| progress.inc(rows))?;
    progress.finish_and_clear();
    Ok(report)
}

/// Says why a report is empty.
fn explain_nothing(comparison: &Comparison, report: &Report) -> anyhow::Result<()> {
    let (calls, pairs) = (report.completeness.calls, report.completeness.pairs);
    let candidate = comparison.pairing.candidate.as_deref();
    if calls > 0 && (pairs > 0 || candidate.is_none()) {
        return Ok(());
    }
    if let Some(why) = why_nothing(&comparison.selection, &comparison.data_dir, candidate)? {
        terminal::tell(why);
    }
    Ok(())
}
