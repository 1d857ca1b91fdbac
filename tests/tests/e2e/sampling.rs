//! What is recorded at all: methods and sampling, decided alike by all parties.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::json;
use twintap_e2e::grpc::{Answer, Call};
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::{PAIR_ID_HEADER, REPLAY_HEADER, Reason};

const METHOD: &str = "shop.v1.Orders/Get";

#[tokio::test]
async fn one_call_in_ten_is_chosen_alike_on_both_sides() {
    let _machine = machine::shared();
    let calls = 2000;
    let scene = Scene::of(Filter::outbound())
        .and(Filter::upstream().with("sample_rate", 0.1))
        .mirrored(|_| Answer::echo())
        .start()
        .await;

    for _ in 0..calls {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    let received = scene.settled(3 * calls).await;
    let side = |shadow: bool| -> BTreeSet<Bytes> {
        let records = received
            .all_records()
            .filter(|record| record.shadow == shadow);
        records.map(|record| record.pair_id.clone()).collect()
    };
    assert_eq!(side(false), side(true));
    // Six standard deviations of a binomial(2000, 0.1) around its mean.
    assert!(
        (120..=280).contains(&side(false).len()),
        "{} chosen",
        side(false).len()
    );
    assert_eq!(
        received.skipped_as(Reason::NotSampled) + received.records,
        2 * calls
    );
    assert!(
        received
            .all_records()
            .all(|record| record.sampled_ppm == 100_000)
    );
}

#[tokio::test]
async fn places_in_different_envoys_choose_alike() {
    let _machine = machine::shared();
    let mut chosen = vec![];
    for filter in [Filter::inbound(), Filter::upstream()] {
        let scene = Scene::of(filter.with("sample_rate", 0.25)).start().await;
        for number in 0..400 {
            let call = Call::unary(METHOD, "x").header(PAIR_ID_HEADER, format!("pair-{number}"));
            assert!(scene.client.call(call).await.ok());
        }
        let received = scene.settled(400).await;
        let pair_ids: BTreeSet<_> = received.all_records().map(|r| r.pair_id.clone()).collect();
        chosen.push(pair_ids);
    }
    assert_eq!(chosen[0], chosen[1]);
    assert!(!chosen[0].is_empty());
}

#[tokio::test]
async fn health_and_reflection_are_not_recorded_by_default() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;
    let excluded = [
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];

    for method in excluded {
        assert!(scene.client.call(Call::unary(method, "x")).await.ok());
    }
    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());

    let received = scene.settled(5).await;
    assert_eq!(received.skipped_as(Reason::MethodExcluded), 4);
    assert_eq!(received.records, 1);
}

#[tokio::test]
async fn methods_are_included_and_excluded_by_pattern() {
    let _machine = machine::shared();
    let filter = Filter::inbound()
        .with("include_methods", json!(["shop.v1.Orders/*", "pay.*"]))
        .with(
            "exclude_methods",
            json!(["shop.v1.Orders/Watch", "pay.internal.*"]),
        );
    let scene = Scene::of(filter).start().await;
    let methods = [
        ("shop.v1.Orders/Get", true),
        ("shop.v1.Orders/Watch", false),
        ("shop.v1.OrdersAdmin/Get", false),
        ("pay.v1.Cards/Charge", true),
        ("pay.internal.v1.Ledger/Book", false),
        ("stock.v1.Shelf/Count", false),
    ];

    for (method, _) in methods {
        assert!(scene.client.call(Call::unary(method, "x")).await.ok());
    }

    let received = scene.settled(methods.len() as u64).await;
    let mut recorded: Vec<Vec<u8>> = received
        .all_records()
        .filter_map(|record| twintap_e2e::records::Recorded::request_header(record, ":path"))
        .map(<[u8]>::to_vec)
        .collect();
    recorded.sort();
    assert_eq!(
        recorded,
        [
            b"/pay.v1.Cards/Charge".to_vec(),
            b"/shop.v1.Orders/Get".to_vec()
        ]
    );
}

#[tokio::test]
async fn replayed_traffic_is_never_recorded() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;

    let call = Call::unary(METHOD, "x").header(REPLAY_HEADER, "1");
    assert!(scene.client.call(call).await.ok());

    assert_eq!(scene.settled(1).await.skipped_as(Reason::Replay), 1);
}
