//! What becomes of calls that do not fit the filter's memory and limits.
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

use support::{GRPC, INBOUND, Rig, Sizes};
use twintap_filter::host::Map;
use twintap_record::Reason;

#[test]
fn a_block_too_large_for_the_filter_is_counted_not_lost_silently() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.begin(GRPC);
    let huge = vec![b'x'; 600 * 1024];
    rig.block(
        context,
        Map::ResponseHeaders,
        &[(b":status", b"200"), (b"x-huge", &huge)],
        false,
    );
    rig.done(context);
    let block = rig.record().response_headers.unwrap();
    assert_eq!((block.headers.len(), block.omitted_count), (0, 2));
}

#[test]
fn headers_beyond_the_limits_are_omitted_and_the_small_ones_behind_them_kept() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.begin(GRPC);
    let large = vec![b'x'; 70 * 1024];
    rig.block(
        context,
        Map::ResponseTrailers,
        &[(b"x-large", &large), (b"grpc-status", b"0")],
        true,
    );
    let many: Vec<(&[u8], &[u8])> = vec![(b"a", b"1"); 1500];
    rig.block(context, Map::ResponseHeaders, &many, false);
    rig.done(context);
    let record = rig.record();
    let trailers = record.response_trailers.unwrap();
    assert_eq!((trailers.headers.len(), trailers.omitted_count), (1, 1));
    let headers = record.response_headers.unwrap();
    assert_eq!((headers.headers.len(), headers.omitted_count), (1024, 476));
}

#[test]
fn streams_beyond_the_memory_are_dropped_and_counted() {
    let mut rig = Rig::with_sizes(
        INBOUND,
        Sizes {
            streams: 3,
            ..support::PLENTY
        },
    );
    let contexts: Vec<u32> = (0..5).map(|_| rig.begin(GRPC)).collect();
    assert_eq!(
        (rig.counters().in_flight(), rig.counters().dropped()),
        (3, 2)
    );
    for context in contexts {
        rig.done(context);
    }
    rig.tick();
    assert_eq!(rig.count(Reason::StreamMemory), 2);
    assert_eq!(rig.records().len(), 3);
}

#[test]
fn a_full_context_table_drops_and_counts() {
    let mut rig = Rig::new(INBOUND);
    for _ in 0..200 {
        rig.begin(GRPC);
    }
    let counters = rig.counters();
    assert_eq!(counters.observed(), 200);
    assert_eq!(counters.in_flight() + counters.dropped(), 200);
}
