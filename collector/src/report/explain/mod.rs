//! What all differences of one group have in common: `always 3600 more`, `rounded to 2 decimals`,
//! `always PAID became SETTLED`.
//!
//! A claim is about every difference of the group, and at least [`EXPLAINED_MIN`] of them; one that
//! does not fit and there is none. A claim on values that were not seen (a rounding, an offset, a
//! zone) needs two differences that are not the same, however often each was seen. All sums are extremes, counts and intersections: the same
//! differences give the same answer, whatever order they come in.

mod numbers;
mod renames;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::compare::{Difference, Encoding, Kind, LooksLike, Values};
use numbers::Numbers;
use renames::Renames;

/// Differences of which anything is said in common.
pub(crate) const EXPLAINED_MIN: u64 = 3;

/// What a group's differences have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Stable name.
    pub name: &'static str,
    /// For people, to follow a comma.
    pub text: String,
}

impl Explanation {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            text: text.into(),
        }
    }
}

/// Which side has less: digits, characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

impl Side {
    fn answer(self) -> &'static str {
        match self {
            Self::Old => "the old answer",
            Self::New => "the new answer",
        }
    }
}

/// Sums of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trend {
    count: u64,
    seen: Seen,
    numbers: Numbers,
    lengths: Lengths,
    /// Differences in which one is the other in hexadecimal, and in base64.
    encoded: [u64; 2],
    renames: Renames,
}

/// Which pairs of values were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Nothing,
    /// Always the one with this hash.
    One(u64),
    /// At least two.
    Several,
}

impl Seen {
    fn add(&mut self, difference: &Difference) {
        let mut hasher = Xxh3::new();
        for side in [&difference.primary, &difference.candidate] {
            let text = side.as_deref().unwrap_or_default();
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        }
        *self = match *self {
            Self::Nothing => Self::One(hasher.digest()),
            Self::One(hash) if hash == hasher.digest() => *self,
            _ => Self::Several,
        };
    }
}

/// Lengths of texts and byte strings of both sides.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    count: u64,
    old: Option<(u32, u32)>,
    new: Option<(u32, u32)>,
    old_is_longer: u64,
}

impl Trend {
    /// Adds a difference of the group.
    pub(crate) fn add(&mut self, difference: &Difference) {
        self.count += 1;
        if difference.kind != Kind::Value {
            return;
        }
        match difference.relation.values {
            Some(Values::Texts(old, new) | Values::Bytes(old, new)) => self.lengths.add(old, new),
            Some(values) => self.numbers.add(values),
            None => {}
        }
        match difference.relation.encoding {
            Some(Encoding::Hexadecimal) => self.encoded[0] += 1,
            Some(Encoding::Base64) => self.encoded[1] += 1,
            None => {}
        }
        self.seen.add(difference);
        self.renames.add(
            difference.primary.as_deref(),
            difference.candidate.as_deref(),
        );
    }

    /// What they have in common, given what each looks like by itself.
    pub(crate) fn explain(&self, looks_like: &BTreeMap<LooksLike, u64>) -> Option<Explanation> {
        if self.count < EXPLAINED_MIN {
            return None;
        }
        let all = |what| looks_like.get(&what) == Some(&self.count);
        if all(LooksLike::SwappedFields) || all(LooksLike::DoublePrecision) {
            return None;
        }
        let by_look = if all(LooksLike::Truncated) {
            self.lengths.cut(self.count)
        } else if all(LooksLike::Encoding) {
            self.encoding()
        } else {
            None
        };
        // What each looks like by itself says more than that it is always the same.
        let says_more = |(look, times): (&LooksLike, &u64)| {
            *times == self.count
                && !matches!(look, LooksLike::OffByOne | LooksLike::UnknownEnumNumber)
        };
        let renamed = || self.renames.explain(self.count);
        by_look
            .or_else(|| self.numbers.explain(self.count))
            .filter(|_| self.seen == Seen::Several)
            .or_else(|| renamed().filter(|_| !looks_like.iter().any(says_more)))
    }
}

impl Trend {
    /// Which side is always the other in the same encoding.
    fn encoding(&self) -> Option<Explanation> {
        let encoded = match self.lengths.shorter(self.count)? {
            Side::Old => Side::New,
            Side::New => Side::Old,
        };
        let name = match self.encoded {
            [hexadecimal, _] if hexadecimal == self.count => "hexadecimal",
            [_, base64] if base64 == self.count => "base64",
            _ => return None,
        };
        let text = format!("{} is always {name} of the other", encoded.answer());
        Some(Explanation::new(name, text))
    }
}

impl Lengths {
    fn add(&mut self, old: u32, new: u32) {
        self.merge(&Self {
            count: 1,
            old: Some((old, old)),
            new: Some((new, new)),
            old_is_longer: u64::from(old > new),
        });
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.old = both(self.old, other.old);
        self.new = both(self.new, other.new);
        self.old_is_longer += other.old_is_longer;
    }

    /// The side that is always the shorter.
    fn shorter(&self, count: u64) -> Option<Side> {
        match self.old_is_longer {
            _ if self.count != count => None,
            longer if longer == count => Some(Side::New),
            0 => Some(Side::Old),
            _ => None,
        }
    }

    fn cut(&self, count: u64) -> Option<Explanation> {
        let side = self.shorter(count)?;
        let (low, high) = match side {
            Side::Old => self.old?,
            Side::New => self.new?,
        };
        (low == high).then(|| {
            let text = format!("{} is always cut at {low} characters", side.answer());
            Explanation::new("cut_at", text)
        })
    }
}

/// The extremes of two ranges.
fn both<T: PartialOrd + Copy>(a: Option<(T, T)>, b: Option<(T, T)>) -> Option<(T, T)> {
    let (Some((low, high)), Some((other_low, other_high))) = (a, b) else {
        return a.or(b);
    };
    let low = if other_low < low { other_low } else { low };
    let high = if other_high > high { other_high } else { high };
    Some((low, high))
}
