//! What a rule takes for equal.

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;

use super::class::Class;
use super::path::Reach;
use crate::compare::classify::rounded;
use crate::compare::difference::Kind;
use crate::compare::json;
use crate::compare::leaf::Leaf;

/// What a rule takes for equal.
#[derive(Clone, Debug)]
pub(in crate::compare) enum Action {
    /// Whatever it is; only differences of these kinds, if some are named.
    Ignore(Option<Vec<Kind>>),
    /// Lists of the same elements in another order.
    Unordered(ListOrder),
    /// Numbers and times that are close.
    Tolerance(Tolerance),
    /// Values of which both match, from start to end.
    Matches(Regex),
    /// Values of which both are of this class.
    Class(Class),
    /// A field that is absent and one that holds nothing, or zero.
    EmptyEqualsAbsent,
    /// Texts and bytes that say the same in JSON; what they say differently is compared below them.
    Json,
    /// Texts that are equal once written alike.
    Normalize(Vec<Form>),
}

/// How elements of an unordered list find their partners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compare) enum ListOrder {
    /// Equal elements first, then those that differ least.
    Set,
    /// By the value of this field of theirs.
    Keyed(String),
}

/// How far values may lie apart. One that holds is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::compare) struct Tolerance {
    /// In the value's own unit.
    pub(super) absolute: Option<f64>,
    /// As a share of the greater magnitude.
    pub(super) relative: Option<f64>,
    /// Of timestamps and durations, also RFC 3339 texts.
    pub(super) time_ns: Option<i128>,
}

/// A way of writing that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Upper and lower case.
    Case,
    /// White space at the ends, and how much of it stands between.
    WhiteSpace,
    /// `1.50`, `1.5` and `15e-1`.
    NumberFormat,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Case, Self::WhiteSpace, Self::NumberFormat];

    /// As rules files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::WhiteSpace => "white_space",
            Self::NumberFormat => "number_format",
        }
    }
}

impl Action {
    /// Does it go down to what lies below the rule's path?
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Unordered(_) | Self::Json => Reach::Exact,
            _ => Reach::Below,
        }
    }

    /// Does it take the two sides of a difference of this kind for equal?
    pub(super) fn equates(&self, kind: Kind, a: Option<&Leaf<'_>>, b: Option<&Leaf<'_>>) -> bool {
        let both = a.zip(b).filter(|_| kind == Kind::Value);
        match self {
            Self::Ignore(kinds) => kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)),
            Self::Unordered(_) => kind == Kind::ListOrder,
            Self::EmptyEqualsAbsent => match kind {
                Kind::DefaultVsAbsent => true,
                Kind::Missing => a.is_some_and(Leaf::is_hollow),
                Kind::Extra => b.is_some_and(Leaf::is_hollow),
                _ => false,
            },
            Self::Tolerance(tolerance) => both.is_some_and(|(a, b)| tolerance.holds(a, b)),
            Self::Matches(pattern) => both.is_some_and(|(a, b)| {
                let is_match = |leaf| as_text(leaf).is_some_and(|text| pattern.is_match(&text));
                is_match(a) && is_match(b)
            }),
            Self::Class(class) => both.is_some_and(|(a, b)| class.holds(a) && class.holds(b)),
            Self::Json => both.is_some_and(|(a, b)| match (a.bytes(), b.bytes()) {
                (Some(a), Some(b)) => json::are_equal(a, b),
                _ => false,
            }),
            Self::Normalize(forms) => both.is_some_and(|(a, b)| written_alike(forms, a, b)),
        }
    }
}

impl Tolerance {
    fn holds(&self, a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
        let close_in_time = || {
            let apart = (time_ns(a)? - time_ns(b)?).abs();
            Some(apart <= self.time_ns?)
        };
        let close_in_value = || {
            let Apart {
                apart,
                magnitude,
                epsilon,
            } = Apart::of(number(a)?, number(b)?);
            let within = |most: Option<f64>| {
                most.is_some_and(|most| apart <= most + epsilon * (magnitude + most))
            };
            Some(within(self.absolute) || within(self.relative.map(|share| share * magnitude)))
        };
        close_in_time() == Some(true) || close_in_value() == Some(true)
    }
}

fn time_ns(leaf: &Leaf<'_>) -> Option<i128> {
    match leaf {
        Leaf::Instant(ns) | Leaf::Span(ns) => Some(*ns),
        Leaf::Text(text) => Some(text.parse::<Timestamp>().ok()?.as_nanosecond()),
        _ => None,
    }
}

/// A number as it is written: whole ones stay exact, whatever their size.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Real(f64),
    /// No more precise than a `float`.
    Single(f32),
}

fn number(leaf: &Leaf<'_>) -> Option<Number> {
    match leaf {
        Leaf::Integer(value) => Some(Number::Whole(*value)),
        Leaf::Float(value) => {
            #[expect(clippy::cast_possible_truncation, reason = "it is looked what is lost")]
            let single = *value as f32;
            let is_single = f64::from(single).to_bits() == value.to_bits();
            match is_single && value.is_finite() {
                true => Some(Number::Single(single)),
                false => real(*value),
            }
        }
        Leaf::Text(text) => match text.parse() {
            Ok(value) => Some(Number::Whole(value)),
            Err(_) => real(text.parse().ok()?),
        },
        _ => None,
    }
}

fn real(value: f64) -> Option<Number> {
    value.is_finite().then_some(Number::Real(value))
}

/// How two numbers relate.
struct Apart {
    /// How far apart they are.
    apart: f64,
    /// The magnitude of the greater.
    magnitude: f64,
    /// How much of it stands for the decimals that were meant: 54.56 and 54.55 are 0.01 apart, and what a `double`
    /// makes of them a little more.
    epsilon: f64,
}

impl Apart {
    fn of(a: Number, b: Number) -> Self {
        if let (Number::Whole(a), Number::Whole(b)) = (a, b) {
            return Self {
                apart: rounded(a.abs_diff(b)),
                magnitude: rounded(a.unsigned_abs().max(b.unsigned_abs())),
                epsilon: 0.0,
            };
        }
        let epsilon = match (a, b) {
            (Number::Single(_), Number::Single(_)) => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        };
        let real = |number| match number {
            Number::Whole(value) if value < 0 => -rounded(value.unsigned_abs()),
            Number::Whole(value) => rounded(value.unsigned_abs()),
            Number::Real(value) => value,
            Number::Single(value) => value.into(),
        };
        let (a, b) = (real(a), real(b));
        Self {
            apart: (a - b).abs(),
            magnitude: a.abs().max(b.abs()),
            epsilon,
        }
    }
}

fn as_text(leaf: &Leaf<'_>) -> Option<String> {
    match leaf {
        Leaf::Text(text) => Some((*text).to_owned()),
        Leaf::Integer(value) => Some(value.to_string()),
        Leaf::Float(value) => Some(format!("{value:?}")),
        _ => None,
    }
}

pub(in crate::compare) fn written_alike(forms: &[Form], a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
    if forms.contains(&Form::NumberFormat)
        && let (Some(a), Some(b)) = (number(a), number(b))
        && Apart::of(a, b).apart == 0.0
    {
        return true;
    }
    let (Leaf::Text(a), Leaf::Text(b)) = (a, b) else {
        return false;
    };
    let plain = |text: &str| {
        let mut text = text.to_owned();
        if forms.contains(&Form::WhiteSpace) {
            text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        if forms.contains(&Form::Case) {
            text = text.to_lowercase();
        }
        text
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Leaf::{Float, Instant, Integer, Text};

    fn equates(action: &Action, a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
        action.equates(Kind::Value, Some(a), Some(b))
    }

    #[test]
    fn a_tolerance_in_decimals_holds_for_decimals() {
        let action = |absolute, relative| {
            Action::Tolerance(Tolerance {
                absolute,
                relative,
                ..Tolerance::default()
            })
        };
        let (cent, percent) = (action(Some(0.01), None), action(None, Some(0.01)));
        for cents in 0_u16..20_000 {
            let of = |cents: u16| f64::from(cents) / 100.0;
            let single = |cents: u16| f64::from(f32::from(cents) / 100.0);
            let (a, b, c) = (of(cents), of(cents + 1), of(cents + 2));
            assert!(equates(&cent, &Float(a), &Float(b)), "{a} {b}");
            assert!(!equates(&cent, &Float(a), &Float(c)), "{a} {c}");
            let (a, b, c) = (single(cents), single(cents + 1), single(cents + 2));
            assert!(equates(&cent, &Float(a), &Float(b)), "{a} {b}");
            assert!(!equates(&cent, &Float(a), &Float(c)), "{a} {c}");
            let (a, b) = (format!("{:.2}", of(cents)), format!("{:.2}", of(cents + 1)));
            assert!(equates(&cent, &Text(&a), &Text(&b)), "{a} {b}");
            let (whole, less) = (of(cents) * 100.0, of(cents) * 99.0);
            assert!(equates(&percent, &Float(whole), &Float(less)), "{whole}");
        }
        let (a, b) = (Float(54.56), Float(54.549_999_9));
        assert!(!equates(&cent, &a, &b));
    }

    #[test]
    fn a_tolerance_holds_up_to_its_border() {
        let absolute = Action::Tolerance(Tolerance {
            absolute: Some(0.5),
            ..Tolerance::default()
        });
        assert!(equates(&absolute, &Float(1.0), &Float(1.5)));
        assert!(!equates(&absolute, &Float(1.0), &Float(1.500_001)));
        assert!(!equates(&absolute, &Float(f64::NAN), &Float(1.0)));
        assert!(!equates(
            &absolute,
            &Float(f64::INFINITY),
            &Float(f64::INFINITY)
        ));
        assert!(equates(&absolute, &Text("10.25"), &Text("10.5")));
        // Whole numbers are exact, however large.
        let large = 1_000_000_000_000_000_000;
        assert!(!equates(&absolute, &Integer(large), &Integer(large + 1)));
        let relative = Action::Tolerance(Tolerance {
            relative: Some(0.01),
            ..Tolerance::default()
        });
        assert!(!equates(&relative, &Integer(100), &Integer(-99)));
        assert!(equates(&relative, &Integer(100), &Integer(99)));
        assert!(!equates(&relative, &Integer(100), &Integer(98)));
        let time = Action::Tolerance(Tolerance {
            time_ns: Some(1_000_000_000),
            ..Tolerance::default()
        });
        assert!(equates(&time, &Instant(5), &Instant(1_000_000_005)));
        assert!(!equates(&time, &Instant(5), &Instant(1_000_000_006)));
        let (a, b) = ("2026-08-01T10:00:00Z", "2026-08-01T12:00:01+02:00");
        assert!(equates(&time, &Text(a), &Text(b)));
        // Without a unit a number is no time.
        assert!(!equates(&time, &Integer(1), &Integer(2)));
    }

    #[test]
    fn whole_numbers_are_exact_whatever_their_size() {
        let format = Action::Normalize(vec![Form::NumberFormat]);
        let half = Action::Tolerance(Tolerance {
            absolute: Some(0.5),
            ..Tolerance::default()
        });
        let (a, b) = (9_007_199_254_740_992, 9_007_199_254_740_993);
        for action in [&format, &half] {
            assert!(!equates(action, &Integer(a), &Integer(b)));
            let (a, b) = (a.to_string(), b.to_string());
            assert!(!equates(action, &Text(&a), &Text(&b)));
        }
        assert!(equates(&format, &Text("007"), &Text("7")));
    }

    #[test]
    fn writing_counts_as_far_as_it_is_named() {
        let case = Action::Normalize(vec![Form::Case]);
        assert!(equates(&case, &Text("Straße"), &Text("STRAßE")));
        assert!(!equates(&case, &Text("a b"), &Text("A  B")));
        let space = Action::Normalize(vec![Form::WhiteSpace, Form::Case]);
        assert!(equates(&space, &Text(" a\tb"), &Text("A  B\n")));
        assert!(!equates(&space, &Text("ab"), &Text("a b")));
        let number = Action::Normalize(vec![Form::NumberFormat]);
        assert!(equates(&number, &Text("1.50"), &Text("15e-1")));
        assert!(!equates(&number, &Text("1.50"), &Text("1.51")));
    }

    #[test]
    fn empty_equals_absent_only_where_one_side_is_absent() {
        let action = Action::EmptyEqualsAbsent;
        assert!(action.equates(Kind::Missing, Some(&Leaf::Hollow), None));
        assert!(!action.equates(Kind::Missing, Some(&Text("x")), None));
        assert!(action.equates(Kind::DefaultVsAbsent, None, Some(&Leaf::Other)));
        assert!(!action.equates(Kind::Value, Some(&Leaf::Hollow), Some(&Text("x"))));
    }
}
