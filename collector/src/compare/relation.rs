//! How the two values of a difference relate, typed: what groups of differences, and noise, are
//! judged by. Taken from the values before they are cut or rendered, and small enough to keep.

use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use super::classify::{self, Encoding};
use super::decimal::Decimal;
use super::leaf::Leaf;
use super::rules::{Class, Form, written_alike};

/// How two values relate. Nothing of it holds where one side has no value, but for
/// [`Relation::is_empty_or_absent`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Relation {
    /// A bit for each of [`Class::ALL`] of which both values are.
    classes: u8,
    /// A bit for each of [`Form::ALL`] that has to be ignored to make them equal; 0 if that is not
    /// enough.
    forms: u8,
    /// Both values, if they are numbers, times or texts.
    pub values: Option<Values>,
    /// Is one side absent and the other zero or empty?
    pub is_empty_or_absent: bool,
    /// How the one is written that is the other encoded.
    pub encoding: Option<Encoding>,
}

/// Two values of one type: the primary's, then the candidate's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// Whole numbers, also as text.
    Whole(i128, i128),
    /// Other finite numbers, also as text.
    Real(f64, f64),
    /// Timestamps, also as text, in nanoseconds since the Unix epoch.
    Instants(i128, i128),
    /// Durations in nanoseconds.
    Spans(i128, i128),
    /// Lengths of texts in characters.
    Texts(u32, u32),
    /// Lengths of byte strings.
    Bytes(u32, u32),
}

impl Relation {
    /// That of two sides.
    pub(super) fn of(a: Option<&Leaf<'_>>, b: Option<&Leaf<'_>>) -> Self {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (Some(one), None) | (None, Some(one)) => {
                return Self {
                    is_empty_or_absent: one.is_hollow(),
                    ..Self::default()
                };
            }
            (None, None) => return Self::default(),
        };
        let both = |class: &Class| class.holds(a) && class.holds(b);
        Self {
            classes: bits(Class::ALL.iter().map(both)),
            forms: forms(a, b),
            values: values(a, b),
            is_empty_or_absent: false,
            encoding: None,
        }
    }

    /// That of two sides of which one is the other encoded.
    pub(super) fn of_encoded(a: &Leaf<'_>, b: &Leaf<'_>) -> Self {
        let bytes = a.bytes().zip(b.bytes());
        Self {
            encoding: bytes.and_then(|(a, b)| classify::encoding(a, b)),
            ..Self::of(Some(a), Some(b))
        }
    }

    /// Are both values of `class`?
    pub fn are(&self, class: Class) -> bool {
        let index = Class::ALL.iter().position(|known| *known == class);
        index.is_some_and(|index| self.classes >> index & 1 == 1)
    }

    /// What has to be ignored of how they are written to make them equal; nothing if that is not
    /// enough.
    pub fn forms(&self) -> impl Iterator<Item = Form> {
        let forms = self.forms;
        let all = Form::ALL.into_iter().enumerate();
        all.filter_map(move |(index, form)| (forms >> index & 1 == 1).then_some(form))
    }
}

fn bits(flags: impl Iterator<Item = bool>) -> u8 {
    flags
        .enumerate()
        .fold(0, |bits, (index, is_set)| bits | u8::from(is_set) << index)
}

/// The forms that make them equal together, and none of which can be left out.
fn forms(a: &Leaf<'_>, b: &Leaf<'_>) -> u8 {
    if !may_be_alike(a, b) || !written_alike(&Form::ALL, a, b) {
        return 0;
    }
    let mut needed = Form::ALL.to_vec();
    for form in Form::ALL {
        let mut fewer = needed.clone();
        fewer.retain(|it| *it != form);
        if written_alike(&fewer, a, b) {
            needed = fewer;
        }
    }
    bits(Form::ALL.iter().map(|form| needed.contains(form)))
}

/// Could they be the same, written otherwise? Hardly any two values are, and this ends at the first
/// character that differs.
fn may_be_alike(a: &Leaf<'_>, b: &Leaf<'_>) -> bool {
    let (Leaf::Text(a), Leaf::Text(b)) = (a, b) else {
        return true;
    };
    may_be_number(a) && may_be_number(b) || bare_chars(a).eq(bare_chars(b))
}

/// Lower case, without white space, letters and marks apart. A sigma at the end of a word has a lower case of its
/// own.
fn bare_chars(text: &str) -> impl Iterator<Item = char> {
    let marks = text.nfd().filter(|c| !c.is_whitespace());
    let lower = marks.flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c })
}

fn may_be_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
}

fn values(a: &Leaf<'_>, b: &Leaf<'_>) -> Option<Values> {
    match (a, b) {
        (Leaf::Instant(a), Leaf::Instant(b)) => Some(Values::Instants(*a, *b)),
        (Leaf::Span(a), Leaf::Span(b)) => Some(Values::Spans(*a, *b)),
        (Leaf::Integer(a), Leaf::Integer(b)) => Some(Values::Whole(*a, *b)),
        (Leaf::Float(a), Leaf::Float(b)) => real(*a, *b),
        (Leaf::Text(a), Leaf::Text(b)) => Some(texts(a, b)),
        (Leaf::Bytes(a), Leaf::Bytes(b)) => Some(Values::Bytes(size(a.len()), size(b.len()))),
        _ => None,
    }
}

fn real(a: f64, b: f64) -> Option<Values> {
    (a.is_finite() && b.is_finite()).then_some(Values::Real(a, b))
}

fn texts(a: &str, b: &str) -> Values {
    if may_be_number(a) && may_be_number(b) {
        let instant = |text: &str| text.parse::<Timestamp>().map(Timestamp::as_nanosecond);
        if let (Ok(a), Ok(b)) = (instant(a), instant(b)) {
            return Values::Instants(a, b);
        }
        if let (Ok(a), Ok(b)) = (a.parse(), b.parse()) {
            return Values::Whole(a, b);
        }
        if let (Some(a), Some(b)) = (exactly_real(a), exactly_real(b))
            && let Some(numbers) = real(a, b)
        {
            return numbers;
        }
    }
    Values::Texts(size(a.chars().count()), size(b.chars().count()))
}

/// The number that `text` says, if a `double` holds all its digits.
fn exactly_real(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_exact = Decimal::parse(text)?
        .order(Decimal::shortest(number)?)
        .is_eq();
    is_exact.then_some(number)
}

fn size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Values {
    /// How far apart two numbers are, and as a share of the greater magnitude.
    pub fn apart(&self) -> Option<(f64, f64)> {
        let (apart, magnitude) = match *self {
            Self::Whole(a, b) => {
                let magnitude = a.unsigned_abs().max(b.unsigned_abs());
                (
                    classify::rounded(a.abs_diff(b)),
                    classify::rounded(magnitude),
                )
            }
            Self::Real(a, b) => ((a - b).abs(), a.abs().max(b.abs())),
            _ => return None,
        };
        Some((
            apart,
            if magnitude > 0.0 {
                apart / magnitude
            } else {
                0.0
            },
        ))
    }

    /// What both are as times, in nanoseconds since the Unix epoch: whole numbers in each unit they may be in.
    pub fn readings_ns(&self) -> impl Iterator<Item = (i128, i128)> {
        let (times, numbers) = match *self {
            Self::Instants(a, b) => (Some((a, b)), None),
            Self::Whole(a, b) => (None, Some((a, b))),
            _ => (None, None),
        };
        let units_ns = [1_000_000_000, 1_000_000, 1_000, 1];
        let in_units = numbers.into_iter().flat_map(move |(a, b)| {
            units_ns.map(|unit_ns| (a.saturating_mul(unit_ns), b.saturating_mul(unit_ns)))
        });
        times.into_iter().chain(in_units)
    }

    /// How much more the second is, of whole numbers, times and durations.
    pub fn offset(&self) -> Option<i128> {
        match *self {
            Self::Whole(a, b) | Self::Instants(a, b) | Self::Spans(a, b) => b.checked_sub(a),
            _ => None,
        }
    }

    /// How far apart two times are, in nanoseconds.
    pub fn apart_ns(&self) -> Option<u128> {
        match *self {
            Self::Instants(a, b) | Self::Spans(a, b) => Some(a.abs_diff(b)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &Leaf<'_>, b: &Leaf<'_>) -> Relation {
        Relation::of(Some(a), Some(b))
    }

    #[test]
    fn values_keep_their_type_and_texts_are_read() {
        let cases = [
            ("12", "15", Values::Whole(12, 15)),
            ("1.5", "2", Values::Real(1.5, 2.0)),
            ("Berlin", "Bern", Values::Texts(6, 4)),
            (
                "1970-01-01T00:00:01Z",
                "1970-01-01T00:00:03Z",
                Values::Instants(1_000_000_000, 3_000_000_000),
            ),
        ];
        for (a, b, expected) in cases {
            assert_eq!(of(&Leaf::Text(a), &Leaf::Text(b)).values, Some(expected));
        }
        assert_eq!(Values::Whole(90, 100).apart(), Some((10.0, 0.1)));
        assert_eq!(Values::Spans(5, 7).apart_ns(), Some(2));
        assert_eq!(of(&Leaf::Float(f64::NAN), &Leaf::Float(1.0)).values, None);
    }

    #[test]
    fn a_class_holds_only_of_both() {
        let uuid = Leaf::Text("2f1d3a60-9d0c-4c9e-8f8e-0a7c2b6c1d11");
        assert!(of(&uuid, &uuid).are(Class::Uuid));
        assert!(!of(&uuid, &Leaf::Text("Berlin")).are(Class::Uuid));
        assert!(!Relation::of(Some(&uuid), None).are(Class::Uuid));
    }

    #[test]
    fn the_fewest_forms_that_are_enough_are_named() {
        let forms = |a, b| {
            of(&Leaf::Text(a), &Leaf::Text(b))
                .forms()
                .collect::<Vec<_>>()
        };
        assert_eq!(forms("Berlin", "BERLIN"), [Form::Case]);
        assert_eq!(forms("a  b", "a b"), [Form::WhiteSpace]);
        assert_eq!(forms("A  b", "a b"), [Form::Case, Form::WhiteSpace]);
        assert_eq!(forms("Zo\u{eb}", "Zoe\u{308}"), [Form::Unicode]);
        assert_eq!(forms("T\u{308}", "\u{1e97}"), [Form::Case, Form::Unicode]);
        assert_eq!(forms("1.50", "1.5"), [Form::NumberFormat]);
        assert_eq!(forms("ΟΔΟΣ", "οδος"), [Form::Case]);
        assert_eq!(forms("a", "b"), []);
    }

    #[test]
    fn emptiness_is_that_of_the_side_that_is_there() {
        assert!(Relation::of(None, Some(&Leaf::Hollow)).is_empty_or_absent);
        assert!(!Relation::of(None, Some(&Leaf::Integer(1))).is_empty_or_absent);
    }
}
