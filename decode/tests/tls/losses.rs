//! Records cut and lost in any way: never a wrong byte, and all that is whole is found again.

use std::collections::BTreeSet;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use twintap_decode::stream::Way;
use twintap_decode::stream::Way::{Forward, Reverse};
use twintap_decode::tls::Outcome;

use super::peers::{Act, Options, Seen, connect};
use super::watched::{Part, Step, Watched, watch};

/// Bytes at the beginning of each way among which both hellos are; losing one loses the connection.
const HANDSHAKE_BYTES: usize = 1500;

/// Bytes that tell where they are, so that it can be told where they belong.
fn placed(range: Range<usize>) -> Vec<u8> {
    let word = |at: usize| {
        let word = u32::try_from(at / 4).unwrap().wrapping_mul(0x9e37_79b1);
        word.to_be_bytes()[at % 4]
    };
    range.map(word).collect()
}

/// Both ways talk, with records of every size and some new keys.
fn talk(options: Options, lens: &[usize]) -> Seen {
    let (mut acts, mut places) = (Vec::new(), [0, 0]);
    for (number, len) in lens.iter().enumerate() {
        let place = &mut places[number % 2];
        let way = [Forward, Reverse][number % 2];
        acts.push(Act::Send(way, placed(*place..*place + len)));
        *place += len;
        if number % 7 == 6 && options.version == &rustls::version::TLS13 {
            acts.push(Act::Rekey(way));
        }
    }
    connect(options, &acts)
}

/// Where records lie in the bytes of one way, header included.
fn records(cipher: &[u8]) -> Vec<Range<usize>> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < cipher.len() {
        let end = at + 5 + usize::from(u16::from_be_bytes([cipher[at + 3], cipher[at + 4]]));
        records.push(at..end);
        at = end;
    }
    records
}

/// What TCP says of the bytes of both ways, in pieces, of which some are lost.
fn cut(seen: &Seen, cuts: &[usize], is_lost: impl Fn(Way, Range<usize>) -> bool) -> Vec<Step> {
    let mut cuts = cuts.iter().copied().cycle();
    let (mut steps, mut places) = (Vec::new(), [0, 0]);
    for (way, bytes) in &seen.sent {
        let place = &mut places[usize::from(*way == Reverse)];
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = cuts.next().unwrap().min(rest.len());
            let (piece, behind) = rest.split_at(len);
            let range = *place..*place + len;
            steps.push(match is_lost(*way, range) {
                true => Step::Gap(*way, u64::try_from(len).unwrap()),
                false => Step::Bytes(*way, piece.to_vec()),
            });
            (rest, *place) = (behind, *place + len);
        }
    }
    steps
}

/// Panics unless every byte that was told lies where it belongs.
fn assert_right(seen: &Seen, watched: &Watched) {
    for way in [Forward, Reverse] {
        let plain = seen.plain(way);
        // Where the bytes told so far may end: behind a gap of unknown length, few bytes fit in many
        // places.
        let mut places = BTreeSet::from([0]);
        for part in watched.parts.of(way) {
            places = match part {
                Part::Gap(len) => {
                    let len = usize::try_from(*len).unwrap();
                    places.iter().map(|at| at + len).collect()
                }
                Part::GapUpTo(len) => {
                    let len = usize::try_from(*len).unwrap();
                    let (first, last) = (places.first().unwrap(), places.last().unwrap());
                    (*first..=last + len).collect()
                }
                Part::Bytes(bytes) => {
                    let fits =
                        |at: &&usize| plain.get(**at..**at + bytes.len()) == Some(&bytes[..]);
                    places
                        .iter()
                        .filter(fits)
                        .map(|at| at + bytes.len())
                        .collect()
                }
            };
            assert!(!places.is_empty(), "{way:?}: wrong bytes");
        }
        let last = places.last().unwrap();
        assert!(*last >= plain.len(), "{way:?}: less than there was, unsaid");
    }
}

fn options() -> impl Strategy<Value = Options> {
    let version = prop_oneof![Just(Options::tls12()), Just(Options::tls13())];
    (
        version,
        prop_oneof![Just(None), (64_usize..2000).prop_map(Some)],
    )
        .prop_map(|(options, record_bytes_max)| Options {
            record_bytes_max,
            ..options
        })
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![8_usize..100, 100_usize..20_000], 2..16)
}

/// One record for each of `count` bytes, a foreign byte before each, all in one piece.
fn interspersed(count: usize) -> (Seen, Vec<Step>) {
    let byte = |at| Act::Send(Forward, placed(at..at + 1));
    let seen = connect(Options::tls13(), &(0..count).map(byte).collect::<Vec<_>>());
    let (handshake, records) = seen.sent.split_at(seen.sent.len() - count);
    let steps = handshake.iter();
    let mut steps: Vec<_> = steps
        .map(|(way, bytes)| Step::Bytes(*way, bytes.clone()))
        .collect();
    let pieces = records.iter().flat_map(|(_, record)| [&[0][..], record]);
    steps.push(Step::Bytes(Forward, pieces.collect::<Vec<_>>().concat()));
    (seen, steps)
}

#[test]
fn however_often_the_place_is_lost_in_one_piece_the_stack_holds() {
    let (seen, steps) = interspersed(4000);
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let key_log = seen.key_log.clone();
    let watched = thread.spawn(move || watch(&key_log, steps)).unwrap();
    let watched = watched.join().unwrap();
    assert_eq!(watched.parts.whole(Forward), seen.plain(Forward));
    assert_eq!(watched.counters.resyncs, 4000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_bytes_are_cut_the_plaintext_is_the_same(
        options in options(),
        lens in lens(),
        cuts in vec(1_usize..3000, 1..20),
    ) {
        let seen = talk(options, &lens);
        let watched = watch(&seen.key_log, cut(&seen, &cuts, |_, _| false));
        super::assert_decrypted(&seen, &watched);
        let whole = watch(&seen.key_log, super::steps(&seen));
        prop_assert_eq!(watched.counters, whole.counters);
    }

    #[test]
    fn whatever_is_lost_no_byte_is_wrong(
        options in options(),
        lens in lens(),
        cuts in vec(1_usize..3000, 1..20),
        lost in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let seen = talk(options, &lens);
        let all = cut(&seen, &cuts, |_, _| false).len();
        let lost: Vec<_> = lost.iter().map(|index| index.index(all)).collect();
        let number = std::cell::Cell::new(0);
        let steps = cut(&seen, &cuts, |_, _| {
            number.set(number.get() + 1);
            lost.contains(&(number.get() - 1))
        });
        let watched = watch(&seen.key_log, steps);
        match watched.outcome {
            Outcome::Decrypted => assert_right(&seen, &watched),
            Outcome::Undecrypted(_) => {
                let is_gap = |part: &Part| !matches!(part, Part::Bytes(_));
                let mut parts = watched.parts.forward.iter().chain(&watched.parts.reverse);
                prop_assert!(parts.all(is_gap));
            }
            // The beginnings of both ways were lost: nothing tells that it is TLS.
            Outcome::Clear => {}
        }
    }

    #[test]
    fn records_that_are_whole_are_found_whatever_is_lost_between_them(
        options in options(),
        lens in lens(),
        cuts in vec(1_usize..3000, 1..20),
        lost in vec((any::<bool>(), any::<prop::sample::Index>()), 1..8),
    ) {
        let seen = talk(options, &lens);
        let (mut gone, mut whole) = (Vec::new(), 0);
        for way in [Forward, Reverse] {
            let cipher = seen.cipher(way);
            let begin = HANDSHAKE_BYTES.min(cipher.len());
            let indices = lost.iter().filter(|(is_reverse, _)| *is_reverse == (way == Reverse));
            let ranges = indices.filter(|_| begin < cipher.len()).map(|(_, index)| {
                let at = begin + index.index(cipher.len() - begin);
                at..(at + 700).min(cipher.len())
            });
            let ranges: Vec<_> = ranges.collect();
            let is_hit = |record: &Range<usize>| {
                let overlaps = |range: &Range<usize>| range.start < record.end && record.start < range.end;
                ranges.iter().any(overlaps)
            };
            whole += records(&cipher).iter().filter(|record| !is_hit(record)).count();
            gone.extend(ranges.into_iter().map(|range| (way, range)));
        }
        let is_lost = |way: Way, range: Range<usize>| gone.iter().any(|(its, lost)| {
            *its == way && lost.contains(&range.start)
        });
        // Pieces of one byte, so that exactly what is meant is lost.
        let steps = join(cut(&seen, &[1], is_lost), &cuts);
        let watched = watch(&seen.key_log, steps);
        assert_right(&seen, &watched);
        let found = watched.counters.opened + watched.counters.plain;
        prop_assert_eq!(found, u64::try_from(whole).unwrap(), "{:?}", watched.counters);
    }
}

/// Joins pieces of the same kind to larger ones.
fn join(steps: Vec<Step>, cuts: &[usize]) -> Vec<Step> {
    let mut cuts = cuts.iter().copied().cycle();
    let (mut joined, mut room): (Vec<Step>, usize) = (Vec::new(), 0);
    for step in steps {
        match (joined.last_mut(), &step) {
            (Some(Step::Bytes(its, bytes)), Step::Bytes(way, more)) if its == way && room > 0 => {
                bytes.extend(more);
                room -= 1;
                continue;
            }
            (Some(Step::Gap(its, len)), Step::Gap(way, more)) if its == way => {
                *len += more;
                continue;
            }
            _ => {}
        }
        room = cuts.next().unwrap();
        joined.push(step);
    }
    joined
}
