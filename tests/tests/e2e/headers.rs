//! Header blocks: any bytes, any number, any size.

use twintap_e2e::grpc::{Answer, Call};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Filter, Scene, machine};

const METHOD: &str = "shop.v1.Orders/Get";

#[tokio::test]
async fn header_bytes_beyond_ascii_pass_and_are_recorded() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream(), Filter::outbound()] {
        let answer = |_: &_| {
            Answer::echo()
                .header("x-city", b"M\xfcnchen")
                .trailer("x-end", b"\xff\xfe")
        };
        let scene = Scene::of(filter.with("record", true))
            .answering(answer)
            .start()
            .await;

        let call = Call::unary(METHOD, "x").header("x-name", b"caf\xe9\x80");
        let outcome = scene.client.call(call).await;

        assert!(outcome.ok(), "{outcome:?}");
        let record = scene.record().await;
        assert_eq!(
            record.request_header("x-name"),
            Some(b"caf\xe9\x80".as_slice())
        );
        assert_eq!(
            record.response_header("x-city"),
            Some(b"M\xfcnchen".as_slice())
        );
        assert_eq!(record.trailer("x-end"), Some(b"\xff\xfe".as_slice()));
    }
}

#[tokio::test]
async fn repeated_and_empty_headers_keep_their_order() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;

    let call = Call::unary(METHOD, "x")
        .header("x-tag", "b")
        .header("x-tag", "")
        .header("x-tag", "a");
    assert!(scene.client.call(call).await.ok());

    let record = scene.record().await;
    let headers = record.request_headers.as_ref().expect("request headers");
    let tags: Vec<_> = headers
        .headers
        .iter()
        .filter(|header| header.name == "x-tag")
        .map(|h| &h.value[..])
        .collect();
    assert_eq!(tags, [b"b".as_slice(), b"", b"a"]);
}

#[tokio::test]
async fn two_thousand_headers_pass_and_the_omitted_are_counted() {
    let _machine = machine::shared();
    for filter in [Filter::inbound(), Filter::upstream()] {
        let scene = Scene::of(filter).start().await;
        let count = 2000;
        let call = (0..count).fold(Call::unary(METHOD, "x"), |call, number| {
            call.header(&format!("x-h-{number}"), number.to_string())
        });

        assert!(scene.client.call(call).await.ok());

        let received = scene.settled(1).await;
        for record in received.all_records() {
            let headers = record.request_headers.as_ref().expect("request headers");
            let seen = headers.headers.len() as u32 + headers.omitted_count;
            assert!(
                seen >= count,
                "{} kept, {} omitted",
                headers.headers.len(),
                headers.omitted_count
            );
        }
    }
}

#[tokio::test]
async fn large_headers_pass_whatever_becomes_of_the_record() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound()).start().await;
    // One field may have up to 64 KiB in Envoy; a block may have megabytes.
    let value = vec![b'v'; 60_000];
    let counts = [1, 4, 16, 30];
    for count in counts {
        let call = (0..count).fold(Call::unary(METHOD, "x"), |call, number| {
            call.header(&format!("x-large-{number}"), &value)
        });
        let outcome = scene.client.call(call).await;
        assert!(outcome.ok(), "{count} headers: {outcome:?}");
    }

    let received = scene.settled(counts.len() as u64).await;
    assert_eq!(
        received.recorded() + received.dropped(),
        counts.len() as u64
    );
}
