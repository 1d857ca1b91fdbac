//! What is held, and for how long.

use twintap_decode::exchange::{CallSink, ConnectionName, Limits};
use twintap_decode::http2::Connection;
use twintap_decode::stream::{ByteSink, Ending, Start, Way};

use super::*;

/// Calls of a connection whose dynamic tables were filled before the capture.
fn nameless(count: u32) -> VecDeque<Box<Exchange>> {
    #[derive(Debug, Default)]
    struct Calls(VecDeque<Box<Exchange>>);
    impl CallSink for Calls {
        fn call(&mut self, call: Box<Exchange>) {
            self.0.push_back(call);
        }
    }
    let name = ConnectionName {
        id: 1,
        forward: "10.0.0.1:40000".parse().unwrap(),
        reverse: "10.0.0.2:50051".parse().unwrap(),
    };
    let mut connection = Connection::new(name, Limits::default(), Calls::default());
    connection.hint_client(Way::Forward);
    for way in [Way::Forward, Way::Reverse] {
        connection.start(0, way, Start::Midway);
    }
    for stream in (0..count).map(|index| 2 * index + 101) {
        let frame = |kind: u8, flags: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap();
            let id = stream.to_be_bytes();
            [&[0, 0, length, kind, flags], &id[..], payload].concat()
        };
        // `:method: POST`, `:scheme: http`, and entries nobody saw.
        let message = frame(0, 1, &[0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        let request = [frame(1, 4, &[0x83, 0x86, 0xbe, 0xbf]), message].concat();
        connection.bytes(u64::from(stream), Way::Forward, &request);
        let message = frame(0, 0, &[0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        let response = [frame(1, 4, &[0x88, 0xbf]), message, frame(1, 5, &[0xbe])].concat();
        connection.bytes(u64::from(stream), Way::Reverse, &response);
    }
    for way in [Way::Forward, Way::Reverse] {
        connection.end(1_000, way, Ending::Fin);
    }
    connection.finish();
    connection.into_sink().0
}

fn held(delay: Option<Duration>, calls_max: usize, bytes_max: usize) -> Held {
    let learner = Arc::new(Learner::new(None));
    Held::new(learner, delay, Arc::new(Room::of(calls_max, bytes_max, 1)))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn calls_of_files_are_held_to_the_end() {
    let mut held = held(None, 100, 1 << 20);
    let calls = nameless(10);
    assert_eq!(calls.len(), 10);
    assert!(held.pass(calls, SECOND).is_empty());
    assert_eq!(held.due_at(), None);
    assert!(held.pass(VecDeque::new(), 1000 * SECOND).is_empty());
    let (ready, counts) = held.finish();
    assert_eq!(ready.len(), 10);
    assert_eq!((counts.unnamed, counts.given_up), (10, 0));
}

#[test]
fn what_is_over_the_limits_goes_the_oldest_first_and_is_counted() {
    let mut by_count = held(None, 4, 1 << 20);
    let ready = by_count.pass(nameless(10), SECOND);
    let streams: Vec<_> = ready.iter().map(|call| call.stream_id).collect();
    assert_eq!(streams, [101, 103, 105, 107, 109, 111]);
    let (ready, counts) = by_count.finish();
    assert_eq!(ready.len(), 4);
    assert_eq!((counts.unnamed, counts.given_up), (10, 6));

    let mut by_bytes = held(None, 100, 3 * EXCHANGE_BYTES);
    assert!(by_bytes.pass(nameless(10), SECOND).len() >= 8);
}

#[test]
fn workers_share_room_and_none_goes_without() {
    let learner = Arc::new(Learner::new(None));
    let room = Arc::new(Room::of(12, 1 << 20, 2));
    let held = || Held::new(Arc::clone(&learner), None, Arc::clone(&room));
    let (mut few, mut many) = (held(), held());
    // 3 are its own, and 6 are for both.
    assert_eq!(many.pass(nameless(11), SECOND).len(), 2);
    assert!(few.pass(nameless(3), SECOND).is_empty());
    assert_eq!(few.pass(nameless(1), SECOND).len(), 1, "its own oldest");
    assert_eq!(many.finish().0.len(), 9);
    assert!(few.pass(nameless(6), SECOND).is_empty());
    assert_eq!(few.pass(nameless(1), SECOND).len(), 1);
}

#[test]
fn calls_of_a_live_source_wait_no_longer_than_they_may() {
    let mut held = held(Some(2 * SECOND), 100, 1 << 20);
    assert!(held.pass(nameless(3), SECOND).is_empty());
    assert_eq!(held.due_at(), Some(3 * SECOND));
    assert!(held.pass(VecDeque::new(), 2 * SECOND).is_empty());
    assert_eq!(held.pass(VecDeque::new(), 3 * SECOND).len(), 3);
    assert_eq!(held.due_at(), None);
    assert_eq!(held.finish().1.given_up, 0, "their time was over");
}
