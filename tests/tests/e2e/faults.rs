//! A collector that is down, refusing, silent, slow or broken costs records, never calls.
//!
//! Under each fault: every call is answered as planned and in time, memory stays bounded, what is
//! lost is counted, and recording resumes within five seconds after the fault is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tokio::task::JoinSet;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::faulty::{Fault, FaultyCollector};
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::sink::Received;
use twintap_e2e::traffic::{self, Mix};
use twintap_e2e::{Envoy, Filter, Listener, Route, drive, machine, wait};

/// Calls per second during a fault.
const RATE: u32 = 300;
/// No call may take longer: a client's timeout. A machine so busy that calls through the control
/// Envoy come near it proves nothing, so then it is three times the control's slowest.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Promised.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);
/// Promised, per worker.
const VM_BYTES_MAX: u64 = 16 << 20;
/// What Envoy may grow by: the VM and Envoy's own copies of batches under way.
const RSS_GROWTH_MAX: u64 = 64 << 20;

struct Rig {
    envoy: Envoy,
    /// Without the filter, under the same load at the same time.
    control: Envoy,
    collector: FaultyCollector,
    _server: Server,
}

impl Rig {
    async fn start(fault: Fault) -> Self {
        let server = Server::answering(traffic::plan(Mix::Small)).await;
        let collector = FaultyCollector::start(fault).await;
        let envoy = Bootstrap::new("faults")
            .listener(Listener::new("grpc", Route::to("server")).filter(Filter::inbound()))
            .grpc("server", server.address())
            .collector(collector.address())
            .start()
            .await;
        let control = Bootstrap::new("control")
            .listener(Listener::new("grpc", Route::to("server")))
            .grpc("server", server.address())
            .start()
            .await;
        Self {
            envoy,
            control,
            collector,
            _server: server,
        }
    }

    async fn calls(&self, numbers: std::ops::Range<u64>) {
        let address = self.envoy.address("grpc").await;
        let control = self.control.address("grpc").await;
        let (recorded, control) = tokio::join!(
            drive::at_rate(address, Mix::Small, numbers.clone(), RATE),
            drive::at_rate(control, Mix::Small, numbers, RATE),
        );
        let allowed = CLIENT_TIMEOUT.max(3 * control.slowest);
        assert!(
            recorded.slowest < allowed,
            "{:?}; control {:?}",
            recorded.slowest,
            control.slowest
        );
    }
}

impl Rig {
    /// Waits until the filter's counters tell of this many calls and all records have come.
    async fn told_of(&self, calls: u64) -> Received {
        let what = format!("counters tell of all {calls} calls");
        let received = || self.collector.received();
        let state = || format!("{:#?}", received().counters().collect::<Vec<_>>());
        let told = wait::until_or(&what, Duration::from_secs(20), state, async || {
            let now = received();
            let told = now.observed() == calls && now.in_flight() == 0;
            (told && now.records >= now.recorded()).then_some(now)
        })
        .await;
        told.assert_identity();
        told
    }
}

async fn survives(fault: Fault) {
    let _machine = machine::alone();
    let seconds = machine::sized(60, 8);
    let faulty = u64::from(RATE) * seconds;
    let healthy = u64::from(RATE);
    let rig = Rig::start(Fault::None).await;
    rig.calls(0..healthy).await;
    let rss = rig.envoy.process.rss_bytes();

    rig.collector.fail(fault);
    rig.calls(healthy..healthy + faulty).await;
    assert_memory_bounded(&rig.envoy, rss);

    rig.collector.heal();
    let healed = Instant::now();
    let before = rig.collector.received().records;
    let address = rig.envoy.address("grpc").await;
    let mut calls = healthy + faulty;
    // Traffic goes on while the filter finds out.
    while rig.collector.received().records == before {
        assert!(
            healed.elapsed() < RESUMES_WITHIN,
            "{fault:?}: no record {:?} after",
            healed.elapsed()
        );
        drive::at_rate(address, Mix::Small, calls..calls + 50, RATE).await;
        calls += 50;
    }

    let received = rig.told_of(calls).await;
    assert_eq!(
        received.records + received.dropped(),
        calls,
        "each call came or was counted"
    );
    eprintln!("{fault:?}: {calls} calls, {} dropped", received.dropped());
}

#[tokio::test]
async fn refusing_collector_costs_no_call() {
    survives(Fault::Refusing).await;
}

#[tokio::test]
async fn black_hole_costs_no_call() {
    survives(Fault::BlackHole).await;
}

#[tokio::test]
async fn silent_collector_costs_no_call() {
    survives(Fault::Silent).await;
}

#[tokio::test]
async fn slow_collector_costs_no_call() {
    survives(Fault::Slow(Duration::from_millis(1500))).await;
}

#[tokio::test]
async fn collector_answering_500_costs_no_call() {
    survives(Fault::Answering(StatusCode::INTERNAL_SERVER_ERROR)).await;
}

#[tokio::test]
async fn overloaded_collector_costs_no_call() {
    survives(Fault::Answering(StatusCode::SERVICE_UNAVAILABLE)).await;
}

#[tokio::test]
async fn resetting_collector_costs_no_call() {
    survives(Fault::Resetting).await;
}

#[tokio::test]
async fn collector_speaking_garbage_costs_no_call() {
    survives(Fault::Garbage).await;
}

#[tokio::test]
async fn collector_that_was_never_there_costs_no_call() {
    let _machine = machine::alone();
    let rig = Rig::start(Fault::Refusing).await;
    rig.calls(0..u64::from(RATE) * 3).await;
}

#[tokio::test]
async fn what_no_buffer_holds_is_dropped_and_counted() {
    let _machine = machine::alone();
    let rig = Rig::start(Fault::Refusing).await;
    let client = Client::connect(rig.envoy.address("grpc").await).await;
    let calls = 500;
    // 100 KiB each: several times what the filter may buffer.
    let message = Bytes::from(vec![7; 50 << 10]);
    for _ in 0..calls {
        assert!(
            client
                .call(Call::unary("e2e.v1.Peer/Large", &message))
                .await
                .ok()
        );
    }
    assert!(vm_bytes(&rig.envoy) <= VM_BYTES_MAX);

    rig.collector.heal();

    let received = rig.told_of(calls).await;
    assert!(
        received.dropped() > 0,
        "nothing was dropped: not enough traffic"
    );
    assert_eq!(
        received.records + received.dropped(),
        calls,
        "each call came or was counted"
    );
}

#[tokio::test]
async fn memory_is_bounded_under_large_streams_and_a_black_hole() {
    let _machine = machine::alone();
    let streams = machine::sized(256, 32);
    let rig = Rig::start(Fault::BlackHole).await;
    let client = Client::connect(rig.envoy.address("grpc").await).await;
    assert!(client.call(Call::unary("e2e.v1.Peer/Warm", "x")).await.ok());
    let message = Bytes::from(vec![7; 8 << 20]);

    let client = Arc::new(client);
    let mut calls = JoinSet::new();
    for _ in 0..streams {
        let (client, message) = (client.clone(), message.clone());
        calls.spawn(async move {
            client
                .call(Call::unary("e2e.v1.Peer/Large", &message))
                .await
        });
    }
    while let Some(outcome) = calls.join_next().await {
        let outcome = outcome.expect("no call panics");
        assert!(outcome.ok(), "{:?}", outcome.reset);
    }

    let largest = vm_bytes(&rig.envoy);
    assert!(largest <= VM_BYTES_MAX, "a VM has {largest} bytes");
}

fn assert_memory_bounded(envoy: &Envoy, before: u64) {
    let vm = vm_bytes(envoy);
    assert!(vm <= VM_BYTES_MAX, "a VM has {vm} bytes");
    let grown = envoy.process.rss_peak_bytes().saturating_sub(before);
    assert!(grown <= RSS_GROWTH_MAX, "Envoy grew by {grown} bytes");
}

fn vm_bytes(envoy: &Envoy) -> u64 {
    envoy
        .process
        .wasm_memories()
        .into_iter()
        .max()
        .expect("a VM")
}
