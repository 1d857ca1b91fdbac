//! One connection with a key log: both ways interleaved, in pieces of any size, with gaps.
//!
//! Every record has one place in the counters. Where nothing is missing, it makes no difference how
//! the bytes are cut. Where something is, what is told are pieces of what is told without loss, in the
//! same order.

use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tls::{Connection, Counters, Keys, Outcome};

use super::script::Script;

/// Bits of the first byte of a step.
pub(crate) mod bits {
    /// From the server.
    pub(crate) const ANSWER: u8 = 1;
    /// The bytes were lost.
    pub(crate) const GAP: u8 = 2;
}

/// `bytes` are a key log behind its length, then what comes: way, gap or not, and the bytes behind
/// their length.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let Some(key_log) = script.payload() else {
        return;
    };
    let mut steps = Vec::new();
    while let (Some(what), Some(payload)) = (script.byte(), script.payload()) {
        steps.push((what, payload));
    }
    let whole = replay(key_log, &steps, usize::MAX, false);
    let cut = replay(key_log, &steps, 1, false);
    assert_eq!(whole.told, cut.told);
    assert_eq!((whole.outcome, whole.counters), (cut.outcome, cut.counters));
    let lossy = replay(key_log, &steps, usize::MAX, true);
    // Where a record fails without loss, what is tried next may differ.
    let is_sound = whole.outcome == Outcome::Decrypted && whole.counters.failed.total() == 0;
    if is_sound && lossy.outcome == Outcome::Decrypted {
        for (told, whole) in lossy.told.iter().zip(&whole.told) {
            let whole: Vec<u8> = whole.concat();
            let mut place = 0;
            for run in told {
                let mut rest = whole[place..].windows(run.len());
                let at = rest.position(|window| window == run);
                place += at.unwrap_or_else(|| panic!("{} bytes of nowhere", run.len())) + run.len();
            }
        }
    }
}

struct Replayed {
    /// Runs of bytes of each way, between gaps.
    told: [Vec<Vec<u8>>; 2],
    outcome: Outcome,
    counters: Counters,
}

fn replay(key_log: &[u8], steps: &[(u8, &[u8])], piece: usize, is_lossy: bool) -> Replayed {
    let keys = Keys::default();
    keys.lock().unwrap().add(key_log);
    let mut connection = Connection::new(keys, Runs::default());
    connection.start(0, Way::Forward, Start::Seen);
    connection.start(0, Way::Reverse, Start::Seen);
    let mut given = 0;
    for (at, (what, payload)) in (0..).zip(steps) {
        let is_answer = what & bits::ANSWER != 0;
        let way = if is_answer {
            Way::Reverse
        } else {
            Way::Forward
        };
        if is_lossy && what & bits::GAP != 0 {
            connection.gap(at, way, payload.len().max(1) as u64);
            continue;
        }
        given += payload.len();
        for bytes in payload.chunks(piece) {
            connection.bytes(at, way, bytes);
            assert!(connection.counters().adds_up());
        }
    }
    connection.end(0, Way::Forward, Ending::Fin);
    connection.end(0, Way::Reverse, Ending::CaptureEnd);
    connection.finish();
    let (outcome, counters) = (connection.outcome(), connection.counters());
    assert!(counters.adds_up(), "{counters:?}");
    let runs = connection.into_inner();
    assert_eq!(runs.ended, [true; 2]);
    let told = runs.told.map(|mut runs| {
        runs.retain(|run| !run.is_empty());
        runs
    });
    assert!(told.iter().flatten().map(Vec::len).sum::<usize>() <= given);
    Replayed {
        told,
        outcome,
        counters,
    }
}

#[derive(Default)]
struct Runs {
    told: [Vec<Vec<u8>>; 2],
    ended: [bool; 2],
}

impl Runs {
    fn of(&mut self, way: Way) -> &mut Vec<Vec<u8>> {
        let index = usize::from(way == Way::Reverse);
        assert!(!self.ended[index], "something behind the end");
        &mut self.told[index]
    }
}

impl ByteSink for Runs {
    fn start(&mut self, _: u64, _: Way, _: Start) {}

    fn bytes(&mut self, _: u64, way: Way, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "no bytes");
        let runs = self.of(way);
        match runs.last_mut() {
            Some(run) => run.extend(bytes),
            None => runs.push(bytes.to_vec()),
        }
    }

    fn gap(&mut self, _: u64, way: Way, len: u64) {
        assert!(len > 0, "an empty gap");
        self.of(way).push(Vec::new());
    }

    fn gap_up_to(&mut self, _: u64, way: Way, len_max: u64) {
        assert!(len_max > 0, "an empty gap");
        self.of(way).push(Vec::new());
    }

    fn time(&mut self, _: u64) {}

    fn end(&mut self, _: u64, way: Way, _: Ending) {
        self.of(way);
        self.ended[usize::from(way == Way::Reverse)] = true;
    }
}
