//! Rows of both sides tell the truth: of every sample, and of messages that have nothing in common but
//! their type.

use std::collections::BTreeMap;

use prost::Message as _;
use twintap::call::{Call, Role};
use twintap::compare::limits::DIFFERENCES_MAX;
use twintap::compare::{Schema, Settings};
use twintap::pair::{FoundBy, Pair, Reason, Unpaired};
use twintap::report::side_by_side::{Mark, Row, SideBySide};

use crate::generate::{self, Random};
use crate::mutate;
use crate::sample::{Class, call};
use crate::types::{METHODS, SCHEMA};

/// Samples of each class.
const SAMPLES: usize = 12;

/// What a row says of one side.
type SideOf = fn(&Row) -> Option<&String>;

pub fn are_truthful(strangers: usize, random: &mut Random) {
    for class in Class::ALL {
        for sample in (0..SAMPLES).filter_map(|_| mutate::sample(*class, random)) {
            check_both(&sample.primary, &sample.candidate);
        }
    }
    for _ in 0..strangers {
        let (primary, candidate) = two_streams(random);
        check_both(&primary, &candidate);
    }
}

/// Streams of one type: messages that both have, and others that only one has.
fn two_streams(random: &mut Random) -> (Call, Call) {
    let method = random.pick(&METHODS).unwrap().clone();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(4) {
        let message = generate::message(&method.output(), random, 0).encode_to_vec();
        match random.below(4) {
            0 => old.push(message),
            1 => new.push(message),
            2 => {
                old.push(message);
                new.push(generate::message(&method.output(), random, 0).encode_to_vec());
            }
            _ => {
                old.push(message.clone());
                new.push(message);
            }
        }
    }
    let name = format!("{}/{}", method.parent_service().full_name(), method.name());
    (call(&name, old), call(&name, new))
}

/// By name and by wire field.
fn check_both(primary: &Call, candidate: &Call) {
    check(primary, candidate, Some(&SCHEMA));
    check(primary, candidate, None);
}

fn check(primary: &Call, candidate: &Call, schema: Option<&Schema>) {
    let settings = Settings {
        schema: schema.cloned(),
        default_ignores: false,
        ..Settings::default()
    };
    let call = |call: &Call, role| {
        Box::new(Call {
            role,
            ..call.clone()
        })
    };
    let pair = Pair {
        primary: call(primary, Role::Primary),
        candidate: call(candidate, Role::Candidate),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    };
    let shown = SideBySide::of_pair(&pair, &settings);
    let is_full = shown.differences.len() >= DIFFERENCES_MAX;
    for row in &shown.rows {
        let is_equal = row.primary == row.candidate;
        assert_eq!(
            row.mark == Mark::Equal,
            is_equal,
            "{row:?} of {}",
            text(&shown)
        );
        // Where there are too many differences to keep, it cannot be known of every row.
        if row.mark == Mark::NotJudged && is_full {
            continue;
        }
        // No rule, no header of a hop: what is not written alike is not equal.
        let is_doubtful = matches!(row.mark, Mark::TakenForEqual | Mark::NotJudged);
        assert!(!is_doubtful, "{row:?} of {}", text(&shown));
        assert!(shown.verdict == "mismatched" || is_equal, "{row:?}");
    }
    for found in &shown.differences {
        let is_its = |row: &Row| {
            row.place == found.place
                && row.message_index == found.message_index
                && row.mark == Mark::Differs
                && (is_within(&row.path, &found.path) || is_within(&found.path, &row.path))
        };
        let has_row = shown.rows.iter().any(is_its);
        assert!(has_row, "no row of {found:?} in {}", text(&shown));
    }
    let sides: [(&Call, SideOf); 2] = [
        (&pair.primary, |row| row.primary.as_ref()),
        (&pair.candidate, |row| row.candidate.as_ref()),
    ];
    for (call, side) in sides {
        let unpaired = Unpaired::of(Box::new(call.clone()), Reason::CandidateMissing);
        let alone = SideBySide::of_unpaired(&unpaired, schema);
        let alone_side: SideOf = |row| row.primary.as_ref().or(row.candidate.as_ref());
        let (whole, mut left) = (values(&alone.rows, alone_side), values(&shown.rows, side));
        for (value, count) in whole {
            let found = left.remove(&value).unwrap_or_default();
            assert!(found >= count, "{value:?} is not shown in {}", text(&shown));
        }
    }
}

/// Values of each place, and how often they stand there; not of messages that are empty.
fn values(rows: &[Row], side: SideOf) -> BTreeMap<(&'static str, String), usize> {
    let mut values = BTreeMap::new();
    for row in rows {
        if let Some(value) = side(row).filter(|value| !matches!(value.as_str(), "{}" | "\"\"")) {
            *values.entry((row.place, value.clone())).or_default() += 1;
        }
    }
    values
}

fn is_within(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    above.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn text(shown: &SideBySide) -> String {
    let rows = shown.rows.iter().map(|row| format!("{row:?}"));
    let found = shown.differences.iter().map(|found| format!("{found:?}"));
    rows.chain(found).collect::<Vec<_>>().join("\n")
}
