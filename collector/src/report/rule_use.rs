//! What each rule hid: a rule that hides nothing is out of date, one that hides everything too broad.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::Group;
use crate::compare::rules::Rule;
use crate::compare::{Rules, Schema, Severity, Verdict};

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
    /// Why it applied to nothing, as far as that can be told.
    pub why_nothing: Option<WhyNothing>,
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

/// Why a rule applied to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNothing {
    /// No pair of its methods was judged.
    NoCall,
    /// The types of its methods have no such field.
    NoSuchField,
    /// Nothing differs at its path.
    NothingDiffers,
    /// Rules before it took all that differs there.
    TakenBefore,
    /// Something differs there, and it takes nothing of it.
    NothingFits,
}

impl WhyNothing {
    /// In words, to follow a colon.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::NoCall => "no pair of its methods was judged",
            Self::NoSuchField => "its methods' types have no such field",
            Self::NothingDiffers => "nothing differs at its path",
            Self::TakenBefore => "rules before it took all that differs there",
            Self::NothingFits => "it takes nothing of what differs there",
        }
    }
}

/// What rules could have been applied to.
pub(super) struct Compared<'a> {
    /// Methods with a judged pair.
    pub(super) methods: Vec<&'a str>,
    /// All that differs.
    pub(super) differences: &'a [Group],
    /// Are some left out there?
    pub(super) is_cut: bool,
    pub(super) schema: Option<&'a Schema>,
}

/// Differences at which it is no chance that one rule takes them all.
const EVERYTHING_MIN: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct RuleSums {
    rules: Vec<(Rule, Option<RuleRemark>)>,
    used: BTreeMap<Arc<str>, (u64, u64)>,
    /// Differences found in all pairs.
    found: u64,
}

impl RuleSums {
    pub(super) fn of(rules: &Rules) -> Self {
        let applied = rules.iter().map(|rule| (rule.clone(), None));
        let expired = rules.expired();
        let expired = expired.map(|rule| (rule.clone(), Some(RuleRemark::Expired)));
        Self {
            rules: applied.chain(expired).collect(),
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

    pub(super) fn into_uses(self, compared: &Compared<'_>) -> Vec<RuleUse> {
        let uses = self.rules.iter().enumerate();
        uses.map(|(index, (rule, remark))| {
            let used = self.used.get(rule.name());
            let (differences, pairs) = used.copied().unwrap_or_default();
            let remark = remark.or_else(|| self.remark(rule, differences));
            let is_unused = remark == Some(RuleRemark::HidesNothing);
            RuleUse {
                name: rule.name().to_string(),
                origin: rule.origin().to_owned(),
                severity: rule.severity(),
                reason: rule.reason().map(str::to_owned),
                expires: rule.expires().map(|last| last.to_string()),
                differences,
                pairs,
                remark,
                why_nothing: is_unused
                    .then(|| self.why_nothing(index, rule, compared))
                    .flatten(),
            }
        })
        .collect()
    }

    fn remark(&self, rule: &Rule, differences: u64) -> Option<RuleRemark> {
        let is_all = differences == self.found && self.found >= EVERYTHING_MIN;
        match differences {
            0 => Some(RuleRemark::HidesNothing),
            _ if is_all && rule.severity() == Severity::Ignored => {
                Some(RuleRemark::HidesEverything)
            }
            _ => None,
        }
    }

    /// Why the rule at `index` took nothing.
    fn why_nothing(
        &self,
        index: usize,
        rule: &Rule,
        compared: &Compared<'_>,
    ) -> Option<WhyNothing> {
        let methods = compared.methods.iter();
        let mut methods = methods.filter(|method| rule.is_for(method)).peekable();
        if methods.peek().is_none() {
            return Some(WhyNothing::NoCall);
        }
        let is_there = |group: &&Group| {
            rule.is_for(&group.rpc_method) && rule.looks_at(group.place, &group.path)
        };
        let mut there = compared.differences.iter().filter(is_there).peekable();
        if there.peek().is_some() {
            let before: BTreeSet<&str> = self
                .rules
                .iter()
                .take(index)
                .map(|(rule, _)| &**rule.name())
                .collect();
            let is_taken = |group: &Group| {
                let mut takers = group.ignored_by.iter();
                !group.ignored_by.is_empty() && takers.all(|name| before.contains(&**name))
            };
            return match there.all(is_taken) {
                true => (!compared.is_cut).then_some(WhyNothing::TakenBefore),
                false => Some(WhyNothing::NothingFits),
            };
        }
        if let Some(schema) = compared.schema
            && !methods.any(|method| rule.names_a_field(schema, method))
        {
            return Some(WhyNothing::NoSuchField);
        }
        (!compared.is_cut).then_some(WhyNothing::NothingDiffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rules::file;

    fn nothing() -> Compared<'static> {
        Compared {
            methods: Vec::new(),
            differences: &[],
            is_cut: false,
            schema: None,
        }
    }

    #[test]
    fn an_expired_rule_is_told() {
        let yaml = "version: 1\nrules:\n  - { name: a, ignore: true, expires: 2026-08-01 }\n";
        let mut rules = Rules::default();
        rules.extend(file::parse(yaml, "r.yaml").unwrap());
        rules.retire(jiff::civil::date(2026, 8, 2));
        let uses = RuleSums::of(&rules).into_uses(&nothing());
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
        let uses = sums.into_uses(&nothing());
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
