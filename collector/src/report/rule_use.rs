//! What each rule hid: a rule that hides nothing is out of date, one that hides everything too broad.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::compare::{Rules, Severity, Verdict};

/// One rule, as in the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleUse {
    /// Its name.
    pub name: String,
    /// Where it was written: file and line, or option.
    pub origin: String,
    /// What a difference that it applies to counts as.
    pub severity: Severity,
    /// Why it is there, if its author said.
    pub reason: Option<String>,
    /// The last day on which it holds.
    pub expires: Option<String>,
    /// Differences that it took for equal or graded.
    pub differences: u64,
    /// Pairs in which it did.
    pub pairs: u64,
    /// What is worth a look, if anything.
    pub remark: Option<RuleRemark>,
}

/// What is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleRemark {
    /// Its last day is over: it was not applied.
    Expired,
    /// It applied to nothing.
    HidesNothing,
    /// It took every difference that was found.
    HidesEverything,
}

/// Differences at which it is no chance that one rule takes them all.
const EVERYTHING_MIN: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct RuleSums {
    rules: Vec<(Arc<str>, RuleUse)>,
    used: BTreeMap<Arc<str>, (u64, u64)>,
    /// Differences found in all pairs.
    found: u64,
}

impl RuleSums {
    pub(super) fn of(rules: &Rules) -> Self {
        let applied = rules.iter().map(|rule| (rule, None));
        let expired = rules
            .expired()
            .map(|rule| (rule, Some(RuleRemark::Expired)));
        let uses = applied.chain(expired).map(|(rule, remark)| {
            let unused = RuleUse {
                name: rule.name().to_string(),
                origin: rule.origin().to_owned(),
                severity: rule.severity(),
                reason: rule.reason().map(str::to_owned),
                expires: rule.expires().map(|last| last.to_string()),
                differences: 0,
                pairs: 0,
                remark,
            };
            (Arc::clone(rule.name()), unused)
        });
        Self {
            rules: uses.collect(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, verdict: &Verdict) {
        self.found += verdict.differences.len() as u64 + verdict.differences_omitted;
        for (name, differences) in &verdict.ruled {
            let used = self.used.entry(Arc::clone(name)).or_default();
            used.0 += differences;
            used.1 += 1;
        }
    }

    pub(super) fn into_uses(self) -> Vec<RuleUse> {
        let Self { rules, used, found } = self;
        let with_counts = |(name, rule): (Arc<str>, RuleUse)| {
            let (differences, pairs) = used.get(&name).copied().unwrap_or_default();
            let remark = if rule.remark.is_some() {
                rule.remark
            } else if differences == 0 {
                Some(RuleRemark::HidesNothing)
            } else if rule.severity == Severity::Ignored
                && differences == found
                && found >= EVERYTHING_MIN
            {
                Some(RuleRemark::HidesEverything)
            } else {
                None
            };
            RuleUse {
                differences,
                pairs,
                remark,
                ..rule
            }
        };
        rules.into_iter().map(with_counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rules::file;

    #[test]
    fn an_expired_rule_is_told() {
        let yaml = "version: 1\nrules:\n  - { name: a, ignore: true, expires: 2026-08-01 }\n";
        let mut rules = Rules::default();
        rules.extend(file::parse(yaml, "r.yaml").unwrap());
        rules.retire(jiff::civil::date(2026, 8, 2));
        let uses = RuleSums::of(&rules).into_uses();
        assert_eq!(
            (uses[0].differences, uses[0].remark),
            (0, Some(RuleRemark::Expired))
        );
        assert_eq!(uses[0].expires.as_deref(), Some("2026-08-01"));
    }

    #[test]
    fn rules_that_hide_nothing_or_everything_are_remarked_on() {
        let yaml =
            "version: 1\nrules:\n  - { name: a, ignore: true }\n  - { name: b, ignore: true }\n";
        let mut rules = Rules::default();
        rules.extend(file::parse(yaml, "r.yaml").unwrap());
        let mut sums = RuleSums::of(&rules);
        let verdict = Verdict {
            differences_omitted: 6,
            ruled: vec![("a".into(), 6)],
            ..Verdict::default()
        };
        sums.add(&verdict);
        sums.add(&verdict);
        let uses = sums.into_uses();
        let found: Vec<_> = uses
            .iter()
            .map(|rule| (rule.differences, rule.pairs, rule.remark))
            .collect();
        assert_eq!(
            found,
            [
                (12, 2, Some(RuleRemark::HidesEverything)),
                (0, 0, Some(RuleRemark::HidesNothing)),
            ]
        );
    }
}
