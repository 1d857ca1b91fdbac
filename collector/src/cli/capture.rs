//! `twintap capture`: calls from packets as they pass.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use clap::ArgGroup;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use twintap_capture::{ErrorKind, PROGRAM};
use uuid::Uuid;

use super::UsageError;
use super::core_dump;
use super::packets::destination::Destination;
use super::packets::options::{Format, PacketOptions};
use super::packets::outcome::{Live, Outcome, seconds};
use super::terminal;
use crate::clock::SystemClock;
use crate::config::units;
use crate::pipeline::capture::capture;
use crate::pipeline::ingest::{OnProgress, Progress, Rotation};
use crate::pipeline::signals::stop_on_signals;
use crate::sources::live::{
    LiveSettings, Program, StartError, Told, Watch, find_program, interfaces,
};

/// Captures packets of a network interface, rebuilds gRPC calls and adds them to the dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("what").required(true).args(["interface", "list_interfaces"]))]
pub struct Args {
    /// Which packets, in the language of pcap-filter(7) [default: TCP of the ports given with --port, else
    /// all]
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,

    /// Network interface; `any` is all of them
    #[arg(short, long, value_name = "NAME")]
    interface: Option<String>,

    /// Says which interfaces there are
    #[arg(long)]
    list_interfaces: bool,

    /// Ends after this time, such as 30s or 10m [default: at SIGINT or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    duration: Option<Duration>,

    /// Ends after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    packets_max: Option<u64>,

    /// The kernel's buffer: what comes while nobody reads, such as 64MiB, at most 1GiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = buffer_bytes)]
    buffer_bytes: u32,

    /// Also captures what is not addressed to this machine
    #[arg(long)]
    promiscuous: bool,

    /// A Parquet file is written when its oldest call has waited for so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    rotate_interval: Duration,

    /// Or when its calls take so much memory
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size::<usize>)]
    rotate_bytes: usize,

    /// The program that captures [default: twintap-capture beside this one, else on the PATH]
    #[arg(long, value_name = "PATH")]
    capture_program: Option<PathBuf>,

    #[command(flatten)]
    options: PacketOptions,
}

const AFTER_HELP: &str = "\
Packets are captured by a program of its own, twintap-capture, the only one that needs a privilege:
  sudo setcap cap_net_raw+ep $(command -v twintap-capture)

A call can be seen with the next Parquet file, or with --format ndjson at once. `twintap compare` may run
meanwhile. Packets that the kernel, the interface or twintap-capture dropped are counted; calls that lack
something are flagged. SIGINT (Ctrl-C) or SIGTERM ends: what was captured is written; a second one does not
wait.

Exit codes: 0 fine; 2 usage, no such interface, bad filter; 3 the capture could not start or broke off
(what came before is written); 4 with --strict: packets dropped, bytes lost or calls incomplete; 130 ended
by a second signal.

Examples:
  twintap capture --list-interfaces
  twintap capture -i eth0 --port 50051
  twintap capture -i any 'tcp port 50051 or tcp port 50052' --primary :50051 --candidate :50052
  twintap capture -i lo --port 50051 --duration 30s --format ndjson | jq .method
  twintap compare --pair-by-digest";

/// A key log is read once, and the secrets of a connection are not in it before its first packet.
const NO_KEY_LOG: &str = "--tls-keylog is not for live captures, whose secrets come later: capture with \
    tcpdump, then `twintap ingest --tls-keylog`";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    core_dump::refuse();
    let program = find_program(args.capture_program.as_deref());
    let Some(interface) = &args.interface else {
        return list(&program);
    };
    let options = &args.options;
    if !options.tls_keylog.is_empty() {
        return Err(UsageError(NO_KEY_LOG.to_owned()).into());
    }
    let clock = SystemClock::shared();
    let producer_id = *Uuid::now_v7().as_bytes();
    let stop = Arc::new(AtomicBool::new(false));
    let watch = Arc::<Watch>::default();
    let bar = progress_bar(&args);
    let on_progress = show_progress(bar.clone(), interface.clone(), Arc::clone(&watch));
    let settings = options.settings(Vec::new(), producer_id, on_progress, Arc::clone(&stop))?;
    // Before anything is written: it finds out what cannot be captured.
    let live = live_settings(&args, &program, interface);
    let started = Program::start(&live, Arc::clone(&watch));
    let started = started.map_err(|error| explain(error, &program))?;
    let rotation = Rotation {
        bytes_max: args.rotate_bytes,
        age_max: args.rotate_interval,
    };
    let (progress, told) = (Arc::clone(&settings.progress), Arc::clone(&watch));
    // More would take the cores from those who read packets, which are lost where nobody does.
    let encoders_count = 1;
    let destination = Destination::open(
        options,
        producer_id,
        &clock,
        rotation,
        encoders_count,
        |account| {
            Box::new(move |published| {
                let saved = account.so_far(published, &progress.call_counts(), &told.told());
                if let Err(error) = saved {
                    terminal::tell(format_args!("{error:#}, trying again with the next part"));
                }
            })
        },
    )?;
    stop_on_signals(stop)?;
    let started_unix_ns = clock.unix_ns();
    if let Some(account) = &destination.account {
        account.so_far(0, &Default::default(), &Told::default())?;
    }
    let captured = capture(started, settings, destination.output);
    bar.finish_and_clear();
    let captured = captured?;
    let outcome = Outcome {
        ingested: &captured.ingested,
        is_key_log_given: false,
        are_types_given: options.types.are_given(),
        missing_roles: options.missing_roles(),
        live: Some(Live {
            told: watch.told(),
            broken: captured.broken.map(|broken| broken.to_string()),
        }),
    };
    if let Some(account) = &destination.account {
        account.end(&outcome)?;
    }
    let took_ns = clock.unix_ns().saturating_sub(started_unix_ns);
    outcome.tell(seconds(took_ns), options.quiet);
    Ok(ExitCode::from(outcome.exit_code(options.strict)))
}

fn live_settings(args: &Args, program: &Path, interface: &str) -> LiveSettings {
    let filter = args.filter.join(" ");
    let ports = args.options.port.iter();
    let of_ports: Vec<String> = ports.map(|port| format!("tcp port {port}")).collect();
    LiveSettings {
        program: program.to_owned(),
        interface: interface.to_owned(),
        filter: match filter.trim() {
            "" => of_ports.join(" or "),
            _ => filter,
        },
        buffer_bytes: Some(args.buffer_bytes),
        is_promiscuous: args.promiscuous,
        packets_max: args.packets_max,
        duration: args.duration,
    }
}

/// The program's own limit is 1 GiB.
fn buffer_bytes(text: &str) -> Result<u32, String> {
    match units::size::<u32>(text)? {
        bytes @ 65_536..=1_073_741_824 => Ok(bytes),
        _ => Err("give 64KiB to 1GiB".to_owned()),
    }
}

fn list(program: &Path) -> anyhow::Result<ExitCode> {
    let interfaces = interfaces(program).map_err(|error| explain(error, program))?;
    let mut text = String::new();
    for interface in interfaces {
        let state = if interface.is_up { "up" } else { "down" };
        let addresses = interface.addresses.join(", ");
        text += format!("{:<20} {state:<5} {addresses}", interface.name).trim_end();
        text += "\n";
    }
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What is wrong, and what to do.
fn explain(error: StartError, program: &Path) -> anyhow::Error {
    let StartError::Refused { kind, message } = error else {
        let is_missing = matches!(
            &error,
            StartError::Spawn { error, .. } if error.kind() == std::io::ErrorKind::NotFound
        );
        return match is_missing {
            false => error.into(),
            true => anyhow!(
                "{error}: {PROGRAM} is a program of its own, expected beside twintap or on the PATH; \
                 build it with libpcap-dev installed (cargo build --release -p {PROGRAM} --features \
                 live-capture), or say where it is with --capture-program"
            ),
        };
    };
    match kind {
        ErrorKind::Permission => anyhow!(
            "failed to capture on {message}: it needs the capability CAP_NET_RAW: \
             sudo setcap cap_net_raw+ep {}",
            program.display()
        ),
        ErrorKind::Interface => {
            let names = interfaces(program).unwrap_or_default();
            let names: Vec<_> = names.into_iter().map(|interface| interface.name).collect();
            UsageError::error(format!(
                "failed to capture on {message}: there are {}",
                names.join(", ")
            ))
        }
        ErrorKind::Filter => UsageError::error(format!(
            "failed to use the filter {message}: see pcap-filter(7), such as 'tcp port 50051'"
        )),
        ErrorKind::Other => anyhow!("failed to capture: {message}"),
    }
}

fn progress_bar(args: &Args) -> ProgressBar {
    // Lines on the same terminal are progress enough.
    let is_shared = args.options.format == Format::Ndjson && std::io::stdout().is_terminal();
    if args.options.quiet || is_shared || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{spinner} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show_progress(bar: ProgressBar, interface: String, watch: Arc<Watch>) -> OnProgress {
    OnProgress(Box::new(move |progress: &Progress| {
        if bar.is_hidden() {
            return;
        }
        let (calls, stats) = (progress.call_counts(), watch.told().stats);
        bar.set_message(format!(
            "capturing on {interface}: {} packets, {}, {} calls, {} incomplete, {} packets dropped",
            HumanCount(progress.packets.load(Ordering::Relaxed)),
            HumanBytes(progress.bytes_read.load(Ordering::Relaxed)),
            HumanCount(calls.written),
            HumanCount(calls.incomplete),
            HumanCount(stats.lost()),
        ));
        bar.tick();
    }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn filter(arguments: &[&str]) -> String {
        let command = ["capture", "-i", "lo"].iter().chain(arguments);
        let args = Command::try_parse_from(command).unwrap().args;
        live_settings(&args, Path::new("it"), "lo").filter
    }

    #[test]
    fn ports_are_the_filter_where_none_is_given() {
        assert_eq!(filter(&[]), "");
        assert_eq!(
            filter(&["--port", "1", "--port", "2"]),
            "tcp port 1 or tcp port 2"
        );
        assert_eq!(filter(&["--port", "1", "udp"]), "udp");
        assert_eq!(filter(&["tcp", "port", "7"]), "tcp port 7");
    }

    #[test]
    fn a_buffer_has_a_size_that_the_program_takes() {
        assert_eq!(buffer_bytes("1MiB"), Ok(1 << 20));
        assert_eq!(buffer_bytes("1GiB"), Ok(1 << 30));
        assert!(buffer_bytes("2GiB").is_err() && buffer_bytes("1kB").is_err());
    }
}
