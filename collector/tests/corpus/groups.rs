//! The same change in many messages of one type: what the report must say of the group.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, ReflectMessage as _, Value};
use twintap::call::Call;
use twintap::compare::{Settings, compare};
use twintap::pair::{FoundBy, Pair};
use twintap::report::{Aggregate, Report, Scope, Thresholds};

use crate::generate::{self, Random};
use crate::locate::{Spot, edit, get, spots};
use crate::sample::{Class, Sample};
use crate::types::{METHODS, SCHEMA};

/// Pairs of a group.
const PAIRS: usize = 24;

/// Pairs at least, where a message may lack the field.
const PAIRS_MIN: usize = 12;

/// What is done to each message of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Offset,
    Factor,
    Zone,
    Rounded,
    DecimalsCut,
    TimeCut,
    CutAt,
    Hexadecimal,
    Base64,
    Renamed,
    /// Another number, text, time or decimal each time: nothing in common.
    Anything,
}

impl Change {
    const ALL: [Self; 11] = [
        Self::Offset,
        Self::Factor,
        Self::Zone,
        Self::Rounded,
        Self::DecimalsCut,
        Self::TimeCut,
        Self::CutAt,
        Self::Hexadecimal,
        Self::Base64,
        Self::Renamed,
        Self::Anything,
    ];

    /// The explanation's name.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Offset => "constant_offset",
            Self::Factor => "constant_factor",
            Self::Zone => "time_zone",
            Self::Rounded => "rounded",
            Self::DecimalsCut => "decimals_cut",
            Self::TimeCut => "time_precision",
            Self::CutAt => "cut_at",
            Self::Hexadecimal => "hexadecimal",
            Self::Base64 => "base64",
            Self::Renamed => "renamed",
            Self::Anything => return None,
        })
    }

    /// `old` as this changes it, by an amount that is the same for the group; `None` if it is not a
    /// value of that sort.
    fn of(self, old: &Value, kind: &Kind, amount: i64, random: &mut Random) -> Option<Value> {
        let number = |by: &dyn Fn(i64) -> i64| match old {
            Value::I64(value) => Some(Value::I64(by(*value))),
            Value::U64(value) => {
                let value = i64::try_from(*value).unwrap();
                Some(Value::U64(by(value).unsigned_abs()))
            }
            _ => None,
        };
        match (self, old) {
            (Self::Offset, _) => number(&|value| value + 7 + amount),
            (Self::Factor, Value::F64(value)) => Some(Value::F64(value * 2.5)),
            (Self::Factor, _) => number(&|value| value * (3 + amount)),
            (Self::Zone, Value::Message(time)) => moved(time, |s, n| (s + 900 * (1 + amount), n)),
            (Self::TimeCut, Value::Message(time)) => {
                moved(time, |s, n| (s, n / 1_000_000 * 1_000_000))
            }
            (Self::Rounded, Value::F64(value)) => {
                Some(Value::F64(format!("{value:.2}").parse().unwrap()))
            }
            (Self::DecimalsCut, Value::F64(value)) => {
                Some(Value::F64((value * 100.0).trunc() / 100.0))
            }
            (Self::Renamed, Value::EnumNumber(value)) => renamed(*value, kind),
            (Self::Anything, Value::F64(value)) => Some(Value::F64(
                value + f64::from(random.below(9_000) as u32) / 7.0,
            )),
            (Self::Anything, Value::Message(time)) => {
                let by = random.between(61, 800);
                moved(time, |s, n| (s + by, n))
            }
            (Self::Anything, Value::String(text)) if text.contains(' ') => {
                Some(Value::String(random.words()))
            }
            (Self::Anything, _) => {
                let by = random.between(7, 90_000);
                number(&|value| value + by)
            }
            (_, Value::String(text)) if text.contains(' ') => self.of_text(text).map(Value::String),
            _ => None,
        }
    }

    fn of_text(self, text: &str) -> Option<String> {
        match self {
            Self::CutAt => Some(text[..9].to_owned()),
            Self::Hexadecimal => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
            Self::Base64 => Some(base64(text.as_bytes())),
            _ => None,
        }
    }
}

fn moved(time: &DynamicMessage, by: impl Fn(i64, i32) -> (i64, i32)) -> Option<Value> {
    if time.descriptor().full_name() != "google.protobuf.Timestamp" {
        return None;
    }
    let seconds = time.get_field_by_name("seconds")?.as_i64()?;
    let nanos = time.get_field_by_name("nanos")?.as_i32()?;
    let (seconds, nanos) = by(seconds, nanos);
    let name = "google.protobuf.Timestamp";
    Some(Value::Message(generate::seconds_and_nanos(
        name, seconds, nanos,
    )))
}

/// The next value of the enum.
fn renamed(number: i32, kind: &Kind) -> Option<Value> {
    let Kind::Enum(descriptor) = kind else {
        return None;
    };
    let numbers = |descriptor: &EnumDescriptor| -> Vec<i32> {
        descriptor.values().map(|value| value.number()).collect()
    };
    let numbers = numbers(descriptor);
    let index = numbers.iter().position(|known| *known == number)?;
    let next = numbers[(index + 1) % numbers.len()];
    (next != number).then_some(Value::EnumNumber(next))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (index, byte)| {
            bits | u32::from(*byte) << (16 - 8 * index)
        });
        for digit in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * digit)) & 63;
            out.push(char::from(DIGITS[index as usize]));
        }
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    out
}

/// The explanations of `groups` groups of each change, of types and fields at random, are those
/// planted, and nothing is said where nothing was.
pub fn are_explained(groups: u64, random: &mut Random) {
    let mut right: BTreeMap<Change, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for change in Change::ALL {
        let mut made = 0;
        for _ in 0..groups * 200 {
            if made == groups {
                break;
            }
            let Some((path, report)) = group(change, random) else {
                continue;
            };
            made += 1;
            let found = report.differences.iter().find(|group| group.path == path);
            let explanation = found.and_then(|group| group.explanation.as_ref());
            if explanation.map(|explanation| explanation.name) == change.name() {
                *right.entry(change).or_default() += 1;
            } else {
                wrong.push(format!(
                    "{change:?} {path}: {explanation:?} {:?}",
                    report.differences
                ));
            }
        }
        assert_eq!(made, groups, "{change:?}: no type has what it changes");
    }
    println!(
        "{:24} {:>7} {:>9}",
        "change of a group", "groups", "explained"
    );
    for (change, right) in &right {
        let share = *right as f64 / groups as f64;
        println!("{:24} {groups:7} {share:9.4}", format!("{change:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One group: its path and the report; `None` if the type drawn has no such field.
fn group(change: Change, random: &mut Random) -> Option<(String, Report)> {
    let method = random.pick(&METHODS)?;
    let base = generate::message(&method.output(), random, 0);
    let amount = random.between(0, 40);
    let found = spots(&base);
    let fit: Vec<&Spot> = found
        .iter()
        .filter(|spot| !spot.path.contains('['))
        .filter(|spot| {
            change
                .of(&get(&base, &spot.steps), &spot.kind, amount, random)
                .is_some()
        })
        .collect();
    let path = random.pick(&fit)?.path.clone();
    let name = format!("{}/{}", method.parent_service().full_name(), method.name());
    let mut aggregate = Aggregate::default();
    let mut made = 0;
    for _ in 0..PAIRS {
        let old = generate::message(&method.output(), random, 0);
        let Some(spot) = spots(&old).into_iter().find(|spot| spot.path == path) else {
            continue;
        };
        let Some(value) = change.of(&get(&old, &spot.steps), &spot.kind, amount, random) else {
            continue;
        };
        let mut new = old.clone();
        edit(&mut new, &spot.steps, &mut |old| *old = value.clone());
        let sample = Sample::of_messages(Class::Nothing, &name, (&old, &new), Vec::new());
        add(&mut aggregate, sample.primary, sample.candidate);
        made += 1;
    }
    let (scope, thresholds) = (Scope::default(), Thresholds::default());
    let report = aggregate.into_report(String::new(), scope, None, thresholds, |_| true);
    (made >= PAIRS_MIN).then_some((path, report))
}

fn add(aggregate: &mut Aggregate, primary: Call, candidate: Call) {
    let settings = Settings {
        schema: Some(SCHEMA.clone()),
        ..Settings::default()
    };
    let verdict = compare(&primary, &candidate, &settings);
    let pair = Pair {
        primary: Box::new(primary),
        candidate: Box::new(candidate),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    };
    aggregate.add_pair(&pair, &verdict);
}
