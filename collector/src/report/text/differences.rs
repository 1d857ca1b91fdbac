//! Groups of differences, each with its earliest example.

use std::fmt::Write as _;

use super::page::{Colour, Page};
use crate::compare::Severity;
use crate::escape::{escape, shorten};
use crate::report::describe;
use crate::report::figures::{count, size, thousands};
use crate::report::{Group, Report};
use crate::share::percent;

/// Characters shown before the first difference of two long values.
const CONTEXT_CHARS: usize = 24;

impl Page {
    pub(super) fn differences(&mut self, report: &Report) {
        let groups = &report.differences;
        if groups.is_empty() {
            return;
        }
        let kinds = count(size(groups.len()), "group");
        self.title(&format!(
            "Differences: {kinds} by method, place, path and kind"
        ));
        for (index, group) in groups.iter().take(self.style.groups_max).enumerate() {
            self.group(index + 1, group);
        }
        let hidden = groups.len().saturating_sub(self.style.groups_max);
        if hidden > 0 {
            self.line(format_args!(
                "  … {hidden} more (--top {} shows all)",
                groups.len()
            ));
        }
        if report.differences_omitted > 0 {
            let omitted = thousands(report.differences_omitted);
            self.line(format_args!(
                "  {omitted} differences beyond the limits of a pair or of groups"
            ));
        }
    }

    fn group(&mut self, index: usize, group: &Group) {
        let path = if group.path.is_empty() {
            String::new()
        } else {
            format!("  {}", group.path)
        };
        let head = format!("{}{}", group.place.replace('_', " "), escape(&path));
        let ignored = match group.severity {
            Severity::Error => String::new(),
            severity => format!(
                "  ({}: {})",
                severity.name(),
                escape(&group.ignored_by.join(", "))
            ),
        };
        self.line(format_args!("{index:>3}  {}", escape(&group.rpc_method)));
        let what = format!("{}{ignored}", describe::group(group));
        self.wrapped_after(5, &head, &what);
        let times = if group.occurrences == group.pairs {
            String::new()
        } else {
            format!(", {} times", thousands(group.occurrences))
        };
        let pairs = count(group.pairs, "pair");
        let last = if group.last_seen == group.first_seen {
            String::new()
        } else {
            format!(", last at {}", group.last_seen)
        };
        self.line(format_args!(
            "     {pairs} ({}){times}{last}",
            percent(group.rate)
        ));
        for correlation in &group.correlations {
            self.wrapped(5, &describe::correlation(correlation));
        }
        let example = &group.example;
        let (old, new) = (example.primary.as_deref(), example.candidate.as_deref());
        let (old, new) = both_shortened(old, new, self.style.width - 9);
        for (sign, value, colour) in [('-', old, Colour::Red), ('+', new, Colour::Green)] {
            let text = self.paint(&format!("{sign} {value}"), colour);
            self.line(format_args!("       {text}"));
        }
        let mut at = format!("at {}", example.at);
        if example.path != group.path {
            let _infallible = write!(at, ", {}", escape(&example.path));
        }
        if let Some(message) = example.message_index.filter(|message| *message > 0) {
            let _infallible = write!(at, ", message[{message}]");
        }
        for line in with_pair(&at, &example.correlation_key, self.style.width - 7) {
            let line = self.paint(&line, Colour::Dim);
            self.line(format_args!("       {line}"));
        }
    }
}

/// Where an example is, and its pair's id: whole, whatever the width, for it is to be given to
/// `twintap show`.
fn with_pair(at: &str, key: &str, width: usize) -> Vec<String> {
    if key.is_empty() {
        return vec![shorten(at, width)];
    }
    let pair = format!("pair {}", escape(key));
    let line = format!("{at}, {pair}");
    if line.chars().count() <= width {
        vec![line]
    } else {
        vec![shorten(at, width), pair]
    }
}

/// Both values escaped and cut to `width`, so that the first difference between them is shown: what
/// they begin with in common is left out where it would not be.
pub(super) fn both_shortened(
    old: Option<&str>,
    new: Option<&str>,
    width: usize,
) -> (String, String) {
    let text = |value: Option<&str>| value.map_or_else(|| "(absent)".to_owned(), escape);
    let (old, new) = (text(old), text(new));
    let common = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = common.saturating_sub(CONTEXT_CHARS);
    let is_within = common < width.saturating_sub(CONTEXT_CHARS);
    let are_whole = old.chars().count() <= width && new.chars().count() <= width;
    if is_within || are_whole || from == 0 || old == new {
        return (shorten(&old, width), shorten(&new, width));
    }
    let cut = |text: &str| {
        let rest: String = std::iter::once('…')
            .chain(text.chars().skip(from))
            .collect();
        shorten(&rest, width)
    };
    (cut(&old), cut(&new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_to_be_pasted_is_never_cut() {
        assert_eq!(with_pair("at noon", "p-1", 40), ["at noon, pair p-1"]);
        let (at, key) = ("at noon, items[0].price.amount", "i".repeat(90));
        let lines = with_pair(at, &key, 20);
        assert_eq!(lines, ["at noon, items[0].p…", &*format!("pair {key}")]);
        assert_eq!(with_pair(at, "", 20).len(), 1);
    }

    #[test]
    fn what_fits_is_shown_whole() {
        let (old, new) = ("2026-11-22T06:39:35.001225Z", "2026-11-22T06:39:35.001305Z");
        let both = both_shortened(Some(old), Some(new), old.len());
        assert_eq!(both, (old.to_owned(), new.to_owned()));
        let both = both_shortened(Some("after 1.4ms"), Some("after 414us"), 11);
        assert_eq!(both.1, "after 414us");
    }

    #[test]
    fn the_first_difference_is_shown_however_late_it_comes() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let (old, new) = both_shortened(Some(&long("1 and more")), Some(&long("2")), 60);
        assert_eq!(old, format!("…{}1 and more", "x".repeat(CONTEXT_CHARS)));
        assert_eq!(new, format!("…{}2", "x".repeat(CONTEXT_CHARS)));
        let cut = both_shortened(Some(&long("1")), None, 60);
        assert_eq!((cut.0.chars().count(), cut.1.as_str()), (60, "(absent)"));
        let (short, _) = both_shortened(Some("ab"), Some("ac"), 60);
        assert_eq!(short, "ab");
    }
}
