//! One known conversation, cut anywhere and with bytes lost anywhere: the calls are the same, or
//! flagged; nothing that is presented as seen is wrong.

use proptest::prelude::*;
use proptest::sample::Index;
use twintap_decode::exchange::{Certainty, Exchange};
use twintap_decode::stream::{Start, Way};

use super::frames::{
    Encoder, PREFACE, RESPONSE, SETTINGS, Watched, data, headers, message, messages, request,
};

const METHODS: [&str; 4] = ["/a.A/One", "/a.A/Two", "/b.B/Three", "/b.B/Four"];
const STATUSES: [u32; 4] = [0, 0, 5, 13];
const CALLS: u32 = 24;

/// What call `index` is.
fn truth(index: u32) -> (&'static str, u32, Vec<Vec<u8>>) {
    let kind = usize::try_from(index).unwrap();
    let count = 1 + kind % 3;
    let body = |n: usize| vec![u8::try_from(kind).unwrap(); 20 + 37 * n + kind];
    (
        METHODS[kind % 4],
        STATUSES[kind / 3 % 4],
        (0..count).map(body).collect(),
    )
}

/// The bytes of both ways.
fn conversation() -> [Vec<u8>; 2] {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut bytes = [[PREFACE, &SETTINGS].concat(), SETTINGS.to_vec()];
    for index in 0..CALLS {
        let (path, status, bodies) = truth(index);
        let id = 2 * index + 1;
        let once = index.to_string();
        let fields = [&request(path)[..], &[("x-once-id", &*once)]].concat();
        bytes[0].extend(headers(id, 0, &client.block(&fields)));
        bytes[1].extend(headers(id, 0, &server.block(&RESPONSE)));
        for (number, body) in bodies.iter().enumerate() {
            let end = u8::from(number + 1 == bodies.len());
            bytes[0].extend(data(id, end, &message(body)));
            bytes[1].extend(data(id, 0, &message(body)));
        }
        let trailers = server.block(&[("grpc-status", &*status.to_string())]);
        bytes[1].extend(headers(id, 1, &trailers));
    }
    bytes
}

fn assert_not_wrong(call: &Exchange) {
    let (path, status, bodies) = truth(call.stream_id / 2);
    if let Certainty::Seen(method) = &call.method {
        assert_eq!(&**method, path.as_bytes());
    }
    if let Certainty::Seen(seen) = call.status {
        assert_eq!(seen, status);
    }
    for half in [&call.request, &call.response] {
        let whole = half
            .body
            .messages()
            .iter()
            .all(|message| message.is_whole());
        if whole && !call.has_gap() && half.end_at_unix_ns.is_some() {
            assert_eq!(messages(half), bodies);
        }
    }
}

/// Tells that so many bytes were lost.
type Tell = fn(&mut Watched, Way, usize);

/// As TCP does.
fn exactly(watched: &mut Watched, way: Way, len: usize) {
    watched.gap(way, len);
}

/// As TLS 1.3 does, which knows how long the records were.
fn at_most(watched: &mut Watched, way: Way, len: usize) {
    watched.gap_up_to(way, len + len / 3);
}

/// Feeds both ways in pieces; `lost` are places and lengths that are lost.
fn replay(
    start: Start,
    cuts: &[(bool, Index)],
    lost: &[(bool, Index, usize)],
    tell: Tell,
) -> Vec<Exchange> {
    let bytes = conversation();
    let mut watched = Watched::new(start);
    for (side, way) in [(false, Way::Forward), (true, Way::Reverse)] {
        let bytes = &bytes[usize::from(side)];
        let mut missing = vec![false; bytes.len()];
        for (_, at, len) in lost.iter().filter(|(lost, _, _)| *lost == side) {
            let at = at.index(bytes.len());
            missing[at..(at + len).min(bytes.len())].fill(true);
        }
        let mut at: Vec<_> = cuts
            .iter()
            .filter(|(cut, _)| *cut == side)
            .collect::<Vec<_>>()
            .iter()
            .map(|(_, cut)| cut.index(bytes.len()))
            .collect();
        at.extend((1..bytes.len()).filter(|at| missing[*at] != missing[at - 1]));
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.dedup();
        for piece in at.windows(2) {
            if missing[piece[0]] {
                tell(&mut watched, way, piece[1] - piece[0]);
            } else {
                watched.bytes(way, &bytes[piece[0]..piece[1]]);
            }
        }
    }
    watched.end()
}

fn any_cuts() -> impl Strategy<Value = Vec<(bool, Index)>> {
    prop::collection::vec(any::<(bool, Index)>(), 0..60)
}

proptest! {
    #[test]
    fn any_segmentation_gives_the_same_calls(cuts in any_cuts()) {
        let calls = replay(Start::Seen, &cuts, &[], exactly);
        prop_assert_eq!(calls.len(), usize::try_from(CALLS).unwrap());
        for call in calls {
            let (path, status, bodies) = truth(call.stream_id / 2);
            prop_assert_eq!(&call.method, &Certainty::Seen(path.into()));
            prop_assert_eq!(&call.status, &Certainty::Seen(status));
            prop_assert_eq!(messages(&call.request), &*bodies);
            prop_assert_eq!(messages(&call.response), &*bodies);
            prop_assert!(!call.has_gap() && !call.headers_incomplete());
        }
    }

    #[test]
    fn lost_bytes_make_no_wrong_value_and_no_call(
        cuts in any_cuts(),
        lost in prop::collection::vec((any::<bool>(), any::<Index>(), 1..600_usize), 1..5),
        tell in prop_oneof![Just(exactly as Tell), Just(at_most as Tell)],
    ) {
        let calls = replay(Start::Seen, &cuts, &lost, tell);
        let mut ids: Vec<_> = calls.iter().map(|call| call.stream_id).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), calls.len(), "a call twice");
        for call in calls {
            prop_assert!(call.stream_id < 2 * CALLS && call.stream_id % 2 == 1, "a phantom");
            assert_not_wrong(&call);
        }
    }

    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        start in any::<bool>(),
    ) {
        let mut watched = Watched::new(if start { Start::Seen } else { Start::Midway });
        if start {
            watched.client(PREFACE).server(&SETTINGS);
        }
        for (side, bytes) in bytes {
            watched.bytes(if side { Way::Forward } else { Way::Reverse }, &bytes);
            if bytes.len() % 7 == 0 {
                watched.gap(Way::Forward, bytes.len());
            }
        }
        watched.end();
    }
}
