//! What becomes of calls, as the collector reads it.
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

use support::{GRPC, INBOUND, RESPONSE, ROOT, Rig, Sizes, TRAILERS, UPSTREAM, message};
use twintap_filter::host::Map;
use twintap_record::{Cut, End, HeaderBlock, Position, Reason};

fn pairs(block: Option<&HeaderBlock>) -> Vec<(String, String)> {
    block
        .map(|block| block.headers.clone())
        .unwrap_or_default()
        .iter()
        .map(|header| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&header.name), text(&header.value))
        })
        .collect()
}

#[test]
fn a_unary_call_is_recorded_whole() {
    let mut rig = Rig::new(UPSTREAM);
    rig.host.properties.insert(
        b"upstream\0request_attempt_count".to_vec(),
        2_u64.to_le_bytes().to_vec(),
    );
    rig.host
        .properties
        .insert(b"connection\0id".to_vec(), 0_u64.to_le_bytes().to_vec());
    rig.host
        .properties
        .insert(b"xds\0cluster_name".to_vec(), b"old".to_vec());
    rig.host
        .properties
        .insert(b"upstream\0address".to_vec(), b"10.0.0.1:80".to_vec());
    let (request, response) = (message(b"hello"), message(b"world!"));
    rig.unary(&request, &response);
    let record = rig.record();

    assert_eq!(record.number, 1);
    assert_eq!(record.end(), End::Complete);
    assert!(!record.shadow);
    assert_eq!((record.attempt, &record.cluster_name[..]), (2, &b"old"[..]));
    assert_eq!(record.upstream_address, &b"10.0.0.1:80"[..]);
    assert_eq!(record.sampled_ppm, 1_000_000);
    let expected: Vec<_> = GRPC
        .iter()
        .map(|(n, v)| {
            (
                String::from_utf8_lossy(n).into(),
                String::from_utf8_lossy(v).into(),
            )
        })
        .collect::<Vec<(String, String)>>();
    assert_eq!(pairs(record.request_headers.as_ref()), expected);
    let body = record.request_body.unwrap();
    assert_eq!(body.captured, request);
    assert_eq!(
        (body.bytes_count, body.messages_count, body.end_stream),
        (10, 1, true)
    );
    assert_eq!(body.digest, Some(xxhash_rust::xxh3::xxh3_64(&request)));
    assert_eq!((body.cut(), body.marks.len()), (Cut::None, 2));
    assert_eq!(record.response_body.unwrap().captured, response);
    assert!(record.response_trailers.unwrap().end_stream);
    let timing = record.timing.unwrap();
    assert!(0 < timing.request_end_ns && timing.request_end_ns < timing.response_headers_ns);
    assert!(
        timing.response_headers_ns < timing.response_end_ns
            && timing.response_end_ns < timing.end_ns
    );
    let batch = &rig.host.posts[0].batch;
    assert_eq!(
        (
            batch.version,
            batch.batch_sequence,
            batch.first_record_number
        ),
        (1, 1, 1)
    );
    assert_eq!(batch.producer_id.len(), 16);
    assert_eq!(
        batch.producer.as_ref().unwrap().position(),
        Position::Upstream
    );
    assert_eq!(rig.engine.held(), (0, 0, 0));
}

#[test]
fn a_stream_without_a_downstream_connection_is_a_mirrored_one() {
    let mut rig = Rig::new(UPSTREAM);
    rig.unary(&message(b"a"), &message(b"b"));
    assert!(rig.record().shadow);
}

#[test]
fn a_connection_is_asked_for_once() {
    let mut rig = Rig::new(INBOUND);
    for (path, value) in [
        (&b"connection\0id"[..], &3_u64.to_le_bytes()[..]),
        (b"source\0address", b"10.0.0.9:1"),
        (
            b"connection\0uri_san_peer_certificate",
            b"spiffe://td/ns/a/sa/b",
        ),
    ] {
        rig.host.properties.insert(path.to_vec(), value.to_vec());
    }
    rig.unary(&message(b"a"), &message(b"b"));
    rig.unary(&message(b"a"), &message(b"b"));
    rig.tick();
    let records = rig.records();
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record.source_address, &b"10.0.0.9:1"[..]);
        assert_eq!(record.peer_identity, &b"spiffe://td/ns/a/sa/b"[..]);
    }
    let asked = |path: &[u8]| rig.host.asked.iter().filter(|asked| *asked == path).count();
    let identity = b"connection\0uri_san_peer_certificate";
    assert_eq!((asked(b"connection\0id"), asked(identity)), (2, 1));
    // A proxy in front says with each call who calls.
    assert_eq!(asked(b"source\0address"), 2);
}

#[test]
fn a_stream_without_a_connection_is_asked_nothing_whatever_the_position_says() {
    let mut rig = Rig::new(INBOUND);
    rig.unary(&message(b"a"), &message(b"b"));
    let is_asked =
        |path: &&Vec<u8>| path.starts_with(b"source") || path.starts_with(b"destination");
    assert_eq!(rig.host.asked.iter().find(is_asked), None);
    assert_eq!(rig.record().end(), twintap_record::End::Complete);
}

#[test]
fn an_attempt_that_was_cut_off_beside_another_has_no_address() {
    for (count, address) in [(1_u64, &b"10.0.0.7:1"[..]), (2, b"")] {
        let mut rig = Rig::new(UPSTREAM);
        rig.host
            .properties
            .insert(b"upstream\0address".to_vec(), b"10.0.0.7:1".to_vec());
        let context = rig.begin(GRPC);
        let attempts = b"upstream\0request_attempt_count".to_vec();
        rig.host
            .properties
            .insert(attempts, count.to_le_bytes().to_vec());
        rig.done(context);
        assert_eq!(rig.record().upstream_address, address);
    }
}

#[test]
fn a_pair_id_that_is_too_long_is_left_to_its_header() {
    for (len, kept) in [(128, 128), (129, 0)] {
        let mut rig = Rig::new(INBOUND);
        let id = vec![b'p'; len];
        let headers = [GRPC, &[(&b"x-twintap-pair-id"[..], &id[..])]].concat();
        let context = rig.begin(&headers);
        rig.done(context);
        assert_eq!(rig.record().pair_id.len(), kept);
    }
}

#[test]
fn upstream_never_asks_for_what_crashes_envoy() {
    let mut rig = Rig::new(UPSTREAM);
    rig.unary(&message(b"a"), &message(b"b"));
    let aborted = rig.begin(GRPC);
    rig.done(aborted);
    for path in &rig.host.asked {
        assert!(
            !path.starts_with(b"source") && !path.starts_with(b"destination"),
            "{path:?}"
        );
    }
}

#[test]
fn trailers_only_has_one_response_block() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.begin(GRPC);
    rig.request(context, &message(b"x"), true);
    rig.block(
        context,
        Map::ResponseHeaders,
        &[(b":status", b"200"), (b"grpc-status", b"9")],
        true,
    );
    rig.done(context);
    rig.done(context);
    let record = rig.record();
    assert_eq!(record.end(), End::Complete);
    assert!(record.response_headers.unwrap().end_stream);
    assert!(record.response_trailers.is_none());
}

#[test]
fn how_a_stream_ends_is_told() {
    let mut rig = Rig::new(INBOUND);
    let cancelled = rig.begin(GRPC);
    rig.request(cancelled, &message(b"x"), true);
    rig.done(cancelled);
    let early = rig.begin(GRPC);
    rig.block(early, Map::ResponseHeaders, RESPONSE, true);
    rig.done(early);
    let half = rig.begin(GRPC);
    rig.block(half, Map::ResponseHeaders, RESPONSE, false);
    rig.done(half);
    rig.tick();
    let ends: Vec<End> = rig.records().iter().map(|record| record.end()).collect();
    assert_eq!(ends, [End::Aborted, End::ResponseFirst, End::Aborted]);
}

#[test]
fn a_body_beyond_the_limit_is_cut_with_exact_length_digest_and_messages() {
    let config = r#"{"position":"inbound","collector_cluster":"c","body_bytes_max":100}"#;
    let mut rig = Rig::new(config);
    let context = rig.begin(GRPC);
    let body: Vec<u8> = (0..200).flat_map(|i| message(&vec![i; 700])).collect();
    for chunk in body.chunks(16_384) {
        rig.request(context, chunk, false);
    }
    rig.request(context, b"", true);
    rig.done(context);
    let body_record = rig.record().request_body.unwrap();
    assert_eq!(body_record.captured, body[..100]);
    assert_eq!(
        (body_record.bytes_count, body_record.messages_count),
        (body.len() as u64, 200)
    );
    assert_eq!(body_record.digest, Some(xxhash_rust::xxh3::xxh3_64(&body)));
    assert_eq!(body_record.cut(), Cut::Limit);
}

#[test]
fn a_body_that_finds_no_page_is_cut_and_says_so() {
    let sizes = Sizes {
        large: 1,
        small: 4,
        ..support::PLENTY
    };
    let mut rig = Rig::with_sizes(INBOUND, sizes);
    let context = rig.begin(GRPC);
    let body = vec![3; 60_000];
    rig.request(context, &body, true);
    rig.done(context);
    let record = rig.record().request_body.unwrap();
    assert_eq!(record.cut(), Cut::Memory);
    assert!(record.captured.len() < body.len() && body.starts_with(&record.captured));
    assert_eq!(record.bytes_count, 60_000);
    assert_eq!(record.digest, Some(xxhash_rust::xxh3::xxh3_64(&body)));
}

#[test]
fn what_is_not_recorded_is_skipped_with_its_reason() {
    let config = r#"{"position":"inbound","collector_cluster":"c","exclude_methods":["a.B/*"]}"#;
    let mut rig = Rig::new(config);
    let with = |name: &'static [u8], value: &'static [u8]| {
        let mut headers = GRPC.to_vec();
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value));
        headers
    };
    for headers in [
        with(b":path", b"/a.B/C"),
        with(b"content-type", b"application/json"),
        with(b"content-type", b"application/grpc-web"),
        with(b"x-twintap-replay", b"1"),
    ] {
        let context = rig.begin(&headers);
        rig.request(context, b"ignored", true);
        rig.done(context);
        rig.done(context);
    }
    rig.tick_after(2000);
    assert_eq!(rig.count(Reason::MethodExcluded), 1);
    assert_eq!(rig.count(Reason::NotGrpc), 2);
    assert_eq!(rig.count(Reason::Replay), 1);
    assert!(rig.records().is_empty());
    assert_eq!(rig.engine.held(), (0, 0, 0));
}

#[test]
fn health_and_reflection_are_skipped_by_default() {
    let mut rig = Rig::new(INBOUND);
    for path in [
        &b"/grpc.health.v1.Health/Check"[..],
        b"/grpc.reflection.v1.ServerReflection/Info",
    ] {
        let context = rig.begin(&[(b":path", path), (b"content-type", b"application/grpc")]);
        rig.done(context);
    }
    assert_eq!(
        (rig.counters().observed(), rig.counters().skipped()),
        (2, 2)
    );
}

#[test]
fn sampling_follows_the_identity_and_both_sides_agree() {
    let config = r#"{"position":"inbound","collector_cluster":"c","sample_rate":0.5}"#;
    let (mut old, mut new) = (Rig::new(config), Rig::new(config));
    let mut chosen = 0;
    for number in 0..200 {
        // The digit Envoy rewrites differs; the call is the same.
        let [old_id, new_id] =
            ["4", "9"].map(|digit| format!("f5a88b34-0a41-{digit}bf4-8c3e-{number:012x}"));
        let headers = |id: &'static str| {
            let mut headers = GRPC.to_vec();
            headers.pop();
            headers.push((b"x-request-id", id.as_bytes()));
            headers
        };
        let before = (old.counters().in_flight(), new.counters().in_flight());
        let old_context = old.begin(&headers(old_id.leak()));
        let new_context = new.begin(&headers(new_id.leak()));
        let after = (old.counters().in_flight(), new.counters().in_flight());
        assert_eq!(after.0 - before.0, after.1 - before.1);
        chosen += after.0 - before.0;
        old.done(old_context);
        new.done(new_context);
    }
    assert!((60..140).contains(&chosen), "{chosen} of 200");
}

#[test]
fn the_outbound_position_overwrites_the_pair_id_and_records_nothing() {
    let mut rig = Rig::new(r#"{"position":"outbound"}"#);
    for _ in 0..2 {
        let context = rig.begin(&[(b"x-twintap-pair-id", b"evil")]);
        rig.done(context);
    }
    let ids: Vec<_> = rig
        .host
        .stamped
        .iter()
        .map(|(name, id)| (name.clone(), id.len()))
        .collect();
    assert_eq!(ids, vec![(b"x-twintap-pair-id".to_vec(), 32); 2]);
    assert_ne!(rig.host.stamped[0].1, rig.host.stamped[1].1);
    rig.tick_after(20_000);
    assert!(rig.host.posts.is_empty(), "it knows no collector");
    assert_eq!(rig.host.metrics["Skipped"], 2);
}

#[test]
fn a_stamping_recorder_records_its_own_id_and_not_the_client_s() {
    let mut rig =
        Rig::new(r#"{"position":"inbound","collector_cluster":"c","stamp_pair_id":true}"#);
    let mut headers = GRPC.to_vec();
    headers.push((b"x-twintap-pair-id", b"evil"));
    let context = rig.begin(&headers);
    rig.done(context);
    let record = rig.record();
    assert_eq!(record.pair_id, rig.host.stamped[0].1);
    assert!(
        !pairs(record.request_headers.as_ref())
            .iter()
            .any(|(_, value)| value == "evil")
    );
}

#[test]
fn no_secret_leaves_in_any_block() {
    let config = r#"{"position":"inbound","collector_cluster":"c","redaction_key":"k",
        "redact_headers":["x-user"]}"#;
    for (config, key) in [(config, true), (INBOUND, false)] {
        let mut rig = Rig::new(config);
        let secrets: &[(&[u8], &[u8])] = &[
            (b"authorization", b"canary-1"),
            (b"cookie", b"canary-2"),
            (b"my-access-token-bin", b"canary-3"),
            (b":path", b"/a.B/C?key=canary-4"),
            (b"content-type", b"application/grpc"),
            (b"x-hub-signature", b"canary-5"),
        ];
        let context = rig.begin(secrets);
        rig.block(
            context,
            Map::ResponseHeaders,
            &[(b"set-cookie", b"canary-6")],
            false,
        );
        rig.block(
            context,
            Map::ResponseTrailers,
            &[(b"x-session", b"canary-7")],
            true,
        );
        rig.block(
            context,
            Map::RequestTrailers,
            &[(b"x-password", b"canary-8")],
            true,
        );
        if key {
            rig.block(
                context,
                Map::RequestTrailers,
                &[(b"x-user", b"canary-9")],
                true,
            );
        }
        rig.done(context);
        rig.tick();
        let bytes = &rig.host.posts[0].bytes;
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
        let record = &rig.records()[0];
        let header = &record.request_headers.as_ref().unwrap().headers[0];
        assert!(header.redacted);
        assert_eq!(header.value.len(), if key { 32 } else { 0 });
    }
}

#[test]
fn a_call_ends_once_and_later_callbacks_are_ignored() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.unary(&message(b"a"), &message(b"b"));
    rig.done(context);
    rig.request(context, b"late", true);
    rig.block(context, Map::ResponseTrailers, TRAILERS, true);
    rig.done(context);
    rig.tick();
    assert_eq!(rig.records().len(), 1);
}

#[test]
fn a_block_that_comes_twice_is_taken_once() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.begin(GRPC);
    rig.block(context, Map::ResponseHeaders, RESPONSE, false);
    rig.block(context, Map::ResponseHeaders, &[(b"other", b"1")], true);
    rig.engine.on_request_headers(&mut rig.host, context, true);
    rig.done(context);
    let record = rig.record();
    assert_eq!(pairs(record.response_headers.as_ref()).len(), 2);
    assert_eq!(record.end(), End::Aborted);
}

#[test]
fn two_configurations_in_one_vm_are_two_producers() {
    let mut rig = Rig::new(INBOUND);
    rig.root(2, r#"{"position":"upstream","collector_cluster":"other"}"#);
    for root in [ROOT, 2, 2] {
        let context = rig.begin_at(root, GRPC);
        rig.done(context);
    }
    rig.tick();
    rig.engine.on_tick(&mut rig.host, 2);
    let posts = &rig.host.posts;
    assert_eq!(posts.len(), 2);
    assert_eq!(
        (posts[0].cluster.as_str(), posts[1].cluster.as_str()),
        ("collector", "other")
    );
    assert_eq!(
        (posts[0].batch.records.len(), posts[1].batch.records.len()),
        (1, 2)
    );
    assert_ne!(posts[0].batch.producer_id, posts[1].batch.producer_id);
}
