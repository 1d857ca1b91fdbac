//! Numbers as the text report shows them.

use comfy_table::{Cell, CellAlignment};

/// `870µs`, `4.2ms`, `1.25s`.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        _ => format!("{:.2}s", us as f64 / 1e6),
    }
}

/// A cell with a number, to the right.
pub(super) fn number(value: u64) -> Cell {
    Cell::new(thousands(value)).set_alignment(CellAlignment::Right)
}

/// `1 call`, `2 calls`.
pub(super) fn count(value: u64, noun: &str) -> String {
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
pub(super) fn thousands(value: u64) -> String {
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
