//! Recording changes nothing: responses, trailers and statuses are equal to the byte.
//!
//! Every answer is compared with its plan, and so is every request that reaches a server; without
//! the filter (the control) and with it in each position.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{RequestHead, Server};
use twintap_e2e::traffic::{self, Mix, Plan};
use twintap_e2e::{Filter, Listener, Route, Sink, drive, machine};

const CALLS: u64 = 20_000;
const CONCURRENCY: usize = 8;

#[tokio::test]
async fn control_without_a_filter_passes_everything() {
    passes(|listener| listener).await;
}

#[tokio::test]
async fn inbound_filter_changes_nothing() {
    passes(|listener| listener.filter(Filter::inbound())).await;
}

#[tokio::test]
async fn upstream_filter_changes_nothing() {
    passes(|listener| listener.filter(Filter::upstream())).await;
}

#[tokio::test]
async fn outbound_filter_changes_nothing() {
    passes(|listener| listener.filter(Filter::outbound())).await;
}

async fn passes(with_filter: impl FnOnce(Listener) -> Listener) {
    let _machine = machine::shared();
    let arrived = Arc::new(AtomicU64::new(0));
    let count = arrived.clone();
    let server = Server::observed(traffic::plan(Mix::Everything), move |head, body| {
        assert_as_planned(head, body);
        count.fetch_add(1, Ordering::Relaxed);
    })
    .await;
    let sink = Sink::counting().await;
    let envoy = Bootstrap::new("passthrough")
        .listener(with_filter(Listener::new("grpc", Route::to("server"))))
        .grpc("server", server.address())
        .collector(sink.address())
        .start()
        .await;

    let address = envoy.address("grpc").await;
    let driven = drive::at_full_speed(address, Mix::Everything, 0..CALLS, CONCURRENCY).await;

    assert_eq!(driven.calls, CALLS);
    assert_eq!(
        arrived.load(Ordering::Relaxed),
        CALLS,
        "requests that arrived as planned"
    );
    eprintln!(
        "{CALLS} calls in {:?}, slowest {:?}",
        driven.elapsed, driven.slowest
    );
}

fn assert_as_planned(head: &RequestHead, body: &[u8]) {
    let number = traffic::number(head).expect("every call has a number");
    let plan = Plan::new(Mix::Everything, number);
    assert!(
        body == plan.request_body(),
        "request body of call {number} differs"
    );
    let planned = traffic::visible(plan.call().headers());
    assert_eq!(
        traffic::visible(&head.headers),
        planned,
        "request headers of call {number}"
    );
}
