//! JUnit XML: what CI systems show as tests.
//!
//! A test suite a service with a test case a method; a suite `gates` with a case a gate, and one that
//! asks whether the comparison is valid. A method **fails** where its mismatch rate is over what is
//! allowed, and is **skipped** where none of its pairs could be judged; a gate fails where its
//! condition is true. What cannot be known (a gate's value, the comparison's validity) is an
//! **error**. No times: the suite took none, and equal reports are equal.

use std::fmt::Write as _;

use quick_junit::{
    NonSuccessKind, Report as Xml, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use crate::escape::escape;
use crate::report::describe;
use crate::report::figures::count;
use crate::report::gate::State;
use crate::report::{Gate, Group, Method, Report};
use crate::share::percent;

/// Groups of differences in the text of one test case.
const GROUPS_MAX: usize = 20;

pub(super) fn render(report: &Report) -> Result<String, SerializeError> {
    let mut xml = Xml::new("twintap compare");
    for of_service in report
        .methods
        .chunk_by(|a, b| describe::service(a) == describe::service(b))
    {
        let service = of_service
            .first()
            .map(describe::service)
            .unwrap_or_default();
        let mut suite = TestSuite::new(name(service));
        for method in of_service {
            suite.add_test_case(of_method(report, method));
        }
        xml.add_test_suite(suite);
    }
    let mut gates = TestSuite::new("gates");
    gates.add_test_case(validity(report));
    for gate in &report.gates {
        gates.add_test_case(of_gate(gate));
    }
    xml.add_test_suite(gates);
    xml.to_string()
}

fn of_method(report: &Report, method: &Method) -> TestCase {
    let allowed = report.answer.fail_over;
    let status = match method.mismatch_rate {
        None => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("no pair was judged");
            status
        }
        Some(rate) if rate > allowed => {
            let what = format!(
                "{} of {} differ: {}, allowed: {}",
                method.mismatched,
                count(method.judged(), "judged pair"),
                percent(rate),
                percent(allowed),
            );
            let mut status = failed(NonSuccessKind::Failure, "mismatched", &what);
            status.set_description(differences(report, method));
            status
        }
        Some(_) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(name(describe::method(method)), status);
    case.set_classname(name(describe::service(method)));
    case
}

fn differences(report: &Report, method: &Method) -> String {
    let is_shown =
        |group: &&Group| group.rpc_method == method.rpc_method && group.ignored_by.is_empty();
    let mut groups = report.differences.iter().filter(is_shown);
    let mut text = String::new();
    for group in groups.by_ref().take(GROUPS_MAX) {
        let place = format!("{} {}", group.place.replace('_', " "), escape(&group.path));
        let hangs: String = group
            .correlations
            .iter()
            .map(|correlation| format!("\n  {}", describe::correlation(correlation)))
            .collect();
        let value = |value: &Option<String>| match value {
            Some(value) => escape(value),
            None => "(absent)".to_owned(),
        };
        let _infallible = writeln!(
            text,
            "{}: {}{hangs}\n  {} ({})\n  - {}\n  + {}\n  at {}, pair {}",
            place.trim_end(),
            describe::group(group),
            count(group.pairs, "pair"),
            percent(group.rate),
            value(&group.example.primary),
            value(&group.example.candidate),
            group.example.at,
            escape(&group.example.correlation_key),
        );
    }
    let left = groups.count();
    if left > 0 {
        let _infallible = writeln!(text, "{left} more groups of differences");
    }
    text
}

fn validity(report: &Report) -> TestCase {
    let answer = &report.answer;
    let status = if answer.is_valid {
        TestCaseStatus::success()
    } else {
        failed(
            NonSuccessKind::Error,
            "incomplete",
            &answer.doubts.join("; "),
        )
    };
    let mut case = TestCase::new("the comparison is valid", status);
    case.set_classname("gates");
    case
}

fn of_gate(gate: &Gate) -> TestCase {
    let what = escape(&describe::gate(gate));
    let status = match gate.state {
        State::Passed => TestCaseStatus::success(),
        State::Failed => failed(NonSuccessKind::Failure, "gate", &what),
        State::Unknown => failed(NonSuccessKind::Error, "unknown", &what),
    };
    let mut case = TestCase::new(format!("not {}", escape(&gate.condition)), status);
    case.set_classname("gates");
    case
}

fn failed(kind: NonSuccessKind, of: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(of).set_message(message);
    status
}

/// No name is empty: some readers skip such a case.
fn name(text: &str) -> String {
    match text {
        "" => "(none)".to_owned(),
        text => escape(text),
    }
}
