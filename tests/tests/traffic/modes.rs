//! A collector that fails costs records, never calls: every way to fail at 1 000 calls a second.
//!
//! Under each: every call is answered as planned, to the byte; Envoy's memory stays bounded; every
//! call is recorded or counted; and where the collector can become well again, recording resumes
//! within five seconds and every record that was kept arrives once. A full run also measures what
//! the filter adds to the latency: the same calls with it and without it, in turn.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use twintap_e2e::faulty::{Fault, FaultyCollector};
use twintap_e2e::machine::{self, sized};
use twintap_e2e::sink::Received;
use twintap_e2e::{Collector, wait};
use twintap_record::{Record, RecordBatch};

use crate::figures::Measured;
use crate::rig::{Rig, VM_BYTES_MAX};

/// Promised: what the filter adds to the 99th percentile.
const ADDED_MS_MAX: f64 = 1.0;
/// No call may take longer: a client's timeout. A machine so busy that calls without the filter come
/// near it proves nothing, so then it is three times the slowest of those.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// What Envoy may grow by: the VM and Envoy's own copies of batches under way.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// Promised.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);
/// The longest back-off, and what waited.
const DELIVERED_WITHIN: Duration = Duration::from_secs(20);
/// Between two kills of the collector.
const LIFE: Duration = Duration::from_millis(1500);

/// Rounds of calls under the fault, and what they cost. A few hundred milliseconds of another program spoil a
/// round: where the rounds do not agree whether what is promised is held, as many again are made, twice at most,
/// and all of them count.
async fn measure(rig: &mut Rig) -> Measured {
    let rss = rig.envoy.process.rss_bytes();
    let mut measured = Measured::default();
    for attempt in 0..sized(3, 1) {
        if attempt > 0 && !measured.is_undecided(ADDED_MS_MAX) {
            break;
        }
        for round in 0..sized(5, 1) {
            let duration = Duration::from_millis(sized(2000, 1000));
            measured.add(rig.pair(duration, round % 2 == 1).await);
        }
    }
    measured.grown_bytes = rig.envoy.process.rss_peak_bytes().saturating_sub(rss);
    measured
}

async fn warm_up(rig: &mut Rig) {
    let duration = Duration::from_millis(sized(1000, 200));
    rig.pair(duration, false).await;
}

/// Keeps the row and holds it to what is promised.
fn judge(rig: &Rig, measured: &Measured, family: &str, fault: &str) {
    measured.keep(family, fault);
    assert_eq!(measured.failed(), (0, 0), "{family}: failed with, without");
    let vm = rig.vm_bytes();
    assert!(vm <= VM_BYTES_MAX, "{family}: a VM has {vm} bytes");
    let grown = measured.grown_bytes;
    assert!(
        grown <= GROWTH_BYTES_MAX,
        "{family}: Envoy grew by {grown} bytes"
    );
    if sized(true, false) {
        assert_in_time(measured, family);
    }
}

/// Only where there are rounds enough to tell the machine's noise from the filter.
fn assert_in_time(measured: &Measured, family: &str) {
    let (with, without) = measured.slowest();
    let allowed = CLIENT_TIMEOUT.max(3 * without);
    assert!(with < allowed, "{family}: {with:?}; without {without:?}");
    let (added, noise) = (measured.added_ms(), measured.noise_ms());
    assert!(
        added <= ADDED_MS_MAX.max(noise),
        "{family}: {added} ms added to p99; rounds without the filter differ by {noise} ms"
    );
}

/// A collector that does this, then is well again.
async fn heals(family: &str, fault: &str, doing: Fault) {
    let _machine = machine::alone();
    let collector = FaultyCollector::start(Fault::None).await;
    let mut rig = Rig::start(|bootstrap| bootstrap.collector(collector.address())).await;
    warm_up(&mut rig).await;
    collector.fail(doing);
    let measured = measure(&mut rig).await;
    judge(&rig, &measured, family, fault);
    rig.assert_accounted(family).await;

    let before = collector.received().records;
    collector.heal();
    let healed = Instant::now();
    if doing != Fault::None {
        // Of records refused for good none is left: only new calls show that recording resumes.
        warm_up(&mut rig).await;
        let what = format!("{family}: recording resumes");
        wait::until_true(&what, RESUMES_WITHIN, async || {
            let now = collector.received();
            // What was refused for good is told, not sent again.
            now.records > before || now.observed() == rig.calls
        })
        .await;
    }
    let resumed = healed.elapsed();
    let what = format!("{family}: every record that was kept arrives");
    let state = || format!("{:#?}", collector.received().counters().collect::<Vec<_>>());
    let received = wait::until_or(&what, DELIVERED_WITHIN, state, async || {
        let now = collector.received();
        let told = now.observed() == rig.calls && now.in_flight() == 0;
        (told && distinct(&now) + refused(&now) == now.recorded()).then_some(now)
    })
    .await;
    received.assert_identity();
    eprintln!(
        "{family}: {} calls, {} dropped, {} refused, resumed after {resumed:?}",
        rig.calls,
        received.dropped(),
        refused(&received)
    );
}

fn refused(received: &Received) -> u64 {
    received.counters().map(|counters| counters.refused).sum()
}

/// Records; one whose acknowledgement was lost comes again.
fn distinct(received: &Received) -> u64 {
    let numbers = |batch: &RecordBatch| {
        let producer = batch.producer_id.clone();
        let of_producer = move |record: &Record| (producer.clone(), record.number);
        batch.records.iter().map(of_producer).collect::<Vec<_>>()
    };
    let all: HashSet<_> = received.kept.iter().flat_map(numbers).collect();
    all.len() as u64
}

/// A collector that cannot be reached, and never will be.
async fn never(family: &str, fault: &str, rig: &mut Rig) {
    warm_up(rig).await;
    let measured = measure(rig).await;
    judge(rig, &measured, family, fault);
    rig.assert_accounted(family).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn well_collector_costs_no_call() {
    heals("well", "none: what recording itself costs", Fault::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusing_collector_costs_no_call() {
    heals("refusing", "connections are refused", Fault::Refusing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn black_hole_costs_no_call() {
    heals("black hole", "accepts and never reads", Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_collector_costs_no_call() {
    heals("silent", "reads and never answers", Fault::Silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_collector_costs_no_call() {
    let doing = Fault::Slow(Duration::from_millis(1500));
    heals("slow", "answers after 1.5 s", doing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_answering_429_costs_no_call() {
    let doing = Fault::Answering(StatusCode::TOO_MANY_REQUESTS);
    heals("429", "answers 429", doing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_answering_500_costs_no_call() {
    let doing = Fault::Answering(StatusCode::INTERNAL_SERVER_ERROR);
    heals("500", "answers 500", doing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_answering_503_costs_no_call() {
    let doing = Fault::Answering(StatusCode::SERVICE_UNAVAILABLE);
    heals("503", "answers 503", doing).await;
}

/// As a collector does that reads another major version of the contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_refusing_for_good_costs_no_call() {
    let doing = Fault::Answering(StatusCode::UNPROCESSABLE_ENTITY);
    let fault = "answers 422, as to a filter of another major version";
    heals("422", fault, doing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resetting_collector_costs_no_call() {
    let fault = "resets the connection within a batch";
    heals("resetting", fault, Fault::Resetting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_speaking_garbage_costs_no_call() {
    heals("garbage", "answers no HTTP", Fault::Garbage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dribbling_collector_costs_no_call() {
    let doing = Fault::Dribbling(Duration::from_millis(100));
    heals("dribbling", "answers a byte every 100 ms", doing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_answer_costs_no_call() {
    heals("endless", "answers without end", Fault::Endless).await;
}

/// A collector that tells where it is, and is killed and started until nobody wants that any more.
async fn killed_again_and_again(
    told: oneshot::Sender<SocketAddr>,
    mut stopped: oneshot::Receiver<()>,
) -> Collector {
    let mut collector = Collector::start().await;
    told.send(collector.address()).expect("the test waits");
    while tokio::time::timeout(LIFE, &mut stopped).await.is_err() {
        collector.kill();
        collector.restart().await;
    }
    collector
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_killed_every_two_seconds_costs_no_call() {
    let _machine = machine::alone();
    let (told, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let killing = machine::aside(move || killed_again_and_again(told, stopped));
    let address = address.await.expect("the collector has started");
    let mut rig = Rig::start(|bootstrap| bootstrap.collector(address)).await;
    warm_up(&mut rig).await;
    let measured = measure(&mut rig).await;
    stop.send(()).expect("the collector is still killed");
    let killing = tokio::task::spawn_blocking(|| killing.join());
    let mut collector = killing.await.expect("it ran").expect("no panic");
    let family = "killed";
    judge(
        &rig,
        &measured,
        family,
        "kill -9 of `twintap serve`, and a restart, every 2 s",
    );
    rig.assert_accounted(family).await;
    collector.restart().await;
    let accounting = collector.settled(rig.calls).await;
    assert_eq!(accounting.figure("undelivered"), 0, "{accounting}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_that_speaks_no_tls_costs_no_call() {
    let _machine = machine::alone();
    let collector = FaultyCollector::start(Fault::None).await;
    let address = collector.address();
    let mut rig = Rig::start(|bootstrap| bootstrap.collector_tls(address)).await;
    never("no TLS", "speaks no TLS, which Envoy does", &mut rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_whose_name_is_not_resolved_costs_no_call() {
    let _machine = machine::alone();
    // Asked, and never answers.
    let resolver = UdpSocket::bind(("127.0.0.1", 0)).await;
    let resolver = resolver.expect("a free port");
    let address = resolver.local_addr().expect("bound");
    let mut rig = Rig::start(|bootstrap| bootstrap.collector_unresolved(address, false)).await;
    never("no name", "its name is not resolved", &mut rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_without_a_cluster_costs_no_call() {
    let _machine = machine::alone();
    let mut rig = Rig::start(|bootstrap| bootstrap).await;
    never("no cluster", "its cluster is missing", &mut rig).await;
}
