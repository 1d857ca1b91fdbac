//! Tells how it goes, judges how it went, and writes all of it to `target/soak.json`.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use twintap_e2e::{Collector, artifacts};

use crate::drift::{Drift, drifts};
use crate::faults::Fault;
use crate::mesh::Outcome;
use crate::sample::Sample;
use crate::settings::Settings;
use crate::stored::Found;

/// All that is known of a run.
#[derive(Debug)]
pub(crate) struct Report {
    settings: Settings,
    seed: u64,
    samples: [Vec<Sample>; 2],
    faults: Vec<Value>,
    slowest_to_catch_up: Duration,
    told_at: Option<Duration>,
    violations: Vec<String>,
}

impl Report {
    pub(crate) fn of(settings: &Settings, seed: u64) -> Self {
        let (duration, rate) = (settings.duration, settings.rate);
        eprintln!("soak: {duration:?} at {rate} calls a second, TWINTAP_SEED={seed}");
        Self {
            settings: settings.clone(),
            seed,
            samples: [vec![], vec![]],
            faults: vec![],
            slowest_to_catch_up: Duration::ZERO,
            told_at: None,
            violations: vec![],
        }
    }

    pub(crate) fn fault(&mut self, at: Duration, fault: &Fault) {
        eprintln!("soak: {fault}");
        self.faults
            .push(json!({"at_s": at.as_secs_f64(), "fault": fault.to_string()}));
    }

    pub(crate) fn caught_up(&mut self, took: Duration) {
        self.slowest_to_catch_up = self.slowest_to_catch_up.max(took);
    }

    pub(crate) fn sample(&mut self, half: usize, sample: Sample) {
        sample.accounting.assert_identity();
        let is_due = |told: Duration| sample.at >= told + self.settings.line_every;
        if self.told_at.is_none_or(is_due) {
            eprintln!("soak: {}", sample.line());
            self.told_at = Some(sample.at);
        }
        self.samples[half].push(sample);
    }

    /// Panics, after the table, with all that is not as it is to be.
    pub(crate) fn judge(mut self, outcome: Outcome) {
        let found = Found::read(&outcome.collector, &outcome.made);
        self.check_calls(&outcome, &found);
        let compared = self.compare(&outcome.collector, &found);
        let drifts = drifts(&self.samples[1]);
        for drift in drifts.iter().filter(|drift| drift.is_too_much()) {
            let Drift {
                name, first, last, ..
            } = drift;
            let (grown, allowed) = (drift.grown, drift.grown_max);
            self.violation(format!(
                "{name} grew by {grown:.1} in the second half, allowed {allowed}: from {first} to {last}"
            ));
        }
        self.write(&outcome, &found, &compared, &drifts);
        let violations = &self.violations;
        assert!(
            violations.is_empty(),
            "TWINTAP_SEED={}: {violations:#?}",
            self.seed
        );
    }

    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    fn check(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.violation(what());
        }
    }

    /// Every call is answered, and on each side stored once or counted.
    fn check_calls(&mut self, outcome: &Outcome, found: &Found) {
        let (made, accounting) = (outcome.made, &outcome.accounting);
        let figure = |name: &str| accounting.figure(name);
        accounting.assert_identity();
        self.check(made.failed == 0, || format!("{} calls failed", made.failed));
        self.check(found.wrong_count == 0, || {
            let (count, first) = (found.wrong_count, &found.wrong);
            format!("{count} calls are not stored as they were: {first:#?}")
        });
        // The filter that stamps skips each call, once. One that was aborted may never have left its client.
        let skipped = figure("skipped");
        let unseen = made.issued.saturating_sub(skipped);
        self.check(skipped <= made.issued && unseen <= made.aborted, || {
            format!("{skipped} calls seen of {}", made.issued)
        });
        let (observed, stored) = (figure("observed"), figure("stored"));
        self.check(observed == 3 * skipped, || {
            format!(
                "{observed} streams observed: not one where calls are stamped and one for each side"
            )
        });
        self.check(found.rows == stored, || {
            format!(
                "{} calls in the dataset, {stored} accounted for",
                found.rows
            )
        });
        let (missing, dropped) = (found.missing, figure("dropped"));
        self.check(missing == dropped + 2 * unseen, || {
            format!("{missing} calls are missing on a side, {dropped} dropped, {unseen} never left")
        });
        self.check(stored + dropped + skipped == observed, || {
            format!("{stored} stored, {dropped} dropped, {skipped} skipped of {observed} streams")
        });
        for nothing in [
            "refused",
            "undelivered",
            "quarantined",
            "recorded_before",
            "journaled",
        ] {
            let count = figure(nothing);
            self.check(count == 0, || format!("{count} {nothing}"));
        }
        for word in ["panicked", "ERROR"] {
            let mut lines = outcome.collector_log.lines();
            let line = lines.find(|line| line.contains(word));
            self.check(line.is_none(), || format!("the collector says {line:?}"));
        }
    }

    /// Both services answer alike, so `twintap compare` must say so, of every call that is there on both sides.
    fn compare(&mut self, collector: &Collector, found: &Found) -> Value {
        let mut command = Command::new(artifacts::twintap());
        command.args(["compare", "--output", "json"]);
        command.arg(collector.data_dir());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TWINTAP_") {
                command.env_remove(name);
            }
        }
        let output = command.output().expect("twintap starts");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("twintap compare: {error}: {output:?}"));
        let total = &report["total"];
        self.check(total["mismatched"] == 0, || format!("compare: {total:#}"));
        self.check(total["matched"].as_u64() > Some(0), || {
            format!("compare: {total:#}")
        });
        let unpaired = total["unpaired"].as_object().into_iter().flatten();
        let unpaired: u64 = unpaired.filter_map(|(_, calls)| calls.as_u64()).sum();
        let (both, one) = (found.on_both_sides, found.on_one_side);
        self.check(total["pairs"] == both && unpaired == one, || {
            format!("compare: {both} calls are there on both sides and {one} on one: {total:#}")
        });
        json!({
            "exit_code": output.status.code(),
            "pairs": total["pairs"],
            "matched": total["matched"],
            "mismatched": total["mismatched"],
            "incomparable": total["incomparable"],
            "unpaired": total["unpaired"],
        })
    }

    fn write(&self, outcome: &Outcome, found: &Found, compared: &Value, drifts: &[Drift]) {
        let (made, accounting) = (outcome.made, &outcome.accounting);
        let rows = [
            ("calls issued", made.issued.into()),
            ("aborted by their client", made.aborted.into()),
            ("failed", made.failed.into()),
            ("slowest call, ms", json!(made.slowest.as_millis() as u64)),
            ("faults", self.faults.len().into()),
            (
                "slowest to catch up, ms",
                json!(self.slowest_to_catch_up.as_millis() as u64),
            ),
            ("streams observed", accounting.figure("observed").into()),
            ("stored", found.rows.into()),
            ("dropped", accounting.reasons("dropped").clone()),
            ("skipped", accounting.reasons("skipped").clone()),
            (
                "duplicates, stored once",
                accounting.figure("duplicates").into(),
            ),
            ("missing on a side", found.missing.into()),
            ("aborted calls stored", found.aborted.into()),
            ("stored twice or otherwise", found.wrong_count.into()),
            ("journal bytes at the end", outcome.journal_bytes.into()),
            ("compare", compared.clone()),
        ];
        eprintln!("\n{:<28} figure", "soak");
        for (name, value) in &rows {
            eprintln!("{name:<28} {value}");
        }
        eprintln!(
            "\n{:<22}{:>12}{:>12}{:>14}{:>14}{:>14}",
            "second half", "first", "last", "per hour", "grown", "allowed"
        );
        for drift in drifts {
            let Drift {
                name,
                first,
                last,
                per_hour,
                grown,
                grown_max,
            } = drift;
            eprintln!(
                "{name:<22}{first:>12}{last:>12}{per_hour:>14.1}{grown:>14.1}{grown_max:>14.1}"
            );
        }
        let drift = |drift: &Drift| {
            json!({
                "figure": drift.name,
                "first": drift.first,
                "last": drift.last,
                "per_hour": drift.per_hour,
                "grown": drift.grown,
                "grown_max": drift.grown_max,
                "is_too_much": drift.is_too_much(),
            })
        };
        let file = json!({
            "seed": self.seed,
            "duration_s": self.settings.duration.as_secs(),
            "rate": self.settings.rate,
            "figures": rows.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<serde_json::Map<_, _>>(),
            "drifts": drifts.iter().map(drift).collect::<Vec<_>>(),
            "faults": self.faults,
            "samples": self.samples.iter().flatten().map(Sample::json).collect::<Vec<_>>(),
            "violations": self.violations,
        });
        let path = artifacts::target().join("soak.json");
        let text = serde_json::to_vec_pretty(&file).expect("it is JSON");
        fs::write(&path, text).expect("target/ can be written");
        eprintln!("\nsoak: all of it is in {}", path.display());
    }
}
