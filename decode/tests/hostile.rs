//! Attacks on memory: each is held to a named limit, and counters say what was given up.
//!
//! One test runs the table, because allocated bytes are counted for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use std::collections::VecDeque;

use peak_alloc::PeakAlloc;
use support::frames::{
    CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, client_opening,
    frame, inserted, integer, request_block,
};
use support::packets::{IPV4, TCP, With, ethernet, handshake, ipv4_fragment, packet, sent};
use twintap_decode::capture::LinkType;
use twintap_decode::exchange::{ConnectionName, Exchange, Limits, SharedBudget};
use twintap_decode::grpc::{DecompressError, decompress};
use twintap_decode::http2::Connection;
use twintap_decode::ip::FRAGMENT_BYTES_MAX;
use twintap_decode::link::{Dissector, LinkConfig, flags};
use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tcp::{
    Connection as ConnectionOfTcp, Connections, Limits as TcpLimits, Tracker,
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Name, bytes that may be held at most, and the attack.
const ATTACKS: [(&str, usize, fn()); 17] = [
    ("continuation flood", 4 * MIB, continuation_flood),
    ("ping flood", 64 * KIB, || {
        control_flood(&frame(PING, 0, 0, &[0; 8]))
    }),
    ("settings flood", 64 * KIB, || {
        control_flood(&frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0]))
    }),
    ("rapid reset", 16 * MIB, rapid_reset),
    ("stream flood", 24 * MIB, stream_flood),
    ("endless bodies", 140 * MIB, endless_bodies),
    ("empty messages", 140 * MIB, empty_messages),
    ("bodies of many connections", 80 * MIB, bodies_of_many),
    ("header lists of many streams", 80 * MIB, large_header_lists),
    ("goaway flood", 16 * MIB, go_away_flood),
    ("inflate bomb", 4 * MIB, inflate_bomb),
    ("huffman expansion", 4 * MIB, huffman_expansion),
    ("giant header list", 8 * MIB, giant_header_list),
    ("endless upgrade", 2 * MIB, endless_upgrade),
    ("fragment flood", 2 * FRAGMENT_BYTES_MAX, fragment_flood),
    ("syn flood", 8 * MIB, syn_flood),
    ("out-of-order flood", 4 * MIB, out_of_order_flood),
];

#[test]
fn attacks_stay_within_their_limits() {
    for (name, limit, attack) in ATTACKS {
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        attack();
        let held = ALLOCATED.peak_usage().saturating_sub(before);
        println!("{name}: {held} bytes of {limit}");
        assert!(held <= limit, "{name} held {held} bytes, more than {limit}");
    }
}

type Http2 = Connection<VecDeque<Box<Exchange>>>;

/// A connection of which the client's opening was seen.
fn connection() -> Http2 {
    let name = ConnectionName {
        id: 1,
        forward: ([10, 0, 0, 1], 60_000).into(),
        reverse: ([10, 0, 0, 2], 50_051).into(),
    };
    let mut connection = Connection::new(name, Limits::default(), VecDeque::new());
    connection.start(1, Way::Forward, Start::Seen);
    connection.start(1, Way::Reverse, Start::Seen);
    connection.bytes(1, Way::Forward, &client_opening());
    connection
}

fn continuation_flood() {
    let mut connection = connection();
    connection.bytes(
        1,
        Way::Forward,
        &frame(HEADERS, 0, 1, &request_block("/a.A/B")),
    );
    let more = frame(CONTINUATION, 0, 1, &[0; 16 * KIB]);
    for _ in 0..500 {
        connection.bytes(1, Way::Forward, &more);
    }
    let counters = connection.counters();
    assert!(counters.damaged_header_blocks > 400, "{counters:?}");
}

fn control_flood(flood: &[u8]) {
    let mut connection = connection();
    for _ in 0..20_000 {
        connection.bytes(1, Way::Forward, flood);
    }
    assert!(connection.counters().frames >= 20_000);
}

/// Streams that are reset at once, while the clock stands still and one stream stays open.
fn rapid_reset() {
    let mut connection = connection();
    let block = [0x83, 0x86, 0x84];
    for id in (1..16_001_u32).step_by(2).rev() {
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
        connection.bytes(1, Way::Forward, &frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
    }
    let tally = connection.tally();
    assert!(tally.adds_up() && tally.evicted_calls > 0, "{tally:?}");
    assert!(tally.live <= Limits::default().streams_max as u64);
}

fn stream_flood() {
    let mut connection = connection();
    let block = [0x83, 0x86, 0x84];
    for id in (1..12_001_u32).step_by(2) {
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
    }
    let tally = connection.tally();
    assert_eq!(tally.live, Limits::default().streams_max as u64);
    assert_eq!(tally.evicted_calls, 6_000 - tally.live);
    assert!(tally.steps < 4 * 6_000, "{tally:?}");
}

/// Every stream sends more than a body may keep in the limit of one connection, in turns.
fn endless_bodies() {
    let mut connection = connection();
    let streams = || (1..200_u32).step_by(2);
    for id in streams() {
        let block = request_block("/a.A/B");
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
        let prefix = [0, 0, 32, 0, 0];
        connection.bytes(1, Way::Forward, &frame(DATA, 0, id, &prefix));
    }
    let (part, empty) = ([7; 16 * KIB], xxhash_rust::xxh3::Xxh3::new());
    let mut digest = empty;
    digest.update(&[0, 0, 32, 0, 0]);
    for _ in 0..128 {
        digest.update(&part);
        for id in streams() {
            connection.bytes(1, Way::Forward, &frame(DATA, 0, id, &part));
        }
    }
    connection.finish();
    let tally = connection.tally();
    assert_eq!((tally.calls, tally.evicted_calls), (100, 0), "{tally:?}");
    assert!(
        tally.spilled_streams > 60 && tally.spilled_streams < 100,
        "{tally:?}"
    );
    let calls = connection.into_sink();
    for (at, call) in calls.iter().enumerate() {
        let body = &call.request.body;
        assert_eq!(body.bytes_count(), 5 + 128 * 16 * KIB as u64);
        // The oldest gave up theirs, and say so; what was counted is right.
        let is_spilled = (at as u64) < tally.spilled_streams;
        assert_eq!(
            (body.is_truncated(), call.is_truncated()),
            (is_spilled, is_spilled)
        );
        assert_eq!(body.kept().is_empty(), is_spilled);
        assert_eq!(body.digest(), Some(digest.digest()));
        assert_eq!(body.messages_count(), Some(1));
    }
}

/// Five bytes of the wire each.
fn empty_messages() {
    let mut connection = connection();
    for id in (1..80_u32).step_by(2) {
        let block = request_block("/a.A/B");
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
        for _ in 0..50 {
            connection.bytes(1, Way::Forward, &frame(DATA, 0, id, &[0; 15_000]));
        }
    }
    connection.finish();
    assert!(connection.tally().spilled_streams > 0);
    let calls = connection.into_sink();
    assert!(
        calls
            .iter()
            .all(|call| call.request.body.messages_count() == Some(150_000))
    );
}

/// None of them keeps more than it may, all together do not either, and each keeps something.
fn bodies_of_many() {
    let budget = SharedBudget::new(64 * MIB);
    let mut connections: Vec<_> = (0..16).map(|_| connection()).collect();
    for connection in &mut connections {
        connection.share(&budget);
        for id in (1..80_u32).step_by(2) {
            let block = request_block("/a.A/B");
            connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
            for _ in 0..16 {
                connection.bytes(1, Way::Forward, &frame(DATA, 0, id, &[7; 16 * KIB]));
            }
        }
        assert!(budget.kept_bytes() <= 64 * MIB);
    }
    let spilled: u64 = connections
        .iter()
        .map(|it| it.tally().spilled_streams)
        .sum();
    assert!(spilled > 0 && connections[0].tally().spilled_streams == 0);
    for connection in connections {
        let tally = connection.tally();
        assert!(tally.adds_up() && tally.live > 0, "{tally:?}");
        drop(connection);
    }
    assert_eq!(budget.kept_bytes(), 0);
}

/// As [`giant_header_list`], on streams that stay open.
fn large_header_lists() {
    let mut connection = connection();
    let large = inserted("x-large", &"a".repeat(4000));
    connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, 1, &large));
    for id in (3..4_000_u32).step_by(2) {
        connection.bytes(
            1,
            Way::Forward,
            &frame(HEADERS, END_HEADERS, id, &[0xbe; 60]),
        );
    }
    let tally = connection.tally();
    assert!(tally.adds_up() && tally.evicted_calls > 1_000, "{tally:?}");
    // Work is counted in streams looked at, a few for each that was opened.
    assert!(tally.steps < 20_000, "{tally:?}");
}

/// Every GOAWAY refuses one stream more than the one before.
fn go_away_flood() {
    let mut connection = connection();
    let block = [0x83, 0x86, 0x84];
    for id in (1..8_001_u32).step_by(2) {
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
    }
    for last_id in (0..8_000_u32).rev() {
        let payload = [last_id.to_be_bytes(), [0; 4]].concat();
        connection.bytes(1, Way::Reverse, &frame(GOAWAY, 0, 0, &payload));
    }
    let tally = connection.tally();
    assert!(tally.steps < 40 * 4_096, "{tally:?}");
}

fn inflate_bomb() {
    let bomb =
        zstd::encode_all(std::io::Read::take(std::io::repeat(0), 64 * MIB as u64), 1).unwrap();
    let answer = decompress(b"zstd", &bomb.into(), MIB);
    assert_eq!(answer, Err(DecompressError::TooLarge { bytes_max: MIB }));
}

/// The shortest codes have five bits: eight bytes of text in five.
fn huffman_expansion() {
    let mut connection = connection();
    let text = [0; 200_000];
    let literal = [
        vec![0, 1, b'x'],
        integer(0x80, 7, text.len()),
        text.to_vec(),
    ]
    .concat();
    for (at, part) in literal.chunks(16_000).enumerate() {
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let is_last = (at + 1) * 16_000 >= literal.len();
        let flags = if is_last { END_HEADERS } else { 0 };
        connection.bytes(1, Way::Forward, &frame(kind, flags, 1, part));
    }
    assert_eq!(connection.counters().header_blocks, 1);
}

/// One large entry, referred to by each byte of a block.
fn giant_header_list() {
    let mut connection = connection();
    let large = inserted("x-large", &"a".repeat(4000));
    let block = [large, vec![0xbe; 12_000]].concat();
    for id in [1, 3] {
        connection.bytes(1, Way::Forward, &frame(HEADERS, END_HEADERS, id, &block));
    }
    assert_eq!(connection.counters().damaged_header_blocks, 2);
}

/// A request that asks to upgrade and declares a body that never ends.
fn endless_upgrade() {
    let name = ConnectionName {
        id: 1,
        forward: ([10, 0, 0, 1], 60_000).into(),
        reverse: ([10, 0, 0, 2], 50_051).into(),
    };
    let mut connection = Http2::new(name, Limits::default(), VecDeque::new());
    connection.start(1, Way::Forward, Start::Seen);
    let head = b"POST / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 9999999999\r\n\r\n";
    connection.bytes(1, Way::Forward, head);
    for _ in 0..1000 {
        connection.bytes(1, Way::Forward, &[b'a'; 16 * KIB]);
    }
    assert!(connection.counters().unread_bytes > 0);
}

fn fragment_flood() {
    let mut dissector = Dissector::new(LinkConfig::default());
    for id in 0..20_000_u16 {
        let bytes = ethernet(IPV4, &ipv4_fragment(TCP, id, 0x2000, &[0; 1024]));
        dissector.packet(&packet(LinkType::ETHERNET, &bytes));
    }
    assert!(dissector.fragment_counters().dropped.total() > 0);
}

/// Keeps nothing, so that only the tracker's memory counts.
struct Discard;

impl Connections for Discard {
    type Sink = Self;

    fn open(&mut self, _: &ConnectionOfTcp) -> Option<Self> {
        Some(Self)
    }

    fn close(&mut self, _: &ConnectionOfTcp, _: Self) {}
}

impl ByteSink for Discard {
    fn start(&mut self, _: u64, _: Way, _: Start) {}
    fn bytes(&mut self, _: u64, _: Way, _: &[u8]) {}
    fn gap(&mut self, _: u64, _: Way, _: u64) {}
    fn time(&mut self, _: u64) {}
    fn gap_up_to(&mut self, _: u64, _: Way, _: u64) {}
    fn end(&mut self, _: u64, _: Way, _: Ending) {}
}

fn limits() -> TcpLimits {
    TcpLimits {
        connections_max: 1000,
        ..TcpLimits::default()
    }
}

/// A million connections that are never answered.
fn syn_flood() {
    let mut tracker = Tracker::new(limits(), Discard);
    for (host, port) in (0..20).flat_map(|host| (1..=50_000).map(move |port| (host, port))) {
        let mut segment = sent(7, b"").flag(flags::SYN);
        let source = twintap_decode::link::Endpoint::v4([10, 0, 1, host], port);
        (segment.flow, segment.sender) =
            twintap_decode::link::FlowKey::new(source, support::packets::server(), 0);
        tracker.segment(&segment);
    }
    assert!(tracker.connections_count() <= 1000);
}

/// Every other byte of a stream whose first never comes.
fn out_of_order_flood() {
    let mut tracker = Tracker::new(limits(), Discard);
    for segment in handshake(1, 1) {
        tracker.segment(&segment);
    }
    for at in 0..100_000 {
        tracker.segment(&sent(3 + 4 * at, b"ab"));
    }
    let counters = tracker.counters();
    assert!(
        counters.adds_up() && counters.gaps.total() > 0,
        "{counters:?}"
    );
}
