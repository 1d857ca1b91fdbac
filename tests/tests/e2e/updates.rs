//! Configuration changes and several workers.

use std::time::Duration;

use twintap_e2e::grpc::Call;
use twintap_e2e::{Fault, FaultyCollector, Filter, Route, Scene, machine, wait};

const METHOD: &str = "shop.v1.Orders/Get";
/// Envoy drains the old listener for a second, and a collector that is back is tried within five.
const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn listener_update_loses_no_record() {
    let _machine = machine::shared();
    let mut scene = Scene::of(Filter::inbound()).start().await;
    let mut calls = 0;

    for update in 0..5 {
        for _ in 0..100 {
            assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
            calls += 1;
        }
        let filter = Filter::inbound().with("service", format!("orders-{update}"));
        scene.replace_filters(vec![filter], Route::to("old")).await;
    }
    for _ in 0..100 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
        calls += 1;
    }

    assert_eq!(scene.records(calls).await.len() as u64, calls);
}

async fn metric(scene: &Scene, name: &str) -> u64 {
    let name = format!("wasmcustom.twintap_{name}");
    scene.envoy.stats().await.counter(&name)
}

#[tokio::test]
async fn configuration_that_comes_back_loses_no_record_of_its_first_time() {
    let _machine = machine::shared();
    let collector = FaultyCollector::start(Fault::Refusing).await;
    let scene = Scene::of(Filter::inbound()).shipping_to(collector.address());
    let mut scene = scene.start().await;
    let mut calls = 0;

    for update in 0..5 {
        for _ in 0..20 {
            assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
            calls += 1;
        }
        let filter = Filter::inbound().with("service", ["b", "a"][update % 2]);
        scene.replace_filters(vec![filter], Route::to("old")).await;
        wait::until_true("the old one ended", WITHIN, async || {
            let stats = scene.envoy.stats().await;
            stats.counter("listener_manager.total_filter_chains_draining") == 0
        })
        .await;
    }
    collector.heal();

    wait::until_true("all records arrive", WITHIN, async || {
        collector.received().records == calls
    })
    .await;
    assert_eq!(metric(&scene, "dropped_total").await, 0);
}

#[tokio::test]
async fn what_a_vm_has_left_when_it_ends_is_counted_as_dropped() {
    let _machine = machine::shared();
    let collector = FaultyCollector::start(Fault::Refusing).await;
    let scene = Scene::of(Filter::inbound()).shipping_to(collector.address());
    let mut scene = scene.start().await;
    for _ in 0..20 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    // As an update of the module: nothing of the old VM stays.
    let filter = Filter::inbound().in_vm("next");
    scene.replace_filters(vec![filter], Route::to("old")).await;

    wait::until_true("all are counted", WITHIN, async || {
        metric(&scene, "dropped_total").await == 20
    })
    .await;
    assert_eq!(metric(&scene, "records_total").await, 20);
}

#[tokio::test]
async fn update_takes_effect() {
    let _machine = machine::shared();
    let mut scene = Scene::of(Filter::inbound()).start().await;
    assert!(
        scene
            .client
            .call(Call::unary(METHOD, vec![1; 100]))
            .await
            .ok()
    );
    scene.records(1).await;

    let cutting = Filter::inbound().with("body_bytes_max", 10);
    scene.replace_filters(vec![cutting], Route::to("old")).await;
    assert!(
        scene
            .client
            .call(Call::unary(METHOD, vec![1; 100]))
            .await
            .ok()
    );

    let records = scene.records(2).await;
    let captured = |index: usize| {
        records[index]
            .request_body
            .as_ref()
            .map(|b| b.captured.len())
    };
    assert_eq!((captured(0), captured(1)), (Some(105), Some(10)));
}

#[tokio::test]
async fn workers_are_producers_of_their_own() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).workers(2).start().await;

    for _ in 0..16 {
        let client = scene.another_client().await;
        for _ in 0..25 {
            assert!(client.call(Call::unary(METHOD, "x")).await.ok());
        }
    }

    let received = scene.settled(400).await;
    assert_eq!(received.records, 400);
    let mut producers: Vec<_> = received
        .kept
        .iter()
        .map(|batch| batch.producer_id.clone())
        .collect();
    producers.sort();
    producers.dedup();
    assert_eq!(producers.len(), 2, "one per worker that saw a call");
}
