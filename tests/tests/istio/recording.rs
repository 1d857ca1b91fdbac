//! Calls through the sample mesh, and what `twintap compare` makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use twintap_e2e::grpc::{Answer, Call, RequestHead, Send, Step, framed};
use twintap_e2e::machine;

use crate::mesh::{METHOD, Mesh, RecordsAt};

/// Calls of [`of_every_kind`].
const KINDS: usize = 6;

fn messages(count: usize) -> Vec<Bytes> {
    let numbered = (0..count).map(|number| Bytes::from(format!("message {number}")));
    numbered.collect()
}

/// Answers as the call's header `x-kind` asks.
fn as_asked(head: &RequestHead) -> Answer {
    match head.headers.get("x-kind").map(|kind| kind.as_bytes()) {
        Some(b"stream") => Answer::messages(messages(3)),
        Some(b"live") => Answer::echo_live(),
        Some(b"trailers-only") => Answer::trailers_only(5, "no%20such%20order"),
        Some(b"status") => Answer::messages(messages(1)).status(9),
        _ => Answer::echo(),
    }
}

/// One call of every kind.
async fn of_every_kind(mesh: &Mesh) {
    let calls = [
        (Call::unary(METHOD, "unary"), 0),
        (Call::streaming(METHOD, messages(3)), 0),
        (Call::unary(METHOD, "x").header("x-kind", "stream"), 0),
        (
            Call::streaming(METHOD, messages(4)).header("x-kind", "live"),
            0,
        ),
        (
            Call::unary(METHOD, "x").header("x-kind", "trailers-only"),
            5,
        ),
        (Call::unary(METHOD, "x").header("x-kind", "status"), 9),
    ];
    for (call, status) in calls {
        let outcome = mesh.client.call(call.clone()).await;
        assert_eq!(outcome.status(), Some(status), "{call:?}: {outcome:?}");
    }
}

/// This many calls are paired, all of them equal.
fn assert_matched(report: &Value, pairs: usize, found_by: &str) {
    let completeness = &report["completeness"];
    assert_eq!(completeness["pairs"], pairs, "{report:#}");
    assert_eq!(
        completeness["pairs_found_by"][found_by], pairs,
        "{report:#}"
    );
    assert_eq!(completeness["pairs_ambiguous"], 0, "{report:#}");
    assert_eq!(report["answer"]["judged"], pairs, "{report:#}");
    assert_eq!(report["answer"]["mismatched"], 0, "{report:#}");
    assert_eq!(report["differences"], Value::Array(vec![]), "{report:#}");
}

#[tokio::test]
async fn demo_pairs_calls_of_every_kind_by_pair_id() {
    let _machine = machine::shared();
    let mesh = Mesh::of_the_demo()
        .old_answers(as_asked)
        .new_answers(as_asked)
        .start()
        .await;
    of_every_kind(&mesh).await;
    assert_matched(&mesh.report(2 * KINDS).await, KINDS, "pair_id");
}

#[tokio::test]
async fn difference_between_old_and_new_is_reported() {
    let _machine = machine::shared();
    let new = |_: &_| Answer::messages([Bytes::from("new")]);
    let mesh = Mesh::of_the_demo().new_answers(new).start().await;
    assert!(mesh.client.call(Call::unary(METHOD, "old")).await.ok());

    let report = mesh.report(2).await;

    assert_eq!(report["answer"]["judged"], 1, "{report:#}");
    assert_eq!(report["answer"]["mismatched"], 1, "{report:#}");
}

#[tokio::test]
async fn shadow_suffix_of_older_istio_is_no_difference() {
    let _machine = machine::shared();
    let mesh = Mesh::of_the_demo().with_shadow_suffix();
    let mesh = mesh
        .old_answers(as_asked)
        .new_answers(as_asked)
        .start()
        .await;
    of_every_kind(&mesh).await;

    let (report, stored) = mesh.report_and_calls(2 * KINDS).await;

    assert_matched(&report, KINDS, "pair_id");
    let candidates = stored.with("role", "candidate").rows;
    let authority = |call: &Value| call["authority"].as_str().map(str::to_owned);
    let authorities: Vec<String> = candidates.iter().filter_map(authority).collect();
    let has_suffix = |authority: &String| authority.contains("-shadow");
    assert!(authorities.iter().all(has_suffix), "{authorities:?}");
    assert_eq!(authorities.len(), KINDS);
}

#[tokio::test]
async fn request_ids_pair_calls_although_a_sidecar_rewrites_a_digit() {
    let _machine = machine::shared();
    let mesh = Mesh::with(&["inbound"], RecordsAt::Services)
        .traced_at_the_new_service()
        .old_answers(as_asked)
        .new_answers(as_asked)
        .start()
        .await;
    of_every_kind(&mesh).await;

    let (report, stored) = mesh.report_and_calls(2 * KINDS).await;

    assert_matched(&report, KINDS, "request_id");
    let digits = |role: &str| {
        let calls = stored.with("role", role).rows;
        let digit = |call: &Value| {
            call["request_metadata_map"]["x-request-id"]
                .as_str()?
                .chars()
                .nth(14)
        };
        let mut digits: Vec<char> = calls.iter().filter_map(digit).collect();
        digits.dedup();
        digits
    };
    assert_eq!(
        (digits("primary"), digits("candidate")),
        (vec!['4'], vec!['9'])
    );
}

#[tokio::test]
async fn caller_alone_records_both_answers() {
    let _machine = machine::shared();
    let mesh = Mesh::with(&["outbound", "upstream"], RecordsAt::Caller);
    let mesh = mesh
        .old_answers(as_asked)
        .new_answers(as_asked)
        .start()
        .await;
    of_every_kind(&mesh).await;
    assert_matched(&mesh.report(2 * KINDS).await, KINDS, "pair_id");
}

#[tokio::test]
async fn cancelled_call_is_never_a_difference() {
    let _machine = machine::shared();
    let stuck = |_: &_| {
        let steps = Answer::messages(messages(1)).steps().to_vec();
        let keep = |step: &Step| !matches!(step, Step::ReadAll | Step::Trailers(_));
        let steps: Vec<Step> = steps.into_iter().filter(keep).chain([Step::Hang]).collect();
        Answer::script(steps)
    };
    let warm = move |head: &RequestHead| match head.headers.contains_key("x-stuck") {
        true => stuck(head),
        false => Answer::echo(),
    };
    let mesh = Mesh::of_the_demo()
        .old_answers(warm)
        .new_answers(warm)
        .start()
        .await;
    let wait = Send::Sleep(Duration::from_millis(300));
    let steps = [Send::Data(framed(b"ask")), wait, Send::Cancel];
    mesh.client
        .call(Call::script(METHOD, steps).header("x-stuck", "1"))
        .await;
    assert!(mesh.client.call(Call::unary(METHOD, "x")).await.ok());

    let report = mesh.report(4).await;

    assert_eq!(report["answer"]["judged"], 1, "{report:#}");
    assert_eq!(report["answer"]["mismatched"], 0, "{report:#}");
}

#[tokio::test]
async fn early_answer_of_the_old_service_cuts_the_mirror_and_is_no_difference() {
    let _machine = machine::shared();
    let early = |head: &RequestHead| match head.headers.contains_key("x-early") {
        // Before the request ends.
        true => Answer::script(
            Answer::trailers_only(8, "enough")
                .steps()
                .to_vec()
                .split_off(1),
        ),
        false => Answer::echo(),
    };
    let mesh = Mesh::of_the_demo().old_answers(early).start().await;
    let wait = Send::Sleep(Duration::from_millis(500));
    let steps = [
        Send::Data(framed(b"first")),
        wait,
        Send::Data(framed(b"second")),
        Send::End,
    ];
    let outcome = mesh
        .client
        .call(Call::script(METHOD, steps).header("x-early", "1"))
        .await;
    assert_eq!(outcome.status(), Some(8), "{outcome:?}");
    assert!(mesh.client.call(Call::unary(METHOD, "x")).await.ok());

    let report = mesh.report(4).await;

    assert_eq!(report["answer"]["judged"], 1, "{report:#}");
    assert_eq!(report["answer"]["mismatched"], 0, "{report:#}");
}

#[tokio::test]
async fn retried_call_is_one_pair() {
    let _machine = machine::shared();
    let asked = Arc::new(AtomicU64::new(0));
    let busy_once = move |head: &RequestHead| {
        let is_asked = head.headers.contains_key("x-busy");
        match is_asked && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Answer::trailers_only(14, "busy"),
            false => Answer::echo(),
        }
    };
    // Istio's default instead of the sample's: two more attempts, none of them mirrored.
    let with_retries = |service: &mut Value| {
        let rule = service["spec"]["http"][0].as_object_mut();
        rule.expect("a rule").remove("retries");
    };
    let mesh = Mesh::of_the_demo()
        .route(with_retries)
        .old_answers(busy_once)
        .start()
        .await;
    let call = Call::unary(METHOD, "x").header("x-busy", "1");
    assert!(mesh.client.call(call).await.ok());

    let report = mesh.report(3).await;

    assert_eq!(report["completeness"]["pairs"], 1, "{report:#}");
    assert_eq!(report["completeness"]["retried"], 1, "{report:#}");
    assert_eq!(report["answer"]["mismatched"], 0, "{report:#}");
}
