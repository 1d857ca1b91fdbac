//! Paths of differences, and patterns that cover them.
//!
//! A path is what [`Difference::path`](crate::compare::Difference::path) shows: field names joined
//! by dots, with `[2]`, `["key"]` or `[package.Type]` behind lists, maps and `Any`. It is kept in
//! steps, so that a map key full of dots and brackets cannot pass for another path.
//!
//! A pattern is written the same way, and may hold `*` in a field name, `[*]` for any element and
//! `**` for any number of steps. Where it names no element, it covers every one: `items.price`
//! covers `items[2].price`, and `details[a.B].code` covers `details[0][a.B].code`. Without a
//! descriptor, steps are field numbers: `4.2`.

use super::glob::matches_glob;

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compare) enum Step<'a> {
    /// A field, oneof, extension in parentheses, or name of metadata.
    Field(&'a str),
    /// What stands in brackets.
    Element(&'a str),
}

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A field name, with `*` for any text.
    Field(String),
    /// What stands in brackets; `*` alone is any.
    Element(String),
    /// `**`: any number of steps.
    Any,
}

/// Which paths a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compare) struct Pattern {
    pub(super) parts: Vec<Part>,
}

/// How much of a path a pattern has to account for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compare) enum Reach {
    /// The path and whatever lies below it.
    Below,
    /// The path itself.
    Exact,
}

/// Steps of a pattern at most: matching costs pattern times path.
const PARTS_MAX: usize = 64;

/// Why a text is no pattern, and the character (from 0) at which that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) problem: &'static str,
}

impl Pattern {
    /// Covers every path.
    pub(super) fn everything() -> Self {
        Self {
            parts: vec![Part::Any],
        }
    }

    /// A name of metadata: dots are part of it.
    pub(super) fn of_name(name: &str) -> Self {
        Self {
            parts: vec![Part::Field(name.to_owned())],
        }
    }

    /// Does it cover every path?
    pub(super) fn is_everything(&self) -> bool {
        self.parts.iter().all(|part| *part == Part::Any)
    }

    /// Reads a pattern of a path in a message.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = |at, problem| Malformed { at, problem };
        let mut parts = Vec::new();
        let mut rest = text;
        // A field is wanted at the start and after a dot, a dot or bracket after anything else.
        let mut wants_field = true;
        while !rest.is_empty() || wants_field {
            let at = text.chars().count() - rest.chars().count();
            if parts.len() >= PARTS_MAX {
                return Err(malformed(at, "the path has more than 64 steps"));
            }
            if let Some(after) = rest.strip_prefix('[') {
                if wants_field && !parts.is_empty() {
                    return Err(malformed(at, "a field name belongs between '.' and '['"));
                }
                let end = element_end(after).ok_or(malformed(
                    at,
                    "'[' is never closed (in a key, quotes stand behind a backslash)",
                ))?;
                let (inside, after) = after.split_at(end);
                if inside.is_empty() {
                    return Err(malformed(at, "nothing stands between '[' and ']'"));
                }
                parts.push(Part::Element(inside.to_owned()));
                rest = after.strip_prefix(']').unwrap_or(after);
                wants_field = false;
            } else if wants_field {
                let end = field_end(rest).ok_or(malformed(at, "'(' is never closed"))?;
                let (name, after) = rest.split_at(end);
                match name {
                    "" => return Err(malformed(at, "a field name is missing")),
                    "**" => parts.push(Part::Any),
                    name => parts.push(Part::Field(name.to_owned())),
                }
                rest = after;
                wants_field = false;
            } else {
                rest = rest
                    .strip_prefix('.')
                    .ok_or(malformed(at, "'.' or '[' expected"))?;
                wants_field = true;
            }
        }
        Ok(Self { parts })
    }

    /// Does it cover `path`?
    pub(super) fn covers<'a>(&self, path: impl Iterator<Item = Step<'a>>, reach: Reach) -> bool {
        let end = self.parts.len();
        // `reached[n]`: the first n parts account for the steps so far.
        let mut reached = vec![false; end + 1];
        self.enter(&mut reached, 0);
        for step in path {
            if reach == Reach::Below && reached.get(end) == Some(&true) {
                return true;
            }
            let mut next = vec![false; end + 1];
            for (at, is_reached) in reached.iter().enumerate() {
                if *is_reached {
                    self.step(at, step, &mut next);
                }
            }
            reached = next;
        }
        reached.get(end) == Some(&true)
    }

    fn step(&self, at: usize, step: Step<'_>, next: &mut [bool]) {
        match (self.parts.get(at), step) {
            (Some(Part::Any), _) => self.enter(next, at),
            (Some(Part::Field(pattern)), Step::Field(name)) if matches_glob(pattern, name) => {
                self.enter(next, at + 1);
            }
            // `[*]` in a path stands for elements of which it is not said which.
            (Some(Part::Element(pattern)), Step::Element(inside))
                if pattern == "*" || pattern == inside || inside == "*" && !is_type(pattern) =>
            {
                self.enter(next, at + 1);
            }
            // An element that the pattern does not speak of.
            (Some(Part::Field(_)), Step::Element(_)) if at > 0 => self.enter(next, at),
            (Some(Part::Element(pattern)), Step::Element(inside))
                if at > 0 && is_type(pattern) && !is_type(inside) =>
            {
                self.enter(next, at);
            }
            _ => {}
        }
    }

    /// Marks the state `at`, and those that `**` reaches without a step.
    fn enter(&self, reached: &mut [bool], at: usize) {
        let mut at = at;
        while let Some(state) = reached.get_mut(at) {
            *state = true;
            if self.parts.get(at) != Some(&Part::Any) {
                return;
            }
            at += 1;
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match part {
                Part::Field(name) => write!(f, "{dot}{name}")?,
                Part::Element(inside) => write!(f, "[{inside}]")?,
                Part::Any => write!(f, "{dot}**")?,
            }
        }
        Ok(())
    }
}

/// May a rule for `pattern` be about a difference at `path`, in which `[*]` may stand for elements? `is_exact` where
/// it does not go down to what lies below.
pub fn may_cover(pattern: &str, path: &str, is_exact: bool) -> Option<bool> {
    let pattern = match pattern {
        "" => Pattern::everything(),
        pattern => Pattern::parse(pattern).ok()?,
    };
    let path = match path {
        "" => Vec::new(),
        path => Pattern::parse(path).ok()?.parts,
    };
    let steps = path.iter().map(|part| match part {
        Part::Field(name) => Step::Field(name),
        Part::Element(inside) => Step::Element(inside),
        Part::Any => Step::Field("**"),
    });
    let reach = match is_exact {
        true => Reach::Exact,
        false => Reach::Below,
    };
    Some(pattern.covers(steps, reach))
}

/// Is it the type of an `Any`, not a place in a list or a key of a map?
pub(crate) fn is_type(element: &str) -> bool {
    let is_name = element.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    is_name && !matches!(element, "true" | "false")
}

/// Where the field name that `text` begins with ends. An extension's name in parentheses has dots.
fn field_end(text: &str) -> Option<usize> {
    let start = match text.strip_prefix('(') {
        Some(_) => text.find(')')?,
        None => 0,
    };
    let rest = text.get(start..).unwrap_or_default();
    Some(rest.find(['.', '[']).map_or(text.len(), |end| start + end))
}

/// Where the bracket closes, in what follows its opening. A key in quotes may hold brackets, and quotes behind a
/// backslash.
pub fn element_end(text: &str) -> Option<usize> {
    let Some(key) = text.strip_prefix('"') else {
        return text.find(']');
    };
    let mut is_escaped = false;
    let is_end = |c: char| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    };
    let end = 1 + key.find(is_end)? + 1;
    text.get(end..)?.starts_with(']').then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Element, Field};

    fn covers(pattern: &str, path: &[Step<'_>], reach: Reach) -> bool {
        Pattern::parse(pattern)
            .unwrap()
            .covers(path.iter().copied(), reach)
    }

    #[test]
    fn a_pattern_covers_its_path_and_what_lies_below() {
        let path = [Field("items"), Element("2"), Field("price")];
        for pattern in [
            "items",
            "items[*]",
            "items[2]",
            "items.price",
            "items[*].price",
            "*.price",
            "**",
            "**.price",
            "items.**",
            "it*s.pr*",
        ] {
            assert!(covers(pattern, &path, Reach::Below), "{pattern}");
        }
        for pattern in [
            "price",
            "items[1]",
            "items.price.x",
            "items[*].name",
            "*",
            "item",
        ] {
            assert_eq!(
                covers(pattern, &path, Reach::Below),
                pattern == "*",
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_type_may_stand_without_the_element_that_it_is_the_type_of() {
        let path = [
            Field("details"),
            Element("0"),
            Element("a.B"),
            Field("code"),
        ];
        for pattern in [
            "details[a.B].code",
            "details[*][a.B].code",
            "details.code",
            "details[0].code",
        ] {
            assert!(covers(pattern, &path, Reach::Below), "{pattern}");
        }
        for pattern in [
            "details[a.C].code",
            "details[1][a.B].code",
            "details[true].code",
            "details[a.B][0]",
        ] {
            assert!(!covers(pattern, &path, Reach::Below), "{pattern}");
        }
    }

    #[test]
    fn an_exact_pattern_stops_at_its_path() {
        let list = [Field("groups"), Element("0"), Field("items")];
        assert!(covers("groups.items", &list, Reach::Exact));
        assert!(covers("**.items", &list, Reach::Exact));
        assert!(covers("**", &list, Reach::Exact));
        assert!(!covers("groups", &list, Reach::Exact));
        assert!(!covers("groups[*]", &list, Reach::Exact));
    }

    #[test]
    fn keys_and_extensions_are_one_step() {
        let path = [
            Field("labels"),
            Element("\"a.b]\""),
            Field("(shop.v1.note)"),
        ];
        assert!(covers(
            "labels[\"a.b]\"].(shop.v1.note)",
            &path,
            Reach::Exact
        ));
        assert!(covers("labels.(shop.v1.note)", &path, Reach::Exact));
        // The key's text is no path.
        assert!(!covers("labels[\"a\"]", &path, Reach::Below));
    }

    #[test]
    fn a_root_element_is_not_skipped() {
        assert!(!covers(
            "name",
            &[Element("shop.v1.Item"), Field("name")],
            Reach::Below
        ));
        assert!(covers(
            "[*].name",
            &[Element("shop.v1.Item"), Field("name")],
            Reach::Below
        ));
    }

    #[test]
    fn a_pattern_may_cover_elements_that_are_not_named() {
        for (pattern, path, below, exact) in [
            ("", "a.b", true, true),
            ("a", "a.b", true, false),
            ("a.b", "a", false, false),
            ("items[*]", "items[*].note", true, false),
            ("m[\"x\"]", "m[\"x\"].n", true, false),
            ("m[\"x\"]", "m[\"y\"].n", false, false),
            ("m[\"x\"]", "m[*].n", true, false),
            ("m[*]", "m[\"x\"]", true, true),
            ("d[a.B]", "d[*][a.C]", false, false),
            ("d[*][a.B]", "d[*][a.B].n", true, false),
        ] {
            let found = [false, true].map(|is_exact| may_cover(pattern, path, is_exact));
            assert_eq!(found, [Some(below), Some(exact)], "{pattern} {path}");
        }
        assert_eq!(may_cover("a..b", "a", false), None);
    }

    #[test]
    fn what_is_no_pattern_says_where() {
        for (text, at, problem) in [
            ("", 0, "missing"),
            ("a.", 2, "missing"),
            ("a..b", 2, "missing"),
            ("a[1", 1, "never closed"),
            ("a[]", 1, "nothing stands"),
            ("a[1]b", 4, "expected"),
            ("a.[1]", 2, "belongs"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}");
            assert!(error.problem.contains(problem), "{text}: {}", error.problem);
        }
    }

    #[test]
    fn many_stars_cost_pattern_times_path() {
        let pattern = vec!["**.a"; 31].join(".");
        let path = vec![Field("a"); 100];
        assert!(covers(&pattern, &path, Reach::Below));
        let other = vec![Field("b"); 100];
        assert!(!covers(&pattern, &other, Reach::Below));
    }
}
