//! What a rule takes for equal.

use std::cmp::Ordering;

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;

use super::class::Class;
use super::path::Reach;
use crate::compare::decimal::Decimal;
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
    /// The Unicode normal form: `ë` as one code point, or as `e` and its mark.
    Unicode,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [
        Self::Case,
        Self::WhiteSpace,
        Self::NumberFormat,
        Self::Unicode,
    ];

    /// As rules files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::WhiteSpace => "white_space",
            Self::NumberFormat => "number_format",
            Self::Unicode => "unicode",
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
        // As the machine subtracts them, which is what jitter is, or as decimals, which is what people write.
        let close_as_doubles = || {
            let (Leaf::Float(a), Leaf::Float(b)) = (a, b) else {
                return None;
            };
            let greater = a.abs().max(b.abs());
            let within = |most: Option<f64>| most.is_some_and(|most| (a - b).abs() <= most);
            let is_close =
                within(self.absolute) || within(self.relative.map(|share| share * greater));
            Some(is_close && greater.is_finite())
        };
        let close_as_decimals = || {
            let (a, b) = (number(a)?, number(b)?);
            let within = |most: Option<Decimal>| most.is_some_and(|most| a.is_within(most, b));
            let share = self.relative.and_then(Decimal::shortest);
            let greater = match a.magnitude().order(b.magnitude()) {
                Ordering::Less => b.magnitude(),
                _ => a.magnitude(),
            };
            Some(
                within(self.absolute.and_then(Decimal::shortest))
                    || within(share.and_then(|share| greater.times(share))),
            )
        };
        close_in_time() == Some(true)
            || close_as_doubles() == Some(true)
            || close_as_decimals() == Some(true)
    }
}

fn time_ns(leaf: &Leaf<'_>) -> Option<i128> {
    match leaf {
        Leaf::Instant(ns) | Leaf::Span(ns) => Some(*ns),
        Leaf::Text(text) => Some(text.parse::<Timestamp>().ok()?.as_nanosecond()),
        _ => None,
    }
}

fn number(leaf: &Leaf<'_>) -> Option<Decimal> {
    match leaf {
        Leaf::Integer(value) => Some(Decimal::from(*value)),
        Leaf::Float(value) => Decimal::shortest(*value),
        Leaf::Text(text) => Decimal::parse(text),
        _ => None,
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
        && a.order(b) == Ordering::Equal
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
        // Last: what is a letter with a mark in lower case may be two in upper case.
        if forms.contains(&Form::Unicode) {
            text = text.nfc().collect();
        }
        text
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use prost_reflect::Value;

    use super::*;
    use Leaf::{Float, Instant, Integer, Text};

    fn equates(action: &Action, a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
        action.equates(Kind::Value, Some(a), Some(b))
    }

    #[test]
    fn a_tolerance_holds_for_decimals() {
        let action = |absolute, relative| {
            Action::Tolerance(Tolerance {
                absolute,
                relative,
                ..Tolerance::default()
            })
        };
        let (cent, percent) = (action(Some(0.01), None), action(None, Some(0.01)));
        for cents in 0_u16..20_000 {
            let values = [0, 1, 2].map(|more| Value::F32(f32::from(cents + more) / 100.0));
            let [now, next, more] = values.each_ref().map(Leaf::of_value);
            assert!(equates(&cent, &now, &next), "{now:?} {next:?}");
            assert!(!equates(&cent, &now, &more), "{now:?} {more:?}");
        }
        assert!(equates(&cent, &Float(54.56), &Float(54.55)));
        assert!(equates(&cent, &Text("0.37"), &Text("0.38")));
        assert!(!equates(&cent, &Float(54.56), &Float(54.549_999_9)));
        assert!(!equates(&cent, &Float(1e7), &Float(10_000_001.0)));
        assert!(equates(&percent, &Float(0.7), &Float(0.693)));
        assert!(!equates(&percent, &Float(0.7), &Float(0.692_999)));
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
        let none = Action::Tolerance(Tolerance {
            absolute: Some(0.0),
            relative: Some(0.0),
            ..Tolerance::default()
        });
        // Within half of each other or not; never equal.
        for (a, b, is_near) in [
            ("1.234567890123456789", "1.234567890123456780", true),
            (
                "12345678901234567890123.00",
                "12345678901234567890000.00",
                false,
            ),
            (
                "12345678901234567890123456789012345678901",
                "12345678901234567890123456789012345678902",
                false,
            ),
        ] {
            assert!(!equates(&format, &Text(a), &Text(b)), "{a} {b}");
            assert!(!equates(&none, &Text(a), &Text(b)), "{a} {b}");
            assert_eq!(equates(&half, &Text(a), &Text(b)), is_near, "{a} {b}");
        }
        assert!(equates(
            &format,
            &Text("1234567890123456789.50"),
            &Text("1234567890123456789.5")
        ));
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
        let unicode = Action::Normalize(vec![Form::Unicode]);
        assert!(equates(&unicode, &Text("Zo\u{eb}"), &Text("Zoe\u{308}")));
        assert!(!equates(&unicode, &Text("Zo\u{eb}"), &Text("Zoe")));
        let both = Action::Normalize(vec![Form::Unicode, Form::Case]);
        assert!(equates(&both, &Text("T\u{308}"), &Text("\u{1e97}")));
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
