//! A large journal: a start is ready in time, and nothing of the journal is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use twintap_e2e::wait;

use crate::batch::Batch;
use crate::collector::{Collector, Place, ready_limit};
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::Oracle;

/// Of the journal, for the promise and reduced.
const JOURNAL_BYTES: [u64; 2] = [1 << 30, 64 << 20];
/// A start reads the newest segment: it is to be as large as it gets.
const NEWEST_BYTES: u64 = 56 << 20;
/// It is then written anew, for pages that a failed sync left behind cannot be told from others. A disk
/// so busy that it takes longer for this proves nothing about the promise; then a start may take as many
/// times longer as that does.
const SYNCED_WITHIN: Duration = Duration::from_millis(500);
/// One record of each batch is as large as a filter may make it.
const MESSAGE_BYTES: u32 = 448 << 10;
const BATCH_RECORDS: u64 = 2;
/// From the last start until all is in Parquet.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(300);

/// Sizes of the journal and of its newest segment.
fn sizes(data_dir: &Path) -> (u64, u64) {
    let entries = fs::read_dir(data_dir.join("journal")).expect("there is a journal");
    let file = |entry: fs::DirEntry| Some((entry.file_name(), entry.metadata().ok()?.len()));
    let mut files: Vec<_> = entries.filter_map(|entry| file(entry.ok()?)).collect();
    files.sort();
    let newest = files.last().map_or(0, |(_, bytes)| *bytes);
    (files.into_iter().map(|(_, bytes)| bytes).sum(), newest)
}

/// How many times longer the disk takes than it may, for as much as a start writes; at least 1.
fn disk_factor(place: &Place, bytes: u64) -> f64 {
    let path = place.file("ballast");
    let ballast = vec![1; usize::try_from(bytes).expect("a segment fits into memory")];
    let began = Instant::now();
    let file = fs::write(&path, ballast).and_then(|()| fs::File::open(&path));
    let synced = file.and_then(|file| file.sync_all());
    let took = began.elapsed();
    synced
        .and_then(|()| fs::remove_file(&path))
        .expect("the disk has room");
    (took.as_secs_f64() / SYNCED_WITHIN.as_secs_f64()).max(1.0)
}

/// Sends, from `sequence` on, until the journal is as large as it is to be.
async fn fill(
    collector: &Collector,
    sequence: &mut u64,
    goal: u64,
    place: &Place,
    oracle: &Oracle,
) {
    let mut client = collector.client();
    loop {
        let batch = Batch {
            producer: 0,
            sequence: *sequence,
            records: BATCH_RECORDS,
            message_bytes: MESSAGE_BYTES,
        };
        let answer = client.post(batch, oracle).await;
        assert!(answer.is_ok_and(|answer| answer.status.is_success()));
        *sequence += 1;
        let (journal, newest) = sizes(&place.data_dir());
        if journal >= goal && newest >= NEWEST_BYTES {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_a_large_journal_is_ready_in_time() {
    let goal = full_or(JOURNAL_BYTES[0], JOURNAL_BYTES[1]);
    let starts = full_or(5, 1);
    let mut figures = Figures::new(
        "large journal",
        "kill -9 and start with 1 GiB of journal",
        0,
    );
    let place = Place::alone(&[
        "drain_timeout=60s",
        "publish_interval=1h",
        // Whatever the machine has: segments of the usual size.
        "memory_bytes_max=8GiB",
    ]);
    let oracle = Oracle::default();
    let (mut collector, _) = place.start().await;
    // While this is no folder nothing gets into Parquet.
    let calls = place.data_dir().join("calls");
    fs::write(&calls, "").expect("nothing was published yet");
    let mut sequence = 1;
    let mut worst = Duration::ZERO;
    for start in 1..=starts {
        fill(&collector, &mut sequence, goal, &place, &oracle).await;
        collector.ended_by(Signal::KILL).await;
        if start == starts {
            // Publishing begins with the start, as it does after a crash.
            fs::remove_file(&calls).expect("it is the test's own");
        }
        let (journal, newest) = sizes(&place.data_dir());
        // The disk of this minute; afterwards publishing uses it.
        let limit = ready_limit().mul_f64(disk_factor(&place, newest));
        let (started, took) = place.start().await;
        eprintln!(
            "ready after {took:?}: {journal} bytes of journal, {newest} in its newest segment"
        );
        assert!(took <= limit, "ready after {took:?}, allowed {limit:?}");
        (collector, worst) = (started, worst.max(took));
    }
    wait::until_or(
        "the journal is in Parquet",
        PUBLISHED_WITHIN,
        || collector.log(),
        async || (sizes(&place.data_dir()).0 <= NEWEST_BYTES).then_some(()),
    )
    .await;
    collector.drain().await;
    figures.add(starts, oracle.judge(&place, "a large journal"), worst);
    figures.keep();
}
