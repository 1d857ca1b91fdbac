//! SIGTERM while calls are under way: Envoy ends as it does without the filter.
//!
//! A mirror that is not answered yet ends last, while the worker's clusters are being taken apart;
//! a filter that asks Envoy 1.40 for a cluster then crashes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use twintap_e2e::grpc::{Answer, Call, RequestHead, Step};
use twintap_e2e::{Fault, FaultyCollector, Filter, Scene, machine, wait};

const METHOD: &str = "shop.v1.Orders/Get";
/// Envoys ended in each state.
const ROUNDS: usize = 3;
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// Calls under way at once, and how many of them end before Envoy does. Six fill a batch.
const CLIENTS: usize = 16;
const CALLS: u64 = 100;

/// Ends Envoy; it must not be another signal that does.
async fn assert_ends(scene: &mut Scene) {
    let status = scene.envoy.process.terminate(ENDS_WITHIN).await;
    let log = scene.envoy.process.log();
    assert!(
        status.success() && !log.contains("Caught"),
        "{status}:\n{log}"
    );
}

fn never(_: &RequestHead) -> Answer {
    Answer::script([Step::Hang])
}

#[tokio::test]
async fn envoy_ends_normally_while_mirrors_are_not_answered() {
    let _machine = machine::shared();
    for _ in 0..ROUNDS {
        let scene = Scene::of(Filter::outbound()).and(Filter::upstream());
        let mut scene = scene.mirrored(never).start().await;
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
        assert_ends(&mut scene).await;
    }
}

#[tokio::test]
async fn envoy_ends_normally_while_batches_and_mirrors_are_not_answered() {
    let _machine = machine::shared();
    for _ in 0..ROUNDS {
        let collector = FaultyCollector::start(Fault::Silent).await;
        let scene = Scene::of(Filter::outbound()).and(Filter::upstream());
        let scene = scene.shipping_to(collector.address());
        let mut scene = scene.mirrored(never).start().await;
        for _ in 0..2 * CLIENTS {
            let call = Call::unary(METHOD, vec![1; 64 * 1024]);
            assert!(scene.client.call(call).await.ok());
        }
        assert_ends(&mut scene).await;
    }
}

#[tokio::test]
async fn envoy_ends_normally_under_load_in_every_position() {
    let _machine = machine::shared();
    for filter in [Filter::upstream(), Filter::inbound(), Filter::outbound()] {
        for _ in 0..ROUNDS {
            let slowly = |_: &RequestHead| Answer::echo().after(Duration::from_millis(5));
            let scene = Scene::of(filter.clone().with("record", true)).workers(2);
            let mut scene = scene.mirrored(slowly).start().await;
            let ended = Arc::new(AtomicU64::new(0));
            let mut clients = JoinSet::new();
            for _ in 0..CLIENTS {
                let (client, ended) = (scene.another_client().await, ended.clone());
                clients.spawn(async move {
                    let call = Call::unary(METHOD, vec![1; 64 * 1024]);
                    while client.call(call.clone()).await.ok() {
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            wait::until_true("calls are under way", ENDS_WITHIN, async || {
                ended.load(Ordering::Relaxed) >= CALLS
            })
            .await;
            assert_ends(&mut scene).await;
            clients.shutdown().await;
        }
    }
}
