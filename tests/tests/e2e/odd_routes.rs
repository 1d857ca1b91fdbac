//! Calls that take another way than a request and its answer: interim answers, redirects, hedges, and a
//! collector that is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use twintap_e2e::grpc::{Answer, Call, RequestHead, Step, framed};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Filter, Scene, machine, wait};
use twintap_record::End;

const METHOD: &str = "shop.v1.Orders/Get";
const SAID_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn interim_answers_pass_and_are_not_taken_for_the_answer() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream()] {
        let answer = |_: &_| {
            let mut steps = vec![Step::Interim(StatusCode::EARLY_HINTS); 2];
            steps.extend_from_slice(Answer::echo().steps());
            Answer::script(steps)
        };
        let scene = Scene::of(filter).answering(answer).start().await;

        let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

        assert!(outcome.ok(), "{outcome:?}");
        let record = scene.record().await;
        assert_eq!(
            record.response_header(":status"),
            Some(b"200".as_slice()),
            "{record:?}"
        );
        assert_eq!(record.response_bytes(), framed(b"x"));
        assert_eq!((record.status(), record.end()), (Some(0), End::Complete));
    }
}

/// Sends calls of `Old` elsewhere.
fn redirecting(head: &RequestHead) -> Answer {
    if !head.uri.path().ends_with("/Old") {
        return Answer::echo();
    }
    let mut headers = HeaderMap::new();
    let authority = head
        .uri
        .authority()
        .map_or("a", |authority| authority.as_str());
    let location = format!("http://{authority}/{METHOD}");
    headers.insert("location", HeaderValue::from_str(&location).expect("a URL"));
    Answer::script([
        Step::ReadAll,
        Step::Headers {
            status: StatusCode::FOUND,
            headers,
            end: true,
        },
    ])
}

#[tokio::test]
async fn a_redirect_within_envoy_is_two_streams_of_which_one_has_an_answer() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound())
        .answering(redirecting)
        .route(|route| route.follow_redirects())
        .start()
        .await;

    let outcome = scene
        .client
        .call(Call::unary("shop.v1.Orders/Old", "x"))
        .await;

    assert!(outcome.ok(), "{outcome:?}");
    assert_eq!(outcome.body, framed(b"x"));
    let records = scene.records(2).await;
    let mut seen: Vec<_> = records
        .iter()
        .map(|record| {
            let path = record.request_header(":path").unwrap_or_default();
            (path.to_vec(), record.status(), record.end())
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        seen,
        [
            (b"/shop.v1.Orders/Get".to_vec(), Some(0), End::Complete),
            (b"/shop.v1.Orders/Old".to_vec(), None, End::Aborted),
        ]
    );
}

#[tokio::test]
async fn hedged_calls_are_one_inbound_and_an_attempt_each_upstream() {
    let _machine = machine::shared();
    for (filter, count) in [(Filter::inbound(), 1), (Filter::upstream(), 2)] {
        let asked = Arc::new(AtomicU64::new(0));
        let answer = move |_: &_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::echo().after(Duration::from_secs(2)),
            _ => Answer::echo(),
        };
        let scene = Scene::of(filter)
            .answering(answer)
            .route(|route| route.hedged("0.3s"))
            .start()
            .await;

        let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

        assert!(outcome.ok(), "{outcome:?}");
        let records = scene.records(count).await;
        let mut answered: Vec<_> = records.iter().map(Recorded::status).collect();
        answered.sort();
        let expected = [None, Some(0)];
        assert_eq!(answered, expected[expected.len() - answered.len()..]);
    }
}

#[tokio::test]
async fn a_collector_that_is_the_service_itself_costs_no_call_and_acknowledges_nothing() {
    let _machine = machine::shared();
    let answer = |head: &RequestHead| match head.uri.path() {
        twintap_record::PATH => Answer::trailers_only(12, "unknown service"),
        _ => Answer::echo(),
    };
    let filter = Filter::inbound().with("collector_cluster", "old");
    let scene = Scene::of(filter).answering(answer).start().await;

    for _ in 0..20 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    let counter = async |name: &str| {
        let stats = scene.envoy.stats().await;
        stats.counter(&format!("wasmcustom.twintap_{name}"))
    };
    wait::until_true("the filter counts failed sends", SAID_WITHIN, async || {
        counter("batches_failed_total").await > 0
    })
    .await;
    assert_eq!(counter("batches_sent_total").await, 0);
    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
}
