//! Secrets: no value of a secret header leaves Envoy, at any place.

use serde_json::json;
use twintap_e2e::grpc::{Answer, Call};
use twintap_e2e::records::Recorded;
use twintap_e2e::{Collector, Filter, Scene, Stored, machine};
use twintap_record::Message;

const METHOD: &str = "shop.v1.Users/SignIn";
const CANARY: &str = "CANARY-7f3a9c";

/// Default names and patterns, and one that the configuration adds.
const SECRETS: [&str; 15] = [
    "authorization",
    "cookie",
    "x-api-key",
    "x-goog-api-key",
    "x-forwarded-authorization",
    "x-jwt-payload",
    "x-forwarded-client-cert",
    "x-auth-token",
    "client-secret",
    "x-password",
    "passwd-hint",
    "x-session-id",
    "user-credentials",
    "x-signature",
    "x-internal-note",
];

fn keyed() -> Filter {
    Filter::inbound()
        .with("redaction_key", "a key that is long enough")
        .with("redact_headers", json!(["x-internal-note"]))
}

fn call() -> Call {
    let call = Call::unary(METHOD, "x");
    SECRETS.iter().fold(call, |call, name| {
        call.header(name, format!("{CANARY}-{name}"))
    })
}

fn answer(_: &twintap_e2e::grpc::RequestHead) -> Answer {
    Answer::echo()
        .header("set-cookie", format!("{CANARY}-set-cookie"))
        .header("x-access-token", format!("{CANARY}-response"))
        .trailer("x-refresh-token", format!("{CANARY}-trailer"))
}

#[tokio::test]
async fn secrets_are_replaced_and_the_traffic_is_not() {
    let _machine = machine::shared();
    for filter in [
        keyed(),
        Filter::inbound().with("redact_headers", json!(["x-internal-note"])),
    ] {
        let scene = Scene::of(filter).answering(answer).start().await;

        let outcome = scene.client.call(call()).await;

        let cookie = outcome
            .headers
            .get("set-cookie")
            .map(|value| value.as_bytes().to_vec());
        assert_eq!(cookie, Some(format!("{CANARY}-set-cookie").into_bytes()));
        let record = scene.record().await;
        let bytes = record.encode_to_vec();
        let found = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!found, "a secret is in the record: {record:#?}");
        let headers = record.request_headers.as_ref().expect("request headers");
        for name in SECRETS {
            let header = headers.headers.iter().find(|header| header.name == name);
            assert!(
                header.is_some_and(|header| header.redacted),
                "{name} is marked"
            );
        }
    }
}

#[tokio::test]
async fn equal_secrets_stay_equal_under_one_key_and_differ_between_keys() {
    let _machine = machine::shared();
    let mut hashes = vec![];
    for key in [
        "key number one, long enough",
        "key number one, long enough",
        "another key, as long",
    ] {
        let scene = Scene::of(Filter::inbound().with("redaction_key", key))
            .start()
            .await;
        let call = Call::unary(METHOD, "x").header("authorization", CANARY);
        assert!(scene.client.call(call).await.ok());
        let record = scene.record().await;
        hashes.push(record.request_header("authorization").map(<[u8]>::to_vec));
    }
    assert!(hashes[0].as_ref().is_some_and(|hash| !hash.is_empty()));
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[tokio::test]
async fn no_canary_is_in_any_file_of_the_collector() {
    let _machine = machine::shared();
    let mut collector = Collector::start().await;
    let scene = Scene::of(keyed())
        .answering(answer)
        .shipping_to(collector.address())
        .start()
        .await;

    for _ in 0..50 {
        assert!(scene.client.call(call()).await.ok());
    }
    collector.settled(50).await;
    let mid_way = collector.files();
    collector.drain().await;

    let files = [mid_way, collector.files()].concat();
    assert!(!files.is_empty());
    for (path, bytes) in files {
        let found = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!found, "a secret is in {}", path.display());
    }

    // Parquet is compressed: what it says is searched, not its bytes.
    let rows = Stored::read_whole(&collector.data_dir()).rows;
    assert_eq!(rows.len(), 50);
    let hexadecimal = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for row in rows {
        let row = row.to_string();
        let has = |text: &str| row.contains(text) || row.contains(&hexadecimal(text));
        assert!(
            has("authorization") && has(METHOD),
            "the search finds nothing: {row}"
        );
        assert!(!has(CANARY), "a secret is in {row}");
    }
}
