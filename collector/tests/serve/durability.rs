//! What was acknowledged is stored, once, whatever happens to the process.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::batches::Sender;
use super::client::Client;
use super::collector::{Collector, accounting, stored};

const ROUNDS: u8 = 8;
const SENDERS: u8 = 4;

/// Kills the collector in the middle of traffic again and again; senders repeat what was not
/// acknowledged to the next one, as the filter does.
#[test]
fn what_was_acknowledged_survives_kill_9_and_is_stored_once() {
    let data = tempfile::tempdir().unwrap();
    let keys = ["publish_interval=50ms", "segment_bytes_max=4MiB"];
    let acked = Mutex::new(BTreeSet::new());
    let mut senders: Vec<(u8, Sender, Vec<u8>, u64)> = (1..=SENDERS)
        .map(|seed| {
            let mut sender = Sender::new(seed);
            let batch = sender.encoded(20);
            (seed, sender, batch, 1)
        })
        .collect();
    for round in 0..ROUNDS {
        let collector = Collector::start(data.path(), &keys);
        let address = collector.address;
        std::thread::scope(|scope| {
            for (seed, sender, batch, first) in &mut senders {
                let acked = &acked;
                scope.spawn(move || {
                    let Ok(mut client) = Client::connect(address) else {
                        return;
                    };
                    while let Ok(answer) = client.post(batch) {
                        assert_eq!(answer.status, 200, "{answer:?}");
                        acked
                            .lock()
                            .unwrap()
                            .extend((*first..*first + 20).map(|n| (*seed, n)));
                        *first += 20;
                        *batch = sender.encoded(20);
                    }
                });
            }
            // At another moment each round: after this many more acknowledged records.
            let target = acked.lock().unwrap().len() + 100 + usize::from(round) * 370;
            let deadline = deadline();
            while acked.lock().unwrap().len() < target {
                assert!(past(deadline).is_none(), "no progress");
                std::thread::yield_now();
            }
            collector.kill();
        });
    }
    let last = Collector::start(data.path(), &keys);
    assert!(last.stop().success());

    let stored = stored(data.path());
    let distinct: BTreeSet<(u8, u64)> = stored.iter().copied().collect();
    assert_eq!(distinct.len(), stored.len(), "stored twice");
    let lost: Vec<_> = acked
        .lock()
        .unwrap()
        .difference(&distinct)
        .copied()
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let total = accounting(data.path()).total;
    assert_eq!(total.stored, distinct.len() as u64);
    assert_eq!(
        total.received,
        total.stored + total.duplicates + total.quarantined
    );
    assert_eq!(total.published, total.stored);
}

#[allow(clippy::disallowed_methods, reason = "a test's deadline is real time")]
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

fn past(deadline: Instant) -> Option<Duration> {
    deadline.elapsed().checked_sub(Duration::from_nanos(1))
}
