//! Hostile requests and answers through a real Envoy: the module does not trap, what it counts adds up,
//! and no well-formed call beside them is harmed.
//!
//! One worker, so that a trap would end the only VM, and two listeners in front of two servers: what
//! HTTP/2 itself makes of a broken peer stays on its side.

mod answer;
mod raw;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::machine::{self, sized};
use twintap_e2e::random::Random;
use twintap_e2e::traffic::{self, Mix};
use twintap_e2e::{Filter, Listener, Route, Sink, figures, wait};

use crate::load;

/// Requests over one connection, which Envoy closes at the first that is no HTTP.
const CONNECTION_REQUESTS: u64 = 20;
/// Connections at a time.
const LANES: u64 = 4;
/// Requests of a connection at a time.
const UNDER_WAY_MAX: usize = 8;
/// A few requests get no answer; then the client resets. Long enough for all others on a slow machine.
const PATIENCE: Duration = Duration::from_secs(1);
/// Well-formed calls per second beside them.
const RATE: u32 = 200;
/// All have ended, all is shipped and told.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const ACTIVE_VMS: &str = "wasm.envoy.wasm.runtime.v8.active";

/// One connection's worth of requests.
async fn attack(address: SocketAddr, seed: u64) {
    let mut random = Random::new(seed);
    let client = Arc::new(Client::connect(address).await);
    let mut requests = JoinSet::new();
    for _ in 0..CONNECTION_REQUESTS {
        if random.once_in(20) {
            requests.spawn(raw::send(address, raw::request(&mut random)));
        } else {
            let (client, call) = (Arc::clone(&client), request::hostile(&mut random));
            requests.spawn(async move { drop(timeout(PATIENCE, client.call(call)).await) });
        }
        while requests.len() >= UNDER_WAY_MAX
            && let Some(request) = requests.join_next().await
        {
            request.expect("no request panics");
        }
    }
    while let Some(request) = requests.join_next().await {
        request.expect("no request panics");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_trap_nothing_and_harm_no_call() {
    let _machine = machine::shared();
    let random = Random::of_run("hostile");
    let (seed, requests) = (random.seed(), sized(100_000, 2_000));
    let good = Server::answering(traffic::plan(Mix::Small)).await;
    let bad = Server::answering(answer::hostile).await;
    let sink = Sink::counting().await;
    let to = |name: &str| Listener::new(name, Route::to(name)).filter(Filter::inbound());
    let envoy = Bootstrap::new("hostile")
        .listener(to("good"))
        .listener(to("bad").filter(Filter::upstream()))
        .grpc("good", good.address())
        .grpc("bad", bad.address())
        .collector(sink.address())
        .start()
        .await;
    let (well, ill) = (envoy.address("good").await, envoy.address("bad").await);
    let client = Client::connect(ill).await;
    assert!(
        client
            .call(Call::unary("e2e.v1.Peer/Before", "x"))
            .await
            .ok()
    );
    let active = envoy.stats().await.counter(ACTIVE_VMS);
    assert!(active > 0, "no VM");

    let attackers = async {
        let mut seeds = (0..requests / CONNECTION_REQUESTS).map(|number| seed ^ (number << 32));
        let mut lanes = JoinSet::new();
        loop {
            while lanes.len() < LANES as usize
                && let Some(seed) = seeds.next()
            {
                lanes.spawn(attack(ill, seed));
            }
            let Some(lane) = lanes.join_next().await else {
                return;
            };
            lane.unwrap_or_else(|error| panic!("TWINTAP_SEED={seed}: {error}"));
        }
    };
    let clients = [Arc::new(Client::connect(well).await)];
    let (mut calls, mut harmed) = (0, 0);
    tokio::pin!(attackers);
    loop {
        let beside = load::run(&clients, calls..calls + u64::from(RATE), RATE);
        let (over, round) = tokio::select! {
            // A second of calls to its end, whatever comes first.
            round = beside => (false, round),
            () = &mut attackers => (true, load::Round::default()),
        };
        if over {
            break;
        }
        calls += round.calls;
        harmed += round.failed;
    }

    let stats = envoy.stats().await;
    let decoded = stats.counter("http.bad.downstream_rq_total");
    let closed = stats.beginning_with("http.bad.downstream_cx_");
    let closed: Vec<_> = closed.filter(|(_, count)| *count > 0).collect();
    eprintln!("hostile: {closed:?}");
    let failures = envoy.wasm_failures();
    figures::keep(
        "hostile",
        "hostile",
        json!({
            "requests": requests,
            "decoded": decoded,
            "traps": failures.len(),
            "calls": calls,
            "harmed": harmed,
            "recorded": stats.counter("wasmcustom.twintap_records_total"),
            "seed": seed,
        }),
    );
    let what = format!("TWINTAP_SEED={seed}");
    assert_eq!(failures, [""; 0], "{what}");
    assert_eq!(stats.counter(ACTIVE_VMS), active, "{what}: VMs alive");
    assert_eq!(harmed, 0, "{what}: of {calls} calls");
    assert!(calls > 0, "{what}: no call beside");

    let before = sink.received().observed();
    // The server's connections may be in ruins: that is HTTP/2's part.
    wait::until_true("a call passes", SETTLED_WITHIN, async || {
        let client = Client::connect(ill).await;
        client
            .call(Call::unary("e2e.v1.Peer/After", "x"))
            .await
            .ok()
    })
    .await;
    let state = || format!("{:#?}", sink.received().counters().collect::<Vec<_>>());
    let what = format!("{what}: it goes on recording, and all is told");
    let received = wait::until_or(&what, SETTLED_WITHIN, state, async || {
        let now = sink.received();
        // On a slow machine an acknowledgement may be late, and the batch comes again.
        let settled = now.in_flight() == 0 && now.records >= now.recorded();
        (settled && now.observed() > before).then_some(now)
    })
    .await;
    received.assert_identity();
    eprintln!(
        "hostile: {requests} requests, {decoded} of which were HTTP, {} streams observed, \
         {} recorded, {} skipped, {} dropped; {calls} calls beside, {harmed} harmed",
        received.observed(),
        received.recorded(),
        received.skipped(),
        received.dropped()
    );
}
