//! Learning from answers made here: what is offered, and what never is.

use bytes::Bytes;

mod withheld;

use super::*;
use crate::call::{Call, CallId, Direction, End, Message, Role, Status};
use crate::compare::rules::file;
use crate::compare::{Settings, compare};
use crate::pair::FoundBy;

const METHOD: &str = "shop.v1.Shop/GetItem";

/// An answer with `texts` in fields 1, 2, ...
fn call(number: u64, role: Role, texts: &[String]) -> Call {
    let mut bytes = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        bytes.push(u8::try_from((index + 1) * 8 + 2).unwrap());
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number,
        },
        role,
        rpc_method: METHOD.to_owned(),
        started_unix_ns: 1_785_578_400_000_000_000 + number * 1_000_000_000,
        pair_id: Bytes::from(format!("pair-{number:03}")),
        response: Direction {
            messages: vec![Message {
                declared_bytes: u32::try_from(bytes.len()).unwrap(),
                bytes: bytes.into(),
                ..Message::default()
            }],
            messages_count: Some(1),
            end_stream: true,
            ..Direction::default()
        },
        status: Some(Status::OK),
        end: End::Complete,
        ..Call::default()
    }
}

/// A text that is another one for each number and salt.
fn uuid(number: u64, salt: u64) -> String {
    let bits =
        u128::from(number * 1_000_003 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced);
    uuid::Uuid::from_u128(bits).to_string()
}

type Answer<'a> = &'a dyn Fn(u64) -> Vec<String>;

/// Adds `count` pairs of `old` and `new` answers.
fn add(learner: &mut Learner, source: Source, count: u64, old: Answer<'_>, new: Answer<'_>) {
    for number in 0..count {
        let pair = Pair {
            primary: Box::new(call(number, Role::Primary, &old(number))),
            candidate: Box::new(call(number, Role::Candidate, &new(number))),
            found_by: FoundBy::PairId,
            is_ambiguous: false,
            attempts_count: 1,
        };
        let verdict = compare(&pair.primary, &pair.candidate, &Settings::default());
        learner.add(source, &pair, &verdict);
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// The suggestions as `path action`.
fn offered(learned: &Learned) -> Vec<String> {
    let text = learned.to_yaml();
    let rules = file::parse(&text, "suggested.yaml");
    assert_eq!(
        rules.map(|rules| rules.len()),
        Ok(learned.suggestions.len()),
        "{text}"
    );
    let rules = learned.suggestions.iter();
    rules
        .map(|rule| format!("{} {}", rule.path, rule.action))
        .collect()
}

fn left_out(learned: &Learned) -> Vec<(&str, Why)> {
    let left_out = learned.left_out.iter();
    left_out
        .map(|left_out| (left_out.path.as_str(), left_out.why.clone()))
        .collect()
}

#[test]
fn what_two_runs_of_the_old_service_differ_in_is_offered_as_narrow_as_it_fits() {
    let mut learner = Learner::default();
    let answer = |salt: u64| {
        move |number: u64| {
            vec![
                uuid(number, salt),
                format!(
                    "{}",
                    100.0 + f64::from(u32::try_from(salt).unwrap()) * 0.004
                ),
                format!("2026-08-01T10:00:0{salt}Z"),
                ["Berlin", "BERLIN", "berlin"][usize::try_from(salt).unwrap()].to_owned(),
                format!("queue {} of {salt}", number * salt),
                "stable".to_owned(),
            ]
        }
    };
    add(&mut learner, Source::Secondary, 40, &answer(0), &answer(1));
    add(&mut learner, Source::Candidate, 40, &answer(0), &answer(2));
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(
        offered(&learned),
        [
            "1 class: uuid",
            "2 tolerance: { relative: 0.00005 }",
            "3 tolerance: { time: 1s }",
            "4 normalize: [case]",
            "5 ignore: [value]",
        ]
    );
    let takes: Vec<bool> = learned
        .suggestions
        .iter()
        .map(|rule| rule.evidence[0].takes_all)
        .collect();
    assert_eq!(
        takes,
        [true, false, false, true, true],
        "the candidate is further off"
    );
}

#[test]
fn what_is_stable_between_old_runs_is_never_offered() {
    let mut learner = Learner::default();
    let stable = |number| vec![uuid(number, 1), "Berlin".to_owned()];
    let regenerated = |number| vec![uuid(number, 2), "BERLIN".to_owned()];
    add(&mut learner, Source::Secondary, 100, &stable, &stable);
    add(&mut learner, Source::Candidate, 100, &stable, &regenerated);
    // A weaker source does not overrule the stronger one.
    for number in 0..100 {
        let first = call(number, Role::Primary, &stable(number));
        let verdict = compare(
            &first,
            &call(number, Role::Primary, &regenerated(number)),
            &Settings::default(),
        );
        learner.add_repeat(&first, &verdict);
    }
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), [""; 0]);
    assert_eq!((learned.true_differences, learned.left_out.len()), (2, 0));
}

#[test]
fn a_true_difference_beside_noise_is_not_offered() {
    let mut learner = Learner::default();
    // Old runs differ in one of twenty, the candidate always.
    let old = |_| texts(["a 1"]);
    let seldom = |number: u64| {
        if number.is_multiple_of(20) {
            texts(["a 2"])
        } else {
            texts(["a 1"])
        }
    };
    add(&mut learner, Source::Secondary, 100, &old, &seldom);
    add(&mut learner, Source::Candidate, 100, &old, &|_| {
        texts(["b"])
    });
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), [""; 0]);
    assert_eq!(left_out(&learned), [("1", Why::MoreOften)]);
}

#[test]
fn another_kind_of_difference_than_noise_stays() {
    let mut learner = Learner::default();
    let id = |salt| move |number| vec![uuid(number, salt)];
    add(&mut learner, Source::Secondary, 50, &id(1), &id(2));
    add(&mut learner, Source::Candidate, 50, &id(1), &|_| vec![]);
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), ["1 class: uuid"]);
    assert_eq!(learned.true_differences, 1, "the id that is missing");
}

#[test]
fn the_thresholds_are_those_of_diffy() {
    // 60 of 1000 against 40: relative 20 %, not more. 61 is.
    for (raw, is_noise) in [(60, true), (61, false)] {
        let mut learner = Learner::default();
        let differing =
            |most: u64| move |number: u64| texts([if number < most { "x y" } else { "a b" }]);
        let same = |_| texts(["a b"]);
        add(
            &mut learner,
            Source::Secondary,
            1_000,
            &same,
            &differing(40),
        );
        add(
            &mut learner,
            Source::Candidate,
            1_000,
            &same,
            &differing(raw),
        );
        let learned = learner.learn(&Thresholds::default());
        assert_eq!(learned.suggestions.len(), usize::from(is_noise), "{raw}");
    }
}

#[test]
fn repeats_offer_ids_and_times_but_no_changed_state() {
    let mut learner = Learner::default();
    for number in 0..10 {
        let answer = |salt: u64| {
            vec![
                uuid(number, salt),
                format!("stock {}", 40 - salt),
                format!("{}", 40 - salt),
            ]
        };
        let first = call(number, Role::Primary, &answer(1));
        let verdict = compare(
            &first,
            &call(number, Role::Primary, &answer(2)),
            &Settings::default(),
        );
        learner.add_repeat(&first, &verdict);
    }
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), ["1 class: uuid"]);
    assert_eq!(
        left_out(&learned),
        [("2", Why::NothingNarrow), ("3", Why::NothingNarrow)]
    );
}

#[test]
fn value_classes_alone_are_offered_where_nothing_measured_noise() {
    let mut learner = Learner::default();
    let new = |number: u64| {
        let other = if number.is_multiple_of(10) {
            uuid(number, 3)
        } else {
            uuid(number, 1)
        };
        vec![uuid(number, 2), "BERLIN".to_owned(), other]
    };
    let old = |number| vec![uuid(number, 1), "Berlin".to_owned(), uuid(number, 1)];
    add(&mut learner, Source::Candidate, 50, &old, &new);
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), ["1 class: uuid"]);
    assert_eq!(left_out(&learned), [("3", Why::Seldom)]);
    assert!(learned.to_yaml().contains("check that it is none"));
}

#[test]
fn without_a_second_run_only_readings_of_a_clock_are_times_made_anew() {
    let at = |number: u64, ms: u64| {
        let ns = 1_785_578_400_000_000_000 + u128::from(number * 1_000 + ms) * 1_000_000;
        jiff::Timestamp::from_nanosecond(i128::try_from(ns).unwrap()).unwrap()
    };
    let old = |number: u64| {
        vec![
            at(number, 3).to_string(),
            at(number, 123).to_string(),
            at(number, 250).to_string(),
            (9_007_199_254_741_205 + 1_000 * number).to_string(),
            (1_800_000_000 + number * 86_400 * 30).to_string(),
        ]
    };
    let new = |number: u64| {
        vec![
            at(number, 5 + number % 7).to_string(),
            // Cut to whole seconds; always a quarter of a second less; through a double; no time of this call.
            at(number, 0).to_string(),
            at(number, 0).to_string(),
            (9_007_199_254_741_204 + 1_000 * number).to_string(),
            (1_800_000_007 + number * 86_400 * 30 + number % 3).to_string(),
        ]
    };
    let mut learner = Learner::default();
    add(&mut learner, Source::Candidate, 50, &old, &new);
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), ["1 tolerance: { time: 1s }"]);
}

#[test]
fn a_rare_difference_is_no_noise_yet() {
    let mut learner = Learner::default();
    let id = |salt| move |number| vec![uuid(number, salt)];
    add(&mut learner, Source::Secondary, 2, &id(1), &id(2));
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(left_out(&learned), [("1", Why::TooFew)]);
}

#[test]
fn a_status_is_no_noise() {
    let mut learner = Learner::default();
    for number in 0..10 {
        let first = call(number, Role::Primary, &[]);
        let failed = Call {
            status: Some(Status(14)),
            ..call(number, Role::Secondary, &[])
        };
        let verdict = compare(&first, &failed, &Settings::default());
        learner.add_repeat(&first, &verdict);
        let pair = Pair {
            primary: Box::new(first),
            candidate: Box::new(failed),
            found_by: FoundBy::PairId,
            is_ambiguous: false,
            attempts_count: 1,
        };
        learner.add(Source::Secondary, &pair, &verdict);
    }
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(left_out(&learned), [("", Why::Status)]);
}

#[test]
fn hostile_names_end_in_no_rule_and_no_broken_file() {
    let mut learner = Learner::default();
    for (index, method) in ["*", "shop.v1.*/Get", "a\nrules: []\n#/B", ""]
        .into_iter()
        .enumerate()
    {
        for number in 0..5 {
            let named = |role, salt| Call {
                rpc_method: method.to_owned(),
                pair_id: Bytes::from_static(b"\n  - name: hostile\n    ignore: true\n"),
                ..call(number + 10 * index as u64, role, &[uuid(number, salt)])
            };
            let pair = Pair {
                primary: Box::new(named(Role::Primary, 1)),
                candidate: Box::new(named(Role::Candidate, 2)),
                found_by: FoundBy::PairId,
                is_ambiguous: false,
                attempts_count: 1,
            };
            let verdict = compare(&pair.primary, &pair.candidate, &Settings::default());
            learner.add(Source::Secondary, &pair, &verdict);
        }
    }
    let id = |salt| move |number| vec![uuid(number, salt)];
    add(&mut learner, Source::Secondary, 5, &id(1), &id(2));
    let learned = learner.learn(&Thresholds::default());
    assert_eq!(offered(&learned), ["1 class: uuid"]);
    assert_eq!(left_out(&learned), vec![("1", Why::Unwritable); 4]);
}

#[test]
fn no_noise_is_said_and_is_a_valid_file() {
    let learned = Learner::default().learn(&Thresholds::default());
    let text = learned.to_yaml();
    assert!(text.contains("# no noise was found"), "{text}");
    assert_eq!(
        file::parse(&text, "empty.yaml").map(|rules| rules.len()),
        Ok(0)
    );
}
