//! Floods of the port: memory stays bounded, everyone else is served, and what it costs is in proportion to
//! what is sent.
//!
//! What is promised, with four attackers that send all that is taken of them, each of [`ATTACKS`] in turn:
//!
//! - Others are acknowledged: 99 of 100 of their batches before the filter would give them up, after
//!   [`ACKNOWLEDGED_WITHIN`].
//! - Memory: the collector grows by at most [`GROWTH_BYTES_MAX`], [`CONNECTION_BYTES`] for each connection, and
//!   [`STREAM_BYTES`] for each request whose answer is not taken, however much is sent.
//! - Processor: a byte of the attack costs at most [`AMPLIFICATION_MAX`] times what a byte of as many producers
//!   costs, which post a record at a time: the least that a filter sends. What the others cost meanwhile is
//!   taken off; [`CPU_FLOOR`] is what cannot be told from nothing.
//! - Afterwards it is as before, and the accounting adds up.

mod attacker;
mod attacks;
pub(crate) mod frames;
mod others;

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use twintap_e2e::{figures, http1, wait};

use crate::batch::Batch;
use crate::collector::{Collector, PATIENCE, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::Oracle;
use attacker::{Tally, flood};
use attacks::{ATTACKS, Attack, STALLED_STREAMS};
use others::{Fared, Others};

/// The filter's `send_timeout_ms`; a reduced run shares its machine with other tests.
const ACKNOWLEDGED_WITHIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// Four connections of a hundred requests of a thousand headers each are 40 MB once they are decoded.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const CONNECTION_BYTES: u64 = 60 << 10;
const STREAM_BYTES: u64 = 2 << 10;
const AMPLIFICATION_MAX: f64 = 10.0;
const CPU_FLOOR: Duration = Duration::from_millis(200);
/// Attackers at the same time; and those that they are compared with.
const ATTACKERS: u64 = 4;
/// Each flood, and what it is compared with.
const LASTS: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(700)];
/// Connections that do nothing: more than may be open.
const IDLE: usize = 1_100;
/// Between two batches of the others.
const REST: Duration = Duration::from_millis(5);
const MEMORY_PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Nothing is published meanwhile: that would be a cost of the others.
const KEYS: [&str; 5] = [
    "publish_interval=10m",
    "header_timeout=2s",
    "idle_timeout=3s",
    "connections_max=1024",
    "segment_bytes_max=256MiB",
];

fn first_of(producer: u64) -> Batch {
    Batch {
        producer,
        sequence: 1,
        records: 1,
        message_bytes: 0,
    }
}

/// What the others took, and what the collector, while something else went on.
#[derive(Debug)]
struct Measured {
    others: Fared,
    cpu: Duration,
    /// Beyond what was in memory before.
    grown: u64,
}

/// Does `what` while producers post, from `first` on.
async fn beside<T>(
    collector: &Collector,
    oracle: &Arc<Oracle>,
    first: Vec<Batch>,
    what: impl Future<Output = T>,
) -> (T, Measured) {
    let (memory, cpu) = (collector.process.rss_bytes(), collector.process.cpu_ns());
    let others = Others::start(first, REST, collector, oracle);
    let mut grown = 0;
    let watch = async {
        loop {
            grown = grown.max(collector.process.rss_bytes().saturating_sub(memory));
            tokio::time::sleep(MEMORY_PROBE_INTERVAL).await;
        }
    };
    let result = tokio::select! {
        result = what => result,
        () = watch => unreachable!("it watches on"),
    };
    let others = others.stop().await;
    let cpu = Duration::from_nanos(collector.process.cpu_ns().saturating_sub(cpu));
    (result, Measured { others, cpu, grown })
}

/// Seconds of processor time for a byte of producers that post without pause.
async fn usual(lasts: Duration) -> f64 {
    let (place, oracle) = (Place::alone(&KEYS), Arc::new(Oracle::default()));
    let (collector, _) = place.start().await;
    let crowd = async {
        let crowd = (1..=ATTACKERS).map(first_of).collect();
        let crowd = Others::start(crowd, Duration::ZERO, &collector, &oracle);
        tokio::time::sleep(lasts).await;
        crowd.stop().await
    };
    let (crowd, measured) = beside(&collector, &oracle, vec![first_of(0)], crowd).await;
    let sent = crowd.sent + measured.others.sent;
    measured.cpu.as_secs_f64() / sent as f64
}

/// Attackers until `lasts` is over.
async fn attackers(attack: Attack, collector: &Collector, lasts: Duration) -> Arc<Tally> {
    let (tally, end) = (Arc::new(Tally::default()), Instant::now() + lasts);
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        let tally = Arc::clone(&tally);
        attackers.spawn(flood(attack, collector.address(), end, tally));
    }
    attackers.join_all().await;
    tally
}

/// Connections that do nothing: those beyond the limit are closed, and all of them in the end.
async fn idle(collector: &Collector) {
    let mut connections = vec![];
    for _ in 0..IDLE {
        connections.extend(TcpStream::connect(collector.address()).await);
    }
    for mut connection in connections {
        let closed = timeout(PATIENCE, connection.read(&mut [0; 1])).await;
        assert!(!matches!(closed, Err(_) | Ok(Ok(1..))), "it is closed");
    }
}

/// `Some` as soon as no connection but that of the question is open.
async fn has_gone(collector: &Collector) -> Option<()> {
    let (_, text) = http1::get(collector.address(), "/metrics").await.ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.contains("\ntwintap_connections 1\n").then_some(())
}

/// Nothing was dropped or skipped, and whatever was observed is stored.
fn adds_up(place: &Place) {
    let file = fs::read(place.visible_data_dir().join("accounting.json"));
    let file: Value = serde_json::from_slice(&file.expect("it is written")).expect("it is JSON");
    let figure = |name: &str| file["total"][name].as_u64().unwrap_or_default();
    assert!(figure("observed") > 0, "{file:#}");
    assert_eq!(figure("observed"), figure("stored"), "{file:#}");
    for name in ["undelivered", "pending", "quarantined", "journaled"] {
        assert_eq!(figure(name), 0, "{name}: {file:#}");
    }
    for name in ["dropped", "skipped"] {
        let reasons = file["total"][name].as_object();
        let count: u64 = reasons
            .into_iter()
            .flatten()
            .filter_map(|(_, count)| count.as_u64())
            .sum();
        assert_eq!(count, 0, "{name}: {file:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_cost_little_and_others_are_served() {
    let lasts = full_or(LASTS[0], LASTS[1]);
    let usual = usual(lasts).await;
    let place = Place::alone(&KEYS);
    let (oracle, mut shown) = (Arc::new(Oracle::default()), vec![]);
    let (mut collector, _) = place.start().await;
    let mut next = vec![first_of(0)];
    for attack in ATTACKS {
        let attackers = attackers(*attack, &collector, lasts);
        let (tally, measured) = beside(&collector, &oracle, next, attackers).await;
        let flood = Shown::new(*attack, &tally, &measured, usual);
        eprintln!("{flood}");
        shown.push(flood);
        next = measured.others.next;
        let probe = async || has_gone(&collector).await;
        wait::until_or("attackers have gone", PATIENCE, || collector.log(), probe).await;
    }
    let ((), measured) = beside(&collector, &oracle, next, idle(&collector)).await;
    let allowed = GROWTH_BYTES_MAX + CONNECTION_BYTES * IDLE as u64;
    eprintln!(
        "{IDLE} idle connections: p99 {:?}, grown by {}",
        measured.others.p99(),
        measured.grown
    );
    assert!(measured.grown <= allowed, "idle connections: {measured:?}");
    let wrong: Vec<_> = shown.iter().flat_map(Shown::wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    shown.into_iter().for_each(Shown::keep);
    collector.drain().await;
    let restart = place.settle(&oracle).await;
    let verdict = oracle.judge(&place, "floods");
    assert_eq!(verdict.records, verdict.acknowledged);
    adds_up(&place);
    let mut figures = Figures::new(
        "floods",
        "16 kinds of floods of HTTP/2 and HTTP/1.1 and 1 100 idle connections, while others post",
        0,
    );
    assert_eq!(ATTACKS.len(), 16, "as the row says");
    figures.add(ATTACKS.len() as u64 + 1, verdict, restart);
    figures.keep();
}

/// What one flood has shown.
#[derive(Debug)]
struct Shown {
    attack: Attack,
    sent: u64,
    connections: u64,
    /// Of them, open at the same time with answers that are not taken.
    held: u64,
    closed: u64,
    sent_away: u64,
    /// Of the others' acknowledgements.
    p99: Duration,
    grown: u64,
    /// In multiples of what is usual, of a byte.
    amplification: f64,
}

impl Shown {
    fn new(attack: Attack, tally: &Tally, measured: &Measured, usual: f64) -> Self {
        let sent = Tally::figure(&tally.sent);
        let others = usual * measured.others.sent as f64;
        let cpu = measured.cpu.as_secs_f64() - others - CPU_FLOOR.as_secs_f64();
        Self {
            attack,
            sent,
            connections: Tally::figure(&tally.connections),
            held: ATTACKERS * Tally::figure(&tally.held),
            closed: Tally::figure(&tally.closed),
            sent_away: Tally::figure(&tally.sent_away),
            p99: measured.others.p99(),
            grown: measured.grown,
            amplification: cpu.max(0.0) / (usual * sent.max(1) as f64),
        }
    }

    /// What is not as promised.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = vec![];
        let stalled = u64::from(STALLED_STREAMS) * self.held;
        let grown_max =
            GROWTH_BYTES_MAX + CONNECTION_BYTES * self.held.max(ATTACKERS) + STREAM_BYTES * stalled;
        let within = full_or(ACKNOWLEDGED_WITHIN[0], ACKNOWLEDGED_WITHIN[1]);
        let is_ended_well = self.attack.sent_away.is_none() || self.sent_away > 0;
        for (what, is_right) in [
            ("how it ends", is_ended_well),
            ("memory", self.grown <= grown_max),
            ("processor", self.amplification <= AMPLIFICATION_MAX),
            ("others", self.p99 <= within),
        ] {
            if !is_right {
                wrong.push(format!("{what}: {self}"));
            }
        }
        wrong
    }

    fn keep(self) {
        let row = json!({
            "flood": self.attack.name,
            "sent_kib": self.sent >> 10,
            "connections": self.connections,
            "closed": self.closed,
            "p99_ms": self.p99.as_secs_f64() * 1000.0,
            "grown_kib": self.grown >> 10,
            "amplification": self.amplification,
        });
        figures::keep("floods", &format!("flood: {}", self.attack.name), row);
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: sent {} KiB over {} connections, {} closed, {} told why; others' p99 {:?}; grew by {} KiB; \
             processor x{:.2}",
            self.attack.name,
            self.sent >> 10,
            self.connections,
            self.closed,
            self.sent_away,
            self.p99,
            self.grown >> 10,
            self.amplification,
        )
    }
}
