//! Messages that are long or deep: an answer in time, and no stack that overflows.

use super::calls::verdict;
use super::check;
use super::protobuf::{Pair, nested, schema};

fn deep(depth: usize) -> Pair {
    (nested(depth, b"\x08\x01"), nested(depth, b"\x08\x02"))
}

/// So many fields that nobody knows, the last of which differs.
fn unknown(count: usize) -> Pair {
    let fields = |last: u8| {
        let mut bytes = [0xc8, 0x3e, 1].repeat(count);
        *bytes.last_mut().unwrap() = last;
        bytes
    };
    (fields(1), fields(2))
}

fn cases(expected: [&'static str; 5]) -> Vec<(&'static str, Pair, &'static str)> {
    let names = [
        "nesting 100",
        "nesting 101",
        "nesting 1 000 000",
        "a million unknown fields",
        "a million fields, alike",
    ];
    let alike = unknown(1_000_000).0;
    let inputs = [
        deep(100),
        deep(101),
        deep(1_000_000),
        unknown(1_000_000),
        (alike.clone(), alike),
    ];
    let cases = names.into_iter().zip(inputs).zip(expected);
    cases
        .map(|((name, input), expected)| (name, input, expected))
        .collect()
}

#[test]
fn long_and_deep_messages_of_a_known_type_get_an_answer() {
    let schema = schema();
    let expected = [
        "mismatched, value m.m.m.m…",
        "mismatched, value 3.3.3.3…",
        "mismatched, too_large",
        "mismatched, value 1001[999999]",
        "matched",
    ];
    check(&cases(expected), |(a, b)| verdict(Some(&schema), a, b));
}

#[test]
fn long_and_deep_messages_of_no_known_type_get_an_answer() {
    let expected = [
        "mismatched, value 3.3.3.3…",
        "mismatched, value 3.3.3.3…",
        "mismatched, too_large",
        "mismatched, value 1001[999999]",
        "matched",
    ];
    check(&cases(expected), |(a, b)| verdict(None, a, b));
}
