//! Rules files: what is refused, where, and with what advice.

use super::*;

fn problems(yaml: &str) -> Vec<String> {
    match file::parse(yaml, "r.yaml") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The only problem of a file with one rule.
#[track_caller]
fn problem(rule: &str) -> String {
    let found = problems(&format!("version: 1\nrules:\n  - {rule}\n"));
    assert_eq!(found.len(), 1, "{rule}: {found:#?}");
    found.into_iter().next().unwrap_or_default()
}

#[test]
fn a_rule_may_use_every_key() {
    let text = "
version: 1
rules:
  - name: one
    method: [shop.v1.Shop/*, other.v1.Other/Get]
    place: [response_message, request_message]
    path: ['items[*].price', '**.price']
    tolerance: { absolute: 0.5, relative: 1%, time: 1m 30s }
    severity: note
    reason: because
    expires: 2027-01-31
  - { name: two, place: trailers, path: X-Cost, matches: '\\d+' }
  - { name: three, place: all, ignore: true }
  - { name: four, ignore: [missing, list_order] }
  - { name: five, unordered: { key: id } }
  - { name: six, class: token }
  - { name: seven, normalize: [case] }
  - { name: eight, place: status, ignore: true, severity: error }
";
    let rules = file::parse(text, "r.yaml").unwrap();
    assert_eq!(rules.len(), 8);
    assert_eq!(rules[0].origin(), "r.yaml:4");
    assert_eq!(rules[0].reason(), Some("because"));
    assert_eq!(rules[0].expires(), Some(jiff::civil::date(2027, 1, 31)));
    assert!(rules[2].covers_everything());
    assert!(!rules[3].covers_everything());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let mut unlike = Vec::new();
    for (rule, place, text) in [
        (
            "{ name: a, path: 'x..y', ignore: true }",
            "3:22",
            "a field name is missing at character 3",
        ),
        (
            "{ name: a, path: 4.2, ignore: true }",
            "3:22",
            "in quotes, if it looks like a number",
        ),
        ("{ name: a, path: x }", "3:5", "does nothing"),
        (
            "{ name: a, ignore: true, class: uuid }",
            "3:5",
            "more than one thing",
        ),
        ("{ name: a, ignore: false }", "3:24", "does nothing"),
        (
            "{ name: a, ignore: [gone] }",
            "3:24",
            "no kind of difference is called \"gone\"",
        ),
        ("{ name: a, ignore: [] }", "3:", "empty"),
        ("{ name: '', ignore: true }", "3:13", "name is empty"),
        ("{ ignore: true }", "3:", "missing field `name`"),
        (
            "{ name: a, ignor: true }",
            "3:16",
            "unknown field `ignor`, did you mean `ignore`?",
        ),
        (
            "{ name: a, place: answer, ignore: true }",
            "3:23",
            "all, status, ",
        ),
        (
            "{ name: a, place: [trailers, response_message], path: x, ignore: true }",
            "3:59",
            "two rules",
        ),
        (
            "{ name: a, place: status, path: x, ignore: true }",
            "3:37",
            "no paths in status",
        ),
        (
            "{ name: a, method: Get, ignore: true }",
            "3:24",
            "package.Service/Method",
        ),
        (
            "{ name: a, matches: '(' }",
            "3:25",
            "not a regular expression: unclosed group",
        ),
        (
            "{ name: a, matches: '\\w{1000}{1000}' }",
            "3:25",
            "size limit",
        ),
        (
            "{ name: a, tolerance: { relative: 1 } }",
            "3:27",
            "takes everything for equal",
        ),
        ("{ name: a, matches: 'a)|(b' }", "3:25", "unopened group"),
        ("{ name: a, class: guid }", "3:", "uuid"),
        ("{ name: a, tolerance: {} }", "3:27", "tolerance is empty"),
        (
            "{ name: a, tolerance: { absolute: -1 } }",
            "3:27",
            "0 or more",
        ),
        (
            "{ name: a, tolerance: { relative: 1/2 } }",
            "3:",
            "write 0.01 or 1%",
        ),
        ("{ name: a, tolerance: { time: 5 } }", "3:", "such as 5s"),
        (
            "{ name: a, unordered: { key: '' } }",
            "3:",
            "is no name of a field",
        ),
        (
            "{ name: a, unordered: { key: a..b } }",
            "3:",
            "is no name of a field",
        ),
        (
            "{ name: a, unordered: { key: 'a[0]' } }",
            "3:",
            "is no name of a field",
        ),
        (
            "{ name: a, place: response_metadata, path: x-a, unordered: true }",
            "3:64",
            "no lists in response_metadata",
        ),
        (
            "{ name: a, place: [trailers, status], unordered: { key: id } }",
            "3:",
            "no lists in trailers and status",
        ),
        (
            "{ name: a, path: '(pkg.ext', ignore: true }",
            "3:",
            "never closed",
        ),
        ("{ name: a, normalize: [] }", "3:27", "nothing to normalize"),
        (
            "{ name: a, ignore: true, expires: soon }",
            "3:39",
            "YYYY-MM-DD",
        ),
        ("{ name: a, ignore: true, severity: loud }", "3:", "warning"),
    ] {
        let found = problem(rule);
        if !found.starts_with(&format!("r.yaml:{place}")) || !found.contains(text) {
            unlike.push(format!("{rule}: {found}, not {place} {text}"));
        }
    }
    assert_eq!(unlike, Vec::<String>::new());
}

#[test]
fn what_is_no_rules_file_is_refused() {
    for (yaml, text) in [
        ("", "found nothing"),
        ("version: 1", "rules"),
        ("version: 2\nrules: []", "this program reads 1"),
        ("- name: a", "expected"),
        ("version: 1\nrules:\n\t- name: a", ""),
        ("version: 1\nversion: 1\nrules: []", "duplicate"),
        ("\u{0}", ""),
    ] {
        let found = problems(yaml);
        assert_eq!(found.len(), 1, "{yaml:?}: {found:?}");
        assert!(found[0].contains(text), "{yaml:?}: {}", found[0]);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let yaml = "version: 1\nrules:\n  - { name: a }\n  - { name: a, ignore: true, path: '[' }\n";
    let found = problems(yaml);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[1].contains("another rule is called \"a\""));
}

#[test]
fn structural_problems_do_not_hide_each_other() {
    let yaml = "\
version: one
rules:
  - name: 5
    ignore: true
  - not a rule
  - name: b
    tolerance: { absolut: 1, relative: [], relative: 2 }
    severity: loud
  - name: c
    method: [shop.v1.Shop/*, 7, {}]
    ignore: maybe
    ignore: true
    reason:
    7: x
  - { name: d, ignroe: true }
  - { ignore: true }
extra: 1
";
    let expected = [
        ("17:1", "unknown field `extra`"),
        ("1:10", "`version`: a number is expected, found a text"),
        ("3:11", "`name`: a text (in quotes"),
        ("5:5", "a rule is expected, with name, method"),
        ("7:18", "unknown field `absolut`, did you mean `absolute`?"),
        ("7:44", "duplicate key `relative`"),
        (
            "7:40",
            "`relative`: a share such as 0.01 or 1% is expected, found a list",
        ),
        ("8:15", "`severity`: unknown name `loud`"),
        ("12:5", "duplicate key `ignore`"),
        ("14:5", "a key is expected, found a number"),
        ("10:30", "`method`: a text (in quotes"),
        ("10:33", "`method`: a text is expected, found a mapping"),
        ("13:11", "`reason`: a text is expected, found nothing"),
        ("11:13", "no kind of difference is called \"maybe\""),
        ("15:16", "did you mean `ignore`?"),
        ("16:5", "missing field `name`"),
    ];
    let found = problems(yaml);
    let mut unlike = Vec::new();
    for (place, text) in expected {
        let starts = format!("r.yaml:{place}: ");
        let is_like = |problem: &&String| problem.starts_with(&starts) && problem.contains(text);
        if !found.iter().any(|problem| is_like(&problem)) {
            unlike.push(format!("{place} {text}"));
        }
    }
    assert_eq!(unlike, Vec::<String>::new(), "{found:#?}");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let lines = |problem: &String| problem.split(':').nth(1)?.parse::<u64>().ok();
    assert!(
        found.iter().map(lines).is_sorted(),
        "in order of line: {found:#?}"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut yaml = "version: 1\na0: &a0 [x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 12].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    yaml.push_str("rules: *a11\n");
    assert_eq!(problems(&yaml).len(), 1);
}

#[test]
fn a_rule_holds_through_its_last_day() {
    let yaml = "version: 1\nrules:\n  - { name: a, ignore: true, expires: 2026-08-01 }\n";
    let parse = || file::parse(yaml, "r.yaml").unwrap();
    let expired = |day| {
        let mut rules = Rules::default();
        rules.extend(parse());
        rules.retire(jiff::civil::date(2026, 8, day));
        (rules.iter().count(), rules.expired().count())
    };
    assert_eq!((expired(1), expired(2)), ((1, 0), (0, 1)));
}
