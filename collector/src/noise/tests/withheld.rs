//! What a rule would hide beside what it was learned from: then it is withheld, or narrower.

use super::*;
use crate::compare::Relation;

const PAIRS: u64 = 60;

/// A difference at a path of the response.
fn difference(path: &str, kind: Kind) -> Difference {
    Difference {
        place: Place::ResponseMessage,
        path: path.to_owned(),
        message_index: Some(0),
        kind,
        looks_like: None,
        relation: Relation::default(),
        primary: Some("1".to_owned()),
        candidate: Some("2".to_owned()),
        severity: Severity::Error,
        ignored_by: None,
        more_alike: 0,
    }
}

/// Adds pairs of `source` with these differences in each, which are told by the pair's number.
fn show(learner: &mut Learner, source: Source, differing: &dyn Fn(u64) -> Vec<Difference>) {
    for number in 0..PAIRS {
        show_pair(learner, source, number, differing(number));
    }
}

fn show_pair(learner: &mut Learner, source: Source, number: u64, differences: Vec<Difference>) {
    let pair = Pair {
        primary: Box::new(call(number, Role::Primary, &[])),
        candidate: Box::new(call(number, Role::Candidate, &[])),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    };
    let verdict = Verdict {
        outcome: Outcome::Mismatched,
        differences,
        ..Verdict::default()
    };
    learner.add(source, &pair, &verdict);
}

/// Learns from two runs of the old service that differ so, and a candidate that does.
fn learn(
    noise: &dyn Fn(u64) -> Vec<Difference>,
    candidate: &dyn Fn(u64) -> Vec<Difference>,
) -> Learned {
    let mut learner = Learner::default();
    show(&mut learner, Source::Secondary, noise);
    show(&mut learner, Source::Candidate, candidate);
    learner.learn(&Thresholds::default())
}

#[test]
fn a_rule_that_would_hide_a_true_difference_below_is_withheld() {
    for (kind, above, below) in [
        (Kind::Missing, "items[4]", "items[0].note"),
        (Kind::Missing, "child", "child.code"),
        (Kind::DefaultVsAbsent, "child", "child.code"),
        // Where rules take each entry of a map, one that is missing as a whole is none.
        (Kind::Missing, "labels[\"a\"]", "labels"),
    ] {
        let noise = |number: u64| match number % 4 {
            0 => vec![difference(above, kind)],
            _ => vec![],
        };
        let with_field = |number: u64| [noise(number), vec![difference(below, kind)]].concat();
        let learned = learn(&noise, &with_field);
        assert_eq!(offered(&learned), [""; 0], "{above}");
        let hides = Why::Hides {
            path: collapse(below),
            kind,
        };
        let above_path = collapse_all_but(above, |inside| inside.starts_with('"'));
        assert_eq!(left_out(&learned), [(&*above_path, hides)]);
        // Of another kind it hides nothing.
        let with_value =
            |number: u64| [noise(number), vec![difference(below, Kind::Value)]].concat();
        assert_eq!(learn(&noise, &with_value).suggestions.len(), 1, "{above}");
        assert_eq!(learn(&noise, &noise).suggestions.len(), 1, "{above}");
        // Noise of its own is no true difference.
        assert_eq!(learn(&with_field, &with_field).suggestions.len(), 2);
    }
}

#[test]
fn an_empty_element_is_not_taken_for_an_absent_one() {
    let empty = |path: &str| {
        let mut difference = difference(path, Kind::Missing);
        difference.relation.is_empty_or_absent = true;
        difference
    };
    let noise = |_| vec![empty("tags[3]"), empty("note")];
    assert_eq!(
        offered(&learn(&noise, &noise)),
        [
            "note empty_equals_absent: true",
            "tags[*] ignore: [missing]"
        ]
    );
}

#[test]
fn keys_of_a_map_are_told_apart() {
    let nonce = |_| vec![difference(r#"labels["a \"nonce\""]"#, Kind::Value)];
    let and_price = |number| {
        [
            nonce(number),
            vec![difference(r#"labels["price"]"#, Kind::Value)],
        ]
        .concat()
    };
    let learned = learn(&nonce, &and_price);
    assert_eq!(
        offered(&learned),
        [r#"labels["a \"nonce\""] ignore: [value]"#]
    );
    assert_eq!(learned.true_differences, 1);
}

/// One of so many keys differs in each pair, another one by pair and run.
fn keyed(keys: u64, run: u64) -> impl Fn(u64) -> Vec<Difference> {
    move |number| {
        let key = |index: u64| format!("m[\"key {}\"].price", (number * 7 + run + index) % keys);
        let differing = (0..10).map(|index| difference(&key(index), Kind::Value));
        differing.collect()
    }
}

#[test]
fn a_map_of_many_keys_is_one_place_unless_one_of_them_differs_truly() {
    let many = MAP_KEYS_MAX as u64 + 8;
    let learned = learn(&keyed(many, 1), &keyed(many, 5));
    assert_eq!(offered(&learned), ["m[*].price ignore: [value]"]);
    let total = |number| {
        let total = difference("m[\"total\"].price", Kind::Value);
        [keyed(many, 5)(number), vec![total]].concat()
    };
    let learned = learn(&keyed(many, 1), &total);
    assert_eq!(left_out(&learned), [("m[*].price", Why::OneElement)]);
    // And where not all can be looked at, nobody knows.
    let more = ELEMENTS_MAX as u64 + 1;
    let learned = learn(&keyed(more, 1), &keyed(more, 5));
    assert_eq!(left_out(&learned), [("m[*].price", Why::ManyKeys)]);
    assert_eq!(offered(&learned), [""; 0]);
}

#[test]
fn how_many_keys_there_are_does_not_depend_on_the_order_of_pairs() {
    for keys in [MAP_KEYS_MAX as u64, MAP_KEYS_MAX as u64 + 1, 1_000] {
        let learned = [false, true].map(|is_reversed| {
            let mut learner = Learner::default();
            for index in 0..PAIRS {
                let number = match is_reversed {
                    true => PAIRS - 1 - index,
                    false => index,
                };
                for (source, run) in [(Source::Secondary, 1), (Source::Candidate, 5)] {
                    show_pair(&mut learner, source, number, keyed(keys, run)(number));
                }
            }
            learner.learn(&Thresholds::default())
        });
        assert_eq!(learned[0], learned[1], "{keys}");
        let is_one = keys > MAP_KEYS_MAX as u64;
        let places = learned[0].suggestions.len() + learned[0].left_out.len();
        assert_eq!(places == 1, is_one, "{keys}");
    }
}

#[test]
fn a_position_of_a_list_that_differs_truly_is_not_hidden_by_its_neighbours() {
    let at = |index: u64| difference(&format!("row[{index}]"), Kind::Value);
    let time = |_| vec![at(0)];
    let and_total = |_| vec![at(0), at(1)];
    let learned = learn(&time, &and_total);
    assert_eq!(left_out(&learned), [("row[*]", Why::OneElement)]);
    // What is rare in each of many positions is seen in some of them by chance.
    let rare = |run: u64| move |number: u64| vec![at((number * number + run) % 50)];
    let learned = learn(&rare(1), &rare(17));
    assert_eq!(offered(&learned), ["row[*] ignore: [value]"]);
}

/// A time that is so many milliseconds after the call, as text and as a number.
fn clock(ms: impl Fn(u64) -> u64) -> impl Fn(u64) -> Vec<String> {
    move |number| {
        let ms = 1_785_578_400_000 + number * 1_000 + ms(number);
        let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap());
        vec![time.unwrap().to_string(), ms.to_string()]
    }
}

#[test]
fn times_an_hour_apart_are_no_two_clocks() {
    let hour_ms = 3_600_000;
    let old = clock(|_| 3);
    let off = clock(move |number| hour_ms + 5 + number % 7);
    let near = clock(|number| 5 + number % 7);
    for source in [None, Some(Source::Secondary), Some(Source::Repeat)] {
        for is_off in [true, false] {
            let mut learner = Learner::default();
            let new: Answer<'_> = if is_off { &off } else { &near };
            add(&mut learner, Source::Candidate, 50, &old, new);
            match source {
                Some(source @ Source::Secondary) => add(&mut learner, source, 50, &old, &near),
                // The same was asked an hour later.
                Some(source) => add(&mut learner, source, 50, &old, &off),
                None => {}
            }
            let learned = learner.learn(&Thresholds::default());
            let offered = offered(&learned);
            let is_offered = offered.contains(&"2 class: timestamp".to_owned());
            assert_eq!(is_offered, !is_off, "{source:?} {offered:?}");
            let is_left_out = left_out(&learned).contains(&("2", Why::FarApart));
            assert_eq!(is_left_out, is_off, "{source:?}");
            let takes_far = offered.contains(&"1 class: timestamp".to_owned());
            assert!(!takes_far || !is_off, "{source:?} {offered:?}");
        }
    }
    // Old runs that are hours apart themselves say that any time will do.
    let mut learner = Learner::default();
    add(&mut learner, Source::Secondary, 50, &old, &off);
    add(&mut learner, Source::Candidate, 50, &old, &off);
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(
        offered(&learned),
        ["1 class: timestamp", "2 class: timestamp"]
    );
}
