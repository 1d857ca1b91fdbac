//! Bad input at the HTTP port: what is sent, what is answered. Nothing of it may be stored.

use std::time::Duration;

use bytes::Bytes;
use twintap::clock::SystemClock;
use twintap_record::{Message, RecordBatch};

use super::batches::{Sender, record};
use super::client::post_head;
use super::collector::{Collector, accounting, stored};

/// Name, raw request, status, code.
type Case = (&'static str, Vec<u8>, u16, &'static str);

fn with_head(head: &str, body: &[u8]) -> Vec<u8> {
    let head = head
        .replace('\n', "\r\n")
        .replace("LENGTH", &body.len().to_string());
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn raw(body: &[u8]) -> Vec<u8> {
    [post_head(body.len()).as_bytes(), body].concat()
}

fn batch(change: impl FnOnce(&mut RecordBatch)) -> Vec<u8> {
    let mut batch = Sender::new(9).batch(3);
    change(&mut batch);
    raw(&batch.encode_to_vec())
}

const POST: &str = "POST /v1/records HTTP/1.1\nhost: t\ncontent-length: LENGTH";

fn refused() -> Vec<Case> {
    let good = Sender::new(9).encoded(3);
    let cut = &good[..good.len() - 1];
    let typed = |more: &str| with_head(&format!("{POST}\n{more}"), &good);
    let protobuf = "content-type: application/x-protobuf";
    vec![
        (
            "path unknown",
            with_head("GET /v2/records HTTP/1.1\nhost: t", b""),
            404,
            "not_found",
        ),
        (
            "root",
            with_head("GET / HTTP/1.1\nhost: t", b""),
            404,
            "not_found",
        ),
        (
            "dot segments",
            with_head("GET /v1/../healthz HTTP/1.1\nhost: t", b""),
            404,
            "not_found",
        ),
        (
            "GET of records",
            with_head("GET /v1/records HTTP/1.1\nhost: t", b""),
            405,
            "method_not_allowed",
        ),
        (
            "PUT of records",
            with_head(&format!("{POST}\n{protobuf}").replace("POST", "PUT"), &good),
            405,
            "method_not_allowed",
        ),
        (
            "POST to metrics",
            with_head("POST /metrics HTTP/1.1\nhost: t\ncontent-length: 0", b""),
            405,
            "method_not_allowed",
        ),
        (
            "no content-type",
            with_head(POST, &good),
            415,
            "content_type",
        ),
        (
            "JSON",
            typed("content-type: application/json"),
            415,
            "content_type",
        ),
        (
            "gRPC",
            typed("content-type: application/grpc"),
            415,
            "content_type",
        ),
        (
            "content-type not ASCII",
            typed("content-type: \u{e4}"),
            415,
            "content_type",
        ),
        (
            "gzip",
            typed(&format!("{protobuf}\ncontent-encoding: gzip")),
            415,
            "content_encoding",
        ),
        (
            "double encoding",
            typed(&format!("{protobuf}\ncontent-encoding: identity, gzip")),
            415,
            "content_encoding",
        ),
        (
            "two encodings",
            typed(&format!(
                "{protobuf}\ncontent-encoding: identity\ncontent-encoding: zstd"
            )),
            415,
            "content_encoding",
        ),
        (
            "body declared too large",
            with_head(
                &format!("POST /v1/records HTTP/1.1\nhost: t\n{protobuf}\ncontent-length: 4194305"),
                b"",
            ),
            413,
            "body_too_large",
        ),
        (
            "length beyond 64 bits is refused by HTTP",
            with_head(
                &format!(
                    "POST /v1/records HTTP/1.1\nhost: t\n{protobuf}\ncontent-length: 99999999999999999999999"
                ),
                b"",
            ),
            400,
            "",
        ),
        (
            "length negative",
            with_head(
                &format!("POST /v1/records HTTP/1.1\nhost: t\n{protobuf}\ncontent-length: -1"),
                b"",
            ),
            400,
            "",
        ),
        (
            "two lengths",
            with_head(
                &format!(
                    "POST /v1/records HTTP/1.1\nhost: t\n{protobuf}\ncontent-length: 1\ncontent-length: 2"
                ),
                b"xx",
            ),
            400,
            "",
        ),
        ("not HTTP", b"\x16\x03\x01 hello\r\n\r\n".to_vec(), 400, ""),
        (
            "header list of 40 KiB",
            typed(&format!("{protobuf}\nx: {}", "a".repeat(40_000))),
            431,
            "headers_too_large",
        ),
        (
            "101 header lines",
            typed(&format!("{protobuf}{}", "\na: b".repeat(101))),
            431,
            "",
        ),
        ("empty body", raw(b""), 422, "unsupported_version"),
        ("text", raw(b"hello"), 400, "malformed_batch"),
        ("cut by a byte", raw(cut), 400, "malformed_batch"),
        ("key only", raw(&[0x0a]), 400, "malformed_batch"),
        (
            "length beyond the end",
            raw(&[0x7a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            400,
            "malformed_batch",
        ),
        (
            "varint of 11 bytes",
            raw(&[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ]),
            400,
            "malformed_batch",
        ),
        ("field number 0", raw(&[0x00, 0x00]), 400, "malformed_batch"),
        ("group", raw(&[0x0b, 0x0c]), 400, "malformed_batch"),
        ("wire type 7", raw(&[0x0f]), 400, "malformed_batch"),
        (
            "records of the wrong type",
            raw(&[0x08, 1, 15 << 3, 1]),
            400,
            "malformed_batch",
        ),
        (
            "producer is not one",
            raw(&[0x08, 1, 0x2a, 1, 0xff]),
            400,
            "malformed_batch",
        ),
        (
            "counters are none",
            raw(&[0x08, 1, 0x32, 1, 0xff]),
            400,
            "malformed_batch",
        ),
        (
            "counters of 4 MB",
            batch(|b| {
                let reasons = vec![twintap_record::ReasonCount::default(); 1_000_000];
                b.counters.get_or_insert_default().dropped = reasons;
            }),
            400,
            "malformed_batch",
        ),
        (
            "version 0",
            batch(|b| b.version = 0),
            422,
            "unsupported_version",
        ),
        (
            "version 2",
            batch(|b| b.version = 2),
            422,
            "unsupported_version",
        ),
        (
            "version of 32 bits",
            batch(|b| b.version = u32::MAX),
            422,
            "unsupported_version",
        ),
        (
            "producer id empty",
            batch(|b| b.producer_id = Bytes::new()),
            400,
            "producer_id_length",
        ),
        (
            "producer id of 15 bytes",
            batch(|b| b.producer_id.truncate(15)),
            400,
            "producer_id_length",
        ),
        (
            "producer id of 17 bytes",
            batch(|b| b.producer_id = Bytes::from_static(&[1; 17])),
            400,
            "producer_id_length",
        ),
        (
            "first number 0",
            batch(|b| {
                b.first_record_number = 0;
                b.records = vec![record(0)];
            }),
            400,
            "first_record_number",
        ),
        (
            "numbers beyond 63 bits",
            batch(|b| {
                b.first_record_number = u64::MAX;
                b.records = vec![record(u64::MAX)];
            }),
            400,
            "first_record_number",
        ),
        (
            "numbers not in order",
            batch(|b| b.records.swap(0, 1)),
            400,
            "record_number",
        ),
        (
            "number twice",
            batch(|b| b.records[1].number = 1),
            400,
            "record_number",
        ),
        (
            "gap in the numbers",
            batch(|b| b.records[2].number = 4),
            400,
            "record_number",
        ),
        (
            "17 000 records",
            batch(|b| b.records = (1..=17_000).map(record).collect()),
            413,
            "too_many_records",
        ),
    ]
}

#[test]
fn bad_requests_are_refused_with_a_code_and_nothing_is_stored() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let cases = refused();
    for (name, request, status, code) in &cases {
        let mut client = collector.client();
        client.send(request).unwrap();
        let answer = client
            .answer()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.status, *status, "{name}: {answer:?}");
        if !code.is_empty() {
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body["code"], *code, "{name}");
            assert!(
                body["reason"]
                    .as_str()
                    .is_some_and(|reason| !reason.is_empty()),
                "{name}"
            );
            let counted = format!("twintap_requests_refused_total{{reason=\"{code}\"}}");
            assert!(
                collector.metrics().contains(&counted),
                "{name} is not counted"
            );
        }
    }
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()), []);
    assert_eq!(accounting(data.path()).total.received, 0);
}

#[test]
fn odd_but_right_requests_are_taken() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let mut sender = Sender::new(9);
    let mut odd = |change: fn(&mut RecordBatch)| {
        let mut batch = sender.batch(1);
        change(&mut batch);
        batch.encode_to_vec()
    };
    let protobuf = "content-type: application/x-protobuf";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("heartbeat", raw(&Sender::new(9).encoded(0))),
        (
            "started in 1970",
            raw(&odd(|b| b.records[0].started_unix_ns = 0)),
        ),
        (
            "started in 2554",
            raw(&odd(|b| b.records[0].started_unix_ns = u64::MAX)),
        ),
        (
            "started at the end of 2262",
            raw(&odd(|b| {
                b.records[0].started_unix_ns = i64::MAX.unsigned_abs()
            })),
        ),
        (
            "started a nanosecond later",
            raw(&odd(|b| b.records[0].started_unix_ns = 1 << 63)),
        ),
        ("no producer", raw(&odd(|b| b.producer = None))),
        ("no counters", raw(&odd(|b| b.counters = None))),
        ("future enum", raw(&odd(|b| b.records[0].end = 99))),
        (
            "unknown field",
            raw(&[odd(|_| {}), vec![0xa2, 0x06, 1, 0]].concat()),
        ),
        (
            "parameter of the type",
            with_head(&format!("{POST}\n{protobuf}; proto=x"), &odd(|_| {})),
        ),
        (
            "other name of the type",
            with_head(
                &format!("{POST}\ncontent-type: application/protobuf"),
                &odd(|_| {}),
            ),
        ),
        (
            "identity",
            with_head(
                &format!("{POST}\n{protobuf}\ncontent-encoding: identity"),
                &odd(|_| {}),
            ),
        ),
        ("chunked", {
            let body = odd(|_| {});
            let head = format!(
                "POST /v1/records HTTP/1.1\r\nhost: t\r\n{protobuf}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
                body.len()
            );
            [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
        }),
    ];
    for (name, request) in &cases {
        let mut client = collector.client();
        client.send(request).unwrap();
        let answer = client
            .answer()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()).len(), cases.len() - 1);
}

#[test]
fn slow_and_silent_clients_are_sent_away() {
    let data = tempfile::tempdir().unwrap();
    let keys = [
        "header_timeout=100ms",
        "body_timeout=100ms",
        "idle_timeout=100ms",
    ];
    let collector = Collector::start(data.path(), &keys);
    let mut silent = collector.client();
    assert!(silent.is_closed());
    let mut half_a_head = collector.client();
    half_a_head.send(b"POST /v1/rec").unwrap();
    assert!(half_a_head.is_closed());
    let mut slow_body = collector.client();
    slow_body.send(post_head(10).as_bytes()).unwrap();
    assert_eq!(slow_body.answer().unwrap().status, 408);
    assert!(slow_body.is_closed());
    let mut idle = collector.client();
    assert_eq!(idle.get("/healthz").unwrap().status, 200);
    assert!(idle.is_closed());
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &["connections_max=2"]);
    let mut kept = [collector.client(), collector.client()];
    for client in &mut kept {
        assert_eq!(client.get("/healthz").unwrap().status, 200);
    }
    assert!(collector.client().is_closed());
    let metrics = kept[0].get("/metrics").unwrap().body;
    assert!(metrics.contains("twintap_connections_refused_total{reason=\"connections_max\"} 1"));
    assert!(metrics.contains("\ntwintap_connections 2\n"));
    let [mut left, closed] = kept;
    drop(closed);
    let clock = SystemClock::shared();
    let deadline = clock.monotonic() + Duration::from_secs(60);
    while !left
        .get("/metrics")
        .unwrap()
        .body
        .contains("\ntwintap_connections 1\n")
    {
        assert!(clock.monotonic() < deadline, "the gauge does not fall");
    }
}

#[test]
fn more_bytes_than_may_be_on_their_way_are_refused_for_now() {
    let data = tempfile::tempdir().unwrap();
    let keys = ["body_bytes_max=1MiB", "ingest_bytes_max=1MiB"];
    let collector = Collector::start(data.path(), &keys);
    let mut holds = collector.client();
    let head = post_head(1 << 20).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    holds.send(head.as_bytes()).unwrap();
    assert_eq!(holds.answer().unwrap().status, 100);
    let answer = collector.post(&Sender::new(9).encoded(1));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    assert!(answer.body.contains("\"overloaded\""), "{answer:?}");
}
