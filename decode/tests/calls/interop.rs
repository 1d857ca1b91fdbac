//! Captures of peers that are not C-core, or not only: other HPACK encoders, other framing.
//!
//! `tests/cases/interop/README.md` says who made them. Each is replayed as it is, and with packets
//! removed and displaced by a generator whose seeds are fixed.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::fields::{self, Fields};
use crate::packets::{CallKey, Packets};
use crate::replay::replay;
use crate::truth::{Score, Truth, compare, read};

/// Where the servers listen, and the proxy between some of them.
const SERVER_PORTS: [u16; 2] = [50051, 10000];
/// How much later than it was captured a packet may be displaced to, in microseconds. A sender
/// would repeat one that takes much longer.
const DISPLACED_US_MAX: u64 = 20_000;
/// Lossy variants of each capture.
const SEEDS: u64 = 6;

struct Case {
    name: String,
    capture: Vec<u8>,
    truths: Vec<Truth>,
    fields: HashMap<CallKey, Fields>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/interop");
    let unpack = |name: &str| {
        let packed = std::fs::read(folder.join(name)).unwrap();
        zstd::decode_all(&*packed).unwrap()
    };
    let names = std::fs::read_dir(&folder).unwrap();
    let mut names: Vec<_> = names
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".pcap.zst")?.to_owned())
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no captures in {}", folder.display());
    names
        .into_iter()
        .map(|name| {
            let truth = String::from_utf8(unpack(&format!("{name}.truth.jsonl.zst"))).unwrap();
            Case {
                capture: unpack(&format!("{name}.pcap.zst")),
                truths: read(&truth),
                fields: fields::read(&truth),
                name,
            }
        })
        .collect()
}

#[test]
fn calls_of_every_pair_of_peers_are_perfect() {
    for case in cases() {
        let replay = replay(&case.capture);
        let score = compare(&replay.calls, &case.truths);
        println!(
            "{:16} {:4} calls, {:7.3} % perfect, phantom {}, duplicate {}, missing {}, wrong \
             certain {}",
            case.name,
            case.truths.len(),
            score.perfect_pct(),
            score.phantom,
            score.duplicate,
            score.missing,
            score.wrong_certain,
        );
        let wrong = (score.phantom, score.duplicate, score.missing);
        assert_eq!(wrong, (0, 0, 0), "{}: {:#?}", case.name, score.notes);
        assert_eq!(score.wrong_certain, 0, "{}: {:#?}", case.name, score.notes);
        assert_eq!(
            score.perfect,
            case.truths.len(),
            "{}: {:#?}",
            case.name,
            score.notes
        );
        assert!(replay.tally.adds_up(), "{}: {:?}", case.name, replay.tally);
        assert_eq!(
            replay.tally.damaged_calls, 0,
            "{}: {:?}",
            case.name, replay.tally
        );
        let differences = fields::differences(&replay.calls, &case.fields);
        assert!(differences.is_empty(), "{}: {differences:#?}", case.name);
    }
}

/// A small generator of numbers that look random (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What is done to a capture.
#[derive(Clone, Copy)]
struct Damage {
    name: &'static str,
    begins_midway: bool,
    loses: bool,
    reorders: bool,
}

const DAMAGES: [Damage; 4] = [
    Damage {
        name: "midconn",
        begins_midway: true,
        loses: false,
        reorders: false,
    },
    Damage {
        name: "loss05",
        begins_midway: false,
        loses: true,
        reorders: false,
    },
    Damage {
        name: "reorder",
        begins_midway: false,
        loses: false,
        reorders: true,
    },
    Damage {
        name: "all of it",
        begins_midway: true,
        loses: true,
        reorders: true,
    },
];

/// Numbers of the packets that stay, in their new order.
fn damaged(damage: Damage, packets: &Packets<'_>, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let count = packets.len();
    let begin = if damage.begins_midway {
        count * 35 / 100
    } else {
        0
    };
    let mut order: Vec<_> = (begin..count)
        .filter(|_| !(damage.loses && random.one_in(200)))
        .collect();
    if damage.reorders {
        for at in 0..order.len() {
            if random.one_in(50) {
                let packet = order.remove(at);
                let places = usize::try_from(1 + random.below(8)).unwrap();
                let latest = packets.unix_us(packet) + DISPLACED_US_MAX;
                let passed = order[at..].iter().take(places);
                let passed = passed.take_while(|other| packets.unix_us(**other) <= latest);
                order.insert(at + passed.count(), packet);
            }
        }
    }
    order
}

/// The sum over all seeds.
#[derive(Default)]
struct Sum {
    touched: usize,
    untouched: usize,
    perfect: usize,
    methods_right: usize,
    messages_right: usize,
    status_known: usize,
}

impl Sum {
    fn add(&mut self, score: &Score) {
        self.touched += score.touched;
        self.untouched += score.untouched;
        self.perfect += score.perfect;
        self.methods_right += score.methods_right;
        self.messages_right += score.messages_right;
        self.status_known += score.status_known;
    }
}

fn replay_damaged(case: &Case, packets: &Packets<'_>, damage: Damage) -> Sum {
    let mut sum = Sum::default();
    let seeds = if damage.loses || damage.reorders {
        SEEDS
    } else {
        1
    };
    for seed in 0..seeds {
        let what = format!("{} {} seed {seed}", case.name, damage.name);
        let order = damaged(damage, packets, seed);
        let touched: BTreeSet<_> = packets.touched(&order);
        let mut truths = case.truths.clone();
        for truth in &mut truths {
            truth.is_partial = touched.contains(&(truth.client_port, truth.stream_id));
        }
        let replay = replay(&packets.capture(&order));
        assert!(replay.tally.adds_up(), "{what}: {:?}", replay.tally);
        let score = compare(&replay.calls, &truths);
        let wrong = (
            score.wrong_certain,
            score.wrong_inferred,
            score.phantom,
            score.duplicate,
        );
        assert_eq!(wrong, (0, 0, 0, 0), "{what}: {:#?}", score.notes);
        let wrong = fields::wrong_certain(&replay.calls, &case.fields);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
        if std::env::var_os("TWINTAP_NOTES").is_some() {
            score
                .notes
                .iter()
                .for_each(|note| println!("{what}: {note}"));
        }
        sum.add(&score);
    }
    sum
}

#[test]
fn damage_makes_no_value_wrong() {
    let (mut untouched, mut missed) = (0, 0);
    for case in cases() {
        let packets = Packets::read(&case.capture, &SERVER_PORTS);
        for damage in DAMAGES {
            let sum = replay_damaged(&case, &packets, damage);
            println!(
                "{:16} {:10} touched {:4}, untouched {:5}: perfect {:5}, methods {:5}, messages \
                 {:5}, status {:5}",
                case.name,
                damage.name,
                sum.touched,
                sum.untouched,
                sum.perfect,
                sum.methods_right,
                sum.messages_right,
                sum.status_known,
            );
            let what = format!("{} {}", case.name, damage.name);
            if damage.loses {
                untouched += sum.untouched;
                missed += sum.untouched - sum.messages_right;
            } else if damage.begins_midway {
                assert_eq!(sum.messages_right, sum.untouched, "{what}");
            } else {
                assert_eq!(sum.perfect, sum.untouched, "{what}");
            }
        }
    }
    // 99.8 %: what came with what was lost may be taken for lost.
    println!("after losses, {missed} of {untouched} untouched calls lack messages");
    assert!(missed * 500 <= untouched);
}
