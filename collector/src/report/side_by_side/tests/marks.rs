//! What rows say of what differs: elements and messages beside those they were held against.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::compare::{Schema, contents};

const PROTO: &str = r#"syntax = "proto3";
package shop.v1;
message Item {
  string id = 1;
  repeated string names = 2;
  oneof payout { string bank = 3; string card = 4; }
  double adjustment = 5;
  repeated Item parts = 6;
}
service Shop { rpc Get(Item) returns (Item); }
"#;

fn schema(proto: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.proto");
    std::fs::write(&file, proto).unwrap();
    let set = protox::compile([&file], [folder.path()]).unwrap();
    let mut schema = Schema::default();
    let set = prost::Message::encode_to_vec(&set);
    schema.add_descriptor_set(&set).unwrap();
    schema
}

pub(super) fn settings() -> Settings {
    Settings {
        schema: Some(schema(PROTO)),
        ..Settings::default()
    }
}

/// A call that answers with `messages`.
pub(super) fn answers(role: Role, messages: &[&[u8]]) -> Call {
    let one = call(role, b"");
    let message = |bytes: &&[u8]| Message {
        declared_bytes: u32::try_from(bytes.len()).unwrap(),
        bytes: Bytes::copy_from_slice(bytes),
        ..Message::default()
    };
    Call {
        response: Direction {
            messages: messages.iter().map(message).collect(),
            ..Direction::default()
        },
        ..one
    }
}

pub(super) fn shown(primary: Call, candidate: Call, settings: &Settings) -> SideBySide {
    let pair = Pair {
        primary: Box::new(primary),
        candidate: Box::new(candidate),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    };
    SideBySide::of_pair(&pair, settings)
}

/// Rows of both streams of answers, one a line, with the sign of the text.
fn rows(old: &[&[u8]], new: &[&[u8]], settings: &Settings) -> String {
    let calls = (answers(Role::Primary, old), answers(Role::Candidate, new));
    lines(&shown(calls.0, calls.1, settings), "response_message")
}

pub(super) fn lines(shown: &SideBySide, place: &str) -> String {
    let mut out = String::new();
    for row in shown.rows.iter().filter(|row| row.place == place) {
        let sign = match row.mark {
            Mark::Equal => ' ',
            Mark::Differs => '≠',
            Mark::Ignored => '~',
            Mark::Follows => '↳',
            Mark::TakenForEqual => '·',
            Mark::NotJudged => '?',
        };
        let index = row.message_index.unwrap_or_default();
        let value = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (old, new) = (value(&row.primary), value(&row.candidate));
        writeln!(out, "{sign} {index} {} {old} {new}", row.path).unwrap();
    }
    out
}

#[test]
fn behind_an_inserted_element_equals_stand_beside_their_equals() {
    let (old, new) = (
        b"\x12\x01a\x12\x01b\x12\x01c",
        b"\x12\x01a\x12\x01x\x12\x01b\x12\x01c",
    );
    let expected = "  0 names[0] \"a\" \"a\"
≠ 0 names[1] - \"x\"
  0 names[1] \"b\" \"b\"
  0 names[2] \"c\" \"c\"
";
    assert_eq!(rows(&[old], &[new], &settings()), expected);
    let by_wire = rows(&[old], &[new], &Settings::default());
    assert_eq!(by_wire, expected.replace("names", "2"));
}

#[test]
fn by_wire_field_a_value_stands_beside_the_list_of_one_side() {
    let found = rows(
        &[b"\x12\x01b"],
        &[b"\x12\x01a\x12\x01b"],
        &Settings::default(),
    );
    assert_eq!(found, "≠ 0 2[0] - \"a\"\n  0 2[0] \"b\" \"b\"\n");
}

#[test]
fn what_lies_in_an_element_that_one_side_has_is_not_another_elements() {
    // parts: a, b; then x, a, b with another name.
    let old = b"\x32\x03\x0a\x01a\x32\x06\x0a\x01b\x12\x01n";
    let new = b"\x32\x03\x0a\x01x\x32\x03\x0a\x01a\x32\x06\x0a\x01b\x12\x01m";
    assert_eq!(
        rows(&[old], &[new], &settings()),
        "≠ 0 parts[0].id - \"x\"
  0 parts[0].id \"a\" \"a\"
  0 parts[1].id \"b\" \"b\"
≠ 0 parts[1].names[0] \"n\" \"m\"
"
    );
}

#[test]
fn behind_a_lost_message_equals_stand_beside_their_equals() {
    let stream: [&[u8]; 4] = [b"\x0a\x01a", b"\x0a\x01b", b"\x0a\x01c", b"\x0a\x01d"];
    let lost = [stream[0], stream[2], stream[3]];
    let expected = "  0 id \"a\" \"a\"
≠ 1 id \"b\" -
  2 id \"c\" \"c\"
  3 id \"d\" \"d\"
";
    assert_eq!(rows(&stream, &lost, &settings()), expected);
    let calls = (
        answers(Role::Primary, &lost),
        answers(Role::Candidate, &stream),
    );
    let shown = shown(calls.0, calls.1, &settings());
    let expected = "  0 id \"a\" \"a\"
≠ 1 id - \"b\"
  1 id \"c\" \"c\"
  2 id \"d\" \"d\"
";
    assert_eq!(lines(&shown, "response_message"), expected);
    let text = text(shown, false);
    assert!(
        text.contains("response message[1], only in the new stream"),
        "{text}"
    );
}

#[test]
fn another_order_is_a_row_of_its_own_above_elements_that_are_equal() {
    let (old, new) = (
        b"\x0a\x01i\x12\x01a\x12\x01b\x12\x01c",
        b"\x0a\x01i\x12\x01c\x12\x01b\x12\x01a",
    );
    assert_eq!(
        rows(&[old], &[new], &settings()),
        "  0 id \"i\" \"i\"
≠ 0 names [\"a\", \"b\", \"c\"] [\"c\", \"b\", \"a\"]
  0 names[0] \"a\" \"a\"
  0 names[1] \"b\" \"b\"
  0 names[2] \"c\" \"c\"
"
    );
}

#[test]
fn arms_of_a_oneof_follow_from_it() {
    assert_eq!(
        rows(
            &[b"\x0a\x01i\x1a\x01b"],
            &[b"\x0a\x01i\x22\x01c"],
            &settings()
        ),
        "  0 id \"i\" \"i\"
≠ 0 payout bank: \"b\" card: \"c\"
↳ 0 card - \"c\"
↳ 0 bank \"b\" -
"
    );
}

#[test]
fn zeros_that_are_not_on_the_wire_have_rows_where_they_differ() {
    let minus = b"\x29\0\0\0\0\0\0\0\x80";
    let one = b"\x29\0\0\0\0\0\0\xf0\x3f";
    let found = |old: &[u8], new: &[u8]| rows(&[old], &[new], &settings());
    assert_eq!(found(minus, b""), "≠ 0 adjustment -0.0 0.0\n");
    assert_eq!(found(b"", one), "≠ 0 adjustment 0.0 1.0\n");
}

#[test]
fn what_another_status_brings_with_it_follows() {
    let old = answers(Role::Primary, &[b"\x0a\x01a", b"\x0a\x01b"]);
    let mut new = answers(Role::Candidate, &[b"\x0a\x01a"]);
    new.status = Some(Status(13));
    new.status_message = Bytes::from_static(b"oops");
    new.trailers = vec![header("grpc-status", "13"), header("x-more", "1")];
    let shown = shown(old, new, &settings());
    let found = ["response_message", "trailers", "status", "status_message"]
        .map(|place| lines(&shown, place))
        .concat();
    assert_eq!(
        found,
        "  0 id \"a\" \"a\"
↳ 1 id \"b\" -
↳ 0 grpc-status 0 13
↳ 0 x-more - 1
≠ 0  OK INTERNAL
↳ 0  - oops
"
    );
}

#[test]
fn headers_of_an_answer_that_is_one_block_stand_beside_those_of_two() {
    let mut old = answers(Role::Primary, &[]);
    old.response_metadata = vec![header("x-one", "1"), header("x-two", "2")];
    let mut new = answers(Role::Candidate, &[]);
    new.trailers_only = true;
    new.trailers = vec![header("x-one", "1"), header("grpc-status", "0")];
    let shown = shown(old, new, &settings());
    assert_eq!(
        lines(&shown, "trailers"),
        "  0 x-one 1 1\n≠ 0 x-two 2 -\n  0 grpc-status 0 0\n"
    );
    assert_eq!(lines(&shown, "response_metadata"), "");
}

#[test]
fn only_what_was_judged_is_taken_for_equal() {
    let call = |role, date| {
        let mut call = answers(role, &[b"\x0a\x01a"]);
        call.response_metadata = vec![header("date", date)];
        call
    };
    let old = call(Role::Primary, "Mon");
    let mut new = call(Role::Candidate, "Tue");
    let equal = shown(old.clone(), new.clone(), &settings());
    assert_eq!(lines(&equal, "response_metadata"), "· 0 date Mon Tue\n");
    new.end = End::Aborted;
    let aborted = shown(old, new, &settings());
    assert_eq!(aborted.verdict, "incomparable");
    assert_eq!(lines(&aborted, "response_metadata"), "? 0 date Mon Tue\n");
}

#[test]
fn fields_that_the_candidate_calls_otherwise_stand_beside_each_other() {
    let renamed = PROTO
        .replace("string id = 1", "string key = 1")
        .replace("bank", "iban");
    let settings = Settings {
        schema: Some(schema(PROTO).with_candidate(&schema(&renamed))),
        ..Settings::default()
    };
    let found = rows(
        &[b"\x0a\x01a\x1a\x01b"],
        &[b"\x0a\x01a\x1a\x01c"],
        &settings,
    );
    assert_eq!(found, "  0 id \"a\" \"a\"\n≠ 0 bank \"b\" \"c\"\n");
}

#[test]
fn of_messages_that_are_cut_nothing_is_said_that_was_not_seen() {
    let many = b"\x12\x01a".repeat(contents::LINES_MAX + 10);
    let more = [b"\x12\x01x", &*many].concat();
    let found = rows(&[&many], &[&more], &settings());
    let unequal: Vec<&str> = found
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(unequal, ["≠ 0 names[0] - \"x\""]);
    assert!(found.ends_with("… more than 2000 values more than 2000 values\n"));
}

#[test]
fn a_call_of_the_secondary_is_called_so() {
    let call = call(Role::Secondary, b"\x08\x05");
    let unpaired = Unpaired::of(Box::new(call), Reason::Secondary);
    let shown = text(SideBySide::of_unpaired(&unpaired, None), false);
    assert!(
        shown.contains("SECONDARY") && !shown.contains("PRIMARY (old)"),
        "{shown}"
    );
}

#[test]
fn a_message_beside_what_only_one_side_can_show_as_text_follows_from_it() {
    // Field 5 is 32: "( " as text. Then there is a field 1, and it is no text any more.
    let (old, new) = (b"\x12\x02( ", b"\x12\x04( \x08\x01");
    assert_eq!(
        rows(&[old], &[new], &Settings::default()),
        "≠ 0 2.1 - 1\n↳ 0 2.5 - 32\n≠ 0 2 \"( \" -\n"
    );
}

/// Fields of one to three numbers: numbers, texts that may be messages, messages, doubles.
fn wire_message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        (1u8..4, 0u8..3).prop_map(|(number, value)| vec![number << 3, value]),
        (1u8..4, "[a-c (]{0,3}").prop_map(|(number, text)| delimited(number, text.as_bytes())),
        (1u8..4, 0u8..2).prop_map(|(number, value)| [&[number << 3 | 5][..], &[value; 4]].concat()),
    ];
    let fields = |field: BoxedStrategy<Vec<u8>>| {
        prop::collection::vec(field, 0..5).prop_map(|fields| fields.concat())
    };
    fields(leaf.boxed()).prop_recursive(2, 12, 4, move |inner| {
        let nested =
            (1u8..4, inner.clone()).prop_map(|(number, inside)| delimited(number, &inside));
        fields(prop_oneof![nested.boxed(), inner.boxed()].boxed())
    })
}

fn delimited(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

proptest! {
    #[test]
    fn whatever_differs_has_a_row_that_says_so_and_nothing_else_has(
        old in prop::collection::vec(wire_message(), 1..4), new in prop::collection::vec(wire_message(), 1..4),
    ) {
        for settings in [Settings::default(), settings()] {
            let calls = [(Role::Primary, &old), (Role::Candidate, &new)].map(|(role, stream)| {
                let stream: Vec<&[u8]> = stream.iter().map(Vec::as_slice).collect();
                answers(role, &stream)
            });
            let [primary, candidate] = calls;
            let shown = shown(primary, candidate, &settings);
            let told = format!("{}\n{:#?}", lines(&shown, "response_message"), shown.differences);
            for row in &shown.rows {
                let is_equal = row.primary == row.candidate;
                prop_assert!(!is_equal || row.mark == Mark::Equal, "{row:?}\n{told}");
                let is_doubtful = matches!(row.mark, Mark::TakenForEqual | Mark::NotJudged);
                prop_assert!(!is_doubtful, "{row:?}\n{told}");
            }
            let has_row = |found: &Found| {
                let mut rows = shown.rows.iter().filter(|row| row.mark == Mark::Differs);
                rows.any(|row| {
                    row.message_index == found.message_index
                        && (row.path.starts_with(&found.path) || found.path.starts_with(&row.path))
                })
            };
            prop_assert!(shown.differences.iter().all(has_row), "{told}");
        }
    }
}
