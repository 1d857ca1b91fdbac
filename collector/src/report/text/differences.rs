//! Groups of differences, each with its earliest example.

use std::fmt::Write as _;

use super::page::{Colour, Page};
use crate::report::answer::percent;
use crate::report::describe;
use crate::report::escape::{escape, shorten};
use crate::report::figures::{count, size, thousands};
use crate::report::{Group, Report};

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
        let head = self.paint(&head, Colour::Bold);
        let ignored = if group.ignored_by.is_empty() {
            ""
        } else {
            "  (ignored)"
        };
        self.line(format_args!("{index:>3}  {}", escape(&group.rpc_method)));
        self.line(format_args!(
            "     {head}  {}{ignored}",
            describe::group(group)
        ));
        let times = if group.occurrences == group.pairs {
            String::new()
        } else {
            format!(", {} times", thousands(group.occurrences))
        };
        let pairs = count(group.pairs, "pair");
        self.line(format_args!(
            "     {pairs} ({}){times}",
            percent(group.rate)
        ));
        let example = &group.example;
        self.value('-', example.primary.as_deref(), Colour::Red);
        self.value('+', example.candidate.as_deref(), Colour::Green);
        let mut at = format!("at {}", example.at);
        if example.path != group.path {
            let _infallible = write!(at, ", {}", escape(&example.path));
        }
        if let Some(message) = example.message_index.filter(|message| *message > 0) {
            let _infallible = write!(at, ", message {message}");
        }
        if !example.correlation_key.is_empty() {
            let _infallible = write!(at, ", pair {}", escape(&example.correlation_key));
        }
        let at = self.paint(&shorten(&at, self.style.width - 7), Colour::Dim);
        self.line(format_args!("       {at}"));
    }

    fn value(&mut self, sign: char, value: Option<&str>, colour: Colour) {
        let text = value.map_or_else(|| "(absent)".to_owned(), escape);
        let text = format!("{sign} {}", shorten(&text, self.style.width - 9));
        let text = self.paint(&text, colour);
        self.line(format_args!("       {text}"));
    }
}
