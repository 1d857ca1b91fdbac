//! Each change of the corpus as noise: what two runs of the old service differ in is suggested, and the
//! rule hides it; what the candidate alone differs in never is.

use std::collections::BTreeMap;

use twintap::call::Call;
use twintap::compare::rules::file;
use twintap::compare::{Outcome, Rules, Settings, compare};
use twintap::noise::{Learned, Learner, Source, Thresholds};
use twintap::pair::{FoundBy, Pair};

use crate::generate::Random;
use crate::mutate;
use crate::sample::{Class, Sample};
use crate::types::SCHEMA;

/// Pairs that show the same.
const PAIRS: usize = 6;

/// The key that a rule for noise of this class has; `None` where there must be no rule.
fn expected(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::UuidRegenerated => "class: uuid",
        Class::HashRegenerated => "class: hash",
        Class::TokenRegenerated => "class: token",
        Class::Clock | Class::TimePrecision => "tolerance: { time:",
        Class::FloatJitter | Class::Rounding | Class::CutDecimals | Class::SinglePrecision => {
            "tolerance: { relative:"
        }
        Class::LetterCase => "normalize: [case]",
        Class::WhiteSpace => "normalize: [white_space]",
        Class::DefaultVsAbsent => "empty_equals_absent: true",
        Class::ListReordered => "unordered: true",
        Class::Text | Class::Enum | Class::Flag | Class::OneofArm => "ignore: [",
        Class::StreamMessageLost | Class::StreamTailLost => "ignore: [message_missing]",
        Class::Nothing
        | Class::FieldsReordered
        | Class::MapReordered
        | Class::Unpacked
        | Class::Status => return None,
        // Whatever fits: it has to hide what it was learned from.
        _ => "",
    })
}

/// Samples of every class as noise, and as a change of the candidate alone.
pub fn is_learned(samples: u64, random: &mut Random) {
    let mut rules: BTreeMap<Class, u64> = BTreeMap::new();
    for class in Class::ALL {
        let mut made = 0;
        for _ in 0..samples * 50 {
            if made == samples {
                break;
            }
            let Some(sample) = mutate::sample(*class, random) else {
                continue;
            };
            made += 1;
            *rules.entry(*class).or_default() += judge(&sample);
        }
        assert_eq!(made, samples, "{class:?}: no type has what it changes");
    }
    println!("{:24} {:>7} {:>6}", "noise", "samples", "rules");
    for (class, count) in rules {
        println!("{:24} {samples:7} {count:6}", format!("{class:?}"));
    }
}

/// Learns from one sample; how many rules came of it.
fn judge(sample: &Sample) -> u64 {
    let class = sample.class;
    let noise = learn(|source| match source {
        Source::Candidate => Some((&sample.primary, &sample.candidate)),
        Source::Secondary => Some((&sample.primary, &sample.candidate)),
        Source::Repeat => None,
    });
    let yaml = noise.to_yaml();
    match expected(class) {
        None => assert!(noise.suggestions.is_empty(), "{class:?}\n{yaml}"),
        Some(key) => {
            assert!(!noise.suggestions.is_empty(), "{class:?}\n{yaml}");
            assert!(yaml.contains(&format!("    {key}")), "{class:?}\n{yaml}");
            let mut rules = Rules::default();
            rules.extend(file::parse(&yaml, "suggested.yaml").unwrap());
            let verdict = compare(&sample.primary, &sample.candidate, &settings(rules));
            assert_eq!(
                verdict.outcome,
                ruled_out(&verdict.differences),
                "{class:?}\n{yaml}"
            );
        }
    }
    let regression = learn(|source| match source {
        Source::Candidate => Some((&sample.primary, &sample.candidate)),
        Source::Secondary => Some((&sample.primary, &sample.primary)),
        Source::Repeat => None,
    });
    assert!(
        regression.suggestions.is_empty(),
        "{class:?}\n{}",
        regression.to_yaml()
    );
    noise.suggestions.len() as u64
}

/// With its order made nothing, a list in another order is equal.
fn ruled_out(left: &[twintap::compare::Difference]) -> Outcome {
    if left.is_empty() {
        Outcome::Matched
    } else {
        Outcome::Ignored
    }
}

fn settings(rules: Rules) -> Settings {
    Settings {
        schema: Some(SCHEMA.clone()),
        rules,
        ..Settings::default()
    }
}

fn learn<'a>(sides: impl Fn(Source) -> Option<(&'a Call, &'a Call)>) -> Learned {
    let settings = settings(Rules::default());
    let mut learner = Learner::default();
    for source in [Source::Candidate, Source::Secondary, Source::Repeat] {
        let Some((primary, candidate)) = sides(source) else {
            continue;
        };
        let verdict = compare(primary, candidate, &settings);
        let pair = Pair {
            primary: Box::new(primary.clone()),
            candidate: Box::new(candidate.clone()),
            found_by: FoundBy::PairId,
            is_ambiguous: false,
            attempts_count: 1,
        };
        for _ in 0..PAIRS {
            learner.add(source, &pair, &verdict);
        }
    }
    learner.learn(&Thresholds::default())
}
