//! A disk that becomes slow: acknowledgements take longer, memory stays bounded, what is too much is
//! refused, and all is well again as soon as the disk is.

use std::sync::Arc;
use std::time::Duration;

use twintap_e2e::wait;

use crate::collector::{Collector, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::load::{Senders, refused};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::resources::resumes;
use crate::strace::{self, Attached, Calls};

/// What they have at hand at the same time is more than the collector may hold.
const SENDERS: u64 = 48;
/// For this long after the first refusal the disk stays slow.
const SLOW_FOR: [Duration; 2] = [Duration::from_millis(1_500), Duration::from_millis(300)];
/// Within this a slow disk must have led to a refusal.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
/// What a collector may grow by above its limits: a segment that is being published, several times over.
const MEMORY_MARGIN_BYTES: u64 = 64 << 20;

/// What is slow, and the limit that is reached.
#[derive(Clone, Copy, Debug)]
struct Slow {
    calls: Calls,
    keys: &'static [&'static str],
    message_bytes: u32,
    /// How a batch is refused then.
    code: &'static str,
    /// What the limits permit to be held, in memory.
    held_bytes: u64,
}

const JOURNAL: Calls = Calls {
    thread: "journal",
    set: "writev,fdatasync",
    file: None,
};
const PUBLISHER: Calls = Calls {
    thread: "publisher",
    set: "write,pwrite64,fsync",
    file: None,
};

const SLOW: [Slow; 3] = [
    Slow {
        calls: JOURNAL,
        keys: &["ingest_bytes_max=8MiB", "segment_bytes_max=4MiB"],
        message_bytes: 2 << 20,
        code: "overloaded",
        held_bytes: 8 << 20,
    },
    Slow {
        calls: JOURNAL,
        keys: &["queue_batches_max=4", "segment_bytes_max=4MiB"],
        message_bytes: 100,
        code: "queue_full",
        held_bytes: 0,
    },
    Slow {
        calls: PUBLISHER,
        keys: &["journal_bytes_max=16MiB", "segment_bytes_max=4MiB"],
        message_bytes: 256 << 10,
        code: "journal_full",
        held_bytes: 4 << 20,
    },
];

impl Slow {
    /// The disk is slow until well after a batch was refused; then it is as it was.
    async fn run(self, delay: Duration, what: &str, figures: &mut Figures) {
        let what = format!("{what}, {:?} by {delay:?}", self.calls);
        let mut keys = vec!["publish_interval=100ms"];
        keys.extend(self.keys);
        let (place, oracle) = (Place::new(&keys), Arc::new(Oracle::default()));
        let (mut collector, _) = place.start().await;
        let memory_bytes = collector.process.rss_bytes();
        let attached = self.attach(&place, &collector, delay).await;
        let senders = Senders::start(SENDERS, self.message_bytes, &collector, &oracle);
        self.refuses(&collector, &what).await;
        tokio::time::sleep(full_or(SLOW_FOR[0], SLOW_FOR[1])).await;
        let (next, met) = senders.stop().await;
        assert!(met.taken > 0, "{what}: nothing was taken: {met:?}");
        if self.calls.thread == "journal" {
            assert!(met.slowest >= delay, "{what}: it was not slow: {met:?}");
        }
        let peak = collector.process.rss_peak_bytes();
        let grown = peak.saturating_sub(memory_bytes);
        eprintln!("{what}: {met:?}, memory grew by {} KiB", grown >> 10);
        let limit = self.held_bytes + MEMORY_MARGIN_BYTES;
        assert!(grown <= limit, "{what}: memory grew by {grown} bytes");
        attached.detach().await;
        let client = collector.client();
        for batch in next {
            resumes(&client, batch, &oracle, &collector).await;
        }
        drop(client);
        collector.drain().await;
        let restart = place.settle(&oracle).await;
        let verdict = oracle.judge(&place, &what);
        assert_eq!(verdict.records, verdict.acknowledged, "{what}");
        figures.add(1, verdict, restart);
    }

    async fn attach(self, place: &Place, collector: &Collector, delay: Duration) -> Attached {
        let arguments = strace::delays(&self.calls, delay, &place.file("trace"));
        let (pid, log) = (collector.process.pid(), place.file("strace.log"));
        Attached::to(pid, &self.calls, arguments, &log).await
    }

    /// Waits until its metrics tell of the refusal that is expected.
    async fn refuses(self, collector: &Collector, what: &str) {
        let what = format!("{what}: batches are refused: {}", self.code);
        let probe = async || refused(collector, self.code).await;
        wait::until_or(&what, REFUSED_WITHIN, || collector.log(), probe).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_loses_nothing_and_costs_no_memory() {
    if !strace::is_possible("a slow disk") {
        return;
    }
    let mut random = Random::of_run("slow disk");
    let mut figures = Figures::new(
        "slow disk",
        "writes and syncs of the journal, or of Parquet, take up to 1 s longer until a limit is reached \
         and beyond",
        random.seed(),
    );
    let what = format!("TWINTAP_SEED={}", random.seed());
    for _ in 0..full_or(4, 1) {
        for slow in SLOW {
            let delay = Duration::from_millis(100 + random.below(full_or(900, 100)));
            slow.run(delay, &what, &mut figures).await;
        }
    }
    figures.keep();
}
