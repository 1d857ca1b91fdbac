//! Rules files, as `twintap rules check` answers them: exit code, and the first problem with its place.

use std::process::Command;

use super::check;

/// The exit code and the first line, without the file's name.
fn answer(yaml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.yaml");
    std::fs::write(&path, yaml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["rules", "check"])
        .arg(&path)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let first = stdout.lines().next().unwrap_or_default();
    let first = first.strip_prefix(path.to_str().unwrap()).unwrap_or(first);
    format!("{}{first}", output.status.code().unwrap())
}

fn rule(text: &str) -> String {
    format!("version: 1\nrules:\n  - {text}\n")
}

#[test]
fn rules_files_are_refused_whole_with_the_place_of_what_is_wrong() {
    let laughs = {
        let mut yaml = "a0: &a0 [x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 12].join(", ");
            yaml.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        yaml + "version: 1\nrules: *a11\n"
    };
    let many = |count: usize| {
        let rules: String = (0..count)
            .map(|number| format!("  - {{ name: r{number}, ignore: true, reason: x }}\n"))
            .collect();
        format!("version: 1\nrules:\n{rules}")
    };
    check(
        &[
            ("valid", rule("{ name: a, path: x, ignore: true, reason: b }"), "0: 1 rule, valid"),
            ("no rules", "version: 1\nrules: []\n".to_owned(), "0: 0 rules, valid"),
            ("empty", String::new(), "2:1:1: a mapping is expected…"),
            ("a comment only", "# later\n".to_owned(), "2:…"),
            ("a list", "- name: a\n".to_owned(), "2:1:1: a mapping is expected, with version, rules; found a list"),
            ("a scalar", "rules".to_owned(), "2:1:1: a mapping is expected…"),
            ("binary", "\u{0}\u{1}".to_owned(), "2:1:…"),
            ("a tab for indentation", "version: 1\nrules:\n\t- name: a\n".to_owned(), "2:3:…"),
            ("a quote that is never closed", rule("{ name: 'a, ignore: true }"), "2:…"),
            ("a bracket that is never closed", rule("{ name: a, path: [x"), "2:…"),
            ("two documents", "version: 1\nrules: []\n---\nversion: 1\n".to_owned(), "2:…"),
            ("no version", "rules: []\n".to_owned(), "2:1:1: missing field `version`"),
            ("an unknown version", "version: 2\nrules: []\n".to_owned(), "2:1:10: version 2 of the format is not supported, this program reads 1"),
            ("a version of text", "version: '1'\nrules: []\n".to_owned(), "2:1:10: `version`: a number is expected, found a text"),
            ("no rules key", "version: 1\n".to_owned(), "2:1:1: missing field `rules`"),
            ("rules that are no list", "version: 1\nrules: {}\n".to_owned(), "2:2:8: `rules`: a list is expected, found a mapping"),
            ("an include", "version: 1\ninclude: ../../etc/passwd\nrules: []\n".to_owned(), "2:2:1: unknown field `include`, expected one of version, rules"),
            ("an include by tag", "version: 1\nrules: !include other.yaml\n".to_owned(), "2:2:…"),
            ("a typing error in a key", rule("{ name: a, pth: x, ignore: true }"), "2:3:16: unknown field `pth`, did you mean `path`?"),
            ("a key twice", rule("{ name: a, ignore: true, ignore: true }"), "2:3:30: duplicate key `ignore`"),
            ("a name twice", "version: 1\nrules:\n  - { name: a, ignore: true }\n  - { name: a, ignore: true }\n".to_owned(), "2:4:13: another rule is called \"a\" already"),
            ("no name", rule("{ ignore: true }"), "2:3:5: missing field `name`"),
            ("a number for a name", rule("{ name: 1, ignore: true }"), "2:3:13: `name`: a text (in quotes…"),
            ("nothing to do", rule("{ name: a }"), "2:3:5: the rule does nothing…"),
            ("two things to do", rule("{ name: a, ignore: true, json: true }"), "2:3:5: the rule does more than one thing…"),
            ("ignore of a wrong type", rule("{ name: a, ignore: 1 }"), "2:3:24: `ignore`: true or a list of kinds of differences is expected, found a number"),
            ("an unknown kind", rule("{ name: a, ignore: gone }"), "2:3:24: no kind of difference is called \"gone\"…"),
            ("an unknown class", rule("{ name: a, class: guid }"), "2:3:23: `class`: unknown name `guid`, expected one of…"),
            ("a broken path", rule("{ name: a, path: 'a..b', ignore: true }"), "2:3:22: path \"a..b\": a field name is missing at character 3"),
            ("a path of a million steps", rule(&format!("{{ name: a, path: '{}a', ignore: true }}", "a.".repeat(1_000_000))), "2:3:22: path…"),
            ("a path of a number", rule("{ name: a, path: 4.2, ignore: true }"), "2:3:22: `path`: a text (in quotes…"),
            ("a tolerance that is no number", rule("{ name: a, tolerance: { absolute: .nan } }"), "2:3:27: a tolerance is a number of 0 or more"),
            ("an endless tolerance", rule("{ name: a, tolerance: { absolute: .inf } }"), "2:3:27: a tolerance is a number of 0 or more"),
            ("a negative tolerance", rule("{ name: a, tolerance: { absolute: -1 } }"), "2:3:27: a tolerance is a number of 0 or more"),
            ("a negative share", rule("{ name: a, tolerance: { relative: -1% } }"), "2:3:27: a tolerance is a number of 0 or more"),
            ("a tolerance of everything", rule("{ name: a, tolerance: { relative: 100% } }"), "2:3:27: a relative tolerance of 100 %…"),
            ("a negative time", rule("{ name: a, tolerance: { time: -5s } }"), "2:3:35: `time`: \"-5s\" is negative"),
            ("a time without a unit", rule("{ name: a, tolerance: { time: 5 } }"), "2:3:35: `time`: a duration such as 5s or 100ms is expected, found a number"),
            ("a regular expression that explodes", rule("{ name: a, matches: '(\\w{1000}){1000}' }"), "2:3:25: not a regular expression: …"),
            ("a broken regular expression", rule("{ name: a, matches: '(' }"), "2:3:25: not a regular expression: unclosed group"),
            ("a date that is none", rule("{ name: a, ignore: true, expires: 2027-02-30 }"), "2:3:39: \"2027-02-30\" is no date…"),
            ("a billion laughs", laughs, "2:…"),
            ("1 000 rules", many(1_000), "0: 1000 rules, valid"),
            ("100 000 rules", many(100_000), "2:…"),
            ("deep nesting", rule(&"[".repeat(100_000)), "2:…"),
            ("a merge key", "version: 1\nrules: [{ <<: { ignore: true }, name: a, reason: b }]\n".to_owned(), "0: 1 rule, valid"),
            ("a byte order mark", format!("\u{feff}{}", rule("{ name: a, path: x, ignore: true, reason: b }")), "0: 1 rule, valid"),
            ("line ends of Windows", rule("{ name: a, pth: x }").replace('\n', "\r\n"), "2:3:16: unknown field `pth`…"),
            ("an escape sequence for the terminal", rule("{ name: a, \"\\e[31mx\": 1 }"), "2:3:16: unknown field…"),
        ],
        |yaml| answer(yaml),
    );
}

#[test]
fn a_rule_that_hides_everything_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.yaml");
    std::fs::write(
        &path,
        rule("{ name: all, place: all, ignore: true, reason: x }"),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["rules", "check"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("hides every difference")
    );
}

#[test]
fn types_tell_rules_for_no_method_and_paths_to_no_field() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let proto = write(
        "shop.proto",
        "syntax = \"proto3\"; package shop; message Q { string id = 1; } message Item { int32 price = 1; }\n\
         service S { rpc Get(Q) returns (Item); }",
    );
    let rules = write(
        "r.yaml",
        "version: 1\nrules:\n\
         - { name: right, path: price, ignore: true, reason: b }\n\
         - { name: misspelt, path: [price, prise], ignore: true, reason: b }\n\
         - { name: gone, method: shop.S/Put, path: price, ignore: true, reason: b }\n",
    );
    let check = |arguments: &[&std::path::Path]| {
        let output = Command::new(env!("CARGO_BIN_EXE_twintap"))
            .args(["rules", "check"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        told.replace(rules.to_str().unwrap(), "r.yaml")
    };
    let valid = "r.yaml: 3 rules, valid\n";
    assert_eq!(check(&[&rules]), valid);
    assert_eq!(
        check(&[&rules, "--proto".as_ref(), &proto]),
        format!(
            "{valid}r.yaml:4: warning: rule \"misspelt\" names \"prise\", and its methods' types have no such field\n\
             r.yaml:5: warning: rule \"gone\" is for none of the methods of these types\n"
        )
    );
}
