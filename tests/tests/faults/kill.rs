//! kill -9 at random moments while records come in: what was acknowledged is stored, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::Place;
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
    let mut next: Vec<Batch> = (0..PRODUCERS)
        .map(|producer| Batch {
            producer,
            sequence: 1,
            records: BATCH_RECORDS,
        })
        .collect();
    let mut worst = Duration::ZERO;
    for _ in 0..rounds {
        let (mut collector, took) = place.restart().await;
        worst = worst.max(took);
        let mut senders = JoinSet::new();
        for batch in next.drain(..) {
            senders.spawn(send(batch, collector.address(), Arc::clone(&oracle)));
        }
        let moment = Instant::now() + Duration::from_millis(random.below(KILLED_WITHIN_MS));
        tokio::time::sleep_until(moment).await;
        collector.ended_by(Signal::KILL).await;
        while let Some(batch) = senders.join_next().await {
            next.push(batch.expect("senders do not panic"));
        }
    }
    worst = worst.max(place.settle(&oracle).await);
    let verdict = oracle.judge(&place, &what);
    assert!(verdict.acknowledged > rounds * BATCH_RECORDS, "{verdict:?}");
    figures.add(rounds, verdict, worst);
    figures.keep();
}
