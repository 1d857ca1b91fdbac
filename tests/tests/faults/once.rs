//! Lost acknowledgements, repeated and reordered batches, across restarts: each record is stored once.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::Place;
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::Oracle;
use crate::random::Random;

const PRODUCERS: u64 = 3;
/// New batches of each producer between two restarts.
const ROUND_BATCHES: u64 = 12;
const BATCH_RECORDS: u64 = 7;
/// Batches of earlier rounds that come again in each.
const LATE: u64 = 10;

/// What a client does with a batch.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Posts it.
    Once,
    /// Posts it over two connections at the same moment.
    AtTheSameTime,
    /// Posts it again when it is acknowledged.
    Again,
    /// Hangs up before the answer.
    Unheard,
}

const WAYS: [Way; 4] = [Way::Once, Way::AtTheSameTime, Way::Again, Way::Unheard];

impl Way {
    /// Errors are a collector that was killed; the batch comes again.
    async fn post(self, batch: Batch, client: &mut Client, oracle: &Oracle) {
        let mut other = client.another();
        match self {
            Self::Once => drop(client.post(batch, oracle).await),
            Self::AtTheSameTime => {
                drop(tokio::join!(
                    client.post(batch, oracle),
                    other.post(batch, oracle)
                ));
            }
            Self::Again => {
                drop(client.post(batch, oracle).await);
                drop(client.post(batch, oracle).await);
            }
            Self::Unheard => drop(other.post_and_leave(batch, oracle).await),
        }
    }
}

/// Batches of a round, in the order in which they are sent.
fn plan(round: u64, random: &mut Random) -> Vec<(Batch, Way)> {
    let batch = |producer, sequence| Batch {
        producer,
        sequence,
        records: BATCH_RECORDS,
        message_bytes: 0,
    };
    let first = round * ROUND_BATCHES + 1;
    let new = (0..PRODUCERS).flat_map(|producer| {
        (first..first + ROUND_BATCHES).map(move |sequence| batch(producer, sequence))
    });
    let mut batches: Vec<Batch> = new.collect();
    for _ in 0..LATE * u64::from(round > 0) {
        let sequence = 1 + random.below(first - 1);
        batches.push(batch(random.below(PRODUCERS), sequence));
    }
    random.shuffle(&mut batches);
    let way = |batch| {
        (
            batch,
            WAYS[usize::try_from(random.below(4)).expect("small")],
        )
    };
    batches.into_iter().map(way).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_or_out_of_order_is_stored_once() {
    let mut random = Random::of_run("repeats");
    let mut figures = Figures::new(
        "repeats",
        "lost acknowledgements, repeated and reordered batches, a restart or kill -9 between",
        random.seed(),
    );
    let what = format!("TWINTAP_SEED={}", random.seed());
    let rounds = full_or(60, 8);
    let place = Place::new(&["publish_interval=50ms", "segment_records_max=60"]);
    let oracle = Arc::new(Oracle::default());
    let mut worst = Duration::ZERO;
    for round in 0..rounds {
        let (mut collector, took) = place.restart().await;
        worst = worst.max(took);
        let plan = plan(round, &mut random);
        let mut clients = JoinSet::new();
        for part in plan.chunks(plan.len().div_ceil(3)) {
            let (part, oracle) = (part.to_vec(), Arc::clone(&oracle));
            let mut client = collector.client();
            clients.spawn(async move {
                for (batch, way) in part {
                    way.post(batch, &mut client, &oracle).await;
                }
            });
        }
        if random.below(2) == 0 {
            while clients.join_next().await.is_some() {}
            collector.drain().await;
        } else {
            let moment = Duration::from_millis(random.below(100));
            tokio::time::sleep(moment).await;
            collector.ended_by(Signal::KILL).await;
            while clients.join_next().await.is_some() {}
        }
    }
    worst = worst.max(place.settle(&oracle).await);
    let verdict = oracle.judge(&place, &what);
    assert_eq!(verdict.records, verdict.acknowledged, "{what}");
    figures.add(rounds, verdict, worst);
    figures.keep();
}
