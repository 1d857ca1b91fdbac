//! Little memory, many connections and large messages: nothing is killed, what is too much is refused,
//! and all is well again when the crowd has gone.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twintap_e2e::{live, wait};

use crate::cgroup::Cgroup;
use crate::collector::{Collector, PATIENCE, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::load::{Senders, refused};
use crate::oracle::Oracle;
use crate::resources::resumes;

const MEMORY_BYTES: u64 = 256 << 20;
const CONNECTIONS: [usize; 2] = [10_000, 3_000];
/// Files that a process has open beside the crowd.
const FILES_MARGIN: u64 = 500;
/// Together far more than the collector may hold.
const SENDERS: u64 = 12;
/// With the rest of the batch, just below the most that is taken.
const MESSAGE_BYTES: u32 = (4 << 20) - (4 << 10);
/// Of the load, from when all the connections are open.
const LOAD: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(3)];
/// Half a request: the collector waits for the rest.
const HALF_A_REQUEST: &[u8] = b"POST /v1/records HTTP/1.1\r\nhost: harness\r\n";

/// May a process have so many files open? If not, says loudly that `test` is skipped.
fn may_open(test: &str, count: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let is_enough = limit.maximum.is_none_or(|maximum| maximum >= count);
    if is_enough {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("the soft limit may be as high as the hard one");
    } else {
        live::skip(
            test,
            &format!("{count} open files are needed, see ulimit -Hn"),
        );
    }
    is_enough
}

/// So many connections that never come to an end of their first request. In a thread of its own: senders
/// leave the others little time.
async fn crowd(collector: &Collector, count: usize) -> Vec<TcpStream> {
    let address = collector.address();
    let one = move || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        // Those that are too many are closed at once.
        drop(stream.write_all(HALF_A_REQUEST));
        stream
    };
    let crowd = move || (0..count).map(|_| one()).collect();
    let crowd = tokio::task::spawn_blocking(crowd).await;
    crowd.expect("it does not panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_little_memory_what_is_too_much_is_refused() {
    let test = "a memory limit";
    let count = full_or(CONNECTIONS[0], CONNECTIONS[1]);
    if !may_open(test, count as u64 + FILES_MARGIN) {
        return;
    }
    let Some(cgroup) = Cgroup::with_memory(test, MEMORY_BYTES) else {
        return;
    };
    let mut figures = Figures::new(
        "memory",
        "256 MiB of memory for 10 000 connections that stand still and 4 MiB messages without pause",
        0,
    );
    // More than fit: the collector is to find that out.
    let keys = [
        "connections_max=10000",
        "body_timeout=5m",
        // What is in Parquet at the end is what the oracle reads.
        "journal_bytes_max=128MiB",
        "publish_interval=500ms",
        "drain_timeout=60s",
    ];
    let place = Place::alone(&keys).spawned_by(cgroup.prefix());
    let oracle = Arc::new(Oracle::default());
    let (mut collector, _) = place.start().await;
    let senders = Senders::start(SENDERS, MESSAGE_BYTES, &collector, &oracle);
    let what = "batches are refused";
    let probe = async || refused(&collector, "overloaded").await;
    wait::until_or(what, PATIENCE, || collector.log(), probe).await;
    let crowd = crowd(&collector, count).await;
    tokio::time::sleep(full_or(LOAD[0], LOAD[1])).await;
    let (next, met) = senders.stop().await;
    let (rss, peak) = (collector.process.rss_peak_bytes(), cgroup.peak_bytes());
    eprintln!(
        "{met:?}; resident {} KiB at most, {peak:?} bytes with page cache",
        rss >> 10
    );
    assert_eq!(cgroup.killed(), 0, "out of memory:\n{}", collector.log());
    // The refusals are in the metrics; a client that is in the middle of 4 MiB may not read its own.
    assert!(met.taken > 0, "{met:?}");
    drop(crowd);
    let what = "its metrics tell of connections that were too many";
    let probe = async || refused(&collector, "connections_max").await;
    wait::until_or(what, PATIENCE, || collector.log(), probe).await;
    let client = collector.client();
    for batch in next {
        resumes(&client, batch, &oracle, &collector).await;
    }
    drop(client);
    collector.drain().await;
    let restart = place.settle(&oracle).await;
    assert_eq!(cgroup.killed(), 0, "out of memory");
    // Readers are not what the limit is for.
    let place = place.spawned_by(vec![]);
    let verdict = oracle.judge(&place, test);
    assert_eq!(verdict.records, verdict.acknowledged);
    figures.add(1, verdict, restart);
    figures.keep();
}
