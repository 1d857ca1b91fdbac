//! What an id led to: both sides, line by line.
//!
//! ```text
//! ≠ city                     "Berlin"                       "BERLIN"
//! ```
//!
//! `≠` differs and counts, `~` differs and a rule says that it does not count, `↳` follows from another
//! difference, `·` is written differently and taken for equal, `?` was not judged. Equal lines have no mark
//! and show their value once.

use super::differences::both_shortened;
use super::page::{Colour, Page};
use crate::escape::{escape, shorten};
use crate::pair::Reason;
use crate::report::describe;
use crate::report::figures::{count, micros, size, thousands};
use crate::report::side_by_side::{Found, Holder, Mark, Row, Shown, Side, SideBySide};

/// Room for a path, of the page's width: one in so many columns.
const PATH_SHARE: usize = 4;

/// Columns before the path: the mark.
const MARK_COLUMNS: usize = 2;

/// What a line says of a side.
type Shows = fn(&Side) -> String;

impl Page {
    pub(super) fn shown(&mut self, shown: &Shown, all: bool) {
        for (index, found) in shown.found.iter().enumerate() {
            if index > 0 {
                self.line("");
            }
            self.side_by_side(found, all);
        }
        if shown.omitted > 0 {
            let more = thousands(shown.omitted);
            self.line(format_args!(
                "\n{more} more pairs or calls with this id: --max N shows more, --method GLOB those of a method"
            ));
        }
        if let Some(read) = shown.stopped_at_calls {
            self.prose(&format!(
                "More than {} calls share this id, or one of their other ids: the others were not looked at, \
                 and partners may be among them. --method GLOB looks at one method only; pair ids and \
                 request ids are shared by fewer calls than trace ids.",
                thousands(read)
            ));
        }
    }

    fn side_by_side(&mut self, shown: &SideBySide, all: bool) {
        let (colour, word) = match shown.verdict {
            "mismatched" => (Colour::Red, "DIFFERENT"),
            "matched" => (Colour::Green, "EQUAL"),
            "ignored" => (Colour::Green, "ONLY IGNORED DIFFERENCES"),
            "unpaired" if shown.reason.is_some_and(Reason::misses_partner) => {
                (Colour::Yellow, "NO PARTNER")
            }
            "unpaired" => (Colour::Bold, "NOT COMPARED"),
            _ => (Colour::Yellow, "NOT JUDGED"),
        };
        let method = self.paint(&escape(&shown.rpc_method), Colour::Bold);
        let word = self.paint(word, colour);
        let reason = shown.reason.map_or_else(String::new, |reason| {
            format!(": {}", reason.replace('_', " "))
        });
        self.line(format_args!("{method}  {word}{reason}"));
        self.line(format_args!("  {}", how_found(shown)));
        self.sides(shown);
        let mut heading = None;
        for row in &shown.rows {
            if !all && row.mark == Mark::Equal && is_dull(row) {
                continue;
            }
            let here = (row.place, row.message_index, row.holder);
            if heading != Some(here) {
                heading = Some(here);
                self.title(&place(row));
            }
            self.row(row);
        }
        if !all {
            let hidden = shown.rows.iter();
            let hidden = hidden.filter(|row| row.mark == Mark::Equal && is_dull(row));
            let hidden = count(size(hidden.count()), "equal line");
            self.line(format_args!(
                "\n  {hidden} of metadata and requests not shown (--all)"
            ));
        }
        if shown.rows_omitted > 0 {
            let more = count(shown.rows_omitted, "line");
            self.line(format_args!(
                "\n  {more} of messages left out: there are too many to show"
            ));
        }
        self.found(shown);
    }

    /// Who recorded each side, when, how long it took.
    fn sides(&mut self, shown: &SideBySide) {
        let sides = (shown.primary.as_ref(), shown.candidate.as_ref());
        let head = |side: Option<&Side>| side.map(|side| of_whom(side).to_owned());
        self.columns(' ', "", (head(sides.0), head(sides.1)), Colour::Bold);
        let lines: [(&str, Shows); 6] = [
            ("started", |side| side.started_at.clone()),
            ("answered", answered),
            ("recorded", recorded),
            ("server", |side| escape(&side.server_address)),
            ("body bytes", |side| {
                format!("{} / {}", side.request_body_bytes, side.response_body_bytes)
            }),
            ("flags", |side| side.flags.join(", ").replace('_', " ")),
        ];
        for (name, of) in lines {
            let text = |side: Option<&Side>| side.map(of);
            let texts = (text(sides.0), text(sides.1));
            let is_some =
                |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
            if is_some(&texts.0) || is_some(&texts.1) {
                self.columns(' ', name, texts, Colour::Dim);
            }
        }
    }

    fn row(&mut self, row: &Row) {
        let (sign, colour) = match row.mark {
            Mark::Equal => (' ', Colour::Dim),
            Mark::Differs => ('≠', Colour::Red),
            Mark::Ignored => ('~', Colour::Yellow),
            Mark::Follows => ('↳', Colour::Dim),
            Mark::TakenForEqual => ('·', Colour::Dim),
            Mark::NotJudged => ('?', Colour::Yellow),
        };
        let path = if row.path.is_empty() { "" } else { &row.path };
        let value = |text: &Option<String>| text.as_deref().map(escape);
        self.columns(
            sign,
            &escape(path),
            (value(&row.primary), value(&row.candidate)),
            colour,
        );
    }

    /// One line: mark, path, both values, which are safe to print. Of equal values the second is left
    /// out.
    fn columns(
        &mut self,
        sign: char,
        path: &str,
        (old, new): (Option<String>, Option<String>),
        colour: Colour,
    ) {
        let path_columns = self.style.width / PATH_SHARE;
        let rest = self
            .style
            .width
            .saturating_sub(path_columns + MARK_COLUMNS + 2);
        let each = rest / 2;
        let path = shorten_left(path, path_columns);
        let text = match (&old, &new) {
            (Some(old), Some(new)) if old == new => shorten(old, rest),
            _ => {
                let is_only_side = sign == ' ' && (old.is_none() || new.is_none());
                let (a, b) = if is_only_side {
                    let only = |text: Option<String>| text.unwrap_or_default();
                    (shorten(&only(old), each), shorten(&only(new), each))
                } else {
                    both_shortened(old.as_deref(), new.as_deref(), each)
                };
                format!("{} {b}", pad(&a, each))
            }
        };
        let line = format!("{sign} {} {}", pad(&path, path_columns), text);
        let line = match sign {
            ' ' => line.trim_end().to_owned(),
            _ => self.paint(line.trim_end(), colour),
        };
        self.line(line);
    }

    /// The differences, as the report lists them.
    fn found(&mut self, shown: &SideBySide) {
        if shown.differences.is_empty() {
            return;
        }
        let number = size(shown.differences.len()).saturating_add(shown.differences_omitted);
        self.title(&count(number, "difference"));
        for found in &shown.differences {
            self.line(format_args!(
                "  {}",
                self.paint(&heading(found), Colour::Bold)
            ));
            let (old, new) = (found.primary.as_deref(), found.candidate.as_deref());
            let (old, new) = both_shortened(old, new, self.style.width.saturating_sub(8));
            for (sign, value, colour) in [('-', old, Colour::Red), ('+', new, Colour::Green)] {
                let text = self.paint(&format!("{sign} {value}"), colour);
                self.line(format_args!("      {text}"));
            }
        }
        if shown.differences_omitted > 0 {
            let more = count(shown.differences_omitted, "more difference");
            self.line(format_args!("  {more} beyond the limit of one pair"));
        }
    }
}

/// Not shown unless it differs: what was sent, and what every hop sets.
fn is_dull(row: &Row) -> bool {
    matches!(
        row.place,
        "request_metadata" | "request_message" | "response_metadata" | "trailers"
    )
}

fn how_found(shown: &SideBySide) -> String {
    let key = escape(&shown.correlation_key);
    let mut text = match (shown.found_by, key.as_str()) {
        (Some(_), "") => "no id: found by method and request".to_owned(),
        (Some(by), key) => format!("found by {} {key}", by.replace('_', " ")),
        (None, "") => "carries no id".to_owned(),
        (None, key) => format!("carries {key}"),
    };
    if shown.is_ambiguous {
        text.push_str("; may be the wrong pair: several calls would fit");
    }
    if shown.attempts_count > 1 {
        text.push_str(&format!("; {} attempts", shown.attempts_count));
    }
    text
}

fn place(row: &Row) -> String {
    let name = row.place.replace('_', " ");
    match row.message_index {
        Some(index) => format!("{name}[{index}]{}", held_by(row)),
        None => name,
    }
}

/// Whose index it is, where the message was seen on one side only.
fn held_by(row: &Row) -> &'static str {
    match (row.holder, row.is_beyond_capture) {
        (Holder::Both, _) => "",
        (Holder::Primary, false) => ", only in the old stream",
        (Holder::Candidate, false) => ", only in the new stream",
        (Holder::Primary, true) => ", not captured of the new stream",
        (Holder::Candidate, true) => ", not captured of the old stream",
    }
}

/// Whose call it is.
fn of_whom(side: &Side) -> &'static str {
    match side.role {
        "primary" => "PRIMARY (old)",
        "candidate" => "CANDIDATE (new)",
        "secondary" => "SECONDARY (old, run again)",
        _ => "ROLE UNKNOWN",
    }
}

fn answered(side: &Side) -> String {
    let after = |ns: Option<u64>| ns.map(|ns| micros(ns / 1_000));
    match after(side.response_end_ns.or(side.duration_ns)) {
        Some(end) => format!("after {end}"),
        None => String::new(),
    }
}

fn recorded(side: &Side) -> String {
    let place = [
        side.position,
        &side.service,
        &side.workload,
        &side.app_version,
    ];
    let known: Vec<String> = place
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(escape)
        .collect();
    known.join(" ")
}

fn heading(found: &Found) -> String {
    let mut text = found.place.replace('_', " ");
    if let Some(index) = found.message_index {
        text.push_str(&format!("[{index}]"));
    }
    if !found.path.is_empty() {
        text.push_str("  ");
        text.push_str(&escape(&found.path));
    }
    text.push_str("  ");
    text.push_str(&describe::kind(found.kind));
    if let Some(described) = found.described {
        text.push_str(", looks like ");
        text.push_str(described);
    }
    if let Some(rule) = &found.ignored_by {
        text.push_str(&format!("  (ignored by {})", escape(rule)));
    }
    text
}

/// `text` and spaces up to `columns` characters.
fn pad(text: &str, columns: usize) -> String {
    let spaces = columns.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(spaces))
}

/// The end of `text` tells more of a path than its beginning.
fn shorten_left(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let kept = text
        .chars()
        .skip(length.saturating_sub(columns.saturating_sub(1)));
    std::iter::once('…').chain(kept).collect()
}
