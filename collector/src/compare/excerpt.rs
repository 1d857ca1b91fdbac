//! What is kept of values whose text is too long: of two, the part around their first difference.
//!
//! ```text
//! (1200 characters cut)…the same until here, and then this…(88 characters cut)
//! ```
//!
//! Two texts or bytes that differ never look equal here, and each says how much of it is missing. Messages
//! and containers come as texts that were cut already: if these are equal, so is what is kept of them.

use super::limits::VALUE_CHARS_MAX;

/// Room for both marks.
const MARKS_CHARS: usize = 64;

/// Characters kept of a text that is too long.
const KEPT_CHARS: usize = VALUE_CHARS_MAX - MARKS_CHARS;

/// Bytes kept of bytes that are too long, two digits each.
const KEPT_BYTES: usize = (KEPT_CHARS - "0x".len()) / 2;

/// Of both, at most [`VALUE_CHARS_MAX`] characters around where they begin to differ.
pub(crate) fn both(old: &str, new: &str) -> (String, String) {
    if is_short(old) && is_short(new) {
        return (old.to_owned(), new.to_owned());
    }
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b);
    let from = start(same.count(), KEPT_CHARS, old == new);
    (text_from(old, from), text_from(new, from))
}

/// The same of one or both sides of a difference, or of a line that is shown.
pub(crate) fn sides(old: Option<String>, new: Option<String>) -> (Option<String>, Option<String>) {
    if let (Some(old), Some(new)) = (&old, &new) {
        let (old, new) = both(old, new);
        return (Some(old), Some(new));
    }
    let head = |text: Option<String>| text.map(|text| one(&text));
    (head(old), head(new))
}

/// The head of a text.
pub(super) fn one(text: &str) -> String {
    text_from(text, 0)
}

/// Of both, in hexadecimal, the bytes around where they begin to differ.
pub(super) fn both_bytes(old: &[u8], new: &[u8]) -> (String, String) {
    if old.len().max(new.len()) <= KEPT_BYTES {
        return (hex_from(old, 0), hex_from(new, 0));
    }
    let same = old.iter().zip(new).take_while(|(a, b)| a == b);
    let from = start(same.count(), KEPT_BYTES, old == new);
    (hex_from(old, from), hex_from(new, from))
}

/// The head of bytes, in hexadecimal.
pub(super) fn one_bytes(bytes: &[u8]) -> String {
    hex_from(bytes, 0)
}

/// Where to begin, so that the first difference is in the middle of what is kept.
fn start(same: usize, kept: usize, are_equal: bool) -> usize {
    if are_equal {
        0
    } else {
        same.saturating_sub(kept / 2)
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= VALUE_CHARS_MAX || text.chars().nth(VALUE_CHARS_MAX).is_none()
}

fn text_from(text: &str, from: usize) -> String {
    if from == 0 && is_short(text) {
        return text.to_owned();
    }
    let mut rest = text.chars().skip(from);
    let kept: String = rest.by_ref().take(KEPT_CHARS).collect();
    marked(from, &kept, rest.count(), "character")
}

fn hex_from(bytes: &[u8], from: usize) -> String {
    use std::fmt::Write as _;
    let rest = bytes.get(from..).unwrap_or_default();
    let kept = rest.len().min(KEPT_BYTES);
    let mut out = String::from("0x");
    for byte in rest.iter().take(kept) {
        // Writing to a String does not fail.
        let _infallible = write!(out, "{byte:02x}");
    }
    let out = marked(from, &out, rest.len() - kept, "byte");
    format!("{out} ({} bytes)", bytes.len())
}

/// `kept` with how much is missing before and after it.
fn marked(before: usize, kept: &str, after: usize, what: &str) -> String {
    let say = |count: usize| {
        let plural = if count == 1 { "" } else { "s" };
        format!("({count} {what}{plural} cut)")
    };
    match (before, after) {
        (0, 0) => kept.to_owned(),
        (0, after) => format!("{kept}…{}", say(after)),
        (before, 0) => format!("{}…{kept}", say(before)),
        (before, after) => format!("{}…{kept}…{}", say(before), say(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_late_are_cut_around_where_they_do() {
        let text = |end: &str| format!("{}{end}{}", "é".repeat(2_000), "z".repeat(1_000));
        let (old, new) = both(&text("old"), &text("new"));
        assert_ne!(old, new);
        for (side, word) in [(&old, "éoldz"), (&new, "énewz")] {
            assert!(side.contains(word), "{side}");
            assert!(side.chars().count() <= VALUE_CHARS_MAX, "{side}");
            assert!(side.starts_with("(1776 characters cut)…é"), "{side}");
            assert!(side.ends_with("z…(779 characters cut)"), "{side}");
        }
    }

    #[test]
    fn a_text_that_goes_on_where_the_other_ends_is_told_from_it() {
        let (short, long) = ("x".repeat(700), "x".repeat(701));
        let (old, new) = both(&short, &long);
        assert_eq!(old.chars().filter(|c| *c == 'x').count(), 224);
        assert_eq!(new.chars().filter(|c| *c == 'x').count(), 225);
        let (empty, head) = both("", &long);
        assert!(empty.is_empty() && head.ends_with("…(253 characters cut)"));
    }

    #[test]
    fn short_texts_stay_as_they_are_and_equal_ones_keep_their_beginning() {
        assert_eq!(both("a", "b"), ("a".to_owned(), "b".to_owned()));
        let whole = "w".repeat(VALUE_CHARS_MAX);
        assert_eq!(both(&whole, "b").0, whole);
        let long = "l".repeat(600);
        let (old, new) = both(&long, &long);
        assert_eq!((old.starts_with('l'), &old), (true, &new));
    }

    #[test]
    fn bytes_are_cut_by_bytes() {
        let bytes = |last: u8| [vec![7; 5_000], vec![last]].concat();
        let (old, new) = both_bytes(&bytes(1), &bytes(2));
        assert!(old.starts_with("(4889 bytes cut)…0x0707"), "{old}");
        assert!(old.ends_with("0701 (5001 bytes)") && new.ends_with("0702 (5001 bytes)"));
        assert!(one_bytes(&bytes(1)).ends_with("07…(4778 bytes cut) (5001 bytes)"));
        assert_eq!(both_bytes(&[1], &[2]).1, "0x02 (1 bytes)");
    }
}
