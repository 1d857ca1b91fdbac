//! The report as a whole: a golden text, a golden JSON, and that order does not matter.

use bytes::Bytes;
use proptest::prelude::*;

use super::form::Form;
use super::*;
use crate::call::{Call, CallId, Certainty, Direction, End, Header, Message, Role, Status, Timing};
use crate::compare::{Outcome, Settings, Verdict, compare};
use crate::pair::{Pairing, pair_calls};

const RUN_ID: &str = "01990000-0000-7000-8000-000000000000";

fn message(bytes: &'static [u8]) -> Direction {
    Direction {
        messages: vec![Message {
            declared_bytes: u32::try_from(bytes.len()).unwrap(),
            bytes: Bytes::from_static(bytes),
            ..Message::default()
        }],
        messages_count: Some(1),
        body_bytes: bytes.len() as u64 + 5,
        body_digest: Some(xxhash_rust::xxh3::xxh3_64(bytes)),
        end_stream: true,
        ..Direction::default()
    }
}

fn call(number: u64, role: Role, method: &str, response: &'static [u8]) -> Call {
    let latency = if role == Role::Primary {
        2_000_000
    } else {
        900_000
    };
    Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number,
        },
        role,
        rpc_method: method.to_owned(),
        started_unix_ns: 1_785_578_400_000_000_000 + number * 1_000_000_000,
        pair_id: Bytes::from(format!("pair-{number:04}")),
        request: message(b"\x0a\x017"),
        response: message(response),
        status: Some(Status::OK),
        http_status: Some(200),
        end: End::Complete,
        sampled_ppm: 1_000_000,
        timing: Timing {
            response_end_ns: Some(latency),
            ..Timing::default()
        },
        ..Call::default()
    }
}

/// A recording with something of everything.
fn recording() -> Vec<Call> {
    let (get, list) = ("shop.v1.Shop/GetItem", "shop.v1.Shop/ListItems");
    let mut calls = Vec::new();
    for number in 0..40 {
        calls.push(call(number, Role::Primary, get, b"\x0a\x06Berlin\x10\x05"));
        let new: &[u8] = if number % 4 == 0 {
            b"\x0a\x06BERLIN\x10\x05"
        } else {
            b"\x0a\x06Berlin\x10\x05"
        };
        calls.push(call(number, Role::Candidate, get, new));
    }
    for number in 40..50 {
        calls.push(call(
            number,
            Role::Primary,
            list,
            b"\x0a\x01a\x0a\x01b\x0a\x01c",
        ));
        calls.push(call(number, Role::Candidate, list, b"\x0a\x01a\x0a\x01c"));
    }
    let failed = Call {
        status: Some(Status(12)),
        // A hostile message: colours, a cursor movement, a direction override.
        status_message: Bytes::from_static("\x1b[31mno\x07 \u{202e}such\r\nmethod".as_bytes()),
        response: Direction {
            end_stream: true,
            ..Direction::default()
        },
        ..call(50, Role::Candidate, "shop.v1.Shop/Old", b"")
    };
    calls.extend([
        call(50, Role::Primary, "shop.v1.Shop/Old", b"\x08\x01"),
        failed,
    ]);
    calls.push(call(51, Role::Primary, get, b"\x08\x01"));
    let aborted = Call {
        end: End::Aborted,
        ..call(52, Role::Candidate, get, b"\x08\x01")
    };
    calls.extend([call(52, Role::Primary, get, b"\x08\x01"), aborted]);
    let retried = Call {
        attempt: Some(2),
        ..call(53, Role::Primary, get, b"\x08\x01")
    };
    let first = Call {
        id: CallId {
            record_number: 999,
            ..retried.id
        },
        ..retried.clone()
    };
    let hop = Header {
        name: Bytes::from_static(b"server"),
        value: Bytes::from_static(b"envoy"),
        redacted: false,
    };
    let mirror = Call {
        response_metadata: vec![hop],
        ..call(53, Role::Candidate, get, b"\x08\x01")
    };
    calls.extend([
        Call {
            attempt: Some(1),
            ..first
        },
        retried,
        mirror,
    ]);
    calls
}

fn report_of(pairings: Vec<Pairing>, loss: Option<Loss>) -> Report {
    let mut aggregate = Aggregate::default();
    for pairing in pairings {
        aggregate.add_counts(&pairing.counts);
        for pair in &pairing.pairs {
            let verdict = compare(&pair.primary, &pair.candidate, &Settings::default());
            aggregate.add_pair(pair, &verdict);
        }
        pairing
            .unpaired
            .iter()
            .for_each(|unpaired| aggregate.add_unpaired(unpaired));
    }
    let scope = Scope {
        writes_datasets: true,
        data_dir: "./twintap-data".to_owned(),
        ..Scope::default()
    };
    aggregate.into_report(
        RUN_ID.to_owned(),
        scope,
        loss,
        Thresholds::default(),
        |_| false,
    )
}

pub(super) fn report() -> Report {
    let pairing = pair_calls(recording(), &crate::pair::Settings::default());
    report_of(vec![pairing], Some(Loss::default()))
}

/// Compares with a file beside this one; `TWINTAP_BLESS=1` writes it.
#[track_caller]
fn assert_golden(name: &str, found: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/report/golden")
        .join(name);
    if std::env::var_os("TWINTAP_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs (TWINTAP_BLESS=1 accepts):\n{found}",
        path.display()
    );
}

#[test]
fn the_text_report_is_as_agreed() {
    assert_golden(
        "report.txt",
        &text::render(&report(), text::Style::default()),
    );
}

#[test]
fn the_json_report_is_as_agreed() {
    assert_golden(
        "report.json",
        &(serde_json::to_string_pretty(&report()).unwrap() + "\n"),
    );
}

#[test]
fn the_other_forms_are_as_agreed() {
    for (name, form) in [
        ("report.md", Form::Markdown),
        ("report.xml", Form::Junit),
        ("report.sarif", Form::Sarif),
    ] {
        assert_golden(
            name,
            &form.render(&report(), text::Style::default()).unwrap(),
        );
    }
}

#[test]
fn nothing_from_the_wire_steers_the_terminal() {
    let shown = text::render(&report(), text::Style::default());
    let is_plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(shown.chars().all(is_plain), "{shown:?}");
    let coloured = text::Style {
        colours: true,
        ..text::Style::default()
    };
    assert!(!text::render(&report(), coloured).contains("\x1b[31mno"));
}

#[test]
fn every_line_fits_the_terminal() {
    for width in [60, 80, 132] {
        let style = text::Style {
            width,
            ..text::Style::default()
        };
        for line in text::render(&report(), style).lines() {
            // A method's name is never cut where it is the heading of a difference.
            assert!(line.chars().count() <= width + 12, "{width}: {line}");
        }
    }
}

#[test]
fn nothing_that_matters_is_cut_at_eighty_columns() {
    let mut report = report();
    report.methods[0].rpc_method =
        "shop.v1.Shop/WatchEverythingThatEverHappensInTheShop".to_owned();
    report.methods[0].pairs = 123_456;
    report.methods[0].latency_shift.p50.count = 123_456;
    let style = text::Style {
        width: 80,
        ..text::Style::default()
    };
    let shown = text::render(&report, style);
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in [
        "Watch",
        "Everything",
        "Happens",
        "Shop",
        "123 456",
        "13.8 % to 39.3 %",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{200b}'), "{shown}");
}

#[test]
fn calls_are_all_accounted_for() {
    let report = report();
    let completeness = &report.completeness;
    assert_eq!(completeness.calls, recording().len() as u64);
    let unpaired: u64 = completeness.unpaired.values().sum();
    let rest = completeness.earlier_attempts + completeness.duplicate_views;
    assert_eq!(completeness.calls, 2 * completeness.pairs + unpaired + rest);
}

#[test]
fn calls_without_a_method_are_no_methods() {
    let nameless = |(number, class)| Call {
        method_certainty: match number {
            1 => Certainty::Ambiguous,
            _ => Certainty::Unknown,
        },
        ..call(number, Role::Primary, class, b"")
    };
    let mut calls = [(1, "?1/#-5"), (2, "?1/#-6"), (3, "?2/#-5"), (4, "")]
        .map(nameless)
        .to_vec();
    calls.push(call(5, Role::Primary, "a.B/C", b""));
    let pairing = pair_calls(calls, &crate::pair::Settings::default());
    let report = report_of(vec![pairing], None);
    let methods = report.methods.iter().map(|method| &*method.rpc_method);
    assert_eq!(methods.collect::<Vec<_>>(), ["(not captured)", "a.B/C"]);
    assert_eq!(report.methods[0].unpaired.values().sum::<u64>(), 4);
}

#[test]
fn descriptors_of_another_service_are_told_of_at_once() {
    let mut report = report();
    let told = "None of the methods compared is in the descriptors";
    let is_told = |report: &Report, form: Form| {
        let shown = form.render(report, text::Style::default()).unwrap();
        shown.contains(told)
    };
    report.scope.has_descriptors = true;
    let forms = [Form::Text, Form::Markdown, Form::Html];
    assert!(forms.iter().all(|form| !is_told(&report, *form)));
    let methods = report.methods.iter();
    report.scope.methods_without_descriptor =
        methods.map(|method| method.rpc_method.clone()).collect();
    assert!(forms.iter().all(|form| is_told(&report, *form)));
    report.scope.methods_without_descriptor.pop();
    assert!(forms.iter().all(|form| !is_told(&report, *form)));
}

#[test]
fn a_second_run_of_the_old_service_is_nothing_unpaired() {
    let get = "shop.v1.Shop/GetItem";
    let roles = [Role::Primary, Role::Candidate, Role::Secondary];
    let calls = (0..20).flat_map(|n| roles.map(|role| call(n, role, get, b"\x08\x01")));
    let calls: Vec<Call> = calls.collect();
    let pairing = pair_calls(calls, &crate::pair::Settings::default());
    let report = report_of(vec![pairing], Some(Loss::default()));
    assert_eq!(report.methods[0].unpaired["secondary"], 20);
    let text = text::render(&report, text::Style::default());
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().map(words).collect();
    for line in [
        "0 calls unpaired, 0 pairs not judged, 0 lost",
        "GetItem 20 0 0 % 0 % to 16.1 % 0 0",
        "secondary 20 a second run of the old service",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {text}");
    }
    let style = text::Style::default();
    let markdown = Form::Markdown.render(&report, style).unwrap();
    assert!(markdown.contains("0 calls unpaired"), "{markdown}");
    let html = Form::Html.render(&report, style).unwrap();
    assert!(html.contains(r#"<td class="n" data-value="0">0</td></tr>"#));
    assert!(html.contains(
        r#"<td>secondary</td><td class="n">20</td><td>a second run of the old service</td>"#
    ));
    assert!(!html.contains(r#"<td class="n" data-value="20">20</td></tr>"#));
}

#[test]
fn differences_left_out_of_a_pair_are_added_up() {
    let calls = [Role::Primary, Role::Candidate].map(|role| call(1, role, "a.B/C", b""));
    let pairing = pair_calls(calls.to_vec(), &crate::pair::Settings::default());
    let pair = &pairing.pairs[0];
    let verdict = Verdict {
        outcome: Outcome::Mismatched,
        differences_omitted: 7,
        counted_omitted: 3,
        ..Verdict::default()
    };
    let row = rows::pair_row(pair, &verdict);
    assert_eq!((row.differences_count, row.ignored_count), (3, 4));
    let mut aggregate = Aggregate::default();
    aggregate.add_pair(pair, &verdict);
    let (scope, loss) = (Scope::default(), Some(Loss::default()));
    let report =
        aggregate.into_report(String::new(), scope, loss, Thresholds::default(), |_| false);
    assert_eq!(report.differences_omitted, 7);
}

#[test]
fn nothing_is_said_of_all_where_some_are_not_kept() {
    let numbers = |count: u32, by: u32| -> Vec<u8> {
        // Field 1, a varint of two bytes.
        let [low, high] = [|n: u32| n % 128 + 128, |n: u32| n / 128];
        let numbers = (128 + by..128 + by + count).flat_map(|n| [8, low(n), high(n)]);
        numbers.map(|byte| u8::try_from(byte).unwrap()).collect()
    };
    for (count, is_explained) in [(20, true), (400, false)] {
        let sides = [(Role::Primary, 0), (Role::Candidate, 1000)];
        let calls = sides.map(|(role, by)| {
            let bytes = numbers(count, by);
            call(1, role, "a.B/C", bytes.leak())
        });
        let pairing = pair_calls(calls.to_vec(), &crate::pair::Settings::default());
        let pair = &pairing.pairs[0];
        let verdict = compare(&pair.primary, &pair.candidate, &Settings::default());
        let mut aggregate = Aggregate::default();
        aggregate.add_pair(pair, &verdict);
        let (scope, loss) = (Scope::default(), Some(Loss::default()));
        let report =
            aggregate.into_report(String::new(), scope, loss, Thresholds::default(), |_| false);
        let group = &report.differences[0];
        assert_eq!((group.pairs, group.occurrences), (1, u64::from(count)));
        assert_eq!(group.explanation.is_some(), is_explained, "{group:?}");
    }
}

#[test]
fn loss_makes_an_answer_without_differences_unsafe() {
    let same: Vec<Call> = (0..100)
        .flat_map(|n| [Role::Primary, Role::Candidate].map(|role| call(n, role, "a.B/C", b"")))
        .collect();
    let pairing = || vec![pair_calls(same.clone(), &crate::pair::Settings::default())];
    let lost = |dropped| {
        Some(Loss {
            dropped,
            ..Loss::default()
        })
    };
    assert_eq!(report_of(pairing(), lost(0)).answer.exit_code, 0);
    // Nothing says whether calls were lost.
    assert_eq!(report_of(pairing(), None).answer.exit_code, 4);
    assert_eq!(report_of(pairing(), lost(1)).answer.exit_code, 4);
    assert_eq!(report_of(pairing(), lost(u64::MAX)).answer.exit_code, 4);
    let in_flight = Loss {
        in_flight: 1,
        ..Loss::default()
    };
    assert_eq!(report_of(pairing(), Some(in_flight)).answer.exit_code, 4);
    assert_eq!(report_of(vec![], lost(0)).answer.exit_code, 4);
    assert_eq!(report().answer.exit_code, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_report_does_not_depend_on_the_order_of_calls(seed in any::<u64>(), cut in 1u64..50) {
        let mut calls = recording();
        let length = calls.len();
        for index in 1..length {
            let other = usize::try_from(seed.rotate_left(u32::try_from(index).unwrap()) >> 8).unwrap();
            calls.swap(index, other % (index + 1));
        }
        // Two passes over different keys, as bucket ranges make them.
        let (first, second): (Vec<Call>, Vec<Call>) =
            calls.into_iter().partition(|call| call.started_unix_ns % 50_000_000_000 < cut * 1_000_000_000);
        let settings = crate::pair::Settings::default();
        let pairings = vec![pair_calls(second, &settings), pair_calls(first, &settings)];
        let (found, expected) = (report_of(pairings, Some(Loss::default())), report());
        for form in Form::ALL {
            let bytes = |report| form.render(report, text::Style::default()).unwrap();
            prop_assert_eq!(bytes(&found), bytes(&expected));
        }
    }
}
