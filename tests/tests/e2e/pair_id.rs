//! The pair id: stamped by the outbound filter, whatever a client sent.

use std::sync::{Arc, Mutex};

use twintap_e2e::grpc::{Answer, Call, RequestHead};
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::{PAIR_ID_HEADER, Reason};

const METHOD: &str = "shop.v1.Orders/Get";

/// Pair ids as the server saw them.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

fn noting(seen: &Seen) -> impl Fn(&RequestHead) -> Answer + Send + Sync + 'static {
    let seen = seen.clone();
    move |head| {
        let values = head.headers.get_all(PAIR_ID_HEADER);
        let values = values.iter().map(|value| value.as_bytes().to_vec());
        seen.lock().expect("no holder panics").extend(values);
        Answer::echo()
    }
}

#[tokio::test]
async fn outbound_filter_gives_every_call_a_new_one() {
    let _machine = machine::shared();
    let seen = Seen::default();
    let scene = Scene::of(Filter::outbound())
        .answering(noting(&seen))
        .start()
        .await;

    for _ in 0..100 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    let received = scene.settled(100).await;
    assert_eq!(received.skipped_as(Reason::StampOnly), 100);
    let mut seen = seen.lock().expect("no holder panics").clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
}

#[tokio::test]
async fn outbound_filter_overwrites_what_a_client_sent() {
    let _machine = machine::shared();
    let seen = Seen::default();
    let scene = Scene::of(Filter::outbound())
        .answering(noting(&seen))
        .start()
        .await;

    let call = Call::unary(METHOD, "x");
    let call = call
        .header(PAIR_ID_HEADER, "forged")
        .header(PAIR_ID_HEADER, "twice");
    assert!(scene.client.call(call).await.ok());

    let seen = seen.lock().expect("no holder panics");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(!seen.contains(&b"forged".to_vec()) && !seen.contains(&b"twice".to_vec()));
}

#[tokio::test]
async fn pair_ids_differ_between_workers() {
    let _machine = machine::shared();
    let seen = Seen::default();
    let scene = Scene::of(Filter::outbound())
        .answering(noting(&seen))
        .workers(2)
        .start()
        .await;

    for _ in 0..20 {
        let client = scene.another_client().await;
        for _ in 0..5 {
            assert!(client.call(Call::unary(METHOD, "x")).await.ok());
        }
    }

    let mut seen = seen.lock().expect("no holder panics").clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
}

#[tokio::test]
async fn inbound_filter_records_the_one_it_finds() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;

    let call = Call::unary(METHOD, "x").header(PAIR_ID_HEADER, "0123456789abcdef");
    assert!(scene.client.call(call).await.ok());

    assert_eq!(scene.record().await.pair_id, "0123456789abcdef");
}
