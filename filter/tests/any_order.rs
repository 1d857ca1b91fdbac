//! Properties: whatever the host calls in whatever order, and whatever it refuses, the accounting is
//! exact, all memory comes back, and every batch decodes. And: how a body was cut into pieces does
//! not change what is recorded.
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

use proptest::prelude::*;
use support::{GRPC, INBOUND, RESPONSE, ROOT, Rig, Sizes, TRAILERS, UPSTREAM, message};
use twintap_filter::host::Map;
use twintap_record::Record;

/// A callback of the host; the number picks one of a few contexts, known or not.
#[derive(Clone, Debug)]
enum Callback {
    Create(u32, u32),
    RequestHeaders(u32, bool),
    RequestBody(u32, usize, bool),
    ResponseBody(u32, usize, bool),
    Block(u32, u8, bool),
    Done(u32),
    Tick(u32, u64),
    Answer(u32, u16),
    Configure(u32),
    /// The clock is set, by this many seconds.
    Set(i64),
}

const DAY_S: i64 = 86_400;

fn callback() -> impl Strategy<Value = Callback> {
    let context = 0_u32..14;
    let root = 0_u32..4;
    let status = prop_oneof![Just(0_u16), Just(200), Just(429), Just(500), Just(404)];
    prop_oneof![
        4 => (context.clone(), root.clone()).prop_map(|(c, r)| Callback::Create(c, r)),
        4 => (context.clone(), any::<bool>()).prop_map(|(c, e)| Callback::RequestHeaders(c, e)),
        4 => (context.clone(), 0_usize..9000, any::<bool>())
            .prop_map(|(c, n, e)| Callback::RequestBody(c, n, e)),
        4 => (context.clone(), 0_usize..9000, any::<bool>())
            .prop_map(|(c, n, e)| Callback::ResponseBody(c, n, e)),
        4 => (context.clone(), 0_u8..4, any::<bool>()).prop_map(|(c, m, e)| Callback::Block(c, m, e)),
        4 => context.prop_map(Callback::Done),
        3 => (root.clone(), 0_u64..3000).prop_map(|(r, ms)| Callback::Tick(r, ms)),
        3 => (0_u32..20, status).prop_map(|(t, s)| Callback::Answer(t, s)),
        1 => root.prop_map(Callback::Configure),
        1 => (-DAY_S..=DAY_S).prop_map(Callback::Set),
    ]
}

fn apply(rig: &mut Rig, callback: &Callback) {
    let body = vec![5; 9000];
    match *callback {
        Callback::Create(context, root) => rig.engine.on_context_create(context, root),
        Callback::RequestHeaders(context, end) => {
            rig.host.set_map(Map::RequestHeaders, GRPC);
            rig.engine.on_request_headers(&mut rig.host, context, end);
        }
        Callback::RequestBody(context, len, end) => rig.request(context, &body[..len], end),
        Callback::ResponseBody(context, len, end) => rig.response(context, &body[..len], end),
        Callback::Block(context, map, end) => {
            let (map, pairs) = match map {
                0 => (Map::RequestHeaders, GRPC),
                1 => (Map::RequestTrailers, TRAILERS),
                2 => (Map::ResponseHeaders, RESPONSE),
                _ => (Map::ResponseTrailers, TRAILERS),
            };
            rig.block(context, map, pairs, end);
        }
        Callback::Done(context) => {
            rig.done(context);
        }
        Callback::Tick(root, ms) => {
            rig.host.now_ns += ms * 1_000_000;
            rig.engine.on_tick(&mut rig.host, root);
        }
        Callback::Answer(token, status) => rig.answer(token, status),
        Callback::Configure(root) => {
            rig.host.config = INBOUND.as_bytes().to_vec();
            rig.engine.on_configure(&mut rig.host, root, INBOUND.len());
        }
        Callback::Set(seconds) => rig.set_clock(seconds),
    }
}

fn assert_identity(rig: &Rig) {
    for root in 0..14 {
        if let Some(counters) = rig.engine.counters(root) {
            assert_eq!(
                counters.observed(),
                counters.in_flight()
                    + counters.recorded()
                    + counters.dropped()
                    + counters.skipped()
            );
        }
    }
    for post in &rig.host.posts {
        let counters = post.batch.counters.as_ref().unwrap();
        let sum = |reasons: &[twintap_record::ReasonCount]| -> u64 {
            reasons.iter().map(|reason| reason.count).sum()
        };
        assert_eq!(
            counters.observed,
            counters.in_flight
                + counters.recorded
                + sum(&counters.dropped)
                + sum(&counters.skipped)
        );
        for (index, record) in post.batch.records.iter().enumerate() {
            assert_eq!(record.number, post.batch.first_record_number + index as u64);
        }
    }
}

fn run(callbacks: &[Callback], refuse: &[u64], status: u32) -> Rig {
    let sizes = Sizes {
        streams: 6,
        small: 12,
        large: 3,
        hashers: 2,
        slots: 3,
        slot_bytes: 24 * 1024,
    };
    let mut rig = Rig::with_sizes(INBOUND, sizes);
    rig.root(2, UPSTREAM);
    rig.host.refuse = refuse
        .iter()
        .map(|number| number + rig.host.calls)
        .collect();
    rig.host.refuse_status = status;
    for callback in callbacks {
        apply(&mut rig, callback);
        assert_identity(&rig);
    }
    rig
}

#[test]
fn a_stream_forgotten_after_its_root_went_is_not_counted_by_the_next_root() {
    let rig = run(
        &[
            Callback::Create(11, 1),
            Callback::RequestHeaders(11, false),
            Callback::Done(1),
            Callback::Tick(1, 0),
            Callback::Answer(1, 200),
            Callback::Create(3, 0),
            Callback::Create(11, 2),
        ],
        &[],
        1,
    );
    assert_eq!(rig.host.done, [1], "the root went");
}

#[test]
fn nor_by_a_next_root_that_has_its_context_id() {
    let callbacks = [
        Callback::Create(4, 1),
        Callback::RequestHeaders(4, false),
        Callback::Done(1),
        Callback::Tick(1, 0),
        Callback::Create(1, 0),
        Callback::Configure(1),
        Callback::Create(1, 1),
        Callback::Done(4),
    ];
    // Whatever is refused; it goes with its tick if that is the POST.
    let went = |number: &u64| run(&callbacks, &[*number], 1).host.done == [1];
    assert_eq!((0..30).filter(went).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_callbacks_in_any_order_with_any_refusals_are_accounted_for(
        callbacks in proptest::collection::vec(callback(), 0..120),
        refuse in proptest::collection::vec(0_u64..300, 0..30),
        status in prop_oneof![Just(1_u32), Just(2), Just(3), Just(7), Just(10), Just(99)],
    ) {
        let mut rig = run(&callbacks, &refuse, status);
        rig.host.refuse.clear();
        for context in 0..14 {
            rig.done(context);
        }
        assert_identity(&rig);
        // A context may be entered by a root here; streams and their pages must be gone.
        let (_, streams, pages) = rig.engine.held();
        prop_assert_eq!((streams, pages), (0, 0));
    }

    #[test]
    fn any_chunking_gives_the_same_record(
        request in proptest::collection::vec(0_usize..3000, 0..8),
        cuts in proptest::collection::vec(1_usize..5000, 1..20),
        limit in prop_oneof![Just(0_u32), Just(100), Just(5000), Just(65_536)],
    ) {
        let body: Vec<u8> = request.iter().flat_map(|len| message(&vec![9; *len])).collect();
        let config = format!(
            r#"{{"position":"inbound","collector_cluster":"c","body_bytes_max":{limit}}}"#
        );
        let record = |cuts: &[usize]| -> Record {
            let mut rig = Rig::new(&config);
            let context = rig.begin(GRPC);
            let mut rest = &body[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                rig.request(context, piece, false);
                rest = behind;
            }
            rig.request(context, b"", true);
            rig.done(context);
            rig.record()
        };
        let (whole, pieces) = (record(&[usize::MAX]), record(&cuts));
        let (whole, pieces) = (whole.request_body.unwrap(), pieces.request_body.unwrap());
        prop_assert_eq!(whole.captured, pieces.captured);
        prop_assert_eq!(whole.digest, pieces.digest);
        prop_assert_eq!(whole.digest, Some(xxhash_rust::xxh3::xxh3_64(&body)));
        prop_assert_eq!(whole.messages_count, pieces.messages_count);
        prop_assert_eq!((whole.bytes_count, whole.cut), (pieces.bytes_count, pieces.cut));
        let ends: u64 = pieces.marks.iter().step_by(2).sum();
        prop_assert_eq!(ends, body.len().min(limit as usize) as u64);
    }
}

#[test]
fn each_single_host_call_may_be_refused_with_each_status() {
    let calls = |rig: &mut Rig| {
        for _ in 0..2 {
            rig.unary(&message(b"a"), &message(&vec![1; 5000]));
            rig.tick();
            rig.answer_all(200);
        }
    };
    let mut well = Rig::new(UPSTREAM);
    let first = well.host.calls;
    calls(&mut well);
    for number in 0..well.host.calls {
        for status in [1, 2, 3, 4, 7, 8, 10, 12] {
            let mut rig = Rig::bare(support::PLENTY);
            rig.host.refuse = [number].into();
            rig.host.refuse_status = status;
            rig.root(ROOT, UPSTREAM);
            calls(&mut rig);
            assert_identity(&rig);
            assert_eq!(
                rig.engine.held(),
                (0, 0, 0),
                "call {number} of {first}, status {status}"
            );
        }
    }
}
