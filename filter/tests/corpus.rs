//! Writes the golden corpus of the record contract (`record/tests/corpus/`), and checks that the
//! filter still says the same. `TWINTAP_WRITE_CORPUS=1` writes; see the README there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::path::{Path, PathBuf};

use support::{GRPC, INBOUND, RESPONSE, Rig, Sizes, TRAILERS, UPSTREAM, message};
use twintap_filter::host::Map;
use twintap_record::{Message, RecordBatch};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../record/tests/corpus")
}

/// What was posted last.
fn last(rig: &Rig) -> Vec<u8> {
    rig.host
        .posts
        .last()
        .expect("a batch was sent")
        .bytes
        .clone()
}

fn unary_upstream() -> Vec<u8> {
    let mut rig = Rig::new(UPSTREAM);
    for (path, value) in [
        (
            &b"upstream\0request_attempt_count"[..],
            &1_u64.to_le_bytes()[..],
        ),
        (b"connection\0id", &7_u64.to_le_bytes()),
        (b"xds\0cluster_name", b"old"),
        (b"upstream\0address", b"10.0.0.1:50051"),
    ] {
        rig.host.properties.insert(path.to_vec(), value.to_vec());
    }
    rig.unary(&message(b"request"), &message(b"response"));
    rig.host.properties.remove(&b"connection\0id"[..]);
    rig.unary(&message(b"request"), &message(b"other response"));
    rig.tick();
    last(&rig)
}

fn trailers_only_and_aborted() -> Vec<u8> {
    let mut rig = Rig::new(INBOUND);
    rig.host.properties.insert(
        b"response\0flags".to_vec(),
        0x1000_0000_u64.to_le_bytes().to_vec(),
    );
    rig.host.properties.insert(
        b"response\0code_details".to_vec(),
        b"http2.remote_reset".to_vec(),
    );
    let context = rig.begin(GRPC);
    rig.request(context, &message(b"x"), true);
    let status: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"grpc-status", b"9")];
    rig.block(context, Map::ResponseHeaders, status, true);
    rig.done(context);
    let context = rig.begin(GRPC);
    rig.request(context, &message(b"x"), false);
    rig.done(context);
    rig.tick();
    last(&rig)
}

fn stream_cut_and_redacted() -> Vec<u8> {
    let config = r#"{"position":"inbound","role":"candidate","service":"shop","redaction_key":"k",
        "collector_cluster":"c","body_bytes_max":64,"sample_rate":0.999999}"#;
    let mut rig = Rig::new(config);
    let mut headers = GRPC.to_vec();
    headers.push((b"authorization", b"Bearer secret"));
    headers.push((b"x-twintap-pair-id", b"0123456789abcdef0123456789abcdef"));
    headers.push((b"raw-bin", b"\xff\x80\x00"));
    let context = rig.begin(&headers);
    for number in 0..10 {
        rig.request(context, &message(&[number; 10]), false);
    }
    rig.request(context, b"", true);
    rig.block(context, Map::ResponseHeaders, RESPONSE, false);
    rig.response(context, &message(b""), false);
    rig.block(context, Map::ResponseTrailers, TRAILERS, true);
    rig.done(context);
    rig.tick();
    last(&rig)
}

fn heartbeat_with_every_reason() -> Vec<u8> {
    let config = r#"{"position":"inbound","collector_cluster":"c","exclude_methods":["a.B/*"]}"#;
    let mut rig = Rig::with_sizes(
        config,
        Sizes {
            streams: 1,
            ..support::PLENTY
        },
    );
    let grpc: (&[u8], &[u8]) = (b"content-type", b"application/grpc");
    for headers in [
        &[(&b":path"[..], &b"/a.B/C"[..]), grpc][..],
        &[(b":path", b"/c.D/E")],
        &[(b":path", b"/c.D/E"), grpc, (b"x-twintap-replay", b"1")],
        &[(b":path", b"/c.D/E"), grpc],
        &[(b":path", b"/c.D/E"), grpc],
    ] {
        rig.begin(headers);
    }
    rig.tick_after(2000);
    last(&rig)
}

#[test]
fn the_filter_still_writes_the_golden_corpus() {
    for (name, bytes) in [
        ("v1-unary-upstream", unary_upstream()),
        ("v1-trailers-only-and-aborted", trailers_only_and_aborted()),
        ("v1-stream-cut-and-redacted", stream_cut_and_redacted()),
        (
            "v1-heartbeat-with-every-reason",
            heartbeat_with_every_reason(),
        ),
    ] {
        let path = corpus().join(format!("{name}.bin"));
        if std::env::var_os("TWINTAP_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(corpus()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let golden =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let decoded = |bytes: &[u8]| {
            let mut batch = RecordBatch::decode(bytes).unwrap();
            // Releases differ in their version, and in nothing else.
            batch.producer.as_mut().unwrap().filter_version.clear();
            batch
        };
        assert_eq!(decoded(&bytes), decoded(&golden), "{name}");
    }
}
