//! Numbers as reports for people show them.

use super::statistics::Interval;

/// `870µs`, `4.2ms`, `1.25s`.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        _ => format!("{:.2}s", us as f64 / 1e6),
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn count(value: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        thousands(value),
        if value == 1 { "" } else { "s" }
    )
}

/// A length as a count.
pub(super) fn size(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `1 234 567`, grouped by thin spaces as SI asks; an ordinary space in a terminal.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `+12.3 %`, `-0.042 %`, `0 %`.
pub(super) fn signed_percent(shift: f64) -> String {
    let sign = match shift {
        shift if shift > 0.0 => "+",
        shift if shift < 0.0 => "-",
        _ => "",
    };
    let size = shift.abs() * 100.0;
    match size {
        0.0 => "0 %".to_owned(),
        _ if size < 0.1 => format!("{sign}{size:.3} %"),
        _ if size < 1_000.0 => format!("{sign}{size:.1} %"),
        _ => format!("{sign}{size:.0} %"),
    }
}

/// `+870µs`, `-4.2ms`, `0µs`.
pub(super) fn signed_micros(us: i64) -> String {
    let sign = match us {
        1.. => "+",
        0 => "",
        _ => "-",
    };
    format!("{sign}{}", micros(us.unsigned_abs()))
}

/// `1.2 % to 3.4 %`.
pub(super) fn share_interval(interval: Interval<f64>) -> String {
    let percent = crate::share::percent;
    format!("{} to {}", percent(interval.low), percent(interval.high))
}

/// `-1.2 % to +3.4 %`.
pub(super) fn shift_interval(interval: Interval<f64>) -> String {
    let (low, high) = (signed_percent(interval.low), signed_percent(interval.high));
    format!("{low} to {high}")
}
