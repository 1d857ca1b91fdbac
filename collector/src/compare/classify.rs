//! A first word on why two values differ: what it looks like, never more than the values show.
//!
//! Looks at one pair of values only. Each check is a plain test that a person could repeat by hand;
//! where none holds, nothing is said.

use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use super::decimal::Decimal;
use super::leaf::Leaf;
use super::rules::Class;
use twintap_decode::grpc::decode_base64;

/// What a difference looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LooksLike {
    /// One is the other, rounded to fewer decimals.
    Rounding,
    /// One is the other, with decimals cut off.
    CutDecimals,
    /// One is the other in single precision.
    SinglePrecision,
    /// One is the other times a power of ten of 100 or more: another unit.
    Scale,
    /// Equal but for the sign (negative zero included).
    Sign,
    /// Whole numbers that differ by one.
    OffByOne,
    /// Times that differ by whole hours (or a zone's quarter hours) and nothing else.
    TimeZone,
    /// Times, of which one has fewer digits of its second.
    TimePrecision,
    /// The same instant or number, written differently.
    Notation,
    /// Equal but for upper and lower case.
    LetterCase,
    /// Equal but for white space.
    WhiteSpace,
    /// The same letters in another Unicode normal form: composed, or a letter and its marks.
    UnicodeForm,
    /// One is the beginning of the other.
    Truncated,
    /// Both are UUIDs, hashes of one length, or tokens of one length.
    RegeneratedId,
    /// Times less than a minute apart: each side asked its own clock.
    Clock,
    /// One is the other in base64 or hexadecimal.
    Encoding,
    /// Two fields of one message have each other's values.
    SwappedFields,
    /// Messages at the end of a stream that one side did not send.
    StreamTail,
    /// The primary answered, the candidate failed.
    ErrorInsteadOfAnswer,
    /// The primary answered; in place of the candidate Envoy did, which did not reach it.
    NoAnswer,
    /// The primary failed, the candidate answered.
    AnswerInsteadOfError,
    /// A number for which the enum has no name.
    UnknownEnumNumber,
    /// An enum number that has another name at the candidate.
    EnumRenamed,
    /// An enum name that has another number at the candidate.
    EnumRenumbered,
    /// A field that only the candidate's descriptors have.
    FieldAdded,
    /// A field that only the primary's descriptors have.
    FieldRemoved,
    /// A field of another type at the candidate.
    TypeChanged,
    /// A key that one side has more than once in a JSON object.
    RepeatedKey,
    /// The entries of a map in another order (without a descriptor a map is a list of messages).
    MapOrder,
}

impl LooksLike {
    /// Stable name, as in the `differences` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rounding => "rounding",
            Self::CutDecimals => "cut_decimals",
            Self::SinglePrecision => "single_precision",
            Self::Scale => "scale",
            Self::Sign => "sign",
            Self::OffByOne => "off_by_one",
            Self::TimeZone => "time_zone",
            Self::TimePrecision => "time_precision",
            Self::Notation => "notation",
            Self::LetterCase => "letter_case",
            Self::WhiteSpace => "white_space",
            Self::UnicodeForm => "unicode_form",
            Self::Truncated => "truncated",
            Self::RegeneratedId => "regenerated_id",
            Self::Clock => "clock",
            Self::Encoding => "encoding",
            Self::SwappedFields => "swapped_fields",
            Self::StreamTail => "stream_tail",
            Self::ErrorInsteadOfAnswer => "error_instead_of_answer",
            Self::NoAnswer => "no_answer",
            Self::AnswerInsteadOfError => "answer_instead_of_error",
            Self::UnknownEnumNumber => "unknown_enum_number",
            Self::EnumRenamed => "enum_renamed",
            Self::EnumRenumbered => "enum_renumbered",
            Self::FieldAdded => "field_added",
            Self::FieldRemoved => "field_removed",
            Self::TypeChanged => "type_changed",
            Self::RepeatedKey => "repeated_key",
            Self::MapOrder => "map_order",
        }
    }

    /// In words, to follow "looks like".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Rounding => "rounding",
            Self::CutDecimals => "decimals cut off",
            Self::SinglePrecision => "single precision",
            Self::Scale => "another unit (a power of ten)",
            Self::Sign => "another sign",
            Self::OffByOne => "off by one",
            Self::TimeZone => "another time zone",
            Self::TimePrecision => "another time precision",
            Self::Notation => "the same value written differently",
            Self::LetterCase => "upper or lower case",
            Self::WhiteSpace => "white space",
            Self::UnicodeForm => "the same letters of other code points (Unicode normal form)",
            Self::Truncated => "truncation",
            Self::RegeneratedId => "an id made anew",
            Self::Clock => "two clocks",
            Self::Encoding => "base64 or hexadecimal of the other",
            Self::SwappedFields => "two fields swapped",
            Self::StreamTail => "a stream that ended early",
            Self::ErrorInsteadOfAnswer => "an error instead of an answer",
            Self::NoAnswer => "no answer: the error is Envoy's own",
            Self::AnswerInsteadOfError => "an answer instead of an error",
            Self::UnknownEnumNumber => "an enum number without a name",
            Self::EnumRenamed => "an enum value renamed",
            Self::EnumRenumbered => "an enum value with another number",
            Self::FieldAdded => "a field that only the new descriptors have",
            Self::FieldRemoved => "a field that only the old descriptors have",
            Self::TypeChanged => "a field of another type",
            Self::RepeatedKey => "a key that stands more than once",
            Self::MapOrder => "a map written in another order",
        }
    }
}

/// Decimals up to which rounding is looked for.
const DECIMALS_MAX: i32 = 9;

/// Two floating point numbers that are not equal.
pub(super) fn floats(a: f64, b: f64) -> Option<LooksLike> {
    if !a.is_finite() || !b.is_finite() {
        return None;
    }
    if a == -b {
        return Some(LooksLike::Sign);
    }
    let (long, short) = if decimals(a) >= decimals(b) {
        (a, b)
    } else {
        (b, a)
    };
    // A single shown as a double has a long tail, such as 0.10000000149011612.
    if is_single_of(short, long) {
        return Some(LooksLike::SinglePrecision);
    }
    let digits = decimals(short);
    if digits <= DECIMALS_MAX && decimals(long) > digits {
        let unit = 10f64.powi(digits);
        if close((long * unit).round(), short * unit) {
            return Some(LooksLike::Rounding);
        }
        if close((long * unit).trunc(), short * unit) {
            return Some(LooksLike::CutDecimals);
        }
    }
    if is_single_of(long, short) {
        return Some(LooksLike::SinglePrecision);
    }
    is_scaled(a, b).then_some(LooksLike::Scale)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the loss of precision is what is asked about"
)]
fn is_single_of(exact: f64, single: f64) -> bool {
    f64::from(exact as f32) == single
}

/// Decimals of the shortest text that reads back as `value`.
pub(super) fn decimals(value: f64) -> i32 {
    let text = format!("{value:?}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = mantissa
        .split_once('.')
        .map_or("", |(_, fraction)| fraction);
    let digits = i32::try_from(fraction.trim_end_matches('0').len()).unwrap_or(i32::MAX);
    digits.saturating_sub(exponent.parse().unwrap_or(0)).max(0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "of a distance, taken exactly before: what is asked of it is coarser than its last bit"
)]
pub(super) fn rounded(value: u128) -> f64 {
    value as f64
}

pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= f64::EPSILON * 8.0 * a.abs().max(b.abs()).max(1.0)
}

fn is_scaled(a: f64, b: f64) -> bool {
    a != 0.0
        && b != 0.0
        && [2, 3, 6, 9].iter().any(|power| {
            let factor = 10f64.powi(*power);
            close(a * factor, b) || close(b * factor, a)
        })
}

/// Two whole numbers that are not equal.
pub(super) fn integers(a: i128, b: i128) -> Option<LooksLike> {
    if a == -b {
        return Some(LooksLike::Sign);
    }
    // Seconds, milliseconds, microseconds or nanoseconds since the epoch, after 2001.
    let is_epoch = |unit: i128| {
        let range = 1_000_000_000 * unit..10_000_000_000 * unit;
        range.contains(&a) && range.contains(&b)
    };
    let units = [1, 1_000, 1_000_000, 1_000_000_000];
    if units
        .iter()
        .any(|unit| is_epoch(*unit) && is_zone_shift((b - a) * SECOND_NS / unit))
    {
        return Some(LooksLike::TimeZone);
    }
    let is_clock = |unit: i128| is_epoch(unit) && (b - a).abs() * (SECOND_NS / unit) < CLOCK_NS;
    if units.iter().any(|unit| is_clock(*unit)) {
        return Some(LooksLike::Clock);
    }
    if a.abs_diff(b) == 1 {
        return Some(LooksLike::OffByOne);
    }
    let scaled = [100, 1_000, 1_000_000, 1_000_000_000]
        .iter()
        .any(|factor| a != 0 && b != 0 && (a * factor == b || b * factor == a));
    scaled.then_some(LooksLike::Scale)
}

const SECOND_NS: i128 = 1_000_000_000;

/// Two answers to one request are made within this.
const CLOCK_NS: i128 = 60 * SECOND_NS;

/// Two instants in nanoseconds that are not equal.
pub(super) fn instants(a_ns: i128, b_ns: i128) -> Option<LooksLike> {
    if is_zone_shift(b_ns - a_ns) {
        return Some(LooksLike::TimeZone);
    }
    let is_cut = |exact: i128, coarse: i128| {
        [1_000, 1_000_000, 1_000_000_000]
            .iter()
            .any(|unit| coarse % unit == 0 && exact % unit != 0 && (exact - coarse).abs() < *unit)
    };
    if is_cut(a_ns, b_ns) || is_cut(b_ns, a_ns) {
        return Some(LooksLike::TimePrecision);
    }
    ((a_ns - b_ns).abs() < CLOCK_NS).then_some(LooksLike::Clock)
}

/// Offsets of time zones: whole quarter hours, up to 14 hours.
fn is_zone_shift(difference_ns: i128) -> bool {
    const QUARTER_NS: i128 = 900_000_000_000;
    difference_ns != 0 && difference_ns % QUARTER_NS == 0 && difference_ns.abs() <= 56 * QUARTER_NS
}

/// Two texts that are not equal.
pub(super) fn texts(a: &str, b: &str) -> Option<LooksLike> {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    if bare(a) == bare(b) {
        return Some(LooksLike::WhiteSpace);
    }
    if is_same_once_composed(a, b) {
        return Some(LooksLike::UnicodeForm);
    }
    if a.to_lowercase() == b.to_lowercase() {
        return Some(LooksLike::LetterCase);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        let (a, b) = (a.as_nanosecond(), b.as_nanosecond());
        return if a == b {
            Some(LooksLike::Notation)
        } else {
            instants(a, b)
        };
    }
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return if a == b {
            Some(LooksLike::Notation)
        } else {
            integers(a, b)
        };
    }
    if let (Ok(x), Ok(y)) = (a.parse::<f64>(), b.parse::<f64>()) {
        let (exact_a, exact_b) = (Decimal::parse(a), Decimal::parse(b));
        let is_same = exact_a.zip(exact_b).map(|(a, b)| a.order(b).is_eq());
        return match is_same.unwrap_or(false) {
            true => Some(LooksLike::Notation),
            false => floats(x, y),
        };
    }
    let are = |class: Class| class.holds(&Leaf::Text(a)) && class.holds(&Leaf::Text(b));
    if are(Class::Uuid) || a.len() == b.len() && (are(Class::Hash) || are(Class::Token)) {
        return Some(LooksLike::RegeneratedId);
    }
    if is_encoded(a.as_bytes(), b.as_bytes()) {
        return Some(LooksLike::Encoding);
    }
    let (long, short) = if a.len() > b.len() { (a, b) } else { (b, a) };
    let start = short.trim_end_matches("...").trim_end_matches('…');
    (!start.is_empty() && long.starts_with(start)).then_some(LooksLike::Truncated)
}

/// Are they equal in one Unicode normal form?
fn is_same_once_composed(a: &str, b: &str) -> bool {
    !(a.is_ascii() && b.is_ascii()) && a.nfc().eq(b.nfc())
}

/// Two byte strings that are not equal.
pub(super) fn bytes(a: &[u8], b: &[u8]) -> Option<LooksLike> {
    if is_encoded(a, b) {
        return Some(LooksLike::Encoding);
    }
    let (long, short) = if a.len() > b.len() { (a, b) } else { (b, a) };
    (!short.is_empty() && long.starts_with(short)).then_some(LooksLike::Truncated)
}

/// Bytes in an encoded value at least: shorter ones are equal by chance.
const ENCODED_BYTES_MIN: usize = 3;

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Two digits a byte.
    Hexadecimal,
    /// Of either alphabet, padded or not.
    Base64,
}

fn is_encoded(a: &[u8], b: &[u8]) -> bool {
    encoding(a, b).is_some()
}

/// In which encoding one is the other.
pub(super) fn encoding(a: &[u8], b: &[u8]) -> Option<Encoding> {
    let (long, short) = if a.len() > b.len() { (a, b) } else { (b, a) };
    if short.len() < ENCODED_BYTES_MIN || !long.is_ascii() {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let is_hexadecimal = || {
        let bytes = long.chunks_exact(2).map(|pair| match pair {
            [high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        });
        long.len() == short.len() * 2 && bytes.eq(short.iter().map(|byte| Some(u32::from(*byte))))
    };
    let is_base64 = || {
        let standard: Vec<u8> = long
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        decode_base64(&standard).is_some_and(|decoded| *decoded == *short)
    };
    if is_hexadecimal() {
        return Some(Encoding::Hexadecimal);
    }
    is_base64().then_some(Encoding::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_explained() {
        assert_eq!(floats(12.345_678, 12.35), Some(LooksLike::Rounding));
        assert_eq!(floats(12.35, 12.345_678), Some(LooksLike::Rounding));
        assert_eq!(floats(12.349, 12.34), Some(LooksLike::CutDecimals));
        assert_eq!(
            floats(0.1, f64::from(0.1f32)),
            Some(LooksLike::SinglePrecision)
        );
        assert_eq!(
            floats(80_384.467_997, 80_384.468_75),
            Some(LooksLike::SinglePrecision)
        );
        assert_eq!(floats(12.5, 1250.0), Some(LooksLike::Scale));
        assert_eq!(floats(0.0, -0.0), Some(LooksLike::Sign));
        assert_eq!(floats(1.25, 7.5), None);
        assert_eq!(floats(f64::NAN, 1.0), None);
        assert_eq!(integers(41, 42), Some(LooksLike::OffByOne));
        assert_eq!(integers(5, 5_000), Some(LooksLike::Scale));
        assert_eq!(
            integers(1_700_000_000, 1_700_007_200),
            Some(LooksLike::TimeZone)
        );
        assert_eq!(integers(7, 12), None);
        assert_eq!(integers(i128::from(u64::MAX), i128::from(i64::MIN)), None);
    }

    #[test]
    fn texts_are_explained() {
        assert_eq!(texts("Berlin", "BERLIN"), Some(LooksLike::LetterCase));
        assert_eq!(texts("a b", " a  b"), Some(LooksLike::WhiteSpace));
        assert_eq!(
            texts("a long description", "a long d"),
            Some(LooksLike::Truncated)
        );
        assert_eq!(
            texts("a long description", "a long d..."),
            Some(LooksLike::Truncated)
        );
        assert_eq!(
            texts("2026-08-01T10:00:00Z", "2026-08-01T12:00:00Z"),
            Some(LooksLike::TimeZone)
        );
        assert_eq!(
            texts("2026-08-01T10:00:00Z", "2026-08-01T12:00:00+02:00"),
            Some(LooksLike::Notation)
        );
        assert_eq!(texts("1.50", "1.5"), Some(LooksLike::Notation));
        assert_eq!(texts("red", "blue"), None);
        let composed = [("Zo\u{eb}", "Zoe\u{308}"), ("\u{212b}", "\u{c5}")];
        for (a, b) in composed {
            assert_eq!(texts(a, b), Some(LooksLike::UnicodeForm), "{a} {b}");
            assert_eq!(texts(b, a), Some(LooksLike::UnicodeForm), "{a} {b}");
        }
        assert_eq!(texts("Zo\u{eb}", "Zoe"), None);
    }

    #[test]
    fn ids_clocks_and_encodings_are_explained() {
        let hashes = [
            "d41d8cd98f00b204e9800998ecf8427e",
            "0cc175b9c0f1b6a831c399e269772661",
        ];
        let regenerated = Some(LooksLike::RegeneratedId);
        assert_eq!(texts(hashes[0], hashes[1]), regenerated);
        assert_eq!(
            texts("cursor_8f3kQ9zL2mPq", "cursor_1a7bX4wR5nTs"),
            regenerated
        );
        let encoding = Some(LooksLike::Encoding);
        assert_eq!(texts("teapot", "dGVhcG90"), encoding);
        assert_eq!(texts("746561706f74", "teapot"), encoding);
        assert_eq!(bytes(b"\xff\xfe\xfd\xfc", b"__79_A=="), encoding);
        let clock = Some(LooksLike::Clock);
        assert_eq!(
            texts("2026-08-01T10:00:00.5Z", "2026-08-01T10:00:02.25Z"),
            clock
        );
        assert_eq!(integers(1_785_578_400, 1_785_578_403), clock);
        assert_eq!(instants(5, 31_000_000_007), clock);
    }

    #[test]
    fn times_are_explained() {
        assert_eq!(instants(0, 5_400_000_000_000), Some(LooksLike::TimeZone));
        assert_eq!(
            instants(1_234_567_891, 1_234_000_000),
            Some(LooksLike::TimePrecision)
        );
        assert_eq!(instants(1, 61_000_000_001), None);
    }
}
