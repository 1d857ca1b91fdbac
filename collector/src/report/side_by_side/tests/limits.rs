//! What was not captured, and what is too much to show.

use super::marks::{answers, lines, settings, shown};
use super::*;
use crate::compare::contents;
use crate::compare::rules::file;

#[test]
fn that_one_stream_is_longer_than_what_was_captured_has_a_row_of_its_own() {
    let cut = |role, message: &[u8], count| {
        let mut call = answers(role, &[message]);
        call.response.truncated = true;
        call.response.messages_count = Some(count);
        call
    };
    let mut settings = settings();
    let yaml = "version: 1\nrules:\n  - { name: a, path: id, ignore: true }\n";
    settings.rules.extend(file::parse(yaml, "r.yaml").unwrap());
    let shown = shown(
        cut(Role::Primary, b"\x0a\x01a", 7),
        cut(Role::Candidate, b"\x0a\x01b", 9),
        &settings,
    );
    assert_eq!(
        lines(&shown, "response_message"),
        "~ 0 id \"a\" \"b\"\n≠ 0  7 messages in all 9 messages in all\n"
    );
}

#[test]
fn of_a_message_that_was_not_captured_nobody_knows_whether_it_was_sent() {
    let shown = |new_count| {
        let old = answers(Role::Primary, &[b"\x0a\x01a", b"\x0a\x01b"]);
        let mut new = answers(Role::Candidate, &[b"\x0a\x01a"]);
        new.response.truncated = true;
        new.response.messages_count = new_count;
        text(shown(old, new, &settings()), false)
    };
    for (count, says) in [
        (None, "response message[1], not captured of the new stream"),
        (
            Some(2),
            "response message[1], not captured of the new stream",
        ),
        (Some(1), "response message[1], only in the old stream"),
    ] {
        let text = shown(count);
        assert!(text.contains(says), "{count:?}\n{text}");
    }
}

#[test]
fn json_says_as_which_side_messages_and_elements_are_counted() {
    // names: a; then b, a; a message more in front.
    let old: [&[u8]; 1] = [b"\x0a\x01i\x12\x01a"];
    let new: [&[u8]; 2] = [b"\x0a\x01z", b"\x0a\x01i\x12\x01b\x12\x01a"];
    let calls = (answers(Role::Primary, &old), answers(Role::Candidate, &new));
    let shown = serde_json::to_value(shown(calls.0, calls.1, &settings())).unwrap();
    let rows = shown["rows"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["place"] == "response_message");
    let found: Vec<String> = rows
        .map(|row| {
            format!(
                "{} {} {}",
                row["message_index"], row["path"], row["counted_as"]
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            r#"0 "id" "candidate""#,
            r#"0 "id" "primary""#,
            r#"0 "names[0]" "candidate""#,
            r#"0 "names[0]" "primary""#,
        ]
    );
}

#[test]
fn too_many_rows_are_left_out_of_messages_and_counted() {
    // More than 20 000 in messages that only the old side has.
    let long = b"\x12\x01a".repeat(contents::LINES_MAX);
    let stream: Vec<&[u8]> = vec![&long; 11];
    let old = answers(Role::Primary, &stream);
    let mut new = answers(Role::Candidate, &[]);
    new.trailers.push(header("x-more", "1"));
    let shown = shown(old, new, &settings());
    assert_eq!(shown.rows.len(), 20_000);
    assert!(shown.rows_omitted > 2_000, "{}", shown.rows_omitted);
    for message in 0..11 {
        let is_there = |row: &Row| row.message_index == Some(message) && row.mark == Mark::Differs;
        assert!(shown.rows.iter().any(is_there), "{message}");
    }
    assert_eq!(
        lines(&shown, "trailers"),
        "  0 grpc-status 0 0\n≠ 0 x-more - 1\n"
    );
    assert_eq!(lines(&shown, "status"), "  0  OK OK\n");
    let text = text(shown, false);
    assert!(text.contains("lines of messages left out"), "{text}");
}
