//! `twintap rules suggest`: learns noise from a data directory and writes it as a rules file.
//!
//! Memory as of `twintap compare`: the calls of a few passes of [`passes`], and the bounded tables of
//! [`crate::noise`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Context as _;

use super::super::UsageError;
use super::super::compare::{output, parse_rate, progress};
use super::super::schema_args::SchemaArgs;
use super::super::selection::{Selection, SelectionArgs};
use super::super::terminal;
use super::RulesArgs;
use crate::call::{Call, Role};
use crate::compare::{self, Verdict};
use crate::noise::{Learned, Learner, Repeats, Source, Thresholds};
use crate::pair::{self, Pair, Pairing, Reason, Unpaired, pair_calls};
use crate::pipeline::passes::{self, pair_dataset};
use crate::store::data_dir;
use crate::store::parquet::{Dataset, Projection};

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
    let plan = Plan::of(args)?;
    data_dir::refuse_absent(&args.data_dir)?;
    data_dir::refuse_newer(&args.data_dir)?;
    let dataset = Dataset::open_within(&args.data_dir, plan.selection.widened_ns())?;
    let (learned, has_calls) = plan.learn(&dataset)?;
    let yaml = learned.to_yaml();
    match &args.output {
        Some(file) => output::write_whole(file, yaml.as_bytes())
            .with_context(|| format!("failed to write rules {}", file.display()))?,
        None => terminal::print(&yaml)?,
    }
    learned.summary().into_iter().for_each(terminal::tell);
    if !has_calls && let Some(why) = plan.selection.why_nothing(&args.data_dir, None)? {
        terminal::tell(why);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the arguments come to.
struct Plan {
    comparing: compare::Settings,
    pairing: pair::Settings,
    thresholds: Thresholds,
    selection: Selection,
    memory_bytes_max: u64,
}

/// What is kept from pass to pass.
#[derive(Default)]
struct Learning {
    learner: Learner,
    repeats: Repeats,
}

impl Plan {
    fn of(args: &Args) -> anyhow::Result<Self> {
        if let Some(file) = args.output.as_ref().filter(|file| file.is_dir()) {
            let what = format!("--output {} is a folder", file.display());
            return Err(UsageError(what).into());
        }
        let holds_something = |file: &&PathBuf| {
            let there = std::fs::metadata(file);
            there.is_ok_and(|there| there.is_file() && there.len() > 0)
        };
        let output = args.output.as_ref().filter(|_| !args.force);
        if let Some(file) = output.filter(holds_something) {
            return Err(UsageError::error(format!(
                "--output {} is there already: give another name, or --force to replace it",
                file.display()
            )));
        }
        let rules = args.rules.load_and_warn()?;
        Ok(Self {
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

    /// What is learned, and whether there was any call to learn from.
    fn learn(&self, dataset: &Dataset) -> anyhow::Result<(Learned, bool)> {
        let mut learning = Learning::default();
        let progress = progress(dataset.rows());
        let reading = passes::Settings {
            memory_bytes_max: self.memory_bytes_max,
            projection: Projection::Everything,
            pairing: self.pairing.clone(),
        };
        let seen = AtomicBool::new(false);
        let is_wanted = |call: &Call| {
            let is_wanted = self.selection.may_want(call);
            seen.fetch_or(is_wanted, Relaxed);
            is_wanted
        };
        pair_dataset(
            dataset,
            &reading,
            is_wanted,
            |rows| progress.inc(rows),
            |pairing| {
                self.pass(pairing, &mut learning);
                Ok(())
            },
        )?;
        progress.finish_and_clear();
        let Learning {
            mut learner,
            repeats,
        } = learning;
        for (first, repeat) in repeats.pairs() {
            learner.add_repeat(first, &self.verdict(first, repeat));
        }
        learner.add_left_out(repeats.left_out());
        Ok((learner.learn(&self.thresholds), seen.into_inner()))
    }

    /// Learns from what became of the calls of whole buckets.
    fn pass(&self, pairing: &Pairing, learning: &mut Learning) {
        let against_second = pair::Settings {
            against: Role::Secondary,
            candidate: None,
            ..self.pairing.clone()
        };
        for pair in self.within(&pair_calls(old_runs(pairing), &against_second)) {
            let verdict = self.verdict(&pair.primary, &pair.candidate);
            learning.learner.add(Source::Secondary, pair, &verdict);
        }
        for pair in self.within(pairing) {
            let verdict = self.verdict(&pair.primary, &pair.candidate);
            learning.learner.add(Source::Candidate, pair, &verdict);
            learning.repeats.add(&pair.primary);
        }
        for unpaired in alone(pairing) {
            if self
                .selection
                .range_ns()
                .contains(&unpaired.call.started_unix_ns)
            {
                learning.repeats.add(&unpaired.call);
            }
        }
    }

    fn within<'p>(&self, pairing: &'p Pairing) -> impl Iterator<Item = &'p Pair> {
        let range_ns = self.selection.range_ns();
        let pairs = pairing.pairs.iter();
        pairs.filter(move |pair| range_ns.contains(&pair.primary.started_unix_ns))
    }

    fn verdict(&self, primary: &Call, candidate: &Call) -> Verdict {
        compare::compare(primary, candidate, &self.comparing)
    }
}

/// Calls of the old service that have no candidate, as far as their pass tells: once and whole. Those that
/// come back from a second look were here before, and come without what they answered.
fn alone(pairing: &Pairing) -> impl Iterator<Item = &Unpaired> {
    let is_alone = |unpaired: &&Unpaired| {
        unpaired.call.role == Role::Primary
            && matches!(unpaired.reason, Reason::CandidateMissing | Reason::NoId)
    };
    let unpaired: &[Unpaired] = match pairing.is_second_look {
        true => &[],
        false => &pairing.unpaired,
    };
    unpaired.iter().chain(&pairing.withheld).filter(is_alone)
}

/// The calls of both runs of the old service; empty where there is no second.
fn old_runs(pairing: &Pairing) -> Vec<Box<Call>> {
    let is_second = |unpaired: &&Unpaired| unpaired.reason == Reason::Secondary;
    let seconds = pairing.unpaired.iter().filter(is_second);
    let mut calls: Vec<Box<Call>> = seconds.map(|unpaired| unpaired.call.clone()).collect();
    if !calls.is_empty() {
        calls.extend(pairing.pairs.iter().map(|pair| pair.primary.clone()));
        calls.extend(alone(pairing).map(|unpaired| unpaired.call.clone()));
    }
    calls
}
