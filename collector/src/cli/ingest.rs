//! `twintap ingest`: calls from captured packets.

use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use twintap_decode::link::LinkConfig;
use twintap_filter::hmac::Hmac;
use twintap_filter::methods::{Methods, Names, is_pattern};
use uuid::Uuid;

use super::{EXIT_IO, UsageError, ingest_summary};
use crate::call::{Observer, Role, ServerPattern, Workload};
use crate::clock::SystemClock;
use crate::pipeline::{
    self,
    ingest::{self, Ingested, Output, Progress, Settings},
};
use crate::sources::capture::learn::Descriptors;
use crate::sources::capture::total_bytes;
use crate::store::accounting::{Accounting, Figures};
use crate::store::data_dir::DataDir;
use crate::store::parquet::WriteSettings;

/// Lost data, with `--strict`.
const EXIT_INCOMPLETE: u8 = 4;
/// Stopped by a signal.
const EXIT_INTERRUPTED: u8 = 130;
/// Not asked for: health checks and reflection.
const EXCLUDED_BY_DEFAULT: [&str; 2] = ["grpc.health.v1.Health/*", "grpc.reflection.*"];

/// Rebuilds gRPC calls from captured packets and adds them to the dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// pcap or pcapng files, also compressed with gzip or zstd, in the order of their packets; `-`
    /// is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Data directory to write to
    #[arg(long, value_name = "DIR", default_value = "./twintap-data")]
    data_dir: PathBuf,

    /// Where calls go
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    format: Format,

    /// Only connections with this port at either end; may be given several times. Without it, all
    /// that turn out to speak HTTP/2
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,

    /// Address of the old service: IP, IP:PORT or :PORT; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    primary: Vec<ServerPattern>,

    /// Address of the new service
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    candidate: Vec<ServerPattern>,

    /// Address of a second instance of the old service
    #[arg(long, value_name = "ADDRESS", value_parser = parse_server)]
    secondary: Vec<ServerPattern>,

    /// Name of the service, as a column
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,

    /// Only these methods: `pkg.Service/Method`, `pkg.Service/*` or `pkg.*`; may be given several
    /// times
    #[arg(long, value_name = "METHOD")]
    include_method: Vec<String>,

    /// Not these methods; wins over --include-method
    /// [default: grpc.health.v1.Health/* and grpc.reflection.*]
    #[arg(long, value_name = "METHOD")]
    exclude_method: Vec<String>,

    /// Also treat this metadata name as a secret; may be given several times
    #[arg(long, value_name = "NAME")]
    redact_header: Vec<String>,

    /// File with the key of the hash that replaces secrets; without one, they are dropped
    #[arg(long, value_name = "FILE")]
    redaction_key_file: Option<PathBuf>,

    /// One more UDP port of VXLAN besides 4789 and 8472; may be given several times
    #[arg(long, value_name = "PORT")]
    vxlan_port: Vec<u16>,

    /// FileDescriptorSet of the services, with imports; may be given several times. Names calls of
    /// connections whose beginning was not captured
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,

    /// Threads that rebuild calls [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Exit with 4 if a record was damaged, bytes of an HTTP/2 connection were lost, or a call was not
    /// seen whole
    #[arg(long)]
    strict: bool,

    /// No summary
    #[arg(long)]
    quiet: bool,
}

const AFTER_HELP: &str = "\
A method name that was not captured is inferred where calls look like those of one method alone, on
other connections to the same server or of --descriptors. What could not be seen is flagged, never
passed off as seen: see rpc_method_certainty, status_certainty, gap and
incomplete in docs/dataset.md. Ingesting a file twice stores its calls twice. A summary of packets, connections, streams and calls is written to
standard error; its sums add up.

Exit codes: 0 fine, also if the last record of a capture is cut; 2 usage; 3 an input could not be read
(the others were); 4 with --strict: damaged,
lost or incomplete; 130 interrupted (what came before is written).

Examples:
  twintap ingest old.pcapng new.pcapng.gz --primary 10.0.0.5:50051 --candidate 10.0.0.6:50051
  twintap ingest --format ndjson --port 50051 traffic.pcap | jq .method
  dumpcap -i eth0 -f 'tcp port 50051' -w - | twintap ingest -
  twintap compare --pair-by-digest";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Into the calls dataset, docs/dataset.md
    Parquet,
    /// To standard output, one JSON object a line
    Ndjson,
    /// Nowhere: says what is in the captures, and with --strict whether it is whole
    None,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::shared();
    check_roles(&args)?;
    let producer_id = *Uuid::now_v7().as_bytes();
    let stop = Arc::new(AtomicBool::new(false));
    let bar = progress_bar(&args);
    let settings = settings(&args, producer_id, Arc::clone(&stop), bar.clone())?;
    // Kept until all is written: it is the lock.
    let (output, data_dir) = match args.format {
        Format::None => (Output::Nowhere, None),
        Format::Ndjson => (Output::Lines(Box::new(std::io::stdout())), None),
        Format::Parquet => {
            let data_dir = DataDir::open(&args.data_dir)?;
            let output = Output::Parquet {
                data_dir: data_dir.path().to_owned(),
                settings: WriteSettings::default(),
            };
            (output, Some(data_dir))
        }
    };
    pipeline::stop_on_signals(stop)?;
    let started_unix_ns = clock.unix_ns();
    let account = |figures, damaged_stretches| {
        let Some(data_dir) = &data_dir else {
            return Ok(());
        };
        Accounting::of_capture(&producer_id, figures, damaged_stretches, clock.unix_ns())
            .save_capture(data_dir.path())
            .context("failed to write the accounting")
    };
    // Replaced at the end. Until then, and if the end never comes, nobody knows what is missing.
    account(Figures::default(), 1)?;
    let ingested = ingest::ingest(settings, output);
    bar.finish_and_clear();
    let ingested = ingested?;
    account(figures(&ingested), damaged_stretches(&ingested))?;
    tell(
        &ingested,
        seconds(clock.unix_ns().saturating_sub(started_unix_ns)),
        args.quiet,
    );
    Ok(ExitCode::from(exit_code(&ingested, args.strict)))
}

fn settings(
    args: &Args,
    producer_id: [u8; 16],
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
) -> anyhow::Result<Settings> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut link = LinkConfig::default();
    link.vxlan_ports.extend(&args.vxlan_port);
    let role = |role| move |pattern: &ServerPattern| (*pattern, role);
    let roles = args.primary.iter().map(role(Role::Primary));
    let roles = roles.chain(args.candidate.iter().map(role(Role::Candidate)));
    let roles = roles.chain(args.secondary.iter().map(role(Role::Secondary)));
    Ok(Settings {
        inputs: args.files.clone(),
        workers_count: args.threads.map_or(cores, usize::from),
        link,
        ports: args.port.clone(),
        methods: methods(args)?,
        descriptors: load_descriptors(&args.descriptors)?,
        observer: Observer {
            producer_id,
            workload: Arc::new(Workload {
                service: args.service.clone(),
                recorder_version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Workload::default()
            }),
            roles: roles.collect(),
            redact_headers: names(&args.redact_header, "--redact-header")?,
            redaction_key: args
                .redaction_key_file
                .as_deref()
                .map(read_key)
                .transpose()?,
        },
        clock: SystemClock::shared(),
        progress: Progress(Box::new(move |bytes| bar.set_position(bytes))),
        stop,
    })
}

/// One address has one role.
fn check_roles(args: &Args) -> anyhow::Result<()> {
    let all = [&args.primary, &args.candidate, &args.secondary];
    let all: Vec<_> = all.into_iter().flatten().collect();
    for (index, pattern) in all.iter().enumerate() {
        if all.iter().skip(index + 1).any(|other| other == pattern) {
            return Err(usage(
                "--primary, --candidate and --secondary name the same address".to_owned(),
            ));
        }
    }
    Ok(())
}

fn methods(args: &Args) -> anyhow::Result<Methods> {
    let all = args.include_method.iter().chain(&args.exclude_method);
    if let Some(bad) = all.clone().find(|pattern| !is_pattern(pattern.as_bytes())) {
        return Err(usage(format!(
            "{bad:?} is no method: give pkg.Service/Method, pkg.Service/* or pkg.*"
        )));
    }
    let default = EXCLUDED_BY_DEFAULT.map(str::to_owned);
    let exclude = if args.exclude_method.is_empty() {
        &default[..]
    } else {
        &args.exclude_method
    };
    Ok(Methods {
        include: names(&args.include_method, "--include-method")?,
        exclude: names(exclude, "--exclude-method")?,
    })
}

fn names(list: &[String], option: &str) -> anyhow::Result<Names> {
    let mut names = Names::EMPTY;
    for name in list {
        if names.push(name.as_bytes()).is_none() {
            return Err(usage(format!(
                "{option} is given too often: at most 64 times, 4096 bytes"
            )));
        }
    }
    Ok(names)
}

fn load_descriptors(files: &[PathBuf]) -> anyhow::Result<Option<Descriptors>> {
    let (mut encoded, mut descriptors) = (Vec::new(), None);
    for file in files {
        let name = file.display();
        let bytes = std::fs::read(file)
            .map_err(|error| usage(format!("failed to read descriptors {name}: {error}")))?;
        encoded.push(bytes);
        // With those before it, so that the one that does not fit is named.
        let all = encoded.iter().map(Vec::as_slice);
        let known = Descriptors::new(all)
            .map_err(|error| usage(format!("failed to use descriptors {name}: {error}")))?;
        descriptors = Some(known);
    }
    Ok(descriptors)
}

fn read_key(path: &Path) -> anyhow::Result<Hmac> {
    let key = std::fs::read(path).map_err(|error| {
        usage(format!(
            "failed to read the key {}: {error}",
            path.display()
        ))
    })?;
    let key = key.trim_ascii();
    if key.is_empty() {
        return Err(usage(format!("the key {} is empty", path.display())));
    }
    Ok(Hmac::new(key))
}

/// `IP`, `IP:PORT`, `[IPv6]:PORT` or `:PORT`.
fn parse_server(text: &str) -> Result<ServerPattern, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(ServerPattern {
            address: Some(address.ip()),
            port: Some(address.port()),
        });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ServerPattern {
            address: Some(address),
            port: None,
        });
    }
    let port = text
        .strip_prefix(':')
        .and_then(|port| port.parse::<u16>().ok());
    match port {
        Some(port) => Ok(ServerPattern {
            address: None,
            port: Some(port),
        }),
        None => Err("give IP, IP:PORT or :PORT".to_owned()),
    }
}

fn progress_bar(args: &Args) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
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

/// Streams of which too little was captured to be calls are calls lost, as far as anyone knows.
fn figures(ingested: &Ingested) -> Figures {
    let (streams, calls) = (&ingested.watched.streams, &ingested.calls);
    let named = |name: &str, count: u64| (name.to_owned(), count);
    Figures {
        observed: streams.streams,
        recorded: calls.written,
        received: calls.written,
        stored: calls.written,
        published: calls.written,
        dropped: [named("not_captured", streams.given_up)].into(),
        skipped: [
            named("not_grpc", streams.not_grpc),
            named("method_excluded", calls.excluded),
        ]
        .into(),
        ..Figures::default()
    }
}

/// Places in the captures where calls may have been that nobody saw.
fn damaged_stretches(ingested: &Ingested) -> u64 {
    ingested.input_errors.len() as u64
        + ingested.reader.damages
        + ingested.link.broken.total()
        + ingested.watched.gaps
}

/// Warnings and the summary, on standard error.
fn tell(ingested: &Ingested, seconds: f64, quiet: bool) {
    let mut text = String::new();
    for error in &ingested.input_errors {
        text += &format!("twintap: {error}\n");
    }
    for (input, damage) in &ingested.damages {
        text += &format!("twintap: {input}: {damage}\n");
    }
    let told = ingested.damages.len() as u64;
    if let Some(more @ 1..) = ingested.reader.damages.checked_sub(told) {
        text += &format!("twintap: and {more} more damaged records\n");
    }
    if !quiet {
        text += &ingest_summary::summary(ingested, seconds);
    }
    // With standard error closed there is nobody to tell.
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
}

fn exit_code(ingested: &Ingested, strict: bool) -> u8 {
    let (watched, calls) = (&ingested.watched, &ingested.calls);
    let failed = !ingested.input_errors.is_empty() || ingested.unreadable_inputs > 0;
    let lacks = damaged_stretches(ingested) > 0
        || watched.unread_bytes > 0
        || watched.streams.given_up > 0
        || calls.incomplete > 0;
    if ingested.is_stopped {
        EXIT_INTERRUPTED
    } else if failed {
        EXIT_IO
    } else if strict && lacks {
        EXIT_INCOMPLETE
    } else {
        0
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people, of two digits")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn usage(message: String) -> anyhow::Error {
    UsageError(message).into()
}
