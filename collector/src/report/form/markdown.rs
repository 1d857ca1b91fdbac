//! A short summary in GitHub's Markdown, for a comment on a pull request.
//!
//! Whatever comes from the wire or the command line stands in code spans, where nothing is markup.

use askama::Template;

use crate::escape::{escape, shorten};
use crate::report::describe;
use crate::report::figures::{share_interval, shift_interval, signed_percent, thousands};
use crate::report::gate::State;
use crate::report::{Gate, Group, Method, Report, Shift};
use crate::share::percent;

/// Methods shown; those with most mismatched pairs come first.
const METHODS_MAX: usize = 20;

/// Characters shown of a value, a path or a name.
const TEXT_CHARS_MAX: usize = 80;

#[derive(Template)]
#[template(path = "summary.md", escape = "none")]
struct Summary<'a> {
    report: &'a Report,
    sign: &'static str,
    headline: &'static str,
    mismatches: String,
    validity: String,
    wrong_types: Option<&'static str>,
    gates: Vec<GateRow>,
    methods: Vec<MethodRow>,
    methods_left: usize,
    marks: Option<&'static str>,
    groups: Vec<GroupRow>,
    groups_left: usize,
}

struct GateRow {
    state: &'static str,
    condition: String,
    result: String,
}

struct MethodRow {
    name: String,
    pairs: String,
    differ: String,
    rate: String,
    interval: String,
    p50: String,
    p99: String,
}

struct GroupRow {
    method: String,
    place: String,
    what: String,
    pairs: String,
    rate: String,
    old: String,
    new: String,
}

pub(super) fn render(report: &Report, groups_max: usize) -> askama::Result<String> {
    let (headline, is_good) = describe::headline(report);
    let mut methods: Vec<&Method> = report.methods.iter().collect();
    // Stable: equal ones stay in order of name.
    methods.sort_by_key(|method| std::cmp::Reverse(method.mismatched));
    let counted = report
        .differences
        .iter()
        .filter(|group| group.ignored_by.is_empty());
    let summary = Summary {
        report,
        sign: match is_good {
            Some(true) => "✅",
            Some(false) => "❌",
            None => "⚠️",
        },
        headline,
        mismatches: describe::mismatches(report),
        validity: text(&describe::validity(report)),
        wrong_types: describe::wrong_types(report),
        gates: report.gates.iter().map(GateRow::of).collect(),
        methods_left: methods.len().saturating_sub(METHODS_MAX),
        marks: {
            let shown = methods
                .iter()
                .take(METHODS_MAX)
                .map(|method| &method.latency_shift);
            describe::marks(shown.flat_map(|shift| [&shift.p50, &shift.p99]))
        },
        methods: methods
            .into_iter()
            .take(METHODS_MAX)
            .map(MethodRow::of)
            .collect(),
        groups_left: counted.clone().count().saturating_sub(groups_max),
        groups: counted.take(groups_max).map(GroupRow::of).collect(),
    };
    summary.render()
}

impl GateRow {
    fn of(gate: &Gate) -> Self {
        Self {
            state: match gate.state {
                State::Passed => "passed",
                State::Failed => "**failed**",
                State::Unknown => "**unknown**",
            },
            condition: code(&gate.condition),
            result: text(&describe::gate(gate)),
        }
    }
}

impl MethodRow {
    fn of(method: &Method) -> Self {
        let shift = |shift: &Shift| match (shift.shift, shift.shift_interval) {
            (Some(share), Some(interval)) => {
                let (mark, share) = (describe::sure_mark(shift), signed_percent(share));
                format!("{mark}{share} ({})", shift_interval(interval))
            }
            _ => String::new(),
        };
        Self {
            name: code(&method.rpc_method),
            pairs: thousands(method.pairs),
            differ: thousands(method.mismatched),
            rate: method.mismatch_rate.map(percent).unwrap_or_default(),
            interval: method
                .mismatch_rate_interval
                .map(share_interval)
                .unwrap_or_default(),
            p50: shift(&method.latency_shift.p50),
            p99: shift(&method.latency_shift.p99),
        }
    }
}

impl GroupRow {
    fn of(group: &Group) -> Self {
        let value = |value: &Option<String>| match value {
            Some(value) => code(value),
            None => "absent".to_owned(),
        };
        let path = match group.path.as_str() {
            "" => String::new(),
            path => format!(" {}", code(path)),
        };
        Self {
            method: code(describe::method_of(&group.rpc_method)),
            place: format!("{}{path}", group.place.replace('_', " ")),
            what: text(&what(group)),
            pairs: thousands(group.pairs),
            rate: percent(group.rate),
            old: value(&group.example.primary),
            new: value(&group.example.candidate),
        }
    }
}

/// What the differences are, and what they hang on.
fn what(group: &Group) -> String {
    let mut parts = vec![describe::group(group)];
    parts.extend(group.correlations.iter().map(describe::correlation));
    parts.join("; ")
}

/// Words of our own with foreign names in them: those that Markdown could take for markup escaped.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        if c.is_ascii_punctuation()
            && !matches!(c, '.' | ',' | ';' | ':' | '%' | '/' | '+' | '(' | ')')
        {
            out.push('\\');
        }
        out.push(c);
    }
    // No mention of a user, and no link by itself.
    out.replace("://", ":\\/\\/")
        .replace("www.", "www\\.")
        .replace("\\@", "@\u{2060}")
}

/// A code span that is safe in a table: a fence longer than any run of backticks inside.
fn code(text: &str) -> String {
    let text = shorten(&escape(text), TEXT_CHARS_MAX).replace('|', "\\|");
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    // A space keeps backticks at the ends apart; one at each end is not shown.
    let is_tight =
        text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ', '\\']);
    let space = if is_tight { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}
