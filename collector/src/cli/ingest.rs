//! `twintap ingest`: calls from captured packets.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use uuid::Uuid;

use super::UsageError;
use super::core_dump;
use super::packets::account::{Account, Already};
use super::packets::destination::Destination;
use super::packets::options::{Format, PacketOptions};
use super::packets::outcome::{Outcome, seconds};
use super::terminal;
use crate::clock::SystemClock;
use crate::pipeline::ingest::{OnProgress, Rotation, ingest};
use crate::pipeline::signals::{EXIT_INTERRUPTED, stop_on_signals};
use crate::sources::capture::{Head, Source, total_bytes};

/// Rebuilds gRPC calls from captured packets and adds them to the dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Files of pcap or pcapng, also compressed with gzip or zstd, in the order of their packets; `-`
    /// is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Also ingest a file whose calls are in the data directory already: they are there twice then
    #[arg(long, conflicts_with = "replace")]
    again: bool,

    /// Remove what earlier ingests of these files wrote to the data directory, and ingest them anew: with other
    /// roles, types or secrets
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    options: PacketOptions,
}

const AFTER_HELP: &str = "\
A summary of packets, connections, streams and calls goes to standard error; its
sums add up. What could not be seen is flagged, never passed off as seen: see
rpc_method_certainty, status_certainty, gap and incomplete in docs/dataset.md.

A method name that was not captured is inferred where calls look like those of
one method alone: of other connections to the same server, or of the types given
(--descriptors, --proto, --reflect).

A file whose calls are in the data directory already is refused, whatever its
name and compression: --replace removes them first. What an interrupted ingest
left of it is replaced in any case; so is an ingest some of whose calls are
gone, unless with --again.

Exit codes: 0 fine, also if the last record of a capture is cut; 2 usage; 3 an
input could not be read (the others were); 4 with --strict: damaged, lost or
incomplete; 130 interrupted, 141 whoever read its lines left (what came before is written).

Examples:
  twintap ingest both.pcapng --primary 10.0.0.5:50051 --candidate :50052
  twintap ingest old.pcap new.pcap.gz --primary 10.0.0.5 --candidate 10.0.0.6
  twintap ingest old.pcap new.pcap.gz --primary 10.0.0.6 --candidate 10.0.0.5 --replace
  twintap ingest --format ndjson --port 50051 traffic.pcap | jq .method
  twintap ingest --tls-keylog keys.log --port 443 --strict traffic.pcap
  dumpcap -i eth0 -w - | twintap ingest - --primary :50051 --candidate :50052
  twintap compare --pair-by-digest";

/// What to do about an ingest that did not come to its end.
const IS_REPLACED: &str =
    "the ingest did not come to its end; the next one of the same files replaces what it wrote";

impl Args {
    /// Only a dataset has calls that are there already.
    fn check(&self) -> anyhow::Result<()> {
        if (self.again || self.replace) && self.options.format != Format::Parquet {
            let option = if self.again { "--again" } else { "--replace" };
            return Err(UsageError::error(format!(
                "{option} is about calls of the data directory: it needs --format parquet"
            )));
        }
        Ok(())
    }

    fn already(&self) -> Already {
        match (self.again, self.replace) {
            (true, _) => Already::Add,
            (_, true) => Already::Replace,
            _ => Already::Refuse,
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    core_dump::refuse();
    args.check()?;
    let clock = SystemClock::shared();
    let options = &args.options;
    // Before anything is written. Among others that can be read, one that cannot costs itself only.
    if let Some(refusals) = refusals_of_all(&args.files) {
        anyhow::bail!(refusals);
    }
    let producer_id = *Uuid::now_v7().as_bytes();
    let stop = Arc::new(AtomicBool::new(false));
    let bar = progress_bar(&args);
    let sources = args.files.iter().cloned().map(Source::Path);
    let shown = bar.clone();
    let on_progress = OnProgress(Box::new(move |progress| {
        shown.set_position(progress.bytes_read.load(Ordering::Relaxed));
    }));
    let settings = options.settings(
        sources.collect(),
        producer_id,
        on_progress,
        Arc::clone(&stop),
    )?;
    let rotation = Rotation::default();
    let encoders_count = options.threads_count();
    let mut destination = Destination::open(
        options,
        producer_id,
        &clock,
        rotation,
        encoders_count,
        |_| Box::new(drop),
    )?;
    if let Some(account) = destination.account.take() {
        destination.account = Some(account.with_files(&args.files, args.already())?);
    }
    stop_on_signals(stop)?;
    let started_unix_ns = clock.unix_ns();
    if let Some(account) = &destination.account {
        account.begin()?;
    }
    let ingested = ingest(settings, destination.output);
    bar.finish_and_clear();
    let is_replaced = destination.account.as_ref().is_some_and(Account::has_files);
    let ingested = match is_replaced {
        true => ingested.context(IS_REPLACED)?,
        false => ingested?,
    };
    let outcome = Outcome {
        ingested: &ingested,
        is_key_log_given: !options.tls_keylog.is_empty(),
        are_types_given: options.types.are_given(),
        missing_roles: options.missing_roles(),
        live: None,
    };
    if let Some(account) = &destination.account {
        account.end(&outcome)?;
    }
    let took_ns = clock.unix_ns().saturating_sub(started_unix_ns);
    outcome.tell(seconds(took_ns), options.quiet);
    if ingested.is_stopped && is_replaced {
        terminal::tell(IS_REPLACED);
    }
    Ok(ExitCode::from(match ingested.is_stopped {
        true => EXIT_INTERRUPTED,
        false => outcome.exit_code(options.strict),
    }))
}

/// Why none of `files` can be read, a line each; `None` if one can be, as far as is seen.
fn refusals_of_all(files: &[PathBuf]) -> Option<String> {
    let refusal = |path: &PathBuf| match Head::read(path) {
        Ok(None) => None,
        Ok(Some(head)) => head
            .refused()
            .map(|damage| format!("{}: {damage}", path.display())),
        Err(error) => Some(error.to_string()),
    };
    let refusals: Option<Vec<String>> = files.iter().map(refusal).collect();
    refusals.map(|refusals| refusals.join("\ntwintap: "))
}

fn progress_bar(args: &Args) -> ProgressBar {
    if args.options.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let total = total_bytes(&args.files);
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "reading {bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}",
        None => "reading {spinner} {bytes}, {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
