//! Both sides, line by line.

mod limits;
mod marks;

use bytes::Bytes;

use super::*;
use crate::call::{Direction, End, Header, Message, Status};
use crate::compare::Settings;
use crate::pair::{FoundBy, Reason};
use crate::report::text::{Style, render_shown};

fn header(name: &'static str, value: &'static str) -> Header {
    Header {
        name: Bytes::from_static(name.as_bytes()),
        value: Bytes::from_static(value.as_bytes()),
        redacted: false,
    }
}

fn call(role: Role, message: &'static [u8]) -> Call {
    Call {
        role,
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        pair_id: Bytes::from_static(b"p-1"),
        request_metadata: vec![header("x-tenant", "a"), header("authorization", "")],
        trailers: vec![header("grpc-status", "0")],
        response: Direction {
            messages: vec![Message {
                declared_bytes: u32::try_from(message.len()).unwrap(),
                bytes: Bytes::from_static(message),
                ..Message::default()
            }],
            ..Direction::default()
        },
        status: Some(Status::OK),
        end: End::Complete,
        ..Call::default()
    }
}

fn pair(old: &'static [u8], new: &'static [u8]) -> SideBySide {
    let pair = Pair {
        primary: Box::new(call(Role::Primary, old)),
        candidate: Box::new(call(Role::Candidate, new)),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    };
    SideBySide::of_pair(&pair, &Settings::default())
}

fn text(shown: SideBySide, all: bool) -> String {
    let shown = Shown {
        version: SHOW_VERSION,
        asked: "p-1".to_owned(),
        found: vec![shown],
        omitted: 0,
        stopped_at_calls: None,
    };
    render_shown(&shown, Style::default(), all)
}

fn message_rows(shown: &SideBySide) -> Vec<(&str, Option<&str>, Option<&str>, Mark)> {
    let rows = shown.rows.iter();
    let rows = rows.filter(|row| row.place == "response_message");
    rows.map(|row| {
        let (old, new) = (row.primary.as_deref(), row.candidate.as_deref());
        (row.path.as_str(), old, new, row.mark)
    })
    .collect()
}

#[test]
fn rows_have_the_paths_of_differences_and_their_marks() {
    // 1: "a", 2: { 1: 5 }; then 2.1 is 6, and there is a 3.
    let shown = pair(
        b"\x0a\x01a\x12\x02\x08\x05",
        b"\x0a\x01a\x12\x02\x08\x06\x18\x01",
    );
    assert_eq!(
        message_rows(&shown),
        [
            ("1", Some("\"a\""), Some("\"a\""), Mark::Equal),
            ("2.1", Some("5"), Some("6"), Mark::Differs),
            ("3", None, Some("1"), Mark::Differs),
        ]
    );
    let paths: Vec<&str> = shown.differences.iter().map(|found| &*found.path).collect();
    assert_eq!(paths, ["2.1", "3"]);
}

#[test]
fn what_is_equal_and_dull_is_shown_only_if_asked() {
    let some = text(pair(b"\x08\x05", b"\x08\x06"), false);
    assert!(
        some.contains("DIFFERENT") && some.contains("≠ 1 "),
        "{some}"
    );
    assert!(
        !some.contains("x-tenant") && some.contains("--all"),
        "{some}"
    );
    let all = text(pair(b"\x08\x05", b"\x08\x06"), true);
    assert!(all.contains("x-tenant"), "{all}");
}

#[test]
fn secrets_stay_as_they_are_stored() {
    let mut old = call(Role::Primary, b"");
    old.request_metadata[1].redacted = true;
    let unpaired = Unpaired::of(Box::new(old), Reason::CandidateMissing);
    let shown = text(SideBySide::of_unpaired(&unpaired, None), true);
    assert!(shown.contains("(redacted)"), "{shown}");
    assert!(shown.contains("NO PARTNER: candidate missing"), "{shown}");
}

#[test]
fn nothing_from_the_wire_steers_the_terminal() {
    let hostile = pair(b"\x0a\x09\x1b[2Jevil\r", b"\x0a\x09\x1b[2Jevil\n");
    let mut unpaired = call(Role::Candidate, b"\x0a\x04\x1b[1m");
    unpaired.rpc_method = "a\u{1b}[31m/b\u{202e}".to_owned();
    unpaired.pair_id = Bytes::from_static(b"\x1b]0;t\x07\xff");
    unpaired.request_metadata = vec![header("x\u{1b}[1m", "v\u{9b}2J")];
    let unpaired = Unpaired::of(Box::new(unpaired), Reason::PrimaryMissing);
    let alone = SideBySide::of_unpaired(&unpaired, None);
    for shown in [text(hostile, true), text(alone, true)] {
        let is_unsafe = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!shown.contains(is_unsafe), "{shown:?}");
    }
}

#[test]
fn what_only_one_side_has_stands_where_it_would_be() {
    // Fields 1, 3 and fields 1, 2, 3.
    let shown = pair(b"\x08\x01\x18\x03", b"\x08\x01\x10\x02\x18\x03");
    let paths: Vec<&str> = message_rows(&shown).iter().map(|row| row.0).collect();
    assert_eq!(paths, ["1", "2", "3"]);
}

#[test]
fn texts_that_differ_late_are_marked_and_shown_where_they_differ() {
    let message = |end: &str| -> &'static [u8] {
        let text = format!("{}{end}", "same ".repeat(4_000));
        let mut bytes = vec![0x0a];
        prost::encoding::encode_varint(text.len() as u64, &mut bytes);
        bytes.extend(text.bytes());
        Vec::leak(bytes)
    };
    let shown = pair(message("old"), message("new"));
    let row = shown.rows.iter().find(|row| row.path == "1").unwrap();
    assert_eq!(row.mark, Mark::Differs);
    for (side, end) in [(&row.primary, "old\""), (&row.candidate, "new\"")] {
        let side = side.as_deref().unwrap();
        assert!(
            side.starts_with("(") && side.contains(" characters cut)…"),
            "{side}"
        );
        assert!(side.ends_with(end), "{side}");
    }
    assert_eq!(shown.differences[0].primary, row.primary);
    let text = text(shown, false);
    let line = text.lines().find(|line| line.starts_with('≠')).unwrap();
    assert!(line.contains("old") && line.contains("new"), "{line}");
}
