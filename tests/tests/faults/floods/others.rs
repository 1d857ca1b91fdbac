//! Everyone else: producers that post while a flood goes on. In threads of their own, so that what they
//! wait for is the collector and not those who attack it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::Collector;
use crate::oracle::Oracle;

/// Bytes of the head of their requests, about.
const HEAD_BYTES: u64 = 110;

/// How they fared.
#[derive(Debug, Default)]
pub(super) struct Fared {
    /// How long each acknowledgement took.
    pub(super) took: Vec<Duration>,
    /// Bytes sent.
    pub(super) sent: u64,
    /// What comes next.
    pub(super) next: Vec<Batch>,
}

impl Fared {
    /// 99 of 100 batches took no longer.
    pub(super) fn p99(&self) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        took[(took.len() * 99).div_ceil(100) - 1]
    }

    pub(super) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.sent += other.sent;
        self.next.extend(other.next);
    }
}

/// Producers that post until they are told to stop.
#[derive(Debug)]
pub(super) struct Others {
    producers: Vec<JoinHandle<Fared>>,
    stop: Arc<AtomicBool>,
}

impl Others {
    /// One for each of the batches, which it posts first; between two it rests for so long.
    pub(super) fn start(
        first: Vec<Batch>,
        rest: Duration,
        collector: &Collector,
        oracle: &Arc<Oracle>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let address = collector.address();
        let start = |batch| {
            let (oracle, stop) = (Arc::clone(oracle), Arc::clone(&stop));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().expect("a runtime");
                let client = Client::new(address);
                runtime.block_on(post(batch, rest, client, &oracle, &stop))
            })
        };
        Self {
            producers: first.into_iter().map(start).collect(),
            stop,
        }
    }

    pub(super) async fn stop(self) -> Fared {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Fared::default();
        for producer in self.producers {
            let joined = tokio::task::spawn_blocking(|| producer.join());
            all.add(joined.await.expect("no panic").expect("others are served"));
        }
        all
    }
}

async fn post(
    mut batch: Batch,
    rest: Duration,
    mut client: Client,
    oracle: &Oracle,
    stop: &AtomicBool,
) -> Fared {
    let mut fared = Fared::default();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.post(batch, oracle).await;
        let answer = answer.expect("others are served");
        assert!(answer.status.is_success(), "others are served: {answer:?}");
        fared.took.push(began.elapsed());
        fared.sent += batch.encode().len() as u64 + HEAD_BYTES;
        batch.sequence += 1;
        tokio::time::sleep(rest).await;
    }
    fared.next.push(batch);
    fared
}
