//! Senders that offer more than is taken: each sends in order, and each batch until it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use twintap_e2e::http1;

use crate::batch::Batch;
use crate::client::Client;
use crate::collector::Collector;
use crate::oracle::Oracle;

/// Between a refusal and the next attempt of a sender.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// What senders have met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) taken: u64,
    /// How often, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Connections that broke: a refused body is not read to its end.
    pub(crate) broken: u64,
    /// The slowest acknowledgement.
    pub(crate) slowest: Duration,
}

impl Met {
    fn add(&mut self, other: Self) {
        self.taken += other.taken;
        self.broken += other.broken;
        self.slowest = self.slowest.max(other.slowest);
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

/// Senders at the same time, each a producer.
#[derive(Debug)]
pub(crate) struct Senders {
    senders: JoinSet<(Batch, Met)>,
    is_over: Arc<AtomicBool>,
}

impl Senders {
    /// So many of them, whose batches are one record with one message.
    pub(crate) fn start(
        count: u64,
        message_bytes: u32,
        collector: &Collector,
        oracle: &Arc<Oracle>,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let first = |producer| Batch {
            producer,
            sequence: 1,
            records: 1,
            message_bytes,
        };
        let sender = |producer| {
            let (oracle, is_over) = (Arc::clone(oracle), Arc::clone(&is_over));
            send(first(producer), collector.client(), oracle, is_over)
        };
        let senders = (0..count).map(sender).collect();
        Self { senders, is_over }
    }

    /// Each is to send no more; the batches that come next, and what all have met.
    pub(crate) async fn stop(self) -> (Vec<Batch>, Met) {
        self.is_over.store(true, Ordering::Release);
        let (mut next, mut all) = (vec![], Met::default());
        for (batch, met) in self.senders.join_all().await {
            next.push(batch);
            all.add(met);
        }
        (next, all)
    }
}

async fn send(
    mut batch: Batch,
    mut client: Client,
    oracle: Arc<Oracle>,
    is_over: Arc<AtomicBool>,
) -> (Batch, Met) {
    let mut met = Met::default();
    while !is_over.load(Ordering::Acquire) {
        let began = Instant::now();
        match client.post(batch, &oracle).await {
            Ok(answer) if answer.status.is_success() => {
                met.taken += 1;
                met.slowest = met.slowest.max(began.elapsed());
                batch.sequence += 1;
                continue;
            }
            Ok(answer) => *met.refused.entry(answer.code().to_owned()).or_default() += 1,
            Err(_) => met.broken += 1,
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
    (batch, met)
}

/// `Some` as soon as its metrics tell of something refused for this reason.
pub(crate) async fn refused(collector: &Collector, code: &str) -> Option<()> {
    let (_, text) = http1::get(collector.address(), "/metrics").await.ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (name, reason) = ("refused_total{", format!("{code:?}"));
    let mut lines = text.lines();
    let is_it = |line: &str| line.contains(name) && line.contains(&reason);
    lines.any(is_it).then_some(())
}
