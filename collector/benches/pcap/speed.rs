//! Runs the programs and takes their times.

use std::cell::RefCell;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_setaffinity};
use twintap::sources::capture::{Chunk, Chunks, Heard, Input, Sorter, Source, Watcher};
use twintap_decode::capture::{Damage, Packet, Secrets};
use twintap_decode::link::LinkConfig;

use super::copies;

/// Runs of each; the best counts, because others use the machine too.
const RUNS: usize = 7;
/// Copies of captures that are otherwise over before the start of the program stops counting.
const COPIES: u8 = 4;
/// The core everything is pinned to.
const CORE: usize = 0;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) unary: Decoded,
    pub(crate) mixed: Decoded,
    pub(crate) tls: Decoded,
    pub(crate) ingest_mb_per_s: f64,
    pub(crate) two_core_speedup: f64,
    /// Of two programs that have nothing to do with each other: what the machine gives.
    pub(crate) two_process_speedup: f64,
    pub(crate) rss_mib: f64,
    pub(crate) tcpdump_mb_per_s: Option<f64>,
    pub(crate) tshark_mb_per_s: Option<f64>,
}

/// Speed of decoding a capture to finished calls in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) mb_per_s: f64,
    pub(crate) calls_per_s: f64,
    pub(crate) messages_per_s: f64,
}

impl Decoded {
    fn best(self, other: Self) -> Self {
        if other.mb_per_s > self.mb_per_s {
            other
        } else {
            self
        }
    }
}

/// Measures all, round by round. `tls` is a capture with its secrets inside.
pub(crate) fn interleaved(unary: &Path, mixed: &Path, tls: &Path) -> Runs {
    let mut runs = Runs::default();
    let megabytes = |path: &Path| std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    let size = megabytes(unary);
    let (mut one_core, mut two_cores, mut ingest) = (f64::MAX, f64::MAX, f64::MAX);
    let (mut two_processes, mut tcpdump) = (f64::MAX, None);
    let folder = tempfile::tempdir().unwrap();
    let larger = folder.path().join("larger.pcap");
    copies::write(&[unary, mixed], COPIES, &larger);
    for _ in 0..RUNS {
        pin(&[CORE]);
        runs.unary = runs.unary.best(decode(unary));
        runs.mixed = runs.mixed.best(decode(mixed));
        // It is small, so that more runs cost nothing.
        for _ in 0..RUNS {
            runs.tls = runs.tls.best(decode(tls));
        }
        let data = tempfile::tempdir().unwrap();
        let data_dir = data.path().join("data");
        let arguments = ["--threads", "1", "--data-dir", data_dir.to_str().unwrap()];
        ingest = ingest.min(twintap(&arguments, &[unary]).0);
        let count_only = |threads| ["--format", "none", "--threads", threads];
        one_core = one_core.min(twintap(&count_only("1"), &[&larger]).0);
        tcpdump = faster(
            tcpdump,
            run("tcpdump", &["-r"], unary, &["-w", "/dev/null"]),
        );
        pin(&[CORE, CORE + 1]);
        let (seconds, rss_mib) = twintap(&count_only("2"), &[&larger]);
        two_cores = two_cores.min(seconds);
        two_processes = two_processes.min(beside_each_other(&count_only("1"), &larger));
        runs.rss_mib = runs.rss_mib.max(rss_mib);
    }
    pin(&[CORE]);
    let fields = [
        "-d",
        "tcp.port==50051,http2",
        "-T",
        "json",
        "-J",
        "http2 grpc",
    ];
    let tshark = run("tshark", &["-r"], unary, &fields);
    pin(&[CORE, CORE + 1]);
    runs.ingest_mb_per_s = size / ingest;
    runs.two_core_speedup = one_core / two_cores;
    runs.two_process_speedup = 2.0 * one_core / two_processes;
    runs.tcpdump_mb_per_s = tcpdump.map(|seconds| size / seconds);
    runs.tshark_mb_per_s = tshark.map(|seconds| size / seconds);
    runs
}

/// What `twintap ingest --format ndjson` prints of `capture`.
pub(crate) fn lines(capture: &Path, key_log: Option<&Path>) -> String {
    let key_log = key_log.map(|path| [Path::new("--tls-keylog"), path]);
    let output = Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["ingest", "--quiet", "--format", "ndjson"])
        .args(key_log.into_iter().flatten())
        .arg(capture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).unwrap();
}

/// Hears a capture and follows its connections, all on one thread.
struct Inline {
    sorter: Sorter,
    watcher: Watcher,
    calls: u64,
    messages: u64,
}

impl Inline {
    fn count(&mut self) {
        for call in self.watcher.take() {
            self.calls += 1;
            let halves = [&call.request, &call.response];
            self.messages += halves
                .map(|half| half.body.messages().len() as u64)
                .iter()
                .sum::<u64>();
        }
    }
}

impl Heard for Inline {
    fn packet(&mut self, chunk: &[u8], packet: &Packet<'_>) {
        self.sorter.packet(chunk, packet);
    }

    fn damage(&mut self, input: &str, damage: Damage) {
        panic!("{input}: {damage}");
    }

    fn secrets(&mut self, secrets: Secrets<'_>) {
        self.watcher.secrets(secrets.bytes);
    }

    fn chunk(&mut self, chunk: &Chunk) {
        for parcel in self.sorter.take(0) {
            self.watcher.segment(&parcel.segment(chunk));
        }
        self.count();
    }

    fn is_over(&mut self) -> bool {
        false
    }
}

/// Reads and decodes a file to finished calls; messages are not decompressed.
fn decode(path: &Path) -> Decoded {
    let started = Instant::now();
    let mut input = Input::open(
        Source::Path(path.to_owned()),
        Arc::default(),
        Arc::default(),
    )
    .unwrap();
    let mut inline = Inline {
        sorter: Sorter::new(LinkConfig::default(), Vec::new(), 1),
        watcher: Watcher::new(0, 1),
        calls: 0,
        messages: 0,
    };
    Chunks::default().read(&mut input, &mut inline).1.unwrap();
    let (rest, _) = inline.watcher.finish();
    let seconds = started.elapsed().as_secs_f64();
    let calls = inline.calls + rest.len() as u64;
    Decoded {
        mb_per_s: std::fs::metadata(path).unwrap().len() as f64 / 1e6 / seconds,
        calls_per_s: calls as f64 / seconds,
        messages_per_s: inline.messages as f64 / seconds,
    }
}

/// Runs `twintap ingest`; answers seconds and the most memory it held, in MiB.
fn twintap(arguments: &[&str], captures: &[&Path]) -> (f64, f64) {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["ingest", "--quiet"])
        .args(arguments)
        .args(captures)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let rss_kib = RefCell::new(0.0_f64);
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let high_water = status.ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        });
        rss_kib.replace_with(|most| most.max(high_water.unwrap_or(0.0)));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut told = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert!(status.success(), "{status}: {told}");
    (seconds, rss_kib.into_inner() / 1024.0)
}

/// Seconds until both of two programs have ended, of which each has a core.
fn beside_each_other(arguments: &[&str], capture: &Path) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for core in [CORE, CORE + 1] {
            scope.spawn(move || {
                pin(&[core]);
                twintap(arguments, &[capture])
            });
        }
    });
    started.elapsed().as_secs_f64()
}

/// Seconds that another program takes; `None` if it is not there.
fn run(program: &str, before: &[&str], capture: &Path, after: &[&str]) -> Option<f64> {
    let started = Instant::now();
    let status = Command::new(program)
        .args(before)
        .arg(capture)
        .args(after)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    status.success().then(|| started.elapsed().as_secs_f64())
}

fn faster(best: Option<f64>, time: Option<f64>) -> Option<f64> {
    match (best, time) {
        (Some(best), Some(time)) => Some(best.min(time)),
        (best, time) => best.or(time),
    }
}
