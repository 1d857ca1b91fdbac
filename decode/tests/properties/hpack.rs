//! Header blocks, against a plain decoder that sees all of them.
//!
//! Who saw everything decodes the same. Who came late says of a value that it is seen only if it
//! is what the plain decoder says. After a loss only limits and panics are looked at: a peer that
//! is free to lie can make any reading legal.

use twintap_decode::hpack::{Decoder, Defect, Expected, HeaderBlock, Value};

use super::rfc7541::{Endpoint, Pair};
use super::script::Script;

/// Size updates that a [`Decoder`] follows where nothing was advertised.
const TABLE_BYTES_MAX: usize = 64 * 1024;

/// What becomes of a block on its way, by the first byte of a step.
pub(crate) mod fates {
    /// Not captured by who loses blocks.
    pub(crate) const LOST: u8 = 1;
    /// Cut in the middle for who loses blocks.
    pub(crate) const CUT: u8 = 2;
}

/// `bytes` are how many blocks the late one misses, then blocks: their fate, and the bytes behind
/// their length.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let late_from = usize::from(script.byte().unwrap_or(0)) % 8;
    let mut plain = Endpoint::new(TABLE_BYTES_MAX);
    let (mut early, mut late) = (Decoder::new(false), Decoder::new(true));
    let mut loser = Decoder::new(false);
    let (mut number, mut is_broken) = (0, false);
    while let (Some(fate), Some(block)) = (script.byte(), script.payload()) {
        let expected = expected(fate);
        if !is_broken {
            let truth = plain.decode(block);
            let seen = early.decode(block, 0, expected);
            assert_same(&truth, &seen);
            if number >= late_from && truth.is_ok() {
                let part = late.decode(block, 0, expected);
                assert_no_lie(&truth.clone().unwrap_or_default(), &part);
            }
            // From here on the plain one knows no more than a connection that was closed.
            is_broken = truth.is_err();
        }
        lose(&mut loser, fate, block, expected);
        number += 1;
    }
}

fn expected(fate: u8) -> Expected {
    match fate >> 4 & 3 {
        0 => Expected::Any,
        1 => Expected::Request,
        2 => Expected::Response,
        _ => Expected::Trailers,
    }
}

/// The same fields, or both find fault.
fn assert_same(truth: &Result<Vec<Pair>, super::rfc7541::Malformed>, seen: &HeaderBlock) {
    let Ok(truth) = truth else {
        let found = matches!(seen.defect(), Some(Defect::Malformed(_)));
        assert!(found, "{seen:?}");
        return;
    };
    if seen.defect() == Some(&Defect::TooLarge) {
        return;
    }
    assert!(!seen.is_incomplete(), "{seen:?}");
    let fields = seen.fields().iter();
    let pairs: Vec<Pair> = fields
        .map(|field| {
            let (name, value) = (seen.name(field), seen.value(field));
            (name.unwrap().to_vec(), value.unwrap().to_vec())
        })
        .collect();
    assert_eq!(&pairs, truth);
}

/// What is said to be seen is so.
fn assert_no_lie(truth: &[Pair], part: &HeaderBlock) {
    if part.defect().is_some() {
        return;
    }
    assert_eq!(part.fields().len(), truth.len());
    for (field, (name, value)) in part.fields().iter().zip(truth) {
        assert!(part.name(field).is_none_or(|said| said == name), "{part:?}");
        if matches!(field.value, Value::Seen(_)) {
            assert_eq!(part.value(field), Some(&value[..]), "{part:?}");
        }
    }
}

fn lose(loser: &mut Decoder, fate: u8, block: &[u8], expected: Expected) {
    let half = block.len() / 2;
    let missing = (block.len() - half) as u64;
    if fate & fates::LOST != 0 {
        loser.lose(block.len() as u64);
    } else if fate & fates::CUT != 0 {
        loser.decode(&block[..half], missing, expected);
    } else {
        let read = loser.decode(block, 0, expected);
        for (_, revised) in loser.take_revised() {
            assert!(!revised.is_incomplete() || revised.defect().is_none());
        }
        for field in read.fields() {
            let is_ambiguous = matches!(field.value, Value::Ambiguous(_));
            assert_eq!(is_ambiguous, read.alternatives(field).len() > 1, "{read:?}");
        }
    }
}
