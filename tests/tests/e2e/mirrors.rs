//! Mirroring: one Envoy sees both answers.

use std::time::Duration;

use bytes::Bytes;
use twintap_e2e::grpc::{Answer, Call, Send, Step, framed};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::{End, Record, Role};

const METHOD: &str = "shop.v1.Orders/Get";

#[tokio::test]
async fn upstream_filter_records_primary_and_mirror_under_one_pair_id() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::outbound())
        .and(Filter::upstream())
        .answering(|_| Answer::messages([Bytes::from("old")]))
        .mirrored(|_| Answer::messages([Bytes::from("new")]))
        .start()
        .await;

    let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

    assert_eq!(outcome.messages(), ["old"]);
    // Once at the outbound filter, which only stamps; once per side at the upstream filter.
    let received = scene.settled(3).await;
    let records: Vec<_> = received.all_records().collect();
    assert_eq!(records.len(), 2);
    let answer = |role: Role| {
        let record = records
            .iter()
            .find(|record| record.side() == role)
            .expect("this side");
        record.response_bytes().split_off(5)
    };
    assert_eq!(
        (answer(Role::Primary), answer(Role::Candidate)),
        ("old".into(), "new".into())
    );
    assert_eq!(records[0].pair_id, records[1].pair_id);
    assert!(!records[0].pair_id.is_empty());
    let clusters: Vec<_> = records
        .iter()
        .map(|record| &record.cluster_name[..])
        .collect();
    assert!(
        clusters.contains(&&b"old"[..]) && clusters.contains(&&b"new"[..]),
        "{clusters:?}"
    );
}

#[tokio::test]
async fn pair_id_of_the_route_is_recorded_on_both_sides() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::upstream())
        .mirrored(|_| Answer::echo())
        .route(|route| route.stamp_pair_id())
        .start()
        .await;

    for _ in 0..20 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    let records = scene.records(40).await;
    let mut pair_ids: Vec<_> = records
        .iter()
        .map(|record| record.pair_id.clone())
        .collect();
    pair_ids.sort();
    pair_ids.dedup();
    assert_eq!(pair_ids.len(), 20);
    assert_eq!(records.iter().filter(|record| record.shadow).count(), 20);
}

#[tokio::test]
async fn failing_mirror_is_recorded_and_the_client_never_sees_it() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::upstream())
        .mirrored(|_| Answer::trailers_only(12, "not%20yet"))
        .start()
        .await;

    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());

    let records = scene.records(2).await;
    let mirror = records
        .iter()
        .find(|record| record.shadow)
        .expect("the mirror");
    assert_eq!(mirror.status(), Some(12));
}

#[tokio::test]
async fn slow_mirror_is_recorded_after_the_client_has_its_answer() {
    let _machine = machine::shared();
    let delay = Duration::from_secs(3);
    let scene = Scene::of(Filter::upstream())
        .mirrored(move |_| Answer::echo().after(delay))
        .start()
        .await;

    let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

    assert!(outcome.ok() && outcome.elapsed < delay, "{outcome:?}");
    let records = scene.records(2).await;
    let mirror = records
        .iter()
        .find(|record| record.shadow)
        .expect("the mirror");
    let timing = mirror.timing.expect("a timing");
    assert!(
        timing.response_headers_ns >= delay.as_nanos() as u64,
        "{timing:?}"
    );
}

/// The primary's record and the mirror's.
fn sides(records: Vec<Record>) -> (Record, Record) {
    let (mirror, primary): (Vec<_>, Vec<_>) = records.into_iter().partition(|it| it.shadow);
    let one = |side: Vec<Record>| side.into_iter().next().expect("this side");
    (one(primary), one(mirror))
}

/// When the answer of `record` was over, and when all of it was.
fn ends_unix_ns(record: &Record) -> (u64, u64) {
    let timing = record.timing.expect("a timing");
    (
        record.started_unix_ns + timing.response_end_ns,
        record.started_unix_ns + timing.end_ns,
    )
}

// The next two are what the collector tells a candidate that is down from a mirror that was cut off by.

#[tokio::test]
async fn mirror_that_is_down_breaks_off_beside_a_whole_answer() {
    let _machine = machine::shared();
    let mut scene = Scene::of(Filter::upstream())
        .mirrored(|_| Answer::echo())
        .start()
        .await;
    scene.stop_mirror();

    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());

    let (primary, mirror) = sides(scene.records(2).await);
    // Its connection may be refused before the request is over; the primary was not answered early.
    assert_eq!(primary.end(), End::Complete);
    assert_eq!(mirror.end(), End::Aborted);
    assert!(mirror.response_headers.is_none());
    assert_eq!(mirror.response_flags, 0, "Envoy sets none on mirrors");
}

#[tokio::test]
async fn early_answer_cuts_off_the_mirror_and_not_before() {
    let _machine = machine::shared();
    let early = |_: &_| {
        let answer = Answer::trailers_only(0, "").steps().to_vec();
        let answer = answer.into_iter().filter(|it| !matches!(it, Step::ReadAll));
        let mut steps = vec![Step::ReadBytes(5)];
        steps.extend(answer);
        Answer::script(steps)
    };
    let scene = Scene::of(Filter::upstream())
        .answering(early)
        .mirrored(|_| Answer::script([Step::Hang]))
        .start()
        .await;
    let steps = [
        Send::Data(framed(b"first")),
        Send::Sleep(Duration::from_secs(2)),
        Send::End,
    ];

    scene.client.call(Call::script(METHOD, steps)).await;

    let (primary, mirror) = sides(scene.records(2).await);
    assert_eq!(primary.end(), End::ResponseFirst);
    assert_eq!(mirror.end(), End::Aborted);
    assert!(
        !mirror
            .request_body
            .as_ref()
            .is_some_and(|body| body.end_stream)
    );
    let ((answered, _), (_, cut)) = (ends_unix_ns(&primary), ends_unix_ns(&mirror));
    assert!(cut >= answered, "{cut} {answered}");
}
