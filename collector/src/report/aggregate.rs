//! Sums pairs up, in memory bounded by the number of methods and groups.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, Thresholds};
use super::clocks::ClockSums;
use super::correlate::{GROUPS_MAX as CORRELATED_MAX, Samples, Wanted};
use super::coverage::CoverageSums;
use super::group::{Group, GroupKey};
use super::group_sums::GroupSums;
use super::latency::Latencies;
use super::rule_use::{Compared, RuleSums};
use super::statistics::wilson;
use super::{Completeness, Loss, Method, REPORT_VERSION, Report, SchemaDrift, Scope};
use crate::call::{Call, Certainty, Role};
use crate::compare::drift::Drift;
use crate::compare::{Outcome, Rules, Schema, Severity, Verdict};
use crate::pair::{Counts, Pair, Pairing, Unpaired};
use crate::share::rate;

/// Groups kept of all methods; differences beyond that are only counted.
pub const GROUPS_MAX: usize = 20_000;

/// Methods told apart; the names come from the wire, so they are bounded too.
pub const METHODS_MAX: usize = 4_096;

/// Statuses told apart of one method and side: gRPC has 17, but a peer may send any number.
pub const STATUSES_MAX: usize = 64;

/// Changes of status told apart of one method.
pub const STATUS_SHIFTS_MAX: usize = 256;

/// Where further statuses are counted.
const OTHER_STATUSES: &str = "(other)";

/// Where the calls of further methods are counted.
const OTHER_METHODS: &str = "(other methods)";

/// Where calls are counted whose method was not captured: none is judged, and what stands for their method says
/// only which of them are of one.
const NAMELESS: &str = "(not captured)";

/// Name of the sum of all methods.
const ALL_METHODS: &str = "*";

/// Sums of one run.
#[derive(Debug, Default)]
pub struct Aggregate {
    completeness: Completeness,
    methods: BTreeMap<String, MethodSums>,
    groups: BTreeMap<GroupKey, GroupSums>,
    differences_omitted: u64,
    /// Did the search end early in a pair?
    is_cut: bool,
    hop_headers: BTreeMap<String, u64>,
    rules: RuleSums,
    clocks: ClockSums,
    coverage: Option<CoverageSums>,
    samples: Samples,
    schema: Option<Schema>,
    schema_drift: Option<SchemaDrift>,
    first_call_ns: Option<u64>,
    last_call_ns: Option<u64>,
}

#[derive(Debug, Default)]
struct MethodSums {
    method: Method,
    primary: Latencies,
    candidate: Latencies,
}

impl MethodSums {
    fn merge(&mut self, other: &Self) {
        let (ours, theirs) = (&mut self.method, &other.method);
        ours.pairs += theirs.pairs;
        ours.matched += theirs.matched;
        ours.mismatched += theirs.mismatched;
        ours.ignored += theirs.ignored;
        ours.incomparable += theirs.incomparable;
        ours.ambiguous += theirs.ambiguous;
        ours.truncated += theirs.truncated;
        for (reason, calls) in &theirs.unpaired {
            *ours.unpaired.entry(reason).or_default() += calls;
        }
        for (ours, theirs, max) in [
            (
                &mut ours.status_shifts,
                &theirs.status_shifts,
                STATUS_SHIFTS_MAX,
            ),
            (
                &mut ours.primary_status,
                &theirs.primary_status,
                STATUSES_MAX,
            ),
            (
                &mut ours.candidate_status,
                &theirs.candidate_status,
                STATUSES_MAX,
            ),
        ] {
            for (name, pairs) in theirs {
                add_bounded(ours, name.clone(), *pairs, max);
            }
        }
        self.primary.merge(&other.primary);
        self.candidate.merge(&other.candidate);
    }
}

/// Adds to `name`, or to [`OTHER_STATUSES`] if there are `max` already.
fn add_bounded(counts: &mut BTreeMap<String, u64>, name: String, count: u64, max: usize) {
    let is_known = counts.contains_key(&name) || counts.len() < max;
    let name = if is_known {
        name
    } else {
        OTHER_STATUSES.to_owned()
    };
    *counts.entry(name).or_default() += count;
}

impl Aggregate {
    /// One that also notes what the traffic shows of the descriptors.
    pub fn with_coverage(coverage: CoverageSums) -> Self {
        Self {
            coverage: Some(coverage),
            ..Self::default()
        }
    }

    /// Names the fields of requests by these types, where differences hang on them.
    #[must_use]
    pub fn with_schema(mut self, schema: Option<Schema>) -> Self {
        self.samples = Samples::with_schema(schema.clone());
        self.schema = schema;
        self
    }

    /// Tells how the candidate's descriptors differ.
    #[must_use]
    pub fn with_drift(mut self, drift: Option<&Drift>) -> Self {
        self.schema_drift = drift.map(SchemaDrift::of);
        self
    }

    /// Tells of these rules what they hid, those that hid nothing included.
    #[must_use]
    pub fn with_rules(mut self, rules: &Rules) -> Self {
        self.rules = RuleSums::of(rules);
        self
    }

    /// Adds a pair and what comparing it came to.
    pub fn add_pair(&mut self, pair: &Pair, verdict: &Verdict) {
        self.see(&pair.primary);
        self.see(&pair.candidate);
        self.clocks.add_pair(pair);
        let completeness = &mut self.completeness;
        completeness.calls += 2;
        completeness.pairs += 1;
        *completeness
            .pairs_found_by
            .entry(pair.found_by.name())
            .or_default() += 1;
        completeness.pairs_ambiguous += u64::from(pair.is_ambiguous);
        completeness.retried += u64::from(pair.attempts_count > 1);
        let is_cut = is_cut(&pair.primary) || is_cut(&pair.candidate);
        completeness.truncated += u64::from(is_cut);
        completeness.secrets_not_judged += u64::from(verdict.secrets_not_judged > 0);
        if let Outcome::Incomparable(reason) = verdict.outcome {
            *completeness.incomparable.entry(reason.name()).or_default() += 1;
        }
        self.rules.add(verdict);
        for pattern in &verdict.hop_headers {
            *self.hop_headers.entry((*pattern).to_owned()).or_default() += 1;
        }
        let sums = self.method(method_of(&pair.primary));
        sums.method.pairs += 1;
        sums.method.ambiguous += u64::from(pair.is_ambiguous);
        sums.method.truncated += u64::from(is_cut);
        match verdict.outcome {
            Outcome::Matched => sums.method.matched += 1,
            Outcome::Mismatched => sums.method.mismatched += 1,
            Outcome::Ignored => sums.method.ignored += 1,
            Outcome::Incomparable(_) => sums.method.incomparable += 1,
        }
        if let Outcome::Incomparable(_) = verdict.outcome {
            return;
        }
        sums.primary.record(answered_ns(&pair.primary));
        sums.candidate.record(answered_ns(&pair.candidate));
        let (old, new) = (status_name(&pair.primary), status_name(&pair.candidate));
        let method = &mut sums.method;
        if old != new {
            let shift = format!("{old} → {new}");
            add_bounded(&mut method.status_shifts, shift, 1, STATUS_SHIFTS_MAX);
        }
        add_bounded(&mut method.primary_status, old, 1, STATUSES_MAX);
        add_bounded(&mut method.candidate_status, new, 1, STATUSES_MAX);
        if let Some(coverage) = &mut self.coverage {
            coverage.add(pair);
        }
        self.add_differences(pair, verdict);
    }

    /// Adds a call without a partner.
    pub fn add_unpaired(&mut self, unpaired: &Unpaired) {
        self.see(&unpaired.call);
        self.completeness.calls += 1;
        let reason = unpaired.reason.name();
        *self.completeness.unpaired.entry(reason).or_default() += 1;
        let sums = self.method(method_of(&unpaired.call));
        *sums.method.unpaired.entry(reason).or_default() += 1;
    }

    /// Adds calls that are neither.
    pub fn add_counts(&mut self, counts: &Counts) {
        let completeness = &mut self.completeness;
        completeness.duplicate_views += counts.duplicate_views;
        completeness.duplicate_records += counts.duplicate_records;
        completeness.earlier_attempts += counts.earlier_attempts;
        completeness.calls +=
            counts.duplicate_views + counts.duplicate_records + counts.earlier_attempts;
    }

    /// Adds what a pass says of all its calls: those that are neither in a pair nor unpaired, and clocks.
    pub fn add_pass(&mut self, pairing: &Pairing) {
        self.add_counts(&pairing.counts);
        self.completeness.not_sought += pairing.not_sought;
        for sighting in &pairing.sightings {
            self.clocks.add_sighting(sighting);
        }
    }

    /// Makes the report. `knows` tells whether the descriptors know a method.
    pub fn into_report(
        mut self,
        run_id: String,
        mut scope: Scope,
        loss: Option<Loss>,
        thresholds: Thresholds,
        knows: impl Fn(&str) -> bool,
    ) -> Report {
        self.completeness.loss = loss;
        self.completeness.clocks = self.clocks.into_shifts();
        scope.first_call_at = self.first_call_ns.map(super::rows::time_text);
        scope.last_call_at = self.last_call_ns.map(super::rows::time_text);
        scope.methods_without_descriptor = self
            .methods
            .iter()
            .filter(|(_, sums)| scope.has_descriptors && sums.method.judged() > 0)
            .map(|(method, _)| method)
            .filter(|method| !knows(method))
            .cloned()
            .collect();
        let mut total = MethodSums::default();
        ALL_METHODS.clone_into(&mut total.method.rpc_method);
        self.methods.values().for_each(|sums| total.merge(sums));
        let total = summary(total);
        let counted = |key: &&GroupKey| key.severity != Severity::Ignored;
        let groups_left_out = self.groups.keys().filter(counted).count();
        let groups_left_out = groups_left_out.saturating_sub(CORRELATED_MAX);
        let limits = self.samples.limits(groups_left_out);
        let is_judged = |(_, sums): &(&String, &MethodSums)| sums.method.judged() > 0;
        let judged = self.methods.iter().filter(is_judged);
        let differences = groups(self.groups, &self.methods, &self.samples);
        let rules = self.rules.into_uses(&Compared {
            are_methods_cut: self.methods.contains_key(OTHER_METHODS),
            methods: judged.map(|(method, _)| method.as_str()).collect(),
            differences: &differences,
            is_cut: self.is_cut || self.differences_omitted > 0,
            schema: self.schema.as_ref(),
        });
        let mut report = Report {
            version: REPORT_VERSION,
            run_id,
            scope,
            answer: Answer::of(&self.completeness, &total, &thresholds),
            gates: Vec::new(),
            total,
            differences,
            differences_omitted: self.differences_omitted,
            correlation: limits,
            hop_headers: self.hop_headers,
            rules,
            completeness: self.completeness,
            methods: self.methods.into_values().map(summary).collect(),
            coverage: self.coverage.map(CoverageSums::into_coverage),
            schema_drift: self.schema_drift,
        };
        report.gates = super::gate::judge(&report, &thresholds);
        report.answer.conclude(&report.gates);
        report
    }

    fn add_differences(&mut self, pair: &Pair, verdict: &Verdict) {
        self.differences_omitted += verdict.differences_omitted;
        self.is_cut |= verdict.is_cut;
        let rpc_method = &pair.primary.rpc_method;
        let mut in_this_pair = BTreeSet::new();
        for difference in &verdict.differences {
            let key = GroupKey::of(rpc_method, difference);
            if !self.groups.contains_key(&key) && self.groups.len() >= GROUPS_MAX {
                self.differences_omitted += 1;
                continue;
            }
            let is_first = in_this_pair.insert(key.clone());
            let sums = self.groups.entry(key).or_default();
            sums.add(pair, difference, is_first);
        }
        let counted = in_this_pair
            .iter()
            .filter(|key| key.severity != Severity::Ignored);
        self.samples.add(pair, counted);
    }

    fn method(&mut self, rpc_method: &str) -> &mut MethodSums {
        let is_new = !self.methods.contains_key(rpc_method);
        let name = if is_new && self.methods.len() >= METHODS_MAX {
            OTHER_METHODS
        } else {
            rpc_method
        };
        let sums = self.methods.entry(name.to_owned()).or_default();
        if sums.method.rpc_method.is_empty() {
            name.clone_into(&mut sums.method.rpc_method);
        }
        sums
    }

    fn see(&mut self, call: &Call) {
        if let Some(coverage) = &mut self.coverage
            && has_method(call)
        {
            coverage.add_call(call);
        }
        let started = call.started_unix_ns;
        self.first_call_ns = Some(
            self.first_call_ns
                .map_or(started, |first| first.min(started)),
        );
        self.last_call_ns = Some(self.last_call_ns.map_or(started, |last| last.max(started)));
        let lowest = match call.role {
            Role::Primary => &mut self.completeness.primary_sampled_ppm,
            Role::Candidate => &mut self.completeness.candidate_sampled_ppm,
            Role::Secondary | Role::Unknown => return,
        };
        *lowest = Some(lowest.map_or(call.sampled_ppm, |ppm| ppm.min(call.sampled_ppm)));
    }
}

/// The method under which `call` is counted.
fn method_of(call: &Call) -> &str {
    match has_method(call) {
        true => &call.rpc_method,
        false => NAMELESS,
    }
}

/// Is it known which method it is of?
fn has_method(call: &Call) -> bool {
    match call.method_certainty {
        Certainty::Unknown | Certainty::Ambiguous => false,
        Certainty::Seen | Certainty::Inferred => true,
    }
}

fn groups(
    sums: BTreeMap<GroupKey, GroupSums>,
    methods: &BTreeMap<String, MethodSums>,
    samples: &Samples,
) -> Vec<Group> {
    let judged = |key: &GroupKey| {
        let sums = methods.get(&key.rpc_method);
        let sums = sums.or_else(|| methods.get(OTHER_METHODS));
        sums.map_or(0, |sums| sums.method.judged())
    };
    let mut sums: Vec<(GroupKey, GroupSums)> = sums.into_iter().collect();
    // Stable: equal counts stay in order of method, place, path and kind.
    sums.sort_by_key(|(key, sums)| (key.severity, std::cmp::Reverse(sums.pairs())));
    let wanted: Vec<Wanted<'_>> = sums
        .iter()
        .filter(|(key, _)| key.severity != Severity::Ignored)
        .take(CORRELATED_MAX)
        .map(|(key, sums)| Wanted {
            key,
            pairs: (sums.pairs(), judged(key)),
            seen: sums.seen(),
        })
        .collect();
    // Those that are ignored sort last, so the others begin the list.
    let mut correlations = samples.correlate(&wanted).into_iter();
    sums.into_iter()
        .map(|(key, sums)| {
            let judged = judged(&key);
            sums.into_group(key, judged, correlations.next().unwrap_or_default())
        })
        .collect()
}

fn summary(sums: MethodSums) -> Method {
    let (mismatched, judged) = (sums.method.mismatched, sums.method.judged());
    Method {
        mismatch_rate: (judged > 0).then(|| rate(mismatched, judged)),
        mismatch_rate_interval: wilson(mismatched, judged),
        primary_latency: sums.primary.summary(),
        candidate_latency: sums.candidate.summary(),
        latency_shift: sums.primary.shift_to(&sums.candidate),
        ..sums.method
    }
}

fn is_cut(call: &Call) -> bool {
    call.request.truncated || call.response.truncated
}

/// Time to the end of the answer, as the client saw it.
fn answered_ns(call: &Call) -> Option<u64> {
    call.timing.response_end_ns.or(call.timing.duration_ns)
}

fn status_name(call: &Call) -> String {
    match (call.status, call.http_status) {
        (Some(status), _) => status.to_string(),
        (None, Some(http)) => format!("HTTP {http}"),
        (None, None) => "none".to_owned(),
    }
}
