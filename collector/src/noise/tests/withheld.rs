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
