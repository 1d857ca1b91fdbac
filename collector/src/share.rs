//! Shares of a whole, and how people read them: the same wherever one is printed.

/// A count as a number to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "a count beyond 2^53 is off by less than its square root"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// `part` of `whole`; 0 of nothing.
pub(crate) fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        float(part) / float(whole)
    }
}

/// `0 %`, `0.042 %`, `12.3 %`, `100 %`: never 0 or 100 unless it is.
pub(crate) fn percent(rate: f64) -> String {
    let value = rate * 100.0;
    if value == 0.0 || value == 100.0 {
        format!("{value:.0} %")
    } else if value < 0.1 {
        format!("{:.3} %", value.max(0.001))
    } else if value > 99.9 {
        format!("{:.3} %", value.min(99.999))
    } else {
        format!("{value:.1} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_reads_as_none_or_all_only_if_it_is() {
        for (part, whole, text) in [
            (0, 5_000, "0 %"),
            (0, 0, "0 %"),
            (1, 5_000, "0.020 %"),
            (1, 100_000_000, "0.001 %"),
            (123, 1_000, "12.3 %"),
            (9_996, 10_000, "99.960 %"),
            (99_999_999, 100_000_000, "99.999 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(percent(rate(part, whole)), text);
        }
    }
}
