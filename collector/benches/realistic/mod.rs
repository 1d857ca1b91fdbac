//! Batches as a filter ships them: ordinary metadata, ids that differ, bodies that compress a bit.

use bytes::Bytes;
use twintap::clock::SystemClock;
use twintap_record::{
    Body, Header, HeaderBlock, Message, Position, Producer, Record, RecordBatch, Timing,
};

/// Encoded batches of `records` records in all, numbered from 1, with `body_bytes` each way.
pub(crate) fn batches(body_bytes: usize, records: usize, per_batch: usize) -> Vec<Bytes> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Calls far from now are filed by the time of their receipt.
    let began_unix_ns = SystemClock::shared().unix_ns();
    let numbers: Vec<u64> = (1..=records as u64).collect();
    let batches = numbers.chunks(per_batch).map(|numbers| {
        let producer = Producer {
            position: Position::Upstream as i32,
            filter_version: "0.1.0".into(),
            node_id: "sidecar~10.1.2.3~checkout-7d9f8b6c5-x2x4z.shop~shop.svc.cluster.local".into(),
            pod_name: "checkout-7d9f8b6c5-x2x4z".into(),
            pod_namespace: "shop".into(),
            workload_name: "checkout".into(),
            app_version: "v1".into(),
            service: "checkout".into(),
            ..Producer::default()
        };
        RecordBatch {
            version: 1,
            producer_id: vec![7; 16].into(),
            first_record_number: numbers[0],
            producer: Some(producer),
            records: numbers
                .iter()
                .map(|number| record(*number, began_unix_ns, body_bytes, &mut random))
                .collect(),
            ..RecordBatch::default()
        }
        .encode_to_vec()
        .into()
    });
    batches.collect()
}

/// Even numbers are the primaries, the odd ones behind them their mirrored copies.
fn record(number: u64, began_unix_ns: u64, body_bytes: usize, random: &mut Random) -> Record {
    let mut pair = Random(number / 2 + 1);
    pair.next();
    let id = pair.hex(32);
    let request_id = format!(
        "{}-{}-4{}-a{}-{}",
        pair.hex(8),
        pair.hex(4),
        pair.hex(3),
        pair.hex(3),
        pair.hex(12)
    );
    let method = ["GetCart", "AddItem", "ListProducts", "PlaceOrder"][(pair.next() % 4) as usize];
    let traceparent = format!("00-{}-{}-01", pair.hex(32), random.hex(16));
    let started_unix_ns = began_unix_ns + number / 2 * 2_000_000 + random.next() % 1_000_000;
    let latency_ns = 1_000_000 + random.next() % 20_000_000;
    Record {
        number,
        started_unix_ns,
        shadow: number % 2 == 1,
        pair_id: id.clone().into(),
        request_headers: Some(block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &format!("/shop.checkout.v1.Checkout/{method}")),
            (":authority", "checkout.shop.svc.cluster.local:50051"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            (
                "user-agent",
                "grpc-python/1.66.1 grpc-c/43.0.0 (linux; chttp2)",
            ),
            ("x-request-id", &request_id),
            ("traceparent", &traceparent),
            ("x-twintap-pair-id", &id),
        ])),
        request_body: Some(body(body_bytes, &mut pair)),
        response_headers: Some(block(&[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("server", "envoy"),
            ("date", "Sat, 21 Nov 2026 21:30:54 GMT"),
            (
                "x-envoy-upstream-service-time",
                &(latency_ns / 1_000_000).to_string(),
            ),
        ])),
        response_body: Some(body(body_bytes, random)),
        response_trailers: Some(block(&[("grpc-status", "0"), ("grpc-message", "")])),
        timing: Some(Timing {
            request_end_ns: 100_000 + random.next() % 100_000,
            response_headers_ns: latency_ns - 200_000,
            response_end_ns: latency_ns,
            end_ns: latency_ns + 10_000,
        }),
        attempt: 1,
        cluster_name: "outbound|50051||checkout.shop.svc.cluster.local".into(),
        route_name: "default".into(),
        upstream_address: "10.1.7.44:50051".into(),
        end: 1,
        sampled_ppm: 1_000_000,
        ..Record::default()
    }
}

fn block(headers: &[(&str, &str)]) -> HeaderBlock {
    let headers = headers.iter().map(|(name, value)| Header {
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        redacted: false,
    });
    HeaderBlock {
        headers: headers.collect(),
        ..HeaderBlock::default()
    }
}

/// One message: words and identifiers, as business messages are.
fn body(bytes: usize, random: &mut Random) -> Body {
    const WORDS: [&str; 8] = [
        "quantity",
        "EUR",
        "Blue ceramic mug",
        "delivery",
        "warehouse",
        "pending",
        "Berlin",
        "sku",
    ];
    let mut message = Vec::with_capacity(bytes);
    while message.len() < bytes - 5 {
        message.push(0x0a);
        message.extend(WORDS[(random.next() % 8) as usize].as_bytes());
        message.extend(&random.next().to_le_bytes()[..4]);
        message.extend(random.hex(6).as_bytes());
    }
    message.truncate(bytes - 5);
    let mut captured = vec![0];
    captured.extend((message.len() as u32).to_be_bytes());
    captured.extend(message);
    Body {
        bytes_count: captured.len() as u64,
        digest: Some(random.next()),
        messages_count: 1,
        marks: vec![captured.len() as u64, 90_000],
        captured: captured.into(),
        end_stream: true,
        ..Body::default()
    }
}

/// SplitMix64: the same records in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn hex(&mut self, digits: usize) -> String {
        let hex: String = (0..digits.div_ceil(16))
            .map(|_| format!("{:016x}", self.next()))
            .collect();
        hex[..digits].to_owned()
    }
}
