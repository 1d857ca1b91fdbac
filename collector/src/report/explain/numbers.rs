//! Numbers and times that always differ by the same, or are the other with fewer digits.

use super::{Explanation, Side, both};
use crate::compare::{Digits, Values, is_epoch};
use crate::report::figures::thousands;

/// By this share of the values a sum, difference or product of them may be off: what some dozen operations on a
/// `double` lose. A microsecond of a time since the epoch is more.
const NOISE_SHARE: f64 = 1e-14;

const SECOND_NS: i128 = 1_000_000_000;

/// Zones differ by whole quarter hours, ...
const QUARTER_NS: i128 = 900 * SECOND_NS;

/// ... and by no more than from -12:00 to +14:00.
const ZONE_NS_MAX: i128 = 26 * 3_600 * SECOND_NS;

/// Sums over numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    whole: u64,
    real: u64,
    instants: u64,
    spans: u64,
    /// Least and greatest `new - old` of whole numbers and times.
    offset: Option<(i128, i128)>,
    /// Least and greatest `old` of these.
    old: Option<(i128, i128)>,
    /// What `new - old` is of all, numbers of any type, as far as the noise of each tells.
    real_offset: Option<(f64, f64)>,
    real_old: Option<(f64, f64)>,
    /// What `new / old` is of all, in the same way.
    factor: Option<(f64, f64)>,
    /// Values of which there is no factor: zeros.
    without_factor: u64,
    /// The one `new / old` of whole numbers, in lowest terms; `None` inside if they have several.
    fraction: Option<Option<(i128, i128)>>,
    /// Greatest magnitude.
    magnitude: f64,
    /// In which ways one is the other with fewer digits, of all.
    digits: Option<Digits>,
}

impl Numbers {
    pub(super) fn add(&mut self, values: Values) {
        let mut one = Self::default();
        match values {
            Values::Whole(old, new) => {
                one.whole = 1;
                one.exact(old, new);
                one.fraction = Some(fraction(new, old));
            }
            Values::Instants(old, new) => {
                one.instants = 1;
                one.exact(old, new);
            }
            Values::Spans(old, new) => {
                one.spans = 1;
                one.exact(old, new);
            }
            Values::Real(..) => one.real = 1,
            Values::Texts(..) | Values::Bytes(..) => return,
        }
        if let Some((old, new)) = values.as_real() {
            one.magnitude = old.abs().max(new.abs());
            one.real_offset = Some(around(new - old, one.magnitude));
            one.real_old = Some((old, old));
            if old == 0.0 || new == 0.0 {
                one.without_factor = 1;
            } else {
                one.factor = Some(around(new / old, (new / old).abs()));
            }
        }
        // Nothing in common is for good: what more would cost is saved.
        one.digits = match self.digits {
            Some(nothing) if nothing == Digits::default() => Some(nothing),
            _ => Some(values.digits()),
        };
        self.merge(&one);
    }

    fn exact(&mut self, old: i128, new: i128) {
        let offset = new.saturating_sub(old);
        self.offset = Some((offset, offset));
        self.old = Some((old, old));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.whole += other.whole;
        self.real += other.real;
        self.instants += other.instants;
        self.spans += other.spans;
        self.offset = both(self.offset, other.offset);
        self.old = both(self.old, other.old);
        self.real_offset = common(self.real_offset, other.real_offset);
        self.real_old = both(self.real_old, other.real_old);
        self.factor = common(self.factor, other.factor);
        self.without_factor += other.without_factor;
        self.fraction = match (self.fraction, other.fraction) {
            (Some(a), Some(b)) => Some(a.filter(|_| a == b)),
            (a, b) => a.or(b),
        };
        self.magnitude = self.magnitude.max(other.magnitude);
        self.digits = match (self.digits, other.digits) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        };
    }

    pub(super) fn explain(&self, count: u64) -> Option<Explanation> {
        if self.instants == count {
            return self.zone(1).or_else(|| self.time_digits()).or_else(|| {
                let (offset, is_varied) = self.exact_offset()?;
                is_varied.then(|| offset_of(&span(offset), offset < 0))
            });
        }
        if self.spans == count {
            let (offset, is_varied) = self.exact_offset()?;
            return is_varied.then(|| offset_of(&span(offset), offset < 0));
        }
        if self.whole == count {
            let epoch = self.epoch_unit().and_then(|unit_ns| self.zone(unit_ns));
            return epoch
                .or_else(|| self.whole_offset())
                .or_else(|| self.scale().filter(|_| self.fraction.flatten().is_some()));
        }
        if self.whole + self.real == count {
            let offset = || self.real_offset();
            return self.decimals().or_else(|| self.scale()).or_else(offset);
        }
        None
    }

    /// The offset that all have, if they are apart at all, and whether they are more than one value.
    fn exact_offset(&self) -> Option<(i128, bool)> {
        let (low, high) = self.offset?;
        let (least, most) = self.old?;
        (low == high && low != 0).then_some((low, least != most))
    }

    fn whole_offset(&self) -> Option<Explanation> {
        let (offset, is_varied) = self.exact_offset()?;
        let text = grouped(offset.unsigned_abs());
        is_varied.then(|| offset_of(&text, offset < 0))
    }

    fn real_offset(&self) -> Option<Explanation> {
        let (low, high) = self.real_offset?;
        let (least, most) = self.real_old?;
        let is_one = low <= high;
        let middle = f64::midpoint(low, high);
        // Not the noise of the sum itself.
        let is_much = middle.abs() > 10.0 * NOISE_SHARE * self.magnitude;
        (is_one && is_much && least < most).then(|| offset_of(&short(middle.abs()), middle < 0.0))
    }

    fn scale(&self) -> Option<Explanation> {
        let (low, high) = self.factor.filter(|_| self.without_factor == 0)?;
        let (least, most) = self.real_old?;
        // What differs in writing only is no multiple.
        let is_one = low <= high && !(low..=high).contains(&1.0) && least < most;
        let factor = f64::midpoint(low, high);
        is_one.then(|| {
            let text = if factor.abs() < 1.0 {
                format!("always divided by {}", short(1.0 / factor))
            } else {
                format!("always multiplied by {}", short(factor))
            };
            Explanation::new("constant_factor", text)
        })
    }

    /// One zone's distance, of instants in units of `unit_ns`.
    fn zone(&self, unit_ns: i128) -> Option<Explanation> {
        let (offset, _) = self.exact_offset()?;
        let offset_ns = offset.checked_mul(unit_ns)?;
        let is_zone =
            offset_ns != 0 && offset_ns % QUARTER_NS == 0 && offset_ns.abs() <= ZONE_NS_MAX;
        is_zone.then(|| {
            let minutes = (offset_ns / (60 * SECOND_NS)).abs();
            let direction = if offset_ns < 0 { "earlier" } else { "later" };
            let text = format!(
                "always {:02}:{:02} hours {direction}: a time zone",
                minutes / 60,
                minutes % 60
            );
            Explanation::new("time_zone", text)
        })
    }

    /// Nanoseconds of the unit in which all are times since the epoch, of times that services tell.
    fn epoch_unit(&self) -> Option<i128> {
        let (least, most) = self.old?;
        let units = [SECOND_NS, 1_000_000, 1_000, 1];
        units.into_iter().find(|unit_ns| {
            let in_second = SECOND_NS / unit_ns;
            is_epoch(least, in_second) && is_epoch(most, in_second)
        })
    }

    fn decimals(&self) -> Option<Explanation> {
        let digits = self.digits?;
        let (is_rounded, side, count) = digits.decimals()?;
        let side = if side { Side::New } else { Side::Old };
        let plural = if count == 1 { "decimal" } else { "decimals" };
        let (name, verb) = if is_rounded {
            ("rounded", "rounded")
        } else {
            ("decimals_cut", "cut")
        };
        let text = format!("{} is always {verb} to {count} {plural}", side.answer());
        Some(Explanation::new(name, text))
    }

    fn time_digits(&self) -> Option<Explanation> {
        let (side, unit) = self.digits?.time_unit()?;
        let side = if side { Side::New } else { Side::Old };
        let text = format!("{} is always cut to whole {unit}", side.answer());
        Some(Explanation::new("time_precision", text))
    }
}

/// What `value` may be, give or take the noise of numbers of this magnitude.
fn around(value: f64, magnitude: f64) -> (f64, f64) {
    let noise = NOISE_SHARE * magnitude;
    (value - noise, value + noise)
}

/// What two ranges have in common; where that is nothing the least is above the greatest.
fn common(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let (Some((low, high)), Some((other_low, other_high))) = (a, b) else {
        return a.or(b);
    };
    Some((low.max(other_low), high.min(other_high)))
}

/// `new / old` in lowest terms; `None` if there is none.
fn fraction(new: i128, old: i128) -> Option<(i128, i128)> {
    let (mut divisor, mut rest) = (new.checked_abs()?, old.checked_abs()?);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let sign = old.signum();
    (new != 0 && old != 0).then(|| (sign * new / divisor, sign * old / divisor))
}

fn offset_of(apart: &str, is_less: bool) -> Explanation {
    let direction = if is_less { "less" } else { "more" };
    Explanation::new("constant_offset", format!("always {apart} {direction}"))
}

/// Nanoseconds as seconds.
fn span(ns: i128) -> String {
    let ns = ns.unsigned_abs();
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn grouped(number: u128) -> String {
    u64::try_from(number).map_or_else(|_| number.to_string(), thousands)
}

/// A real number without the noise of its last digits.
fn short(number: f64) -> String {
    let text = format!("{number:.9}");
    if text.trim_matches(['0', '.', '-']).is_empty() {
        return format!("{number:e}");
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
