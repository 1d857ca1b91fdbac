//! The power goes at any moment: what was acknowledged is stored, once, whatever of the rest the disk
//! has kept.
//!
//! ```text
//! twintap serve, traced ──▶ steps ──▶ disk model, cut at a random step ──▶ data directory
//!                                         the collector starts on it, takes the rest, drains ──▶ oracle
//! ```
//!
//! One cycle is recorded: a first start, batches, Parquet, kill -9, a second start, more batches, a
//! drain. Then thousands of times the collector is run, within this process, on what a cut has left.

mod disk;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use twintap::call::PAIR_BUCKETS;
use twintap::clock::SystemClock;
use twintap::config::{Config, Layers, Origin};
use twintap::pipeline::serve::{self, Settings};
use twintap::store::fsck;
use twintap::store::parquet::{Dataset, Projection};
use twintap_e2e::wait;

use crate::batch::{Batch, MARK_HEADER};
use crate::client::Client;
use crate::collector::{Collector, PATIENCE, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::{self, Oracle, Rows, Verdict, hex};
use crate::parallel;
use crate::random::Random;
use crate::strace;
use disk::Disk;
use trace::Step;

const KEYS: [&str; 2] = ["publish_interval=100ms", "segment_records_max=10"];
/// Batches of each of the two runs; two fill a segment.
const BATCHES: u64 = 4;
const BATCH_RECORDS: u64 = 5;
/// Attempts at a recording in which no call is cut off by the kill.
const RECORDINGS_MAX: u32 = 10;
const CUTS: [u64; 2] = [10_000, 200];

/// What a collector did to its disk, and said.
struct Recording {
    /// The folder that holds the data directory.
    folder: PathBuf,
    steps: Vec<Step>,
    _place: Place,
}

/// Batches of a run, in the order in which they are posted.
fn batches(run: u64) -> impl Iterator<Item = Batch> {
    let first = run * BATCHES + 1;
    (first..first + BATCHES).map(|sequence| Batch {
        producer: 0,
        sequence,
        records: BATCH_RECORDS,
        message_bytes: 0,
    })
}

impl Recording {
    async fn make() -> Self {
        for _ in 0..RECORDINGS_MAX {
            if let Some(recording) = Self::try_make().await {
                return recording;
            }
        }
        panic!("each kill came within a call");
    }

    async fn try_make() -> Option<Self> {
        let place = Place::new(&KEYS);
        let mut text = String::new();
        for run in 0..2 {
            let trace = place.file(&format!("trace-{run}"));
            let mut collector = place.spawn(&tracer(&trace));
            let ready = collector.ready().await;
            assert!(ready.is_ok(), "{}", collector.log());
            let mut client = collector.client();
            for batch in batches(run) {
                let answer = client.post(batch, &Oracle::default()).await;
                assert!(answer.is_ok_and(|answer| answer.status.is_success()));
            }
            drop(client);
            let program = collector.process.child("twintap");
            match run {
                0 => {
                    published(&place).await;
                    kill(&mut collector, program).await;
                }
                _ => collector.terminate_traced(program).await,
            }
            text += &fs::read_to_string(&trace).expect("strace wrote it");
        }
        let folder = place.data_dir().parent()?.to_owned();
        Some(Self {
            folder,
            steps: trace::read(&text)?,
            _place: place,
        })
    }

    /// The disk when all was done up to a line of the trace, and how many batches were acknowledged by
    /// then. Of calls on their way some are done.
    fn at(&self, line: usize, random: &mut Random) -> (Disk, usize) {
        let mut disk = Disk::new(&self.folder);
        let mut acknowledged = 0;
        for step in &self.steps {
            let is_done = step.ended <= line || (step.began <= line && random.below(2) == 0);
            acknowledged += usize::from(step.began <= line && step.action.acknowledges());
            if is_done {
                disk.apply(step);
            }
        }
        (disk, acknowledged)
    }

    fn lines(&self) -> usize {
        self.steps.last().map_or(0, |step| step.ended + 1)
    }

    /// A run of the collector on what is left of the disk; also, whether it told of damage.
    async fn run(&self, seed: u64) -> (Verdict, bool) {
        let what = format!("TWINTAP_SEED={seed}");
        let mut random = Random::new(seed);
        let line = random.below(self.lines() as u64);
        let line = usize::try_from(line).expect("it is below a length");
        let (disk, acknowledged) = self.at(line, &mut random);
        let oracle = Oracle::default();
        for (index, batch) in batches(0).chain(batches(1)).enumerate() {
            oracle.posted(batch);
            if index < acknowledged {
                oracle.was_acknowledged(batch);
            }
        }
        let mut folder = in_memory();
        // A failure leaves it to be looked at.
        folder.disable_cleanup(true);
        let what = format!("{what}, line {line}, {}", folder.path().display());
        let may_leave_gaps = disk.may_leave_gaps();
        disk.cut(&mut random, folder.path());
        let data_dir = folder.path().join("data");
        settle(&data_dir, &oracle, &what).await;
        let (verdict, damaged) = oracle.judge_rows(&rows(&data_dir), &data_dir, &what);
        // A program that another test starts has the lock's file too, until it is executed.
        let checked = wait::until("the directory is free", PATIENCE, async || {
            let checked = fsck::check(&data_dir, None, |_| {}).expect("it is readable");
            let is_in_use = |found: &fsck::Finding| found.what.starts_with("in use");
            (!checked.findings.iter().any(is_in_use)).then_some(checked)
        })
        .await;
        // Of two writes that were not synced the second may be there without the first. Nothing tells that from
        // a disk that lost what it had synced, so it is told, though nothing acknowledged is lost.
        let is_told = !checked.findings.is_empty() || damaged > 0;
        assert!(
            may_leave_gaps || !is_told,
            "{what}: {checked:?}, {damaged} damaged"
        );
        fs::remove_dir_all(folder.path()).expect("it is the test's own");
        (verdict, is_told)
    }
}

fn tracer(trace: &Path) -> Vec<String> {
    let mut tracer: Vec<String> = ["strace", "-f", "-q", "-xx", "-s", "1000000", "-o"]
        .map(str::to_owned)
        .into();
    tracer.push(trace.to_string_lossy().into_owned());
    tracer.push(format!("--trace={}", trace::CALLS));
    tracer
}

/// Waits until what was posted is in Parquet and its segments are gone.
async fn published(place: &Place) {
    let accounting = place.data_dir().join("accounting.json");
    wait::until_true("all is in Parquet", PATIENCE, async || {
        let text = fs::read(&accounting).unwrap_or_default();
        let figures: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        figures["total"]["published"] == BATCHES * BATCH_RECORDS
    })
    .await;
}

async fn kill(collector: &mut Collector, program: Option<u32>) {
    let program = program.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(program.expect("it runs"), Signal::KILL).expect("it is ours");
    collector.process.ended(PATIENCE).await;
}

/// A folder in memory, where there is one, as nothing here needs a disk.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("temporary directory")
}

/// A collector starts, takes what was not acknowledged, and drains.
async fn settle(data_dir: &Path, oracle: &Oracle, what: &str) {
    let mut layers = Layers::default();
    let directory = data_dir.to_string_lossy().into_owned();
    let pairs = KEYS.iter().filter_map(|pair| pair.split_once('='));
    for (key, value) in pairs.chain([("data_dir", directory.as_str())]) {
        let set = layers.set(key, value.to_owned(), Origin::Default);
        set.expect("the key exists");
    }
    let config = Config::from_layers(&layers).expect("it is valid");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let shutdown = CancellationToken::new();
    let run = serve::run(
        listener,
        Settings::from(&config),
        SystemClock::shared(),
        shutdown.clone(),
    );
    let post = async {
        is_open(address).await.expect("it answers");
        let posted = post(address, oracle).await;
        shutdown.cancel();
        posted
    };
    let both = async { tokio::join!(Box::pin(run), post) };
    let (ended, posted) = tokio::time::timeout(PATIENCE, both)
        .await
        .unwrap_or_else(|_| panic!("{what}: no end"));
    ended.unwrap_or_else(|error| panic!("{what}: {error}"));
    posted.unwrap_or_else(|error| panic!("{what}: {error:#}"));
}

/// Waits for an answer: asked to end before, it does not look at what is there.
async fn is_open(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

async fn post(address: SocketAddr, oracle: &Oracle) -> anyhow::Result<()> {
    let mut client = Client::new(address);
    for batch in oracle.unacknowledged() {
        let answer = client.post(batch, oracle).await?;
        anyhow::ensure!(answer.status.is_success(), "{answer:?}");
    }
    Ok(())
}

/// What is stored, with our own reader.
fn rows(data_dir: &Path) -> Rows {
    let dataset = Dataset::open(data_dir).expect("every file is readable");
    let buckets = 0..u16::try_from(PAIR_BUCKETS).expect("few");
    let calls = dataset.calls_in_buckets(buckets, Projection::Everything);
    oracle::checked(calls.map(|call| {
        let call = call.expect("every call is readable");
        let mut metadata = call.request_metadata.iter();
        let found = metadata.find(|header| header.name == MARK_HEADER);
        let found = String::from_utf8_lossy(&found.expect("a mark").value).into_owned();
        (hex(&call.id.producer_id), call.id.record_number, found)
    }))
}

#[test]
fn a_power_cut_at_any_moment_costs_nothing_acknowledged() {
    if !strace::is_possible("power cuts") {
        return;
    }
    let mut random = Random::of_run("power cut");
    let mut figures = Figures::new(
        "power cut",
        "a simulated disk loses power at a random step of two runs; what was not synced is kept, \
         missing, torn or zero, in any order",
        random.seed(),
    );
    let recording = parallel::runtime().block_on(Recording::make());
    recording.check();
    let cuts = full_or(CUTS[0], CUTS[1]);
    let seeds = (0..cuts).map(|_| random.below(u64::MAX)).collect();
    let mut told = 0;
    for (verdict, is_told) in parallel::all(seeds, async |seed| recording.run(seed).await) {
        figures.add(1, verdict, std::time::Duration::ZERO);
        told += u64::from(is_told);
    }
    println!("{told} of {cuts} cuts left a whole frame behind a gap, and were told as damage");
    figures.keep();
}

impl Recording {
    /// The model, without a cut, is what really is on the disk; and every batch was acknowledged.
    fn check(&self) {
        let (disk, acknowledged) = self.at(self.lines(), &mut Random::new(0));
        assert_eq!(acknowledged as u64, 2 * BATCHES);
        let of_data_dir = |(path, content): (PathBuf, Vec<u8>)| {
            path.starts_with("data").then_some((path, content))
        };
        let modelled: BTreeMap<_, _> = disk.files().into_iter().filter_map(of_data_dir).collect();
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.join("data")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("it is readable").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let content = fs::read(&path).expect("it is readable");
                let path = path.strip_prefix(&self.folder).expect("below").to_owned();
                found.insert(path, content);
            }
        }
        assert!(found.len() > 4, "{:?}", found.keys());
        let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&modelled), names(&found));
        for (path, content) in found {
            assert!(modelled[&path] == content, "{}", path.display());
        }
    }
}
