//! Precision and recall by class: of differences found, and of explanations given.

use std::collections::BTreeMap;

use twintap::compare::{Settings, compare};

use crate::sample::{Class, Expected, Sample};
use crate::types::SCHEMA;

/// Share of planted changes with a name that must be called by it.
const EXPLAINED_MIN: f64 = 0.95;

#[derive(Default)]
struct Line {
    samples: u64,
    planted: u64,
    found: u64,
    right: u64,
    named: u64,
    rightly_named: u64,
    /// The first sample that went wrong.
    wrong: Option<String>,
}

#[derive(Default)]
pub struct Score(BTreeMap<Class, Line>);

impl Score {
    pub fn add(&mut self, sample: &Sample) {
        let settings = Settings {
            schema: Some(SCHEMA.clone()),
            ..Settings::default()
        };
        let verdict = compare(&sample.primary, &sample.candidate, &settings);
        let line = self.0.entry(sample.class).or_default();
        line.samples += 1;
        line.planted += sample.expected.len() as u64;
        line.found += verdict.differences.len() as u64 + verdict.differences_omitted;
        let mut left: Vec<&Expected> = sample.expected.iter().collect();
        for found in &verdict.differences {
            let is_it = |planted: &&Expected| {
                (planted.place, planted.path.as_str(), planted.kind)
                    == (found.place, found.path.as_str(), found.kind)
            };
            let Some(index) = left.iter().position(is_it) else {
                continue;
            };
            let planted = left.remove(index);
            line.right += 1;
            if planted.looks_like.is_some() {
                line.named += 1;
                line.rightly_named += u64::from(planted.looks_like == found.looks_like);
            }
            if planted.looks_like.is_some() && planted.looks_like != found.looks_like {
                line.wrong
                    .get_or_insert_with(|| format!("{planted:?}\n  {found:?}"));
            }
        }
        if !left.is_empty() || verdict.differences.len() != sample.expected.len() {
            line.wrong.get_or_insert_with(|| {
                format!(
                    "{}\n  {:?}\n  {:#?}",
                    sample.type_name, sample.expected, verdict.differences
                )
            });
        }
    }

    pub fn print(&self) {
        println!(
            "{:24} {:>7} {:>9} {:>7} {:>9}",
            "class", "samples", "precision", "recall", "explained"
        );
        for (class, line) in &self.0 {
            println!(
                "{:24} {:7} {:9.4} {:7.4} {:>9}",
                format!("{class:?}"),
                line.samples,
                share(line.right, line.found),
                share(line.right, line.planted),
                if line.named == 0 {
                    "-".to_owned()
                } else {
                    format!("{:.4}", share(line.rightly_named, line.named))
                },
            );
        }
    }

    pub fn check(&self) {
        let mut wrong = Vec::new();
        for (class, line) in &self.0 {
            let is_right = line.right == line.found && line.right == line.planted;
            let is_explained = share(line.rightly_named, line.named) >= EXPLAINED_MIN;
            if !is_right || !is_explained {
                wrong.push(format!(
                    "{class:?}: {}",
                    line.wrong.as_deref().unwrap_or_default()
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Of nothing, everything is right.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}
