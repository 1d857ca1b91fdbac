//! Bodies: cut at the limit, with the exact length and digest of the whole.

use bytes::Bytes;
use twintap_e2e::grpc::{Answer, Call, framed};
use twintap_e2e::records::Recorded;
use twintap_e2e::traffic::digest;
use twintap_e2e::{Filter, Scene, machine};
use twintap_record::Cut;

const METHOD: &str = "shop.v1.Orders/Import";

#[tokio::test]
async fn body_over_the_limit_keeps_length_digest_and_message_count() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound().with("body_bytes_max", 1000))
        .start()
        .await;
    let messages: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 300]).collect();
    let whole: Bytes = messages
        .iter()
        .flat_map(|message| framed(message))
        .collect();

    let outcome = scene.client.call(Call::streaming(METHOD, &messages)).await;

    assert_eq!(outcome.body, whole, "the traffic itself is never cut");
    let record = scene.record().await;
    for body in [record.request_body, record.response_body].map(|body| body.expect("a body")) {
        assert_eq!(body.captured, whole[..1000]);
        assert_eq!(body.bytes_count, whole.len() as u64);
        assert_eq!(body.digest, Some(digest(&whole)));
        assert_eq!(body.messages_count, 20);
        assert_eq!(body.cut(), Cut::Limit);
        assert!(body.end_stream);
    }
}

#[tokio::test]
async fn body_at_the_limit_is_not_cut() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound().with("body_bytes_max", 1005))
        .start()
        .await;

    scene.client.call(Call::unary(METHOD, vec![7; 1000])).await;
    scene.client.call(Call::unary(METHOD, vec![7; 1001])).await;

    let records = scene.records(2).await;
    let cut = |index: usize| records[index].request_body.as_ref().map(|body| body.cut());
    assert_eq!((cut(0), cut(1)), (Some(Cut::None), Some(Cut::Limit)));
}

#[tokio::test]
async fn eight_mebibytes_pass_each_way_with_their_digest() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream()] {
        let scene = Scene::of(filter).start().await;
        let message: Vec<u8> = (0..8 << 20).map(|index| (index % 253) as u8).collect();

        let outcome = scene.client.call(Call::unary(METHOD, &message)).await;

        let whole = framed(&message);
        assert!(outcome.ok() && outcome.body == whole);
        let record = scene.record().await;
        let body = record.request_body.as_ref().expect("a body");
        assert_eq!(body.bytes_count, whole.len() as u64);
        assert_eq!(body.digest, Some(digest(&whole)));
        assert_eq!(
            record.response_body.as_ref().and_then(|body| body.digest),
            body.digest
        );
        assert_eq!(body.captured.len(), 65_536);
    }
}

#[tokio::test]
async fn compressed_messages_are_recorded_as_sent() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound())
        .answering(|_| Answer::echo().header("grpc-encoding", "gzip"))
        .start()
        .await;
    let mut frame = framed(b"\x1f\x8bnot really").to_vec();
    frame[0] = 1;
    let steps = [
        twintap_e2e::grpc::Send::Data(frame.clone().into()),
        twintap_e2e::grpc::Send::End,
    ];

    let call = Call::script(METHOD, steps).header("grpc-encoding", "gzip");
    assert!(scene.client.call(call).await.ok());

    let record = scene.record().await;
    assert_eq!(record.request_bytes(), frame);
    assert_eq!(
        record.request_header("grpc-encoding"),
        Some(b"gzip".as_slice())
    );
}
