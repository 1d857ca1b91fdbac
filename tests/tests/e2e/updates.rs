//! Configuration changes and several workers.

use twintap_e2e::grpc::Call;
use twintap_e2e::{Filter, Route, Scene, machine};

const METHOD: &str = "shop.v1.Orders/Get";

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
