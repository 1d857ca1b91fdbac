//! An open loop: calls begin when they are due, whatever became of those before, and a call's latency
//! counts from that moment. A stall is thus seen by every call that was due in it.

use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use twintap_e2e::grpc::Client;
use twintap_e2e::traffic::{Mix, Plan};

/// What calls saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) calls: u64,
    /// Calls whose answer was not the planned one, to the byte.
    pub(crate) failed: u64,
    /// In ascending order.
    latencies: Vec<Duration>,
}

impl Round {
    /// The latency that `share` of the calls do not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.latencies.last().copied().unwrap_or_default()
    }
}

/// Makes the planned calls with these numbers, `per_second`, spread over `clients`.
pub(crate) async fn run(clients: &[Arc<Client>], numbers: Range<u64>, per_second: u32) -> Round {
    let mut round = Round {
        calls: numbers.end - numbers.start,
        ..Round::default()
    };
    let mut calls = JoinSet::new();
    let mut due = pace(round.calls, Duration::from_secs(1) / per_second);
    for (number, client) in numbers.zip(clients.iter().cycle()) {
        let due = due.recv().await.expect("a moment for each call");
        let client = Arc::clone(client);
        calls.spawn(async move {
            let plan = Plan::new(Mix::Small, number);
            let outcome = client.call(plan.call()).await;
            let latency = due.elapsed();
            plan.assert_answered(&outcome);
            latency
        });
    }
    while let Some(call) = calls.join_next().await {
        match call {
            Ok(latency) => round.latencies.push(latency),
            // It has said what it got instead.
            Err(_) => round.failed += 1,
        }
    }
    round.latencies.sort_unstable();
    round
}

/// Moments at an even rate, told when they come. A thread: the runtime's timers are a millisecond wide.
fn pace(count: u64, period: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let mut due = Instant::now() + period;
        for _ in 0..count {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
            due += period;
        }
    });
    receiver
}
