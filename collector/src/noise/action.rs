//! The narrowest thing a rule can do that takes all noise of one place for equal.

use std::fmt;

use super::Source;
use super::fit::Fit;
use crate::compare::Kind;
use crate::compare::rules::{Class, Form};

/// What a suggested rule does, as docs/rules.md has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `unordered: true`
    Unordered,
    /// `empty_equals_absent: true`
    EmptyEqualsAbsent,
    /// `normalize: [...]`
    Normalize(Vec<Form>),
    /// `tolerance: { time: ... }`, in nanoseconds, of times.
    Time(u128),
    /// The same, of durations.
    Duration(u128),
    /// `tolerance: { relative: ... }`: digit and power of ten of the share.
    Relative {
        /// 1, 2 or 5.
        digit: u32,
        /// -1 or less.
        power: i32,
    },
    /// `class: ...`
    Class(Class),
    /// `ignore: [...]`
    Ignore(Vec<Kind>),
}

/// Times further apart are no clock's noise.
pub(super) const TIME_NS_MAX: u128 = 60_000_000_000;

/// How far apart two clocks are taken to be at least, whatever was seen.
const CLOCK_NS_MIN: u128 = 1_000_000_000;

/// Numbers further apart are another number.
const RELATIVE_MAX: f64 = 0.1;

/// Up to here it is how floating point sums come out in another order.
const JITTER_MAX: f64 = 1e-6;

impl Action {
    /// The narrowest that fits what `source` showed. None where nothing but hiding the place would
    /// do and the source does not bear that.
    pub(super) fn narrowest(kind: Kind, fit: &Fit, source: Source) -> Option<Self> {
        let is_weak = source != Source::Secondary;
        match kind {
            Kind::ListOrder => return Some(Self::Unordered),
            Kind::DefaultVsAbsent if !is_weak => return Some(Self::EmptyEqualsAbsent),
            Kind::Missing | Kind::Extra if fit.are_empty_or_absent() && !is_weak => {
                return Some(Self::EmptyEqualsAbsent);
            }
            Kind::Value => {}
            // Nothing may hide these: they say that something could not be seen.
            Kind::Undecodable | Kind::TooLarge | Kind::BeyondCapture => return None,
            _ => return (source == Source::Secondary).then(|| Self::Ignore(vec![kind])),
        }
        Self::of_values(fit, is_weak)
            .or_else(|| (source == Source::Secondary).then(|| Self::Ignore(vec![kind])))
    }

    /// Where the source is weak, times are noise only as readings of a clock.
    fn of_values(fit: &Fit, is_weak: bool) -> Option<Self> {
        if let Some(forms) = fit.forms().filter(|_| !is_weak) {
            return Some(Self::Normalize(forms.to_vec()));
        }
        let is_id = [Class::Uuid, Class::Hash]
            .into_iter()
            .find(|class| fit.are(*class));
        if let Some(class) = is_id {
            return Some(Self::Class(class));
        }
        let may_be_clock = !is_weak || fit.are_recent();
        let apart_ns = fit.apart_ns_max().filter(|_| may_be_clock);
        if let Some(apart_ns) = apart_ns.filter(|apart| *apart <= TIME_NS_MAX) {
            // Of clocks the next pair may be a little further apart than all before.
            return Some(match fit.have_spans() {
                true => Self::Duration(round_up_ns(apart_ns.saturating_mul(2))),
                false => Self::Time(round_up_ns(apart_ns.max(CLOCK_NS_MIN))),
            });
        }
        let relative_max = if is_weak { JITTER_MAX } else { RELATIVE_MAX };
        if let Some(share) = fit.relative_max().filter(|share| *share <= relative_max)
            && !fit.are(Class::Timestamp)
        {
            let (digit, power) = round_up(share);
            return Some(Self::Relative { digit, power });
        }
        let class = [Class::Timestamp, Class::Token, Class::Number]
            .into_iter()
            .find(|class| fit.are(*class))?;
        let is_borne = match class {
            Class::Timestamp => may_be_clock,
            Class::Number => !is_weak,
            _ => true,
        };
        is_borne.then_some(Self::Class(class))
    }

    /// Does it take all that `fit` saw of `kind` for equal?
    pub(super) fn takes(&self, kind: Kind, fit: &Fit) -> bool {
        match self {
            Self::Unordered => kind == Kind::ListOrder,
            Self::EmptyEqualsAbsent => kind == Kind::DefaultVsAbsent || fit.are_empty_or_absent(),
            Self::Ignore(kinds) => kinds.contains(&kind),
            _ if kind != Kind::Value => false,
            Self::Normalize(forms) => fit
                .forms()
                .is_some_and(|needed| needed.iter().all(|form| forms.contains(form))),
            Self::Time(most) | Self::Duration(most) => {
                fit.apart_ns_max().is_some_and(|apart| apart <= *most)
            }
            Self::Relative { digit, power } => fit
                .relative_max()
                .is_some_and(|share| share <= f64::from(*digit) * 10f64.powi(*power)),
            Self::Class(class) => fit.are(*class),
        }
    }

    /// May it take any of what `fit` saw of `kind` at `path`?
    pub(super) fn may_take(&self, kind: Kind, path: &str, fit: &Fit) -> bool {
        match self {
            Self::Unordered => kind == Kind::ListOrder,
            Self::EmptyEqualsAbsent if is_element(path) => false,
            Self::EmptyEqualsAbsent => kind == Kind::DefaultVsAbsent || fit.has_empty_or_absent(),
            Self::Ignore(kinds) => kinds.contains(&kind),
            _ => kind == Kind::Value,
        }
    }

    /// A word for it, for the rule's name.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unordered => "order",
            Self::EmptyEqualsAbsent => "empty",
            Self::Normalize(_) => "writing",
            Self::Time(_) => "clock",
            Self::Duration(_) => "duration",
            Self::Relative { .. } => "tolerance",
            Self::Class(class) => class.name(),
            Self::Ignore(_) => "ignore",
        }
    }

    /// What the differences are, to begin a rule's reason with.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Unordered => "the order of the list varies",
            Self::EmptyEqualsAbsent => "empty and absent are used alike",
            Self::Normalize(_) => "the same value is written in several ways",
            Self::Time(_) => "each answer has the time of its own clock",
            Self::Duration(_) => "how long something takes varies",
            Self::Relative { .. } => "the number varies a little",
            Self::Class(Class::Uuid) => "a UUID is made anew for each answer",
            Self::Class(Class::Hash) => "a hash is made anew for each answer",
            Self::Class(Class::Token) => "a token is made anew for each answer",
            Self::Class(Class::Timestamp) => "a time is taken anew for each answer",
            Self::Class(Class::Number) => "the number varies",
            Self::Ignore(_) => "it varies, and nothing narrower fits",
        }
    }
}

/// As the key and value of a rule.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: Vec<&str>| names.join(", ");
        match self {
            Self::Unordered => f.write_str("unordered: true"),
            Self::EmptyEqualsAbsent => f.write_str("empty_equals_absent: true"),
            Self::Normalize(forms) => {
                let names = forms.iter().map(|form| form.name()).collect();
                write!(f, "normalize: [{}]", list(names))
            }
            Self::Time(ns) | Self::Duration(ns) => {
                write!(f, "tolerance: {{ time: {} }}", time_text(*ns))
            }
            Self::Relative { digit, power } => {
                let zeros = usize::try_from(-power - 1).unwrap_or(0);
                write!(f, "tolerance: {{ relative: 0.{:0<zeros$}{digit} }}", "")
            }
            Self::Class(class) => write!(f, "class: {}", class.name()),
            Self::Ignore(kinds) => {
                let names = kinds.iter().map(|kind| kind.name()).collect();
                write!(f, "ignore: [{}]", list(names))
            }
        }
    }
}

/// Does `path` end in an element or entry? One that is empty is not taken for one that is absent.
pub(super) fn is_element(path: &str) -> bool {
    path.ends_with(']')
}

/// The next 1, 2 or 5 times a power of ten, up to 0.5: noise that was not seen yet is a little more.
fn round_up(share: f64) -> (u32, i32) {
    for power in -15..0 {
        for digit in [1, 2, 5] {
            if share <= f64::from(digit) * 10f64.powi(power) {
                return (digit, power);
            }
        }
    }
    (5, -1)
}

/// The next step from a microsecond to a minute.
fn round_up_ns(ns: u128) -> u128 {
    let seconds = [1, 2, 5, 10, 20, 60].map(|seconds| seconds * 1_000_000_000);
    let mut steps = (3..9)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10u128.pow(power)))
        .chain(seconds);
    steps.find(|step| ns <= *step).unwrap_or(TIME_NS_MAX)
}

fn time_text(ns: u128) -> String {
    match ns {
        _ if ns.is_multiple_of(1_000_000_000) => format!("{}s", ns / 1_000_000_000),
        _ if ns.is_multiple_of(1_000_000) => format!("{}ms", ns / 1_000_000),
        _ => format!("{}us", ns / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Difference, Place, Relation, Severity, Values};

    #[test]
    fn tolerances_are_rounded_up_and_written_without_exponent() {
        for (share, text) in [
            (0.034, "0.05"),
            (1e-6, "0.000001"),
            (0.0, "0.000000000000001"),
            (0.1, "0.1"),
        ] {
            let (digit, power) = round_up(share);
            let text = format!("tolerance: {{ relative: {text} }}");
            assert_eq!(Action::Relative { digit, power }.to_string(), text);
        }
        for (ns, text) in [
            (1, "1us"),
            (1_500_000, "2ms"),
            (900_000_000, "1s"),
            (59_000_000_000, "60s"),
        ] {
            assert_eq!(time_text(round_up_ns(ns)), text);
        }
    }

    #[test]
    fn durations_are_no_readings_of_a_clock() {
        let fit = |values| {
            let mut relation = Relation::default();
            relation.values = Some(values);
            let mut fit = Fit::default();
            fit.add(&difference(relation), 0);
            Action::narrowest(Kind::Value, &fit, Source::Secondary).unwrap()
        };
        let spans = fit(Values::Spans(1_000_000, 1_500_000));
        let times = fit(Values::Instants(1_000_000, 1_500_000));
        assert_eq!((spans.word(), times.word()), ("duration", "clock"));
        assert_eq!(spans.to_string(), "tolerance: { time: 1ms }");
        assert_eq!(times.to_string(), "tolerance: { time: 1s }");
        assert!(!spans.describe().contains("clock"));
    }

    fn difference(relation: Relation) -> Difference {
        Difference {
            place: Place::ResponseMessage,
            path: "took".to_owned(),
            message_index: None,
            kind: Kind::Value,
            looks_like: None,
            relation,
            primary: None,
            candidate: None,
            severity: Severity::Error,
            ignored_by: None,
            more_alike: 0,
        }
    }
}
