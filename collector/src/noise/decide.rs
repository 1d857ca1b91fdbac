//! What is noise, and why the rest is not offered.

use std::collections::BTreeMap;

use super::action::{TIME_NS_MAX, is_element};
use super::protected::Protected;
use super::{Action, BySource, Example, Found, Key, Learner, Source};
use crate::compare::rules::{Class, may_cover};
use crate::compare::{Kind, Place};
use crate::escape::escape;
use crate::share::rate;

/// From when on something counts as noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Primary and candidate differ truly if their share is above that of noise by more than this
    /// share of both together, ...
    pub relative: f64,
    /// ... and by more than this share of all pairs.
    pub absolute: f64,
    /// Pairs in which noise has to be seen.
    pub pairs_min: u64,
}

/// Diffy's: 20 % and 0.03 %.
impl Default for Thresholds {
    fn default() -> Self {
        Self {
            relative: 0.2,
            absolute: 0.0003,
            pairs_min: 3,
        }
    }
}

/// Ids and times that differ in fewer of a method's pairs are not made anew for each answer.
pub const CLASS_SHARE_MIN: f64 = 0.5;

/// Suggestions at most: what one rules file may hold.
pub const SUGGESTIONS_MAX: usize = 1_000;

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// Rules worth a look, by method, place and path.
    pub suggestions: Vec<Suggestion>,
    /// What looks like noise and is not offered, and why.
    pub left_out: Vec<LeftOut>,
    /// Places in which primary and candidate differ, and the old service never differs from itself.
    pub true_differences: u64,
    /// Suggestions beyond [`SUGGESTIONS_MAX`].
    pub suggestions_omitted: u64,
    /// Differences beyond the limits of a pair or of [`super::KEYS_MAX`].
    pub differences_omitted: u64,
    /// Pairs that could not be judged, or may be the wrong pair.
    pub unjudged: u64,
    /// Requests of which repeats were not looked at: more than are kept.
    pub requests_left_out: u64,
    /// Pairs judged of primary and candidate.
    pub candidate_pairs: u64,
    /// Pairs judged of primary and secondary.
    pub secondary_pairs: u64,
    /// Repeats judged.
    pub repeats: u64,
}

/// One rule that would take noise for equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Part of the call.
    pub place: Place,
    /// The path; list indices are `[*]`, and so are map keys where there are many. Empty for the place as a whole.
    pub path: String,
    /// What the rule does.
    pub action: Action,
    /// Why, for each kind of difference that it is for.
    pub evidence: Vec<Evidence>,
}

/// Something that differs and is not offered.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Part of the call.
    pub place: Place,
    /// The path.
    pub path: String,
    /// What is known of it.
    pub evidence: Evidence,
    /// The reason.
    pub why: Why,
}

/// Why something is not offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Primary and candidate differ clearly more often.
    MoreOften,
    /// It was seen too seldom.
    TooFew,
    /// Values of a class that differ in too few pairs to be made anew for each.
    Seldom,
    /// Nothing narrower fits than hiding it, and it may be a state that changed.
    NothingNarrow,
    /// A status that varies is a failure, not noise.
    Status,
    /// It would hide that something could not be seen.
    Unseen,
    /// Its name cannot be written in a rule.
    Unwritable,
    /// The candidate's times are further from the old than clocks are.
    FarApart,
    /// The rule covers a true difference too.
    Hides {
        /// Where that is.
        path: String,
        /// What it is.
        kind: Kind,
    },
    /// In one of the elements the candidate differs truly.
    OneElement,
    /// A map with so many keys that a true difference in one of them could not be told.
    ManyKeys,
}

impl Why {
    /// In words.
    pub fn describe(&self) -> String {
        let why = match self {
            Self::Hides { path, kind } => {
                return format!(
                    "the rule would also hide a true difference, {} ({})",
                    escape(path),
                    kind.name()
                );
            }
            Self::MoreOften => "primary and candidate differ clearly more often than noise",
            Self::TooFew => "seen too seldom (--min-pairs)",
            Self::Seldom => "too seldom for a value made anew for each answer",
            Self::NothingNarrow => {
                "nothing narrower fits than hiding it, and it may be a state that changed"
            }
            Self::Status => "a status that varies is a failure, not noise",
            Self::Unseen => "a rule would hide that something could not be seen",
            Self::Unwritable => "its name cannot be written in a rule",
            Self::FarApart => "times more than a minute apart, which are no two clocks",
            Self::OneElement => {
                "in one of these elements the candidate alone differs, or clearly more often"
            }
            Self::ManyKeys => "a map with more keys than are told apart",
        };
        why.to_owned()
    }
}

/// What was seen of one kind of difference in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Kind of difference.
    pub kind: Kind,
    /// Where the noise was seen; [`Source::Candidate`] for value classes alone.
    pub source: Source,
    /// Pairs of that source that differ, of those judged.
    pub noise: (u64, u64),
    /// Pairs of primary and candidate that differ, of those judged.
    pub raw: (u64, u64),
    /// Does the rule take all that differs here between primary and candidate?
    pub takes_all: bool,
    /// The earliest pairs of the source.
    pub examples: Vec<Example>,
}

pub(super) fn decide(learner: Learner, thresholds: &Thresholds) -> Learned {
    let mut learned = Learned {
        differences_omitted: learner.omitted,
        unjudged: learner.unjudged,
        requests_left_out: learner.requests_left_out,
        ..Learned::default()
    };
    for [candidate, secondary, repeats] in learner.judged.values() {
        learned.candidate_pairs += candidate;
        learned.secondary_pairs += secondary;
        learned.repeats += repeats;
    }
    let mut protected = Protected::default();
    let mut noise = Vec::new();
    for (key, found) in learner.keys {
        let judged = learner
            .judged
            .get(&key.rpc_method)
            .copied()
            .unwrap_or_default();
        let found_to_be = judge(&key, &found, &judged, thresholds);
        if is_true(&found_to_be, &found, &judged, thresholds) {
            let [candidate, ..] = &found.by_source;
            protected.add(&key, &candidate.fit);
        }
        match found_to_be {
            Judged::Nothing => {}
            Judged::TrueDifference => learned.true_differences += 1,
            Judged::LeftOut(why, evidence) => learned.left_out.push(left_out(key, why, evidence)),
            Judged::Noise(action, evidence) => noise.push((key, action, evidence)),
        }
    }
    let mut rules: BTreeMap<(String, Place, String), Vec<Suggestion>> = BTreeMap::new();
    for (key, action, evidence) in noise {
        if let Some((path, kind)) = protected.hidden_by(&key, &action) {
            let path = path.to_owned();
            let why = Why::Hides { path, kind };
            learned.left_out.push(left_out(key, why, evidence));
            continue;
        }
        let place = (key.rpc_method, key.place, key.path);
        let (rpc_method, path) = (place.0.clone(), place.2.clone());
        merge(
            rules.entry(place).or_default(),
            Suggestion {
                rpc_method,
                place: key.place,
                path,
                action,
                evidence: vec![evidence],
            },
        );
    }
    let by_name = |it: &LeftOut| {
        (
            it.rpc_method.clone(),
            it.place,
            it.path.clone(),
            it.evidence.kind,
        )
    };
    learned.left_out.sort_by_cached_key(by_name);
    let mut suggestions = rules.into_values().flatten();
    learned.suggestions = suggestions.by_ref().take(SUGGESTIONS_MAX).collect();
    learned.suggestions_omitted = u64::try_from(suggestions.count()).unwrap_or(u64::MAX);
    learned
}

fn left_out(key: Key, why: Why, evidence: Evidence) -> LeftOut {
    LeftOut {
        rpc_method: key.rpc_method,
        place: key.place,
        path: key.path,
        evidence,
        why,
    }
}

/// Two kinds of differences in one place that the same action takes are one rule.
fn merge(rules: &mut Vec<Suggestion>, new: Suggestion) {
    for rule in rules.iter_mut() {
        match (&mut rule.action, &new.action) {
            (Action::Ignore(kinds), Action::Ignore(more)) => kinds.extend(more),
            (known, action) if known == action => {}
            _ => continue,
        }
        rule.evidence.extend(new.evidence);
        return;
    }
    rules.push(new);
}

enum Judged {
    /// Nothing to say: a difference, and nothing is known of noise.
    Nothing,
    /// The old service does not differ from itself there.
    TrueDifference,
    LeftOut(Why, Evidence),
    Noise(Action, Evidence),
}

/// The strongest source that saw the method, whether or not it differs here.
fn strongest(judged: &BySource<u64>) -> Source {
    match *judged {
        [_, secondary, _] if secondary > 0 => Source::Secondary,
        [_, _, repeats] if repeats > 0 => Source::Repeat,
        _ => Source::Candidate,
    }
}

/// Does the candidate differ here in what is no noise, or in more than a rule for the noise takes?
fn is_true(is: &Judged, found: &Found, judged: &BySource<u64>, thresholds: &Thresholds) -> bool {
    let source = strongest(judged);
    let [candidate, ..] = &found.by_source;
    if candidate.pairs == 0 {
        return false;
    }
    match is {
        Judged::Noise(_, evidence) => !evidence.takes_all,
        Judged::Nothing | Judged::TrueDifference => true,
        Judged::LeftOut(Why::OneElement | Why::ManyKeys | Why::FarApart, _) => true,
        Judged::LeftOut(..) if source == Source::Candidate => true,
        Judged::LeftOut(_, evidence) => {
            let ((raw, of_raw), (noise, of_noise)) = (evidence.raw, evidence.noise);
            differs_truly(rate(raw, of_raw), rate(noise, of_noise), thresholds)
        }
    }
}

fn judge(key: &Key, found: &Found, judged: &BySource<u64>, thresholds: &Thresholds) -> Judged {
    let source = strongest(judged);
    let [candidate, secondary, repeat] = &found.by_source;
    let [candidate_judged, secondary_judged, repeat_judged] = *judged;
    let (noise, noise_judged) = match source {
        Source::Secondary => (secondary, secondary_judged),
        Source::Repeat => (repeat, repeat_judged),
        Source::Candidate => (candidate, candidate_judged),
    };
    if noise.pairs == 0 {
        return if candidate.pairs > 0 {
            Judged::TrueDifference
        } else {
            Judged::Nothing
        };
    }
    let evidence = |takes_all| Evidence {
        kind: key.kind,
        source,
        noise: (noise.pairs, noise_judged),
        raw: (candidate.pairs, candidate_judged),
        takes_all,
        examples: noise.examples.iter().cloned().collect(),
    };
    let left_out = |why| Judged::LeftOut(why, evidence(false));
    let action = match source {
        Source::Candidate if noise.fit.are_derived() => None,
        Source::Candidate => Action::narrowest(key.kind, &noise.fit, source).filter(is_class),
        source => Action::narrowest(key.kind, &noise.fit, source),
    };
    let action = match action {
        Some(Action::EmptyEqualsAbsent) if is_element(&key.path) => {
            Some(Action::Ignore(vec![key.kind]))
        }
        action => action,
    };
    let Some(action) = action else {
        return match (source, key.kind) {
            (Source::Candidate, _) => Judged::Nothing,
            (Source::Repeat, _) => left_out(Why::NothingNarrow),
            (Source::Secondary, _) => left_out(Why::Unseen),
        };
    };
    if key.place == Place::Status {
        return left_out(Why::Status);
    }
    if noise.pairs < thresholds.pairs_min {
        return left_out(Why::TooFew);
    }
    if source == Source::Candidate && rate(noise.pairs, noise_judged) < CLASS_SHARE_MIN {
        return left_out(Why::Seldom);
    }
    let raw_share = rate(candidate.pairs, candidate_judged);
    if differs_truly(raw_share, rate(noise.pairs, noise_judged), thresholds) {
        return left_out(Why::MoreOften);
    }
    // Of equal requests each was answered at its own time; what the candidate answered is of one request.
    let is_wide = source == Source::Secondary && noise.fit.clock_apart_ns_max() > TIME_NS_MAX;
    let is_far = candidate.fit.clock_apart_ns_max() > TIME_NS_MAX;
    if action == Action::Class(Class::Timestamp) && is_far && !is_wide {
        return left_out(Why::FarApart);
    }
    if source != Source::Candidate && found.elements.has_true_difference(source, judged) {
        return left_out(Why::OneElement);
    }
    if found.is_map && found.elements.is_cut {
        return left_out(Why::ManyKeys);
    }
    if !is_writable(key) {
        return left_out(Why::Unwritable);
    }
    let takes_all = candidate.pairs == 0 || action.takes(key.kind, &candidate.fit);
    Judged::Noise(action, evidence(takes_all))
}

/// What value classes alone bear.
fn is_class(action: &Action) -> bool {
    match action {
        Action::Class(class) => *class != Class::Number,
        Action::Time(_) | Action::Duration(_) => true,
        _ => false,
    }
}

/// Diffy's rule, on shares, since not every request need have gone to all three.
fn differs_truly(raw: f64, noise: f64, thresholds: &Thresholds) -> bool {
    let more = raw - noise;
    more > 0.0 && more / (raw + noise) > thresholds.relative && more > thresholds.absolute
}

/// Characters of a name or path that a rule is written with at most.
const NAME_CHARS_MAX: usize = 512;

/// A `*` of its own in a name would make the rule cover more than it was learned from, and names
/// with control characters are nobody's.
fn is_writable(key: &Key) -> bool {
    let is_plain = |text: &str| escape(text) == text && text.chars().count() <= NAME_CHARS_MAX;
    let path = match key.place.is_metadata() {
        true => key.path.clone(),
        false => key.path.replace("[*]", ""),
    };
    let steps = key.path.matches(['.', '[']).count();
    is_plain(&key.rpc_method)
        && !key.rpc_method.is_empty()
        && is_plain(&key.path)
        && !key.rpc_method.contains('*')
        && !path.contains('*')
        && steps < STEPS_MAX
        && (key.place.is_metadata() || may_cover(&key.path, &key.path, true).is_some())
}

/// Steps of a path that a rule may have.
const STEPS_MAX: usize = 60;
