//! Noise: differences that two runs of the old service show as well, offered as rules.
//!
//! [`Learner`] is told of compared pairs of three kinds ([`Source`]) and keeps, by method, place, path
//! and kind, how often they differ and what would take the differences for equal. [`Learner::learn`]
//! decides what is noise, and [`Learned::to_yaml`] writes it as a rules file with the
//! evidence beside each rule. Nothing is ever applied here.
//!
//! - **Primary and secondary**: two runs of the old service answered the same request. What differs
//!   there is noise unless primary and candidate differ clearly more often: Diffy's thresholds.
//! - **Repeats**: the old service was asked the same again. Its state may have changed in between, so
//!   only what cannot be a changed state is offered: ids, times, hashes, tokens, order, float jitter.
//! - **Value classes**: with neither, a field in which old and new always have ids, times, hashes or
//!   tokens. The weakest: it says so.
//!
//! A stronger source that saw a method silences the weaker ones: what is stable between primary and
//! secondary, or in repeats, and differs between primary and candidate is a true difference.
//!
//! A rule reaches further than the place it was learned from: down to what lies below, and over all elements. One that
//! would hide a true difference there is withheld ([`Why::Hides`], [`Why::OneElement`]).
//!
//! The same pairs give the same rules, whatever order they come in. Memory is bounded by [`KEYS_MAX`],
//! [`METHODS_MAX`], [`MAP_KEYS_MAX`] and [`ELEMENTS_MAX`]. No I/O, no clock.

mod action;
mod decide;
mod elements;
mod fit;
mod protected;
mod repeats;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::call::Call;
use crate::compare::{Difference, Kind, Outcome, Place, Severity, Verdict};
use crate::pair::Pair;
use crate::report::group::{collapse, collapse_all_but};
use crate::report::rows::name_to_show;
use elements::Elements;
use fit::Fit;

pub use action::Action;
pub use decide::{
    CLASS_SHARE_MIN, Evidence, Learned, LeftOut, SUGGESTIONS_MAX, Suggestion, Thresholds, Why,
};
pub use elements::ELEMENTS_MAX;
pub use repeats::{BYTES_MAX, PER_REQUEST_MAX, REQUESTS_MAX, Repeats};

/// Places told apart by method, path and kind; further ones are only counted.
pub const KEYS_MAX: usize = 20_000;

/// Keys of one map told apart; a map that has more is one place.
pub const MAP_KEYS_MAX: usize = 32;

/// Methods told apart; the names come from the wire.
pub const METHODS_MAX: usize = 4_096;

/// Examples kept of each place and source.
pub const EXAMPLES_MAX: usize = 3;

/// What a compared pair consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The primary and the candidate of one request.
    Candidate,
    /// The primary and the secondary of one request.
    Secondary,
    /// Two answers of the old service to equal requests.
    Repeat,
}

impl Source {
    fn index(self) -> usize {
        match self {
            Self::Candidate => 0,
            Self::Secondary => 1,
            Self::Repeat => 2,
        }
    }
}

/// Where something differs, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rpc_method: String,
    place: Place,
    /// List indices are `[*]`, and so are map keys in quotes where there are more than [`MAP_KEYS_MAX`].
    path: String,
    kind: Kind,
}

/// What is known of one [`Key`].
#[derive(Clone, Debug, Default)]
struct Found {
    by_source: BySource<Seen>,
    elements: Elements,
    /// Does it stand for the keys of a map?
    is_map: bool,
}

/// What one source says of one [`Key`].
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Pairs in which it was found.
    pairs: u64,
    fit: Fit,
    /// The earliest.
    examples: BTreeSet<Example>,
}

/// A pair in which it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// Start of the first call, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// Its pair id, request id or trace id, else what it was recorded as.
    pub correlation_key: String,
    /// Its value.
    pub first: Option<String>,
    /// The other's.
    pub second: Option<String>,
}

/// Pairs of one method that were judged, and of each key, by [`Source::index`].
type BySource<T> = [T; 3];

/// Learns from pairs.
#[derive(Debug, Default)]
pub struct Learner {
    /// Pairs judged, by method.
    judged: BTreeMap<String, BySource<u64>>,
    keys: BTreeMap<Key, Found>,
    /// Of places in maps, those of each key; none where there are more than [`MAP_KEYS_MAX`].
    maps: BTreeMap<Key, Option<BTreeSet<Key>>>,
    /// Differences beyond [`KEYS_MAX`], [`METHODS_MAX`] or the limits of one pair.
    omitted: u64,
    /// Pairs that could not be judged, or may be the wrong pair.
    unjudged: u64,
    /// Requests of which repeats were not looked at.
    requests_left_out: u64,
}

impl Learner {
    /// Adds a pair and what comparing it came to; the candidate's side may be that of the secondary.
    /// What rules took for equal is no news, and not learned again.
    pub fn add(&mut self, source: Source, pair: &Pair, verdict: &Verdict) {
        if pair.is_ambiguous {
            self.unjudged += 1;
        } else {
            self.judge(source, &pair.primary, verdict);
        }
    }

    /// Adds a repeat: what comparing a later answer with the earliest came to.
    pub fn add_repeat(&mut self, first: &Call, verdict: &Verdict) {
        self.judge(Source::Repeat, first, verdict);
    }

    fn judge(&mut self, source: Source, first: &Call, verdict: &Verdict) {
        if matches!(verdict.outcome, Outcome::Incomparable(_)) {
            self.unjudged += 1;
            return;
        }
        self.omitted += verdict.differences_omitted;
        let rpc_method = &first.rpc_method;
        if !self.judged.contains_key(rpc_method) {
            if self.judged.len() >= METHODS_MAX {
                self.omitted += 1;
                return;
            }
            self.judged.insert(rpc_method.clone(), [0; 3]);
        }
        if let Some(judged) = self.judged.get_mut(rpc_method) {
            count(judged, source, 1);
        }
        let mut in_this_pair = BTreeSet::new();
        for difference in verdict
            .differences
            .iter()
            .filter(|found| is_news(found, source))
        {
            let at = |path: String| Key {
                rpc_method: rpc_method.clone(),
                place: difference.place,
                path,
                kind: difference.kind,
            };
            let (whole, entry) = match difference.place.is_metadata() {
                true => (at(difference.path.clone()), None),
                false => {
                    let path = &difference.path;
                    let by_key = collapse_all_but(path, |inside| inside.starts_with('"'));
                    let whole = collapse(path);
                    let entry = (by_key != whole).then(|| at(by_key));
                    (at(whole), entry)
                }
            };
            if !self.keys.contains_key(&whole) && self.keys.len() >= KEYS_MAX {
                self.omitted += 1;
                continue;
            }
            let entry = entry.filter(|entry| self.tells_apart(&whole, entry));
            for key in [Some(whole), entry].into_iter().flatten() {
                let is_first = in_this_pair.insert((key.clone(), None));
                let element = key.path.contains("[*]").then_some(&difference.path);
                let is_first_here =
                    element.filter(|path| in_this_pair.insert((key.clone(), Some(path.as_str()))));
                let found = self.keys.entry(key).or_default();
                if let Some(element) = is_first_here {
                    found.elements.add(element, source);
                }
                if let Some(seen) = found.by_source.get_mut(source.index()) {
                    seen.pairs += u64::from(is_first);
                    seen.fit.add(difference, first.started_unix_ns);
                    seen.example(first, difference);
                }
            }
        }
    }

    /// Is the place of one map key told apart from `whole`, that of all? If there are too many, none is.
    fn tells_apart(&mut self, whole: &Key, entry: &Key) -> bool {
        let entries = self
            .maps
            .entry(whole.clone())
            .or_insert_with(|| Some(BTreeSet::new()));
        let Some(known) = entries else {
            return false;
        };
        if known.contains(entry) {
            return true;
        }
        let is_full = known.len() >= MAP_KEYS_MAX || self.keys.len() >= KEYS_MAX;
        if is_full {
            for entry in std::mem::take(known) {
                self.keys.remove(&entry);
            }
            *entries = None;
        } else {
            known.insert(entry.clone());
        }
        !is_full
    }

    /// Notes requests of which repeats were not looked at, for lack of memory.
    pub fn add_left_out(&mut self, requests: u64) {
        self.requests_left_out += requests;
    }

    /// Decides what is noise.
    pub fn learn(mut self, thresholds: &Thresholds) -> Learned {
        for (whole, entries) in std::mem::take(&mut self.maps) {
            if entries.is_some() {
                self.keys.remove(&whole);
            } else if let Some(found) = self.keys.get_mut(&whole) {
                found.is_map = true;
            }
        }
        decide::decide(self, thresholds)
    }
}

fn count(counts: &mut BySource<u64>, source: Source, more: u64) {
    if let Some(count) = counts.get_mut(source.index()) {
        *count += more;
    }
}

/// Repeated requests have metadata of their own, such as ids.
fn is_news(found: &Difference, source: Source) -> bool {
    let is_request = matches!(found.place, Place::RequestMetadata | Place::RequestMessage);
    found.severity == Severity::Error && !(source == Source::Repeat && is_request)
}

impl Seen {
    fn example(&mut self, first: &Call, difference: &Difference) {
        self.examples.insert(Example {
            started_unix_ns: first.started_unix_ns,
            correlation_key: name_to_show(first),
            first: difference.primary.clone(),
            second: difference.candidate.clone(),
        });
        if self.examples.len() > EXAMPLES_MAX {
            self.examples.pop_last();
        }
    }
}
