//! A first word on why two values differ: what it looks like, never more than the values show.
//!
//! Looks at one pair of values only. Each check is a plain test that a person could repeat by hand;
//! where none holds, nothing is said.

use std::ops::Range;

use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use super::decimal::Decimal;
use super::leaf::Leaf;
use super::looks_like::LooksLike;
use super::rules::Class;
use twintap_decode::grpc::decode_base64;

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
    if is_double_of(a, b) || is_double_of(b, a) {
        return Some(LooksLike::DoublePrecision);
    }
    // Seconds, milliseconds, microseconds or nanoseconds since the epoch, of times that services tell.
    let is_epoch = |unit: i128| is_epoch(a, unit) && is_epoch(b, unit);
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the loss of precision is what is asked about"
)]
fn is_double_of(exact: i128, double: i128) -> bool {
    exact != double && exact as f64 as i128 == double
}

/// 2010 to 2060: what numbers of ten, thirteen, sixteen or nineteen digits mean otherwise, ids above all, is seldom
/// in there.
const EPOCH_S: Range<i128> = 1_262_304_000..2_840_140_800;

/// Is `number` a time since the epoch, in a unit of which a second has so many?
pub(crate) fn is_epoch(number: i128, in_second: i128) -> bool {
    (EPOCH_S.start * in_second..EPOCH_S.end * in_second).contains(&number)
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
        let double = Some(LooksLike::DoublePrecision);
        assert_eq!(
            integers(9_007_199_254_741_205, 9_007_199_254_741_204),
            double
        );
        assert_eq!(
            integers(1_234_567_890_123_456_768, 1_234_567_890_123_456_790),
            double
        );
        assert_eq!(integers(9_007_199_254_741_206, 9_007_199_254_741_204), None);
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
