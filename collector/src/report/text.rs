//! The report for a terminal: answer first, then what differs, then how complete the data is.
//!
//! Everything that comes from the wire is escaped. Colours only where `Style` says so; the text
//! says the same without them.

mod figures;

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::answer::percent;
use super::escape::{escape, shorten};
use super::{Completeness, Group, Latency, Method, Report};
use figures::{count, micros, number, size, thousands};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// May colours be used?
    pub colours: bool,
    /// Groups of differences shown.
    pub groups_max: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 100,
            colours: false,
            groups_max: 20,
        }
    }
}

/// Narrowest and widest layout.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// Prints `report`.
pub fn render(report: &Report, style: Style) -> String {
    let style = Style {
        width: style.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        ..style
    };
    let mut page = Page {
        out: String::new(),
        style,
    };
    page.head(report);
    page.answer(report);
    page.methods(&report.methods);
    page.differences(report);
    page.completeness(report);
    page.out
}

struct Page {
    out: String,
    style: Style,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Page {
    fn head(&mut self, report: &Report) {
        let scope = &report.scope;
        let title = self.paint("twintap compare", Colour::Bold);
        self.line(format_args!("{title}  {}", escape(&scope.data_dir)));
        let completeness = &report.completeness;
        self.line(format_args!(
            "{}, {}, {}",
            count(completeness.calls, "recorded call"),
            count(completeness.pairs, "pair"),
            count(size(report.methods.len()), "method"),
        ));
        if let (Some(first), Some(last)) = (&scope.first_call_at, &scope.last_call_at) {
            self.line(format_args!("from {first} to {last}"));
        }
    }

    fn answer(&mut self, report: &Report) {
        let answer = &report.answer;
        self.line("");
        let judged = thousands(answer.judged);
        let (word, colour) = match (answer.is_different, answer.judged, answer.mismatched) {
            (true, ..) => ("DIFFERENT", Colour::Red),
            (false, 0, _) => ("NOTHING TO JUDGE", Colour::Yellow),
            (false, _, 0) => ("NO DIFFERENCE FOUND", Colour::Green),
            (false, ..) => ("WITHIN THRESHOLD", Colour::Green),
        };
        let word = self.paint(word, colour);
        self.line(format_args!(
            "  {word}  {} of {judged} judged pairs differ ({}; allowed: {})",
            thousands(answer.mismatched),
            percent(answer.mismatch_rate),
            percent(answer.fail_over),
        ));
        let valid = if answer.is_valid {
            self.paint("VALID", Colour::Green)
        } else {
            self.paint("NOT VALID", Colour::Yellow)
        };
        let why = if answer.is_valid {
            trust(&report.completeness)
        } else {
            answer.doubts.join("; ")
        };
        self.line(format_args!("  Is the comparison valid?  {valid}"));
        self.prose(&why);
    }

    fn methods(&mut self, methods: &[Method]) {
        let service = |method: &Method| {
            method
                .rpc_method
                .rsplit_once('/')
                .map_or("", |(service, _)| service)
                .to_owned()
        };
        for of_service in methods.chunk_by(|a, b| service(a) == service(b)) {
            let name = of_service.first().map(service).unwrap_or_default();
            self.title(&escape(&name));
            self.service(of_service);
        }
        for method in methods {
            for (shift, pairs) in &method.status_shifts {
                let method = escape(&method.rpc_method);
                self.line(format_args!(
                    "  status {shift}  {}  {method}",
                    count(*pairs, "pair")
                ));
            }
        }
    }

    fn service(&mut self, methods: &[Method]) {
        let mut table = self.table(&[
            "method",
            "pairs",
            "matched",
            "differ",
            "",
            "unjudged",
            "unpaired",
            "p50 old→new",
            "p95 old→new",
        ]);
        for method in methods {
            let judged = method.matched + method.mismatched + method.ignored;
            let share = super::answer::rate(method.mismatched, judged);
            let share = if judged == 0 {
                String::new()
            } else {
                percent(share)
            };
            let (old, new) = (&method.primary_latency, &method.candidate_latency);
            let name = method.rpc_method.rsplit('/').next().unwrap_or_default();
            table.add_row(vec![
                Cell::new(shorten(&escape(name), self.style.width / 4)),
                number(method.pairs),
                number(method.matched + method.ignored),
                number(method.mismatched),
                Cell::new(share).set_alignment(CellAlignment::Right),
                number(method.incomparable),
                number(method.unpaired.values().sum()),
                latencies(old, new, |latency| latency.p50_us),
                latencies(old, new, |latency| latency.p95_us),
            ]);
        }
        self.push_table(&table);
    }

    fn differences(&mut self, report: &Report) {
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
        self.line(format_args!("     {head}  {}{ignored}", describe(group)));
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

    fn completeness(&mut self, report: &Report) {
        let completeness = &report.completeness;
        self.title("Completeness");
        let mut table = self.table(&["", "calls", ""]);
        let mut row = |what: &str, calls: u64, note: &str| {
            table.add_row(vec![Cell::new(what), number(calls), Cell::new(note)]);
        };
        row("recorded", completeness.calls, "read from the dataset");
        row("in pairs", 2 * completeness.pairs, &found_by(completeness));
        for (reason, calls) in &completeness.unpaired {
            row("unpaired", *calls, &reason.replace('_', " "));
        }
        for (reason, pairs) in &completeness.incomparable {
            row("not judged", 2 * pairs, &reason.replace('_', " "));
        }
        let optional = [
            (
                "ambiguous",
                2 * completeness.pairs_ambiguous,
                "equal calls, matched by occurrence",
            ),
            (
                "earlier attempts",
                completeness.earlier_attempts,
                "the last attempt was compared",
            ),
            (
                "recorded twice",
                completeness.duplicate_views,
                "the same call at another place",
            ),
            (
                "read twice",
                completeness.duplicate_records,
                "the same record",
            ),
            (
                "cut",
                2 * completeness.truncated,
                "in pairs with a body longer than was kept",
            ),
        ];
        for (what, calls, note) in optional {
            if calls > 0 {
                row(what, calls, note);
            }
        }
        match &completeness.loss {
            Some(loss) => {
                let lost = [
                    (loss.dropped, "dropped in the filter"),
                    (loss.refused, "refused by the collector"),
                    (loss.undelivered, "never arrived"),
                    (loss.quarantined, "could not be decoded"),
                    (
                        loss.damaged_stretches,
                        "or more, in damaged stretches of the journal",
                    ),
                    (loss.not_yet_in_dataset, "not in the dataset yet"),
                    (loss.in_flight, "not ended when last heard of"),
                ];
                for (calls, note) in lost.into_iter().filter(|(calls, _)| *calls > 0) {
                    row("lost", calls, note);
                }
                if loss.calls() == 0 {
                    row("lost", 0, "by the collector's accounting");
                }
            }
            None => row("lost", 0, "unknown: the data directory has no accounting"),
        }
        self.push_table(&table);
        self.notes(report);
    }

    fn notes(&mut self, report: &Report) {
        let completeness = &report.completeness;
        let rates = (
            completeness.primary_sampled_ppm,
            completeness.candidate_sampled_ppm,
        );
        if let (Some(old), Some(new)) = rates
            && old != new
        {
            self.prose(&format!(
                "Sides were sampled at different rates ({old} and {new} per million): calls \
                 without a partner are expected."
            ));
        }
        if completeness.secrets_not_judged > 0 {
            self.prose(&format!(
                "{} with metadata redacted without a key: only the number of values was compared.",
                count(completeness.secrets_not_judged, "pair")
            ));
        }
        let unknown = &report.scope.methods_without_descriptor;
        if !report.scope.has_descriptors {
            self.prose(
                "Messages were compared by wire field: paths are field numbers. --descriptors FILE \
                 gives names.",
            );
        } else if !unknown.is_empty() {
            let names = escape(&shorten(&unknown.join(", "), self.style.width));
            self.prose(&format!(
                "Not in the descriptors, compared by wire field: {names}"
            ));
        }
        if !report.hop_headers.is_empty() {
            let names: Vec<&str> = report.hop_headers.keys().map(String::as_str).collect();
            let names = shorten(&names.join(", "), self.style.width);
            self.prose(&format!(
                "Hop headers that differ and do not count: {names}"
            ));
        }
        let run = self.paint(&format!("run {}", report.run_id), Colour::Dim);
        self.line(format_args!("\n{run}"));
    }

    fn title(&mut self, text: &str) {
        let text = self.paint(text, Colour::Bold);
        self.line(format_args!("\n{text}"));
    }

    fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        let width = u16::try_from(self.style.width - 2).unwrap_or(u16::MAX);
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        if header.iter().any(|name| !name.is_empty()) {
            let cells = header.iter().enumerate().map(|(index, name)| {
                let side = if index == 0 {
                    CellAlignment::Left
                } else {
                    CellAlignment::Right
                };
                Cell::new(name).set_alignment(side)
            });
            table.set_header(cells.collect::<Vec<_>>());
        }
        table
    }

    fn push_table(&mut self, table: &Table) {
        for line in table.lines() {
            self.line(format_args!(" {}", line.trim_end()));
        }
    }

    /// A sentence, wrapped and indented.
    fn prose(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty()
                && line.chars().count() + word.chars().count() + 5 > self.style.width
            {
                self.line(format_args!("    {line}"));
                line.clear();
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        self.line(format_args!("    {line}"));
    }

    fn line(&mut self, text: impl std::fmt::Display) {
        let _infallible = writeln!(self.out, "{text}");
    }

    fn paint(&self, text: &str, colour: Colour) -> String {
        if !self.style.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn describe(group: &Group) -> String {
    let mut text = match group.kind {
        "value" => "another value".to_owned(),
        "type" => "another type".to_owned(),
        "missing" => "only in the old answer".to_owned(),
        "extra" => "only in the new answer".to_owned(),
        "default_vs_absent" => "default on one side, absent on the other".to_owned(),
        "oneof_arm" => "another field of the oneof".to_owned(),
        "list_order" => "another order".to_owned(),
        "message_missing" => "a message only in the old stream".to_owned(),
        "message_extra" => "a message only in the new stream".to_owned(),
        "beyond_capture" => "differs beyond what was captured".to_owned(),
        other => other.replace('_', " "),
    };
    if let Some((name, times)) = group.looks_like.iter().max_by_key(|(_, times)| **times) {
        let _infallible = write!(text, ", looks like {}", name.replace('_', " "));
        if *times < group.occurrences {
            let _infallible = write!(text, " ({times} of {})", group.occurrences);
        }
    }
    text
}

fn found_by(completeness: &Completeness) -> String {
    let parts: Vec<String> = completeness
        .pairs_found_by
        .iter()
        .map(|(name, pairs)| format!("{} pairs by {}", thousands(*pairs), name.replace('_', " ")))
        .collect();
    parts.join(", ")
}

/// Why the answer can be trusted.
fn trust(completeness: &Completeness) -> String {
    let unpaired: u64 = completeness.unpaired.values().sum();
    let unjudged: u64 = completeness.incomparable.values().sum();
    let lost = match &completeness.loss {
        Some(loss) => format!("{} lost", thousands(loss.calls())),
        None => "loss unknown (no accounting)".to_owned(),
    };
    format!(
        "{} unpaired, {} not judged, {lost}",
        count(unpaired, "call"),
        count(unjudged, "pair")
    )
}

fn latencies(old: &Latency, new: &Latency, of: fn(&Latency) -> Option<u64>) -> Cell {
    let text = match (of(old), of(new)) {
        (Some(old), Some(new)) => format!("{}→{}", micros(old), micros(new)),
        _ => String::new(),
    };
    Cell::new(text).set_alignment(CellAlignment::Right)
}
