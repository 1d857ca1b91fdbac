//! Calls that end otherwise: cancel, deadline, reset, nobody there, retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use twintap_e2e::grpc::{Answer, Call, Send, Step, framed};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::End;

const METHOD: &str = "shop.v1.Orders/Watch";

fn both() -> [Filter; 2] {
    [Filter::inbound(), Filter::upstream()]
}

/// One message, then nothing more.
fn stuck_after_one(_: &twintap_e2e::grpc::RequestHead) -> Answer {
    let steps = Answer::messages([Bytes::from("one")]).steps().to_vec();
    let mut steps: Vec<Step> = steps
        .into_iter()
        .filter(|step| !matches!(step, Step::ReadAll | Step::Trailers(_)))
        .collect();
    steps.push(Step::Hang);
    Answer::script(steps)
}

#[tokio::test]
async fn cancel_in_mid_stream_keeps_what_was_seen() {
    let _machine = machine::shared();
    for filter in both() {
        let scene = Scene::of(filter).answering(stuck_after_one).start().await;
        let wait = Send::Sleep(Duration::from_millis(300));
        let steps = [Send::Data(framed(b"ask")), wait, Send::Cancel];

        scene.client.call(Call::script(METHOD, steps)).await;

        let record = scene.record().await;
        assert_eq!(record.request_bytes(), framed(b"ask"));
        assert_eq!(record.response_bytes(), framed(b"one"));
        assert_eq!(record.status(), None);
        assert_eq!(record.end(), End::Aborted);
    }
}

#[tokio::test]
async fn cancel_before_any_answer_is_recorded() {
    let _machine = machine::shared();
    for filter in both() {
        let scene = Scene::of(filter)
            .answering(|_| Answer::script([Step::Hang]))
            .start()
            .await;
        let wait = Send::Sleep(Duration::from_millis(300));
        let steps = [Send::Data(framed(b"ask")), wait, Send::Cancel];

        scene.client.call(Call::script(METHOD, steps)).await;

        let record = scene.record().await;
        assert!(record.response_headers.is_none(), "{record:#?}");
        assert_eq!(record.end(), End::Aborted);
    }
}

#[tokio::test]
async fn route_timeout_answers_the_client_and_is_recorded() {
    let _machine = machine::shared();
    let hang = |_: &_| Answer::script([Step::ReadAll, Step::Hang]);
    let scene = Scene::of(Filter::inbound())
        .answering(hang)
        .route(|route| route.timeout("0.3s"))
        .start()
        .await;

    let outcome = scene.client.call(Call::unary(METHOD, "ask")).await;

    assert!(matches!(outcome.status(), Some(4 | 14)), "{outcome:?}");
    let record = scene.record().await;
    assert_eq!(record.status(), outcome.status());
    assert_eq!(record.response_code_details, "response_timeout");
    assert_ne!(record.response_flags & 4, 0, "UT");
}

#[tokio::test]
async fn reset_before_headers_reaches_client_and_record() {
    let _machine = machine::shared();
    for filter in both() {
        let reset = |_: &_| Answer::script([Step::ReadAll, Step::Reset(Reason::INTERNAL_ERROR)]);
        let scene = Scene::of(filter).answering(reset).start().await;

        let outcome = scene.client.call(Call::unary(METHOD, "ask")).await;

        assert!(!outcome.ok(), "{outcome:?}");
        let record = scene.record().await;
        assert_eq!(record.request_bytes(), framed(b"ask"));
        assert_ne!(record.status(), Some(0));
    }
}

#[tokio::test]
async fn reset_in_mid_answer_is_an_aborted_call() {
    let _machine = machine::shared();
    for filter in both() {
        let reset = |head: &twintap_e2e::grpc::RequestHead| {
            let mut steps = stuck_after_one(head).steps().to_vec();
            steps.pop();
            // The message must be on its way before the reset overtakes it.
            steps.push(Step::Sleep(Duration::from_millis(200)));
            steps.push(Step::Reset(Reason::INTERNAL_ERROR));
            Answer::script(steps)
        };
        let scene = Scene::of(filter).answering(reset).start().await;

        let outcome = scene.client.call(Call::unary(METHOD, "ask")).await;

        assert!(outcome.reset.is_some(), "{outcome:?}");
        let record = scene.record().await;
        assert_eq!(record.response_bytes(), framed(b"one"));
        assert_eq!(record.end(), End::Aborted);
    }
}

#[tokio::test]
async fn every_retry_is_an_attempt_of_its_own_upstream() {
    let _machine = machine::shared();
    let asked = Arc::new(AtomicU64::new(0));
    let answer = move |_: &_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Answer::trailers_only(14, "busy"),
        _ => Answer::echo(),
    };
    let scene = Scene::of(Filter::upstream())
        .answering(answer)
        .route(|route| route.retries(3))
        .start()
        .await;

    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());

    let mut records = scene.records(3).await;
    records.sort_by_key(|record| record.attempt);
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.attempt, record.status()))
        .collect();
    assert_eq!(seen, [(1, Some(14)), (2, Some(14)), (3, Some(0))]);
}

#[tokio::test]
async fn retries_are_one_call_inbound() {
    let _machine = machine::shared();
    let asked = Arc::new(AtomicU64::new(0));
    let answer = move |_: &_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::trailers_only(14, "busy"),
        _ => Answer::echo(),
    };
    let scene = Scene::of(Filter::inbound())
        .answering(answer)
        .route(|route| route.retries(3))
        .start()
        .await;

    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());

    assert_eq!(scene.record().await.status(), Some(0));
}

#[tokio::test]
async fn server_that_is_not_there_gives_a_record_with_the_local_reply() {
    let _machine = machine::shared();
    let mut scene = Scene::of(Filter::inbound()).start().await;
    scene.stop_servers();

    let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

    assert_eq!(outcome.status(), Some(14), "{outcome:?}");
    assert_eq!(scene.record().await.status(), Some(14));
}
