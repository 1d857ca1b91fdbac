//! No file descriptors left, nowhere to log, a data directory that cannot be written.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use twintap_e2e::{loopback, wait};

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::{Collector, PATIENCE, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::namespace::Namespace;
use crate::oracle::Oracle;
use crate::random::Random;

const BATCH_RECORDS: u64 = 10;
/// Promised: from the end of a shortage to the first acknowledgement.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);

fn place() -> Place {
    Place::new(&["publish_interval=50ms", "segment_records_max=30"])
}

/// Posts so many batches, one after the other; says how many were taken.
async fn post(client: &mut Client, sequences: std::ops::Range<u64>, oracle: &Oracle) -> usize {
    let mut taken = 0;
    for sequence in sequences {
        let batch = Batch {
            producer: 0,
            sequence,
            records: BATCH_RECORDS,
            message_bytes: 0,
        };
        let answer = client.post(batch, oracle).await;
        taken += usize::from(answer.is_ok_and(|answer| answer.status.is_success()));
    }
    taken
}

/// Waits until a batch is taken, not longer than is promised.
pub(crate) async fn resumes(client: &Client, batch: Batch, oracle: &Oracle, collector: &Collector) {
    let what = "batches are taken again";
    let mut waiting = client.another();
    wait::until_or(
        what,
        RESUMES_WITHIN,
        || collector.log(),
        async || {
            let answer = waiting.post(batch, oracle).await;
            answer
                .is_ok_and(|answer| answer.status.is_success())
                .then_some(())
        },
    )
    .await;
}

/// File descriptors that the collector may have open; the hard limit stays.
fn limit_descriptors(collector: &Collector, count: Option<u64>) {
    let pid = i32::try_from(collector.process.pid())
        .ok()
        .and_then(Pid::from_raw);
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: count.or(hard),
        maximum: hard,
    };
    prlimit(pid, Resource::Nofile, limit).expect("a limit of an own process may be lowered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_descriptors_nothing_acknowledged_is_lost() {
    let mut figures = Figures::new(
        "descriptors",
        "0 to N file descriptors left while records come in, then enough again",
        0,
    );
    for spare in 0..full_or(12, 4) {
        let what = format!("{spare} descriptors left");
        let (place, oracle) = (place(), Oracle::default());
        let (mut collector, _) = place.start().await;
        let mut client = collector.client();
        assert_eq!(post(&mut client, 1..2, &oracle).await, 1);
        let open = fs::read_dir(format!("/proc/{}/fd", collector.process.pid()));
        let open = open.expect("the process runs").count() as u64;
        limit_descriptors(&collector, Some(open + spare));
        post(&mut client, 2..20, &oracle).await;
        // Whoever comes now may be let in only later.
        let others: Vec<_> = (0..20)
            .map(|_| tokio::net::TcpStream::connect(collector.address()))
            .collect();
        let mut held = vec![];
        for other in others {
            held.push(other.await.expect("the backlog has room"));
        }
        if spare < 2 {
            wait::until_true("it says so", PATIENCE, async || {
                !collector.complaints().is_empty()
            })
            .await;
        }
        limit_descriptors(&collector, None);
        drop(held);
        let after = Batch {
            producer: 1,
            sequence: 1,
            records: BATCH_RECORDS,
            message_bytes: 0,
        };
        resumes(&client, after, &oracle, &collector).await;
        drop(client);
        collector.drain().await;
        let restart = place.settle(&oracle).await;
        figures.add(1, oracle.judge(&place, &what), restart);
    }
    figures.keep();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let shell = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];
    let shell = shell.map(str::to_owned).to_vec();
    let place = place().listening_on(loopback::own());
    let mute = place.spawned_by(shell);
    let oracle = Oracle::default();
    let (mut collector, _) = mute.start().await;
    let mut client = collector.client();
    assert_eq!(post(&mut client, 1..10, &oracle).await, 9);
    drop(client);
    collector.drain().await;
    let verdict = oracle.judge(&mute, "no log");
    assert_eq!(verdict.acknowledged, 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_data_directory_is_refused_and_left_alone() {
    let mut random = Random::of_run("read-only");
    let Some(namespace) = Namespace::with_small_disk("a read-only data directory", "16m").await
    else {
        return;
    };
    let mut figures = Figures::new(
        "read-only",
        "kill -9, start on a read-only file system (refused), start when it is writable again",
        random.seed(),
    );
    let (place, oracle) = (
        namespace.place(&["publish_interval=50ms", "disk_free_bytes_min=0"]),
        Oracle::default(),
    );
    let (mut collector, _) = place.start().await;
    let mut client = collector.client();
    assert_eq!(
        post(&mut client, 1..10 + random.below(20), &oracle).await as u64 * BATCH_RECORDS,
        oracle.acknowledged()
    );
    collector.ended_by(Signal::KILL).await;
    namespace.remount("ro").await;
    let mut refused = place.spawn(&[]);
    let status = refused.ready().await.expect_err("it cannot write");
    assert_eq!(status.code(), Some(3), "{}", refused.log());
    let data_dir: PathBuf = place.data_dir();
    assert!(
        refused.log().contains(&*data_dir.to_string_lossy()),
        "{}",
        refused.log()
    );
    namespace.remount("rw").await;
    let restart = place.settle(&oracle).await;
    figures.add(1, oracle.judge(&place, "read-only"), restart);
    figures.keep();
}
