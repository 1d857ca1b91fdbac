//! kill -9 at random moments while records come in: what was acknowledged is stored, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::{Collector, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::Oracle;
use crate::random::Random;

/// Senders at the same time.
const PRODUCERS: u64 = 4;
/// Records of a batch.
const BATCH_RECORDS: u64 = 20;
/// Together 2 000 records per second.
const BATCH_INTERVAL: Duration = Duration::from_millis(40);
/// The latest moment of a kill, after the collector was ready.
const KILLED_WITHIN_MS: u64 = 1_500;

/// The first batch of each sender.
pub(crate) fn first_batches() -> Vec<Batch> {
    let first = |producer| Batch {
        producer,
        sequence: 1,
        records: BATCH_RECORDS,
        message_bytes: 0,
    };
    (0..PRODUCERS).map(first).collect()
}

/// All of them send, from these batches on, until the collector is gone.
pub(crate) fn send_all(
    next: Vec<Batch>,
    collector: &Collector,
    oracle: &Arc<Oracle>,
) -> JoinSet<Batch> {
    let address = collector.address();
    let senders = next.into_iter();
    senders
        .map(|batch| send(batch, address, Arc::clone(oracle)))
        .collect()
}

/// Sends in order, repeats what was not acknowledged, until the connection breaks.
async fn send(mut batch: Batch, address: SocketAddr, oracle: Arc<Oracle>) -> Batch {
    let mut client = Client::new(address);
    let mut ticks = interval(BATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        match client.post(batch, &oracle).await {
            Ok(answer) if answer.status.is_success() => batch.sequence += 1,
            Ok(_) => {}
            Err(_) => return batch,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let mut random = Random::of_run("kill");
    let mut figures = Figures::new(
        "kill",
        "kill -9 at a random moment, while 2 000 records/s are sent, on one data directory",
        random.seed(),
    );
    let what = format!("TWINTAP_SEED={}", random.seed());
    let rounds = full_or(50, 10);
    // Segments small enough that kills meet every step of a record's way into Parquet.
    let place = Place::new(&["publish_interval=200ms", "segment_records_max=500"]);
    let oracle = Arc::new(Oracle::default());
    let mut next = first_batches();
    let mut worst = Duration::ZERO;
    for _ in 0..rounds {
        let (mut collector, took) = place.restart().await;
        worst = worst.max(took);
        let senders = send_all(next, &collector, &oracle);
        let moment = Instant::now() + Duration::from_millis(random.below(KILLED_WITHIN_MS));
        tokio::time::sleep_until(moment).await;
        collector.ended_by(Signal::KILL).await;
        next = senders.join_all().await;
    }
    worst = worst.max(place.settle(&oracle).await);
    let verdict = oracle.judge(&place, &what);
    assert!(verdict.acknowledged > rounds * BATCH_RECORDS, "{verdict:?}");
    figures.add(rounds, verdict, worst);
    figures.keep();
}
