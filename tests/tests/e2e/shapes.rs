//! The shapes of gRPC calls, as raw HTTP/2 can make them.

use bytes::Bytes;
use http::{Method, StatusCode};
use std::time::Duration;
use twintap_e2e::grpc::{Answer, Call, Send, Step, framed};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::End;

const METHOD: &str = "shop.v1.Orders/Get";

#[tokio::test]
async fn unary_call_is_recorded_with_both_bodies_and_trailers() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream()] {
        let answer = |_: &_| Answer::messages([Bytes::from("pong")]).trailer("x-cost", "17");
        let scene = Scene::of(filter).answering(answer).start().await;

        let outcome = scene
            .client
            .call(Call::unary(METHOD, "ping").header("x-a", "1"))
            .await;

        assert!(outcome.ok(), "{outcome:?}");
        let record = scene.record().await;
        assert_eq!(
            record.request_header(":path"),
            Some(b"/shop.v1.Orders/Get".as_slice())
        );
        assert_eq!(record.request_header("x-a"), Some(b"1".as_slice()));
        assert_eq!(record.request_bytes(), framed(b"ping"));
        assert_eq!(record.response_bytes(), framed(b"pong"));
        assert_eq!(record.status(), Some(0));
        assert_eq!(record.trailer("x-cost"), Some(b"17".as_slice()));
        assert_eq!(record.end(), End::Complete);
    }
}

#[tokio::test]
async fn every_message_of_a_stream_is_recorded_in_order() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound())
        .answering(|_| Answer::echo_live())
        .start()
        .await;
    let messages: Vec<String> = (0..50).map(|number| format!("message {number}")).collect();

    let outcome = scene
        .client
        .call(Call::streaming("shop.v1.Orders/Watch", &messages))
        .await;

    assert_eq!(outcome.messages(), messages);
    let record = scene.record().await;
    assert_eq!(record.request_bytes(), outcome.body);
    assert_eq!(record.response_bytes(), outcome.body);
    assert_eq!(
        record.request_body.as_ref().map(|body| body.messages_count),
        Some(50)
    );
    assert_eq!(
        record
            .response_body
            .as_ref()
            .map(|body| body.messages_count),
        Some(50)
    );
}

#[tokio::test]
async fn message_split_at_each_byte_is_counted_once() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;
    let frame = framed(b"0123456789");
    let mut steps: Vec<Send> = frame
        .chunks(1)
        .map(|byte| Send::Data(byte.to_vec().into()))
        .collect();
    steps.push(Send::End);

    let outcome = scene.client.call(Call::script(METHOD, steps)).await;

    assert_eq!(outcome.body, frame);
    let record = scene.record().await;
    assert_eq!(record.request_bytes(), frame);
    assert_eq!(record.request_body.map(|body| body.messages_count), Some(1));
}

#[tokio::test]
async fn trailers_only_answer_is_one_header_block() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream()] {
        let answer = |_: &_| {
            Answer::trailers_only(9, "not%20ready").header("grpc-status-details-bin", "CAkSBG5vbmU")
        };
        let scene = Scene::of(filter).answering(answer).start().await;

        let outcome = scene.client.call(Call::unary(METHOD, "x")).await;

        assert_eq!(outcome.status(), Some(9));
        let record = scene.record().await;
        assert_eq!(record.status(), Some(9));
        assert!(record.response_trailers.is_none());
        assert!(
            record
                .response_headers
                .as_ref()
                .is_some_and(|headers| headers.end_stream)
        );
        assert_eq!(
            record.trailer("grpc-message"),
            Some(b"not%20ready".as_slice())
        );
        assert_eq!(
            record.trailer("grpc-status-details-bin"),
            Some(b"CAkSBG5vbmU".as_slice())
        );
        assert_eq!(record.end(), End::Complete);
    }
}

#[tokio::test]
async fn error_after_messages_keeps_the_messages_and_the_details() {
    let _machine = machine::shared();
    let answer = |_: &_| {
        Answer::messages(["one", "two"].map(Bytes::from))
            .status(8)
            .trailer("grpc-message", "slow%20down")
            .trailer("grpc-status-details-bin", "CAgSBHNsb3c")
    };
    let scene = Scene::of(Filter::inbound()).answering(answer).start().await;

    let outcome = scene
        .client
        .call(Call::unary("shop.v1.Orders/List", "x"))
        .await;

    assert_eq!((outcome.status(), outcome.messages().len()), (Some(8), 2));
    let record = scene.record().await;
    assert_eq!(record.response_bytes(), outcome.body);
    assert_eq!(record.status(), Some(8));
    assert_eq!(
        record.trailer("grpc-status-details-bin"),
        Some(b"CAgSBHNsb3c".as_slice())
    );
}

#[tokio::test]
async fn empty_body_and_empty_message_differ() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;

    scene.client.call(Call::script(METHOD, [Send::End])).await;
    scene.client.call(Call::unary(METHOD, "")).await;

    let records = scene.records(2).await;
    let bytes = |index: usize| {
        records[index]
            .request_body
            .as_ref()
            .map_or(0, |b| b.bytes_count)
    };
    assert_eq!((bytes(0), bytes(1)), (0, 5));
}

#[tokio::test]
async fn early_answer_is_recorded_as_such() {
    let _machine = machine::shared();
    let answer = |_: &_| {
        let steps = Answer::messages([Bytes::from("enough")]).steps().to_vec();
        let mut steps: Vec<Step> = steps
            .into_iter()
            .filter(|step| !matches!(step, Step::ReadAll))
            .collect();
        steps.insert(0, Step::ReadBytes(5));
        Answer::script(steps)
    };
    let scene = Scene::of(Filter::inbound()).answering(answer).start().await;
    let steps = [
        Send::Data(framed(b"first")),
        Send::Sleep(Duration::from_secs(2)),
        Send::End,
    ];

    let outcome = scene
        .client
        .call(Call::script("shop.v1.Orders/Upload", steps))
        .await;

    assert_eq!(outcome.status(), Some(0));
    let record = scene.record().await;
    assert_eq!(record.response_bytes(), framed(b"enough"));
    assert_eq!(record.end(), End::ResponseFirst);
}

#[tokio::test]
async fn half_close_reaches_the_record() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;
    let pause = Send::Sleep(Duration::from_millis(50));
    let steps = [Send::Data(framed(b"all")), pause, Send::End];

    let outcome = scene.client.call(Call::script(METHOD, steps)).await;

    assert!(outcome.ok(), "{outcome:?}");
    let record = scene.record().await;
    assert!(
        record
            .request_body
            .as_ref()
            .is_some_and(|body| body.end_stream)
    );
    let timing = record.timing.expect("a timing");
    // Headers and message may have been under way a little longer than the END_STREAM.
    assert!(timing.request_end_ns >= 40_000_000, "{timing:?}");
    assert!(
        timing.request_end_ns <= timing.response_headers_ns,
        "{timing:?}"
    );
    assert!(
        timing.response_headers_ns <= timing.response_end_ns,
        "{timing:?}"
    );
}

#[tokio::test]
async fn traffic_that_is_not_grpc_passes_and_is_skipped() {
    let _machine = machine::shared();
    let page = |_: &_| {
        Answer::script([
            Step::ReadAll,
            Step::Headers {
                status: StatusCode::NOT_FOUND,
                headers: Default::default(),
                end: false,
            },
            Step::Data(Bytes::from("<p>no such page</p>")),
            Step::Trailers(Default::default()),
        ])
    };
    let scene = Scene::of(Filter::inbound()).answering(page).start().await;

    let get = Call::http(Method::GET, "/index.html", Bytes::new());
    let json = Call::http(Method::POST, "/v1/orders", Bytes::from("{}"));
    let web = Call::unary(METHOD, "x").content_type("application/grpc-web+proto");
    for call in [get, json.content_type("application/json"), web] {
        let outcome = scene.client.call(call).await;
        assert_eq!(outcome.http_status, Some(StatusCode::NOT_FOUND));
        assert_eq!(outcome.body, "<p>no such page</p>");
    }

    let received = scene.settled(3).await;
    assert_eq!(received.skipped_as(twintap_record::Reason::NotGrpc), 3);
    assert_eq!(received.records, 0);
}

#[tokio::test]
async fn hostile_framing_passes_and_is_recorded_as_it_crossed() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;
    let bodies: [&[u8]; 6] = [
        b"\x00\x7f\xff\xff\xffshort of 2 GiB",
        b"\x00\xff\xff\xff\xff",
        b"\x02\x00\x00\x00\x01x",
        b"\xff\x00\x00\x00\x00",
        b"\x01\x00\x00\x00\x03abc",
        b"\x00\x00\x00",
    ];

    for body in bodies {
        let steps = [Send::Data(Bytes::from_static(body)), Send::End];
        let outcome = scene.client.call(Call::script(METHOD, steps)).await;
        assert_eq!(outcome.body, body);
    }

    let records = scene.records(bodies.len() as u64).await;
    for (record, body) in records.iter().zip(bodies) {
        assert_eq!(record.request_bytes(), body);
        assert_eq!(record.response_bytes(), body);
    }
}

#[tokio::test]
async fn broken_statuses_are_kept_as_they_were() {
    let _machine = machine::shared();
    let statuses = ["abc", "-1", "2147483648", "", "00"];
    let answer = |head: &twintap_e2e::grpc::RequestHead| {
        let status = head.headers.get("x-status").cloned();
        let status = status.unwrap_or_else(|| http::HeaderValue::from_static("0"));
        let mut steps = Answer::messages([Bytes::from("x")]).steps().to_vec();
        if let Some(Step::Trailers(trailers)) = steps.last_mut() {
            trailers.insert("grpc-status", status);
        }
        Answer::script(steps)
    };
    let scene = Scene::of(Filter::inbound()).answering(answer).start().await;

    for status in statuses {
        scene
            .client
            .call(Call::unary(METHOD, "x").header("x-status", status))
            .await;
    }

    let records = scene.records(statuses.len() as u64).await;
    for (record, status) in records.iter().zip(statuses) {
        assert_eq!(record.trailer("grpc-status"), Some(status.as_bytes()));
    }
}
