//! Writes are mirrored: each takes effect twice.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::routes::PathMatch;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

/// Words that methods with side effects begin with.
const WRITE_VERBS: [&str; 22] = [
    "Create", "Update", "Delete", "Insert", "Upsert", "Set", "Put", "Post", "Patch", "Add",
    "Remove", "Write", "Send", "Submit", "Place", "Cancel", "Charge", "Pay", "Refund", "Publish",
    "Import", "Upload",
];
/// Methods named in a finding.
const NAMED_MAX: usize = 5;

pub(super) const TRAP: Trap = Trap {
    number: 4,
    id: "mirrored-writes",
    title: "calls with side effects are mirrored",
    severity: Severity::Warning,
    hurts: "The new service executes what it gets: orders are placed, mails sent and cards charged twice, \
            unless its stores and its way out are its own.",
    remedy: "Match read methods only (`uri.prefix: /package.Service/Get`, or GRPCRoute methods); give the new \
             service stores of its own and a NetworkPolicy that denies the way out. With both, \
             `--ignore mirrored-writes`.",
    remedy_by_hand: Some(
        "Mirror only on routes that match read methods (`match.path`, or a `match.prefix` \
         such as `/package.Service/Get`); give the new service stores of its own and no way \
         out. With both, `--ignore mirrored-writes`.",
    ),
    looks: &[
        look(Need::Routes, "methods that mirrored routes match"),
        look(Need::Envoy, "paths that mirrored routes of Envoy match"),
        look(
            Need::Descriptors,
            "methods that are not declared free of side effects",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for route in &view.mirrored_routes {
        for path in &route.matches {
            judge(view, findings, &route.at, path);
        }
    }
    for envoy in &view.envoys {
        for (_, route) in envoy.mirrors() {
            if let Some(at) = route.get("match") {
                judge(view, findings, &at, &path_of(&at));
            }
        }
    }
}

fn judge(view: &View<'_>, findings: &mut Findings, at: &At<'_>, path: &PathMatch) {
    if let Some(methods) = &view.methods {
        let taken = methods
            .iter()
            .filter(|method| path.takes(&method.rpc_method) == Some(true));
        let mut unsafe_methods: Vec<&str> = taken
            .filter(|method| !method.is_declared_safe && !is_read(&method.rpc_method))
            .map(|method| method.rpc_method.as_str())
            .collect();
        unsafe_methods.sort_unstable();
        if !unsafe_methods.is_empty() {
            let named = unsafe_methods
                .iter()
                .take(NAMED_MAX)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            let more = unsafe_methods.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            findings.warning(
                at,
                format!("mirrors ({path}) methods that may have side effects: {named}{more}"),
            );
        }
    } else if !path.names_methods() {
        findings.warning(
            at,
            format!("mirrors every method ({path}), those that write too"),
        );
    } else if let PathMatch::Prefix(text) | PathMatch::Exact(text) = path
        && let Some(verb) = verb_of(text)
    {
        findings.warning(
            at,
            format!("mirrors {text}, which by its name ({verb}) writes"),
        );
    }
}

fn verb_of(path: &str) -> Option<&'static str> {
    let method = path.rsplit('/').next()?;
    WRITE_VERBS.into_iter().find(|verb| {
        let rest = method.strip_prefix(verb);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|letter: char| letter.is_ascii_uppercase())
        })
    })
}

/// Is it a read by its name?
fn is_read(rpc_method: &str) -> bool {
    let method = rpc_method.rsplit('/').next().unwrap_or_default();
    let verbs = [
        "Get", "List", "Find", "Search", "Query", "Read", "Fetch", "Lookup", "Check", "Count",
        "Describe", "Watch",
    ];
    verbs.into_iter().any(|verb| {
        method.strip_prefix(verb).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|letter: char| letter.is_ascii_uppercase())
        })
    })
}

/// What a route of Envoy matches.
fn path_of(at: &At<'_>) -> PathMatch {
    let text = |key: &str| at.text(key).map(str::to_owned);
    if let Some(path) = text("path") {
        return PathMatch::Exact(path);
    }
    if let Some(prefix) = text("prefix").or_else(|| text("path_separated_prefix")) {
        return PathMatch::Prefix(prefix);
    }
    let regex = at
        .find(&["safe_regex", "regex"])
        .and_then(|at| at.node().text().map(str::to_owned));
    regex.map_or(PathMatch::All, PathMatch::Regex)
}
