//! Groups made here: what is said of them, and what is not.

use super::*;
use crate::call::Role;
use crate::compare::{Settings, compare};
use crate::report::samples::{call_with, text_field, varint_field};

/// The explanation of differences between messages made of `pairs`.
fn explained<T>(
    field: fn(T) -> Vec<u8>,
    pairs: impl IntoIterator<Item = (T, T)>,
) -> Option<(&'static str, String)> {
    let mut trend = Trend::default();
    let mut looks_like = BTreeMap::new();
    for (old, new) in pairs {
        let old = call_with(Role::Primary, field(old));
        let new = call_with(Role::Candidate, field(new));
        let verdict = compare(&old, &new, &Settings::default());
        for difference in &verdict.differences {
            trend.add(difference);
            if let Some(look) = difference.looks_like {
                *looks_like.entry(look).or_default() += 1;
            }
        }
    }
    let explanation = trend.explain(&looks_like)?;
    Some((explanation.name, explanation.text))
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Option<(&'static str, String)> {
    explained(
        |text: String| text_field(1, &text),
        pairs.map(|(a, b)| (a.to_owned(), b.to_owned())),
    )
}

fn numbers<const N: usize>(pairs: [(u64, u64); N]) -> Option<(&'static str, String)> {
    explained(|number| varint_field(1, number), pairs)
}

fn is(name: &'static str, text: &str) -> Option<(&'static str, String)> {
    Some((name, text.to_owned()))
}

#[test]
fn constant_offsets_and_factors_are_named() {
    assert_eq!(
        numbers([(5, 8), (70, 73), (9, 12)]),
        is("constant_offset", "always 3 more")
    );
    assert_eq!(
        numbers([(8, 5), (73, 70), (12, 9)]),
        is("constant_offset", "always 3 less")
    );
    assert_eq!(
        numbers([(5, 30), (7, 42), (9, 54)]),
        is("constant_factor", "always multiplied by 6")
    );
    assert_eq!(
        numbers([(500, 5), (700, 7), (900, 9)]),
        is("constant_factor", "always divided by 100")
    );
    assert_eq!(
        texts([("1.5", "2.75"), ("2.5", "3.75"), ("8.5", "9.75")]),
        is("constant_offset", "always 1.25 more")
    );
    assert_eq!(
        texts([("1.5", "3.75"), ("2.5", "6.25"), ("8.5", "21.25")]),
        is("constant_factor", "always multiplied by 2.5")
    );
}

#[test]
fn what_is_only_written_otherwise_is_no_offset_and_no_multiple() {
    for pairs in [
        [("1.50", "1.5"), ("2.50", "2.5"), ("8.250", "8.25")],
        [("007", "7"), ("008", "8"), ("012", "12")],
        [
            ("2026-08-01T10:00:00Z", "2026-08-01T10:00:00+00:00"),
            ("2026-08-02T10:00:01Z", "2026-08-02T10:00:01+00:00"),
            ("2026-08-03T10:00:02Z", "2026-08-03T10:00:02+00:00"),
        ],
    ] {
        assert_eq!(texts(pairs), None, "{pairs:?}");
    }
}

#[test]
fn each_value_is_held_to_its_own_size() {
    let offsets = [
        ("1000.5", "21000.5"),
        ("2000.5", "22500.5"),
        ("1000000000000.5", "1000000020900.5"),
    ];
    assert_eq!(texts(offsets), None);
    assert_eq!(
        numbers([(3_000_000_000, 6_000_000_001), (5, 10), (7, 14)]),
        None
    );
    let large = 3_000_000_000_000_000_000;
    assert_eq!(numbers([(large, 2 * large + 1), (5, 10), (7, 14)]), None);
    assert_eq!(
        numbers([(large, 2 * large), (5, 10), (7, 14)]),
        is("constant_factor", "always multiplied by 2")
    );
    assert_eq!(
        texts([("0.1", "0.3"), ("0.7", "0.9"), ("1000000.1", "1000000.3")]),
        is("constant_offset", "always 0.2 more")
    );
}

#[test]
fn what_does_not_fit_all_is_not_said() {
    assert_eq!(numbers([(5, 8), (70, 73), (9, 13)]), None);
    assert_eq!(numbers([(5, 8), (70, 73)]), None, "too few");
    assert_eq!(texts([("1.5", "2"), ("2.5", "4"), ("8.5", "1")]), None);
    assert_eq!(texts([("a", "x"), ("b", "y"), ("a", "z")]), None);
    assert_eq!(
        texts([("a", "x"), ("b", "y"), ("c", "z")]),
        None,
        "each once may be chance"
    );
}

#[test]
fn one_value_that_became_another_is_a_renaming_and_no_offset() {
    assert_eq!(
        numbers([(5, 8), (5, 8), (5, 8)]),
        is("renamed", "always 5 became 8")
    );
    let pairs = [("DE", "Germany"), ("FR", "France")];
    let six = [pairs[0], pairs[1], pairs[0], pairs[1], pairs[0], pairs[1]];
    assert_eq!(
        texts(six),
        is(
            "renamed",
            "always \"DE\" became \"Germany\", \"FR\" became \"France\""
        )
    );
}

#[test]
fn rounding_is_told_from_cutting_and_has_its_digits() {
    assert_eq!(
        texts([("1.2345", "1.23"), ("2.3089", "2.31"), ("7.4999", "7.5")]),
        is("rounded", "the new answer is always rounded to 2 decimals")
    );
    assert_eq!(
        texts([("1.23", "1.2345"), ("2.31", "2.3089"), ("7.5", "7.4999")]),
        is("rounded", "the old answer is always rounded to 2 decimals")
    );
    assert_eq!(
        texts([("1.2395", "1.23"), ("2.3089", "2.3"), ("7.4999", "7.49")]),
        is("decimals_cut", "the new answer is always cut to 2 decimals")
    );
    // Each is a rounding, but not to one number of decimals.
    assert_eq!(
        texts([("1.2345", "1.2"), ("2.3089", "2.31"), ("7.4999", "7.5")]),
        None
    );
}

#[test]
fn one_pair_of_values_tells_nothing_of_others() {
    for pair in [
        ("1.4", "1"),
        ("1.2395", "1.23"),
        ("2026-08-01T10:00:00Z", "2026-08-01T12:00:00Z"),
        ("2026-08-01T10:00:00.123456Z", "2026-08-01T10:00:00.123Z"),
        ("a long description", "a long des"),
        ("teapot", "dGVhcG90"),
    ] {
        let said = texts([pair; 20]).map(|(name, _)| name);
        assert!(matches!(said, None | Some("renamed")), "{pair:?}: {said:?}");
    }
    // A second one does, and what each looks like was never more than that.
    assert_eq!(
        texts([("1.4", "1"), ("1.4", "1"), ("2.6", "3")]),
        is("rounded", "the new answer is always rounded to 0 decimals")
    );
}

#[test]
fn time_zones_have_whole_quarter_hours() {
    assert_eq!(
        texts([
            ("2026-08-01T10:00:00Z", "2026-08-01T15:45:00Z"),
            ("2026-08-02T10:00:01Z", "2026-08-02T15:45:01Z"),
            ("2026-08-03T10:00:02Z", "2026-08-03T15:45:02Z"),
        ]),
        is("time_zone", "always 05:45 hours later: a time zone")
    );
    let epoch = 1_785_578_400;
    assert_eq!(
        numbers([
            (epoch, epoch - 7_200),
            (epoch + 5, epoch - 7_195),
            (epoch + 9, epoch - 7_191)
        ]),
        is("time_zone", "always 02:00 hours earlier: a time zone")
    );
    assert_eq!(
        texts([
            ("2026-08-01T10:00:00.123456Z", "2026-08-01T10:00:00.123Z"),
            ("2026-08-02T10:00:01.987654Z", "2026-08-02T10:00:01.987Z"),
            ("2026-08-03T10:00:02.5555Z", "2026-08-03T10:00:02.555Z"),
        ]),
        is(
            "time_precision",
            "the new answer is always cut to whole milliseconds"
        )
    );
}

#[test]
fn truncation_and_encodings_are_named() {
    assert_eq!(
        texts([
            ("a long description", "a long des"),
            ("another description", "another de"),
            ("third description", "third desc"),
        ]),
        is("cut_at", "the new answer is always cut at 10 characters")
    );
    assert_eq!(
        texts([
            ("teapot", "dGVhcG90"),
            ("kettle", "a2V0dGxl"),
            ("spoons", "c3Bvb25z")
        ]),
        is("base64", "the new answer is always base64 of the other")
    );
    assert_eq!(
        texts([
            ("teapot", "746561706f74"),
            ("kettle", "6b6574746c65"),
            ("spoons", "73706f6f6e73")
        ]),
        is(
            "hexadecimal",
            "the new answer is always hexadecimal of the other"
        )
    );
    let mixed = [
        ("teapot", "746561706f74"),
        ("kettle", "6b6574746c65"),
        ("spoons", "c3Bvb25z"),
    ];
    assert_eq!(texts(mixed), None);
}
