//! What each rule hid: a rule that hides nothing is out of date, one that hides everything too broad.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::Group;
use crate::compare::rules::{Rule, Written};
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
    /// Are there more of them, of which the names were not kept?
    pub(super) are_methods_cut: bool,
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
        // Read once, and only if a rule took nothing.
        let looked_at = LazyCell::new(|| {
            let rules = self.rules.iter().map(|(rule, _)| rule.of_any_element());
            let groups = compared.differences.iter();
            let written =
                groups.filter_map(|group| Some((group, Written::parse(group.place, &group.path)?)));
            (rules.collect(), written.collect())
        });
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
                    .then(|| self.why_nothing(index, compared, &looked_at))
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

    /// Why the rule at `index` took nothing; `None` if that cannot be told. `rules` are all, of any element.
    fn why_nothing(
        &self,
        index: usize,
        compared: &Compared<'_>,
        (rules, written): &(Vec<Rule>, Vec<(&Group, Written)>),
    ) -> Option<WhyNothing> {
        let (rule, before) = rules.get(..=index)?.split_last()?;
        let is_about = |rule: &Rule, (group, written): &(&Group, Written)| {
            rule.is_for(&group.rpc_method) && rule.looks_at(written)
        };
        let there: Vec<_> = written.iter().filter(|it| is_about(rule, it)).collect();
        if !there.is_empty() {
            let names: BTreeSet<&str> = before.iter().map(|rule| &**rule.name()).collect();
            let is_taken = |group: &Group| {
                let mut takers = group.ignored_by.iter();
                !group.ignored_by.is_empty() && takers.all(|name| names.contains(&**name))
            };
            // What a rule takes and lets count looks like what none takes.
            let may_be_taken = |it: &(&Group, Written)| {
                let mut graders = before.iter().filter(|rule| {
                    rule.severity() == Severity::Error && self.used.contains_key(rule.name())
                });
                it.0.ignored_by.is_empty() && graders.any(|rule| is_about(rule, it))
            };
            let mut left = there
                .iter()
                .filter(|(group, _)| !is_taken(group))
                .peekable();
            return match left.peek() {
                None => (!compared.is_cut).then_some(WhyNothing::TakenBefore),
                Some(_) => (!left.all(|it| may_be_taken(it))).then_some(WhyNothing::NothingFits),
            };
        }
        let methods = compared.methods.iter();
        let mut methods = methods.filter(|method| rule.is_for(method)).peekable();
        if methods.peek().is_none() {
            return (!compared.are_methods_cut).then_some(WhyNothing::NoCall);
        }
        if let Some(schema) = compared.schema
            && !methods.any(|method| rule.names_a_field(schema, method))
        {
            return (!compared.are_methods_cut).then_some(WhyNothing::NoSuchField);
        }
        (!compared.is_cut).then_some(WhyNothing::NothingDiffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rules::file;
    use crate::report::group::GroupKey;
    use crate::report::group_sums::GroupSums;

    fn nothing() -> Compared<'static> {
        Compared {
            methods: Vec::new(),
            are_methods_cut: false,
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

    /// Why the last of `rules` took nothing where one value differs, of which the others took `ruled`.
    fn why(
        rules: &str,
        ruled: &[(&str, u64)],
        (method, ignored_by): (&str, &[&str]),
    ) -> Option<WhyNothing> {
        let mut all = Rules::default();
        all.extend(file::parse(&format!("version: 1\nrules:\n{rules}"), "r.yaml").unwrap());
        let mut sums = RuleSums::of(&all);
        sums.add(&Verdict {
            ruled: ruled
                .iter()
                .map(|(name, count)| (Arc::from(*name), *count))
                .collect(),
            ..Verdict::default()
        });
        let mut group = GroupSums::default().into_group(GroupKey::sample("t.S/Get"), 1, Vec::new());
        group.ignored_by = ignored_by.iter().map(|name| (*name).to_owned()).collect();
        let uses = sums.into_uses(&Compared {
            methods: vec![method],
            are_methods_cut: method != "t.S/Get",
            differences: &[group],
            is_cut: false,
            schema: None,
        });
        uses.last().unwrap().why_nothing
    }

    #[test]
    fn of_a_rule_behind_one_that_lets_differences_count_it_is_not_told_why_it_took_nothing() {
        let behind = "  - { name: b, path: '1', class: uuid }\n";
        let shielded =
            format!("  - {{ name: a, path: '1', ignore: true, severity: error }}\n{behind}");
        let get = ("t.S/Get", &[][..]);
        assert_eq!(why(&shielded, &[("a", 1)], get), None);
        // That one took nothing either.
        assert_eq!(why(&shielded, &[], get), Some(WhyNothing::NothingFits));
        assert_eq!(why(behind, &[], get), Some(WhyNothing::NothingFits));
        let ignores = format!("  - {{ name: a, path: '1', ignore: true }}\n{behind}");
        let taken = ("t.S/Get", &["a"][..]);
        assert_eq!(
            why(&ignores, &[("a", 1)], taken),
            Some(WhyNothing::TakenBefore)
        );
    }

    #[test]
    fn where_names_of_methods_were_not_kept_no_rule_is_said_to_be_for_none() {
        let cut = ("(other methods)", &[][..]);
        let get = "  - { name: a, method: t.S/Get, path: '1', class: uuid }\n";
        assert_eq!(why(get, &[], cut), Some(WhyNothing::NothingFits));
        let put = "  - { name: a, method: t.S/Put, ignore: true }\n";
        assert_eq!(why(put, &[], cut), None);
        assert_eq!(why(put, &[], ("t.S/Get", &[])), Some(WhyNothing::NoCall));
    }
}
