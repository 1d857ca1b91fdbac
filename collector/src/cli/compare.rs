//! `twintap compare`: reads the dataset bucket by bucket, pairs, compares, reports.
//!
//! Memory: the calls of a few passes of [`passes`], about `--memory-mib`, a batch of rows for each of the three
//! that are read at a time, the layouts of up to 512 parts (160 KiB each), plus the sums (at most
//! [`GROUPS_MAX`](crate::report::aggregate::GROUPS_MAX) groups).

pub(super) mod output;
mod watch;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use uuid::Uuid;

use super::rules::RulesArgs;
use super::schema_args::SchemaArgs;
use super::selection::{Selection, SelectionArgs};
use super::terminal;
use crate::compare::{self, Schema};
use crate::pair::{self, Pairing};
use crate::pipeline::passes::{self, pair_dataset};
use crate::report::gate::Condition;
use crate::report::{Aggregate, CoverageSums, Loss, Report, Scope, Thresholds, rows};
use crate::store::data_dir::{self, DataDirError};
use crate::store::parquet::{Dataset, DifferencesWriter, PairsWriter, Projection, ReadError};

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
    let plan = Plan::of(&args)?;
    args.output.check()?;
    args.watch.check(&args.output)?;
    data_dir::refuse_absent(&args.data_dir)?;
    if plan.writes {
        may_write(&args.data_dir)?;
    }
    if let Some(interval) = args.watch.interval() {
        return watch::run(&args, plan, interval);
    }
    let report = plan.open().and_then(|found| plan.compare(&found, None));
    let report = report.map_err(say_what_helps)?;
    args.output.write_files(&report)?;
    terminal::answered(args.output.print(&report))?;
    plan.explain_nothing(&report)?;
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
struct Plan {
    comparing: compare::Settings,
    pairing: pair::Settings,
    thresholds: Thresholds,
    selection: Selection,
    data_dir: PathBuf,
    scope: Scope,
    memory_bytes_max: u64,
    run_id: Uuid,
    writes: bool,
}

/// What is there at a moment.
struct Snapshot {
    dataset: Dataset,
    loss: Option<Loss>,
}

impl Snapshot {
    /// Is it the same as `other`? Parts never change: other ones come.
    fn is_same(&self, other: &Self) -> bool {
        self.loss == other.loss && self.dataset.paths().eq(other.dataset.paths())
    }
}

impl Plan {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let selection = args.selection.selection()?;
        let writes = !args.no_write && args.watch.interval().is_none();
        let schema = args.types.load()?;
        let rules = args.rules.load_and_warn()?;
        Ok(Self {
            data_dir: args.data_dir.clone(),
            scope: Scope {
                data_dir: args.data_dir.display().to_string(),
                since: selection.since(),
                until: selection.until(),
                method: selection.method.clone(),
                writes_datasets: writes,
                has_descriptors: args.types.are_given(),
                ..Scope::default()
            },
            comparing: compare::Settings {
                schema,
                default_ignores: !args.no_default_ignores,
                rules,
            },
            pairing: pair::Settings {
                by_digest: args.pair_by_digest,
                candidate: args.candidate.clone(),
                ..pair::Settings::default()
            },
            thresholds: Thresholds {
                fail_over: args.fail_over,
                incomplete_over: args.incomplete_over,
                conditions: args.fail_if.clone(),
            },
            selection,
            memory_bytes_max: args.memory_mib.saturating_mul(1024 * 1024),
            run_id: args.run_id.unwrap_or_else(Uuid::now_v7),
            writes,
        })
    }

    fn open(&self) -> anyhow::Result<Snapshot> {
        let data_dir = &self.data_dir;
        data_dir::refuse_newer(data_dir)?;
        let loss = Loss::load(data_dir)?;
        let dataset = Dataset::open_within(data_dir, self.selection.widened_ns())?;
        Ok(Snapshot { dataset, loss })
    }

    /// Partners of calls that started at `awaiting_from_ns` or later may still come.
    fn compare(
        &self,
        snapshot: &Snapshot,
        awaiting_from_ns: Option<u64>,
    ) -> anyhow::Result<Report> {
        let Snapshot { dataset, loss } = snapshot;
        let is_all = self.selection.widened_ns() == (0..u64::MAX);
        let loss = loss.clone();
        let loss = loss.map(|loss| loss.among(&self.data_dir, dataset, is_all));
        let loss = loss.transpose()?;
        dataset.verify()?;
        let schema = self.comparing.schema.clone();
        let coverage = schema
            .as_ref()
            .map(|schema| CoverageSums::new(schema.pool().clone(), self.selection.method.clone()));
        let mut aggregate = coverage
            .map_or_else(Aggregate::default, Aggregate::with_coverage)
            .with_drift(schema.as_ref().and_then(Schema::drift))
            .with_rules(&self.comparing.rules)
            .with_schema(schema.clone());
        let mut results = Results::create(&self.data_dir, self.run_id, self.writes)?;
        let progress = progress(dataset.rows());
        let reading = passes::Settings {
            memory_bytes_max: self.memory_bytes_max,
            projection: Projection::Everything,
            pairing: pair::Settings {
                awaiting_from_ns,
                ..self.pairing.clone()
            },
        };
        pair_dataset(
            dataset,
            &reading,
            |call| self.selection.may_want(call),
            |rows| progress.inc(rows),
            |pairing| self.pass(pairing, &mut aggregate, &mut results),
        )?;
        results.finish()?;
        progress.finish_and_clear();
        let schema = schema.unwrap_or_default();
        let run_id = self.run_id.to_string();
        let knows = |method: &str| schema.knows(method);
        let (scope, thresholds) = (self.scope.clone(), self.thresholds.clone());
        Ok(aggregate.into_report(run_id, scope, loss, thresholds, knows))
    }

    /// Compares the pairs of a pass.
    fn pass(
        &self,
        pairing: &Pairing,
        aggregate: &mut Aggregate,
        results: &mut Results,
    ) -> anyhow::Result<()> {
        aggregate.add_pass(pairing);
        let range_ns = self.selection.range_ns();
        for pair in &pairing.pairs {
            if !range_ns.contains(&pair.primary.started_unix_ns) {
                continue;
            }
            let verdict = compare::compare(&pair.primary, &pair.candidate, &self.comparing);
            aggregate.add_pair(pair, &verdict);
            results.push_pair(pair, &verdict)?;
        }
        for unpaired in &pairing.unpaired {
            if range_ns.contains(&unpaired.call.started_unix_ns) {
                aggregate.add_unpaired(unpaired);
                results.push_unpaired(unpaired)?;
            }
        }
        Ok(())
    }

    /// Says why a report is empty.
    fn explain_nothing(&self, report: &Report) -> anyhow::Result<()> {
        let (calls, pairs) = (report.completeness.calls, report.completeness.pairs);
        let candidate = self.pairing.candidate.as_deref();
        if calls > 0 && (pairs > 0 || candidate.is_none()) {
            return Ok(());
        }
        if let Some(why) = self.selection.why_nothing(&self.data_dir, candidate)? {
            terminal::tell(why);
        }
        Ok(())
    }
}

/// The `pairs` and `differences` datasets of a run, if they are wanted.
struct Results(Option<(PairsWriter, DifferencesWriter)>);

impl Results {
    fn create(data_dir: &Path, run_id: Uuid, wanted: bool) -> anyhow::Result<Self> {
        if !wanted {
            return Ok(Self(None));
        }
        let pairs = PairsWriter::create(data_dir, run_id)
            .context("failed to write what is found (--no-write leaves that out)")?;
        Ok(Self(Some((
            pairs,
            DifferencesWriter::create(data_dir, run_id)?,
        ))))
    }

    fn push_pair(&mut self, pair: &pair::Pair, verdict: &compare::Verdict) -> anyhow::Result<()> {
        let Some((pairs, differences)) = &mut self.0 else {
            return Ok(());
        };
        pairs.push(rows::pair_row(pair, verdict))?;
        for row in rows::difference_rows(pair, verdict) {
            differences.push(row)?;
        }
        Ok(())
    }

    fn push_unpaired(&mut self, unpaired: &pair::Unpaired) -> anyhow::Result<()> {
        if let Some((pairs, _)) = &mut self.0 {
            pairs.push(rows::unpaired_row(unpaired))?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let Some((pairs, differences)) = self.0 {
            differences.finish()?;
            pairs.finish()?;
        }
        Ok(())
    }
}

pub(super) fn progress(calls: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(calls), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("comparing {bar:40} {human_pos} of {human_len} calls, {eta}")
    {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    // As a person reads it: 0.7 divided by 100 is not 0.007.
    let written = match text.strip_suffix('%') {
        Some(percent) => format!("{}e-2", percent.trim_end()),
        None => text.to_owned(),
    };
    match written.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("not a share: give 0 to 1, or 0% to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions_or_percentages() {
        for (text, share) in [
            ("0", 0.0),
            ("0.001", 0.001),
            ("0.1%", 0.001),
            ("0.7 %", 0.007),
            ("100%", 1.0),
        ] {
            assert_eq!(parse_rate(text), Ok(share), "{text}");
        }
        for text in ["1.1", "101%", "-1%", "%", "NaN", "1e-2%", "1%%", ""] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
