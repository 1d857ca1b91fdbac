//! Rules files: refused with the place of all that is wrong, or rules that any call can be judged by.

use std::collections::HashSet;

use twintap::compare::rules::file::parse;
use twintap::compare::{Rules, Settings, compare};

use super::call::answer;

/// As large a place as a text of so many lines has.
fn lines(text: &str) -> u64 {
    let ends = text.chars().filter(|c| matches!(c, '\n' | '\r'));
    ends.count() as u64 + 1
}

/// `bytes` are a file.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let rules = match parse(&text, "r.yaml") {
        Ok(rules) => rules,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!((1..=lines(&text)).contains(&problem.line), "{problem:?}");
                assert!(problem.column >= 1, "{problem:?}");
                assert!(!problem.problem.is_empty());
            }
            return;
        }
    };
    let mut names = HashSet::new();
    for rule in &rules {
        assert!(names.insert(rule.name()), "{:?} twice", rule.name());
        let line = rule.origin().strip_prefix("r.yaml:").unwrap();
        assert!((1..=lines(&text)).contains(&line.parse().unwrap()));
    }
    let mut settings = Settings::default();
    settings.rules.extend(rules);
    let call = |message: &[u8]| answer("shop.v1.Shop/Get", message);
    let strict = Settings {
        rules: Rules::default(),
        ..settings.clone()
    };
    // Whatever rules say of differences, they make none.
    let pairs: [[&[u8]; 2]; 2] = [
        [b"\x08\x01\x12\x03{} ", b"\x08\x02"],
        [b"\x08\x01", b"\x08\x01"],
    ];
    for [a, b] in pairs {
        let (judged, found) = (
            compare(&call(a), &call(b), &settings),
            compare(&call(a), &call(b), &strict),
        );
        assert!(judged.counted().count() <= found.counted().count());
    }
}
