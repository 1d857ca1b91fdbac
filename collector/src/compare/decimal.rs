//! Numbers as the decimals that they stand for: 54.56 and 54.55 are 0.01 apart, what a `double` makes of them is a
//! little more.

use std::cmp::Ordering;

use super::classify::rounded;

/// Eighteen digits: any that is scaled beyond 128 bits is 10^20 times as large as one that is not.
const SHORT_DIGITS_MAX: u128 = 1_000_000_000_000_000_000;

/// A decimal number: `digits * 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: i128,
    exponent: i32,
}

impl From<i128> for Decimal {
    fn from(digits: i128) -> Self {
        Self {
            digits,
            exponent: 0,
        }
    }
}

impl Decimal {
    /// The shortest that is read back as `value`; `None` of what is no number.
    pub(super) fn shortest(value: f64) -> Option<Self> {
        // `-5.456e1`, the shortest digits by what the standard library promises.
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e')?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?,
        })
    }

    /// What `text` says, to the last digit; `None` of what is no number, or has more digits than are held.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (sign, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_end_matches('0');
        let zeros = i32::try_from(digits.len() - significant.len()).ok()?;
        let decimals = i32::try_from(fraction.len()).ok()?;
        let exponent = exponent.checked_sub(decimals)?.checked_add(zeros)?;
        Some(Self {
            digits: match significant {
                "" => 0,
                significant => sign * significant.parse::<i128>().ok()?,
            },
            exponent,
        })
    }

    /// Without its sign.
    pub(super) fn magnitude(self) -> Self {
        Self {
            digits: self.digits.saturating_abs(),
            ..self
        }
    }

    /// The product, or a little less where its digits are more than are held.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let mut digits = self.digits;
        let mut exponent = self.exponent.checked_add(other.exponent)?;
        loop {
            if let Some(digits) = digits.checked_mul(other.digits) {
                return Some(Self { digits, exponent });
            }
            digits /= 10;
            exponent = exponent.checked_add(1)?;
        }
    }

    /// Are `self` and `other` at most `most` apart? Exact, unless they have so many digits together that no
    /// integer holds them: then as `double`s have it, if each by itself has few.
    pub(super) fn is_within(self, most: Self, other: Self) -> bool {
        let exponent = self.exponent.min(other.exponent);
        let apart = || {
            let digits = self
                .scaled_to(exponent)?
                .checked_sub(other.scaled_to(exponent)?)?;
            let apart = Self { digits, exponent };
            Some(apart.magnitude())
        };
        match apart() {
            Some(apart) => apart.order(most) != Ordering::Greater,
            None => {
                [self, other].into_iter().all(Self::is_short)
                    && (self.rounded() - other.rounded()).abs() <= most.rounded()
            }
        }
    }

    /// Are its digits so few that where no integer holds both, the one is nothing beside the other?
    fn is_short(self) -> bool {
        self.digits.unsigned_abs() < SHORT_DIGITS_MAX
    }

    /// Is `self` equal to, below or above `other`?
    pub(super) fn order(self, other: Self) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        let exactly = || Some(self.scaled_to(exponent)?.cmp(&other.scaled_to(exponent)?));
        // What no integer holds is larger than what one does, on its side of zero.
        exactly().unwrap_or_else(|| match self.exponent > other.exponent {
            true => self.digits.cmp(&0),
            false => 0.cmp(&other.digits),
        })
    }

    /// Its digits, as multiples of 10 to the power of `exponent`, which is not above its own.
    fn scaled_to(self, exponent: i32) -> Option<i128> {
        if self.digits == 0 {
            return Some(0);
        }
        let places = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.digits.checked_mul(10_i128.checked_pow(places)?)
    }

    fn rounded(self) -> f64 {
        let magnitude = rounded(self.digits.unsigned_abs()) * 10_f64.powi(self.exponent);
        if self.digits < 0 {
            -magnitude
        } else {
            magnitude
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(value: f64) -> Decimal {
        Decimal::shortest(value).unwrap()
    }

    fn are_within(a: f64, most: f64, b: f64) -> bool {
        decimal(a).is_within(decimal(most), decimal(b))
    }

    #[test]
    fn decimals_are_as_far_apart_as_they_are_written() {
        for cents in 0_u16..20_000 {
            let of = |cents: u16| f64::from(cents) / 100.0;
            let (a, b, c) = (of(cents), of(cents + 1), of(cents + 2));
            assert!(are_within(a, 0.01, b), "{a} {b}");
            assert!(!are_within(a, 0.01, c), "{a} {c}");
            assert!(!are_within(a, 0.009_999_999, b), "{a} {b}");
        }
    }

    #[test]
    fn large_numbers_that_differ_are_apart() {
        for (a, b) in [
            (10_000_000.0, 10_000_001.0),
            (1_700_000_000.0, 1_700_000_128.0),
            (4_503_599_627_370_497.0, 4_503_599_627_370_498.0),
            (1e300, 1.000_000_1e300),
        ] {
            assert!(!are_within(a, 0.01, b), "{a} {b}");
            assert!(are_within(a, b, b), "{a} {b}");
        }
        let [a, b] = [u64::MAX, u64::MAX - 1].map(|whole| Decimal::from(i128::from(whole)));
        assert!(!a.is_within(decimal(0.999), b));
        assert!(a.is_within(decimal(1.0), b));
    }

    #[test]
    fn what_no_integer_holds_is_compared_as_doubles_are() {
        assert!(are_within(1e300, 1e-300, 1e300));
        assert!(are_within(1e-300, 1e-300, 0.0));
        assert!(!are_within(1e-300, 1e-301, 0.0));
        assert!(!are_within(1e300, 1e-300, -1e300));
        assert_eq!(decimal(-1e300).order(decimal(1e-300)), Ordering::Less);
        assert_eq!(decimal(0.1).order(decimal(0.1)), Ordering::Equal);
    }

    #[test]
    fn texts_are_exact_to_the_last_digit() {
        let parse = |text| Decimal::parse(text).unwrap();
        for (a, b) in [
            ("1.50", "15e-1"),
            ("+1", "1"),
            ("007", "7.000"),
            (".5", "0.5"),
            ("-0", "0.00"),
            ("1e400", "10E399"),
            ("100000000000000000000000000000000000000000000", "1e44"),
        ] {
            assert_eq!(parse(a).order(parse(b)), Ordering::Equal, "{a} {b}");
        }
        for (less, more) in [
            ("1.234567890123456780", "1.234567890123456789"),
            ("-2", "1"),
            ("-1e60", "-1e2"),
            ("1e2", "1e60"),
            ("-1e60", "1e-60"),
            (
                "17014118346046923173168730371588410572e1",
                "170141183460469231731687303715884105724",
            ),
        ] {
            assert_eq!(
                parse(less).order(parse(more)),
                Ordering::Less,
                "{less} {more}"
            );
        }
        assert!(!parse("1e300").is_within(parse("0.5"), parse("1.0000000000000000000000001e300")));
        for text in [
            "", "+", ".", "1.2.3", "1e", "e1", "inf", "NaN", "1_000", "0x1", " 1",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_decimal() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Decimal::shortest(value).is_none(), "{value}");
        }
        assert_eq!(decimal(-0.0).digits, 0);
    }
}
