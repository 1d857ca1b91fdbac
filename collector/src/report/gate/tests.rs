//! Conditions are parsed, and held against figures.

use super::*;
use crate::report::coverage::{Coverage, MethodCoverage, Seen};
use crate::report::{Latency, LatencyShift, Loss, SchemaDrift, Shift};

fn parse(text: &str) -> Condition {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn method(name: &str, judged: u64, mismatched: u64) -> Method {
    let shift = Shift {
        count: judged,
        count_needed: 437,
        shift_us: (judged >= 437).then_some(5_000),
        shift: (judged >= 437).then_some(0.25),
        ..Shift::default()
    };
    Method {
        rpc_method: name.to_owned(),
        pairs: judged,
        matched: judged - mismatched,
        mismatched,
        candidate_latency: Latency {
            count: judged,
            p99_us: Some(25_000),
            ..Latency::default()
        },
        latency_shift: LatencyShift {
            p99: shift,
            ..LatencyShift::default()
        },
        ..Method::default()
    }
}

/// 1000 pairs of `Get` with 1 mismatched, 10 of `Put` with 1 mismatched.
fn report() -> Report {
    let aggregate = crate::report::Aggregate::default();
    let (scope, loss) = (crate::report::Scope::default(), Some(Loss::default()));
    let mut report =
        aggregate.into_report(String::new(), scope, loss, Thresholds::default(), |_| false);
    report.total = method("*", 1_010, 2);
    report.methods = vec![method("a.B/Get", 1_000, 1), method("a.B/Put", 10, 1)];
    report
}

fn judged(condition: &str) -> Gate {
    of(&report(), &parse(condition), "--fail-if", 1)
}

#[test]
fn conditions_are_read_with_their_units() {
    for (text, threshold, unit) in [
        ("mismatch_rate > 0.1%", 0.001, Unit::Share),
        ("mismatch_rate>0.001", 0.001, Unit::Share),
        ("  mismatched\t>=  12 ", 12.0, Unit::Count),
        ("latency_p99_shift > 20 %", 0.2, Unit::Share),
        ("latency_p99_shift > -5ms", -5_000.0, Unit::Us),
        ("candidate_latency_p50 > 1.5s", 1_500_000.0, Unit::Us),
        ("candidate_latency_p50 > 870µs", 870.0, Unit::Us),
        ("coverage_fields < 8e1%", 0.8, Unit::Share),
    ] {
        let condition = parse(text);
        assert!((condition.threshold - threshold).abs() < 1e-9, "{text}");
        assert_eq!(condition.unit, unit, "{text}");
        assert_eq!(condition.text, text.trim());
    }
    let of_methods = parse("mismatch_rate [ shop.v1.* ] >= 1%");
    assert_eq!(of_methods.methods.as_deref(), Some("shop.v1.*"));
    assert_eq!(of_methods.comparison, Comparison::AtLeast);
}

#[test]
fn mistakes_are_pointed_at() {
    for (text, column, what) in [
        ("", 1, "a metric must come first"),
        (
            "mismatchrate > 1%",
            1,
            "unknown metric `mismatchrate`; known are mismatch_rate,",
        ),
        ("mismatch_rate 1%", 15, "expected `>`"),
        ("mismatch_rate = 1%", 15, "expected `>`"),
        ("mismatch_rate > lots", 17, "expected a number"),
        ("mismatch_rate > inf", 17, "expected a number"),
        ("mismatch_rate > 1e999", 17, "expected a number"),
        ("mismatch_rate > 5", 17, "expected a share"),
        ("mismatch_rate > 5ms", 17, "expected a share"),
        ("mismatched > 1.5", 14, "expected a whole number"),
        ("mismatched > 5%", 14, "expected a whole number"),
        ("candidate_latency_p99 > 5%", 25, "expected a time"),
        ("latency_p50_shift > 5 min", 23, "unknown unit"),
        ("latency_p50_shift > 20", 21, "say of what"),
        ("latency_p50_shift < -1", 21, "say of what"),
        ("latency_p50_shift > 5 ms or", 26, "nothing may follow"),
        ("mismatch_rate[a.* > 1%", 14, "`[` without `]`"),
        (
            "mismatch_rate[] > 1%",
            15,
            "a pattern of methods is missing",
        ),
        ("lost[a.*] > 1", 5, "`lost` is of all methods together"),
        ("µ > 1", 1, "a metric must come first"),
    ] {
        let error = text.parse::<Condition>().unwrap_err().to_string();
        let start = format!("column {column}: {what}");
        assert!(error.starts_with(&start), "{text}: {error}");
        let mark = error.lines().last().unwrap();
        assert_eq!(mark.chars().count(), 2 + column, "{error}");
    }
}

#[test]
fn every_metric_has_one_name_and_can_be_asked_for() {
    for (index, metric) in METRICS.iter().enumerate() {
        assert_eq!(
            METRICS.iter().position(|other| other == metric),
            Some(index)
        );
        assert!(
            format!("{} > 0", metric.name).parse::<Condition>().is_ok() || {
                format!("{} > 0ms", metric.name)
                    .parse::<Condition>()
                    .is_ok()
            }
        );
    }
}

#[test]
fn every_metric_is_documented() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.md");
    let page = std::fs::read_to_string(page).unwrap();
    for metric in METRICS {
        let row = format!("| `{}` | {} |", metric.name, metric.meaning);
        assert!(page.contains(&row), "docs/report.md lacks: {row}");
    }
}

#[test]
fn a_gate_fails_when_its_condition_is_true() {
    for (condition, state) in [
        ("mismatch_rate > 0.1%", State::Failed),
        ("mismatch_rate > 1%", State::Passed),
        ("mismatch_rate_high > 0.5%", State::Failed),
        ("mismatch_rate_low > 0.1%", State::Passed),
        ("mismatched >= 2", State::Failed),
        ("judged < 2000", State::Failed),
        ("latency_p99_shift > 20%", State::Failed),
        ("latency_p99_shift > 6ms", State::Passed),
        ("candidate_latency_p99 > 20ms", State::Failed),
        ("status_shift_rate > 0", State::Passed),
        ("lost > 0", State::Passed),
    ] {
        let gate = judged(condition);
        let code = u8::from(state == State::Failed);
        assert_eq!((gate.state, gate.exit_code), (state, code), "{gate:?}");
        assert!(gate.value.is_some() && gate.reason.is_none());
    }
}

#[test]
fn methods_are_looked_at_one_by_one() {
    let gate = judged("mismatch_rate[a.*] > 5%");
    assert_eq!((gate.state, gate.methods_failed), (State::Failed, 1));
    assert_eq!(gate.rpc_method.as_deref(), Some("a.B/Put"));
    assert_eq!(gate.value, Some(0.1));
    assert_eq!(judged("mismatch_rate[*/Get] > 5%").state, State::Passed);
    let least = judged("judged[*] < 100");
    assert_eq!(least.rpc_method.as_deref(), Some("a.B/Put"));
}

#[test]
fn what_cannot_be_known_is_neither_passed_nor_failed() {
    for (condition, reason) in [
        (
            "mismatch_rate[c.*] > 1%",
            "no call of a method that matches \"c.*\"",
        ),
        (
            "latency_p99_shift[*] > 90%",
            "a.B/Put: latency of 10 pairs was measured, 437 are needed",
        ),
        (
            "coverage_fields < 80%",
            "no descriptor says what there is to see",
        ),
    ] {
        let gate = judged(condition);
        assert_eq!(
            (gate.state, gate.exit_code),
            (State::Unknown, 4),
            "{gate:?}"
        );
        assert_eq!(gate.reason.as_deref(), Some(reason));
    }
    // One method that fails is enough, whatever is not known of others.
    assert_eq!(judged("latency_p99_shift[*] > 10%").state, State::Failed);
}

#[test]
fn coverage_is_asked_of_all_or_of_one_method() {
    let mut report = report();
    let fields = Seen { seen: 3, of: 4 };
    let of_get = MethodCoverage {
        rpc_method: "a.B/Get".to_owned(),
        fields,
        ..MethodCoverage::default()
    };
    report.coverage = Some(Coverage {
        methods: Seen { seen: 1, of: 4 },
        fields,
        by_method: vec![of_get],
        ..Coverage::default()
    });
    let state = |text: &str| of(&report, &parse(text), "--fail-if", 1).state;
    assert_eq!(state("coverage_methods < 50%"), State::Failed);
    assert_eq!(state("coverage_fields < 75%"), State::Passed);
    assert_eq!(state("coverage_fields[*/Get] <= 75%"), State::Failed);
    // Where there are none, none is missing.
    assert_eq!(state("coverage_oneof_arms < 75%"), State::Passed);
    report.total = Method::default();
    assert_eq!(
        of(&report, &parse("coverage_oneof_arms < 75%"), "--fail-if", 1).state,
        State::Unknown
    );
}

#[test]
fn breaking_changes_of_the_schema_fail_whether_or_not_the_traffic_showed_them() {
    let state = |schema_drift, text: &str| {
        let mut report = report();
        report.schema_drift = schema_drift;
        of(&report, &parse(text), "--fail-if", 1)
    };
    let drift = |breaking| {
        Some(SchemaDrift {
            breaking,
            lossy: 3,
            ..SchemaDrift::default()
        })
    };
    let failed = state(drift(2), "schema_breaking > 0");
    assert_eq!((failed.state, failed.value), (State::Failed, Some(2.0)));
    assert_eq!(state(drift(0), "schema_breaking > 0").state, State::Passed);
    assert_eq!(state(drift(2), "schema_breaking > 2").state, State::Passed);
    // One set of descriptors for both sides says nothing of the candidate's.
    assert_eq!(state(None, "schema_breaking > 0").state, State::Unknown);
    assert!("schema_breaking[a.*] > 0".parse::<Condition>().is_err());
}

#[test]
fn a_condition_on_the_mismatch_rate_takes_the_place_of_the_default() {
    let given = |fail_over, conditions: &[&str]| Thresholds {
        fail_over,
        conditions: conditions.iter().map(|text| parse(text)).collect(),
        ..Thresholds::default()
    };
    for (thresholds, tolerated, has_own) in [
        (given(None, &[]), 0.0, true),
        (
            given(None, &["mismatch_rate > 5%", "mismatch_rate >= 2%"]),
            0.02,
            false,
        ),
        (
            given(None, &["mismatch_rate[*] > 5%", "judged < 9"]),
            0.0,
            true,
        ),
        (given(None, &["mismatch_rate < 5%"]), 0.0, true),
        (given(Some(0.5), &["mismatch_rate > 5%"]), 0.5, true),
    ] {
        assert_eq!(thresholds.tolerated(), tolerated, "{thresholds:?}");
        assert_eq!(thresholds.has_own_fail_over(), has_own, "{thresholds:?}");
    }
}

#[test]
fn what_lost_calls_could_have_made_true_is_unknown() {
    let mut report = report();
    report.completeness.loss = Some(Loss {
        undelivered: 3,
        ..Loss::default()
    });
    for (condition, state) in [
        ("mismatched > 2", State::Unknown),
        ("mismatched >= 5", State::Unknown),
        ("mismatched > 5", State::Passed),
        ("mismatched > 1", State::Failed),
        ("mismatch_rate[a.B/Put] > 20%", State::Unknown),
        ("mismatch_rate[a.B/Put] > 40%", State::Passed),
        ("status_shift_rate > 0%", State::Unknown),
        // Fewer than that cannot have been.
        ("judged < 1000", State::Passed),
    ] {
        let gate = of(&report, &parse(condition), "--fail-if", 1);
        assert_eq!(gate.state, state, "{condition}: {gate:?}");
    }
}
