//! What is shown of a message has the paths and values of its differences.

use prost::Message as _;

use super::messages::TABLE;
use super::shop::{answer, answers, any, changed, item, schema, with};
use super::{by_descriptor, by_wire};
use crate::call::Call;
use crate::compare::contents::{Contents, LINES_MAX, of_response, of_status_details};
use crate::compare::{Difference, Kind, Schema};

fn lines(call: &Call, schema: Option<&Schema>) -> Vec<(String, String)> {
    let messages = of_response(call, schema);
    let lines = messages.into_iter().flat_map(|message| message.lines);
    lines.map(|line| (line.path, line.value)).collect()
}

#[test]
fn every_value_that_differs_is_a_line_of_its_message() {
    let known = schema();
    let old = answer(&item());
    let (with_names, with_numbers) = (lines(&old, Some(&known)), lines(&old, None));
    let mut checked = 0;
    for (change, path, ..) in TABLE {
        let new = answer(&changed(change));
        for (verdict, lines) in [
            (by_descriptor(&old, &new), &with_names),
            (by_wire(&old, &new), &with_numbers),
        ] {
            let is_value = |found: &&Difference| found.kind == Kind::Value;
            for found in verdict.differences.iter().filter(is_value) {
                let line = (found.path.clone(), found.primary.clone().unwrap());
                assert!(lines.contains(&line), "{path}: {line:?} not in {lines:#?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 24, "{checked}");
}

#[test]
fn maps_lists_times_and_any_are_shown_by_name() {
    let known = schema();
    let lines = lines(&answer(&item()), Some(&known));
    let value = |path: &str| {
        let line = lines.iter().find(|(found, _)| found == path);
        line.map(|(_, value)| value.as_str())
    };
    for (path, expected) in [
        ("labels[\"eu\"]", "\"yes\""),
        ("parts[1].name", "\"spout\""),
        ("made_at", "2026-08-01T10:00:00.123456789Z"),
        ("warranty", "3600s"),
        ("extra[shop.v1.Maker].country", "\"DE\""),
        ("by_size[4].id", "4"),
    ] {
        assert_eq!(value(path), Some(expected), "{path}: {lines:#?}");
    }
}

#[test]
fn what_is_cut_or_no_message_is_shown_as_bytes() {
    let mut cut = answers([vec![0x0a, 5, b'a', b'b']]);
    cut.response.messages[0].declared_bytes = 7;
    let malformed = answers([vec![0xff, 0xff]]);
    for call in [cut, malformed] {
        for known in [None, Some(&schema())] {
            let [message] = of_response(&call, known).try_into().unwrap();
            let Contents {
                lines, is_opaque, ..
            } = message;
            assert!(
                is_opaque && lines.len() == 1 && lines[0].path.is_empty(),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn a_message_of_any_size_is_shown_within_bounds() {
    let many = answers([[0x08, 1].repeat(LINES_MAX + 1)]);
    let [message] = of_response(&many, None).try_into().unwrap();
    assert_eq!((message.lines.len(), message.is_cut), (LINES_MAX, true));
    // Messages in messages, deeper than is looked.
    let mut deep = vec![0x08, 1];
    for _ in 0..200 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(deep.len() as u64, &mut outer);
        outer.append(&mut deep);
        deep = outer;
    }
    let [message] = of_response(&answers([deep]), None).try_into().unwrap();
    assert_eq!(message.lines.len(), 1);
}

#[test]
fn details_of_a_status_are_shown_by_their_types() {
    let maker = with("shop.v1.Maker", &[("name", super::shop::text("ACME"))]);
    let prost_reflect::Value::Message(any) = any(&maker) else {
        panic!("an Any is a message");
    };
    // google.rpc.Status: code 5, message "gone", one detail.
    let mut encoded = vec![0x08, 5, 0x12, 4, b'g', b'o', b'n', b'e', 0x1a];
    let any = any.encode_to_vec();
    prost::encoding::encode_varint(any.len() as u64, &mut encoded);
    encoded.extend(any);
    let call = Call {
        status_details: encoded.into(),
        ..answers([])
    };
    let paths = |schema: Option<&Schema>| -> Vec<(String, String)> {
        let lines = of_status_details(&call, schema).lines.into_iter();
        lines.map(|line| (line.path, line.value)).collect()
    };
    let line = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    let shared = [line("code", "5"), line("message", "\"gone\"")];
    let detail = |path: &str| line(&format!("details[0][shop.v1.Maker].{path}"), "\"ACME\"");
    assert_eq!(
        paths(Some(&schema())),
        [&shared[..], &[detail("name")]].concat()
    );
    assert_eq!(paths(None), [&shared[..], &[detail("1")]].concat());
}
