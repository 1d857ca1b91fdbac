//! What is seen of messages, and what the limits leave out.

use bytes::Bytes;
use prost::Message as _;

use super::*;
use crate::call::{Call, Certainty};
use crate::compare::{Incomparable, Outcome, Verdict};
use crate::pair::{FoundBy, Reason, Unpaired};
use crate::report::{Aggregate, Loss, Scope, Thresholds, text};

const PROTO: &str = r#"
    syntax = "proto3";
    package t;
    service Shop {
      rpc Get(Query) returns (Item);
      rpc Never(Query) returns (Item);
    }
    message Query { string id = 1; Colour colour = 2; optional Colour other = 3; }
    enum Colour { option allow_alias = true; RED = 0; CRIMSON = 0; GREEN = 1; NEGATIVE = -1; }
    message Item {
      string name = 1;
      repeated Part parts = 2;
      map<string, Colour> colours = 3;
      oneof shipping { string parcel = 4; int32 letter = 5; }
      Item next = 6;
      repeated Colour tints = 7;
      optional int32 stock = 8;
    }
    message Part { int32 id = 1; Colour colour = 2; Item whole = 3; }
"#;

fn pool(proto: &str) -> DescriptorPool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.proto");
    std::fs::write(&file, proto).unwrap();
    let set = protox::compile([&file], [folder.path()]).unwrap();
    DescriptorPool::decode(set.encode_to_vec().as_slice()).unwrap()
}

fn direction(messages: &[&[u8]]) -> Direction {
    let messages = messages.iter().map(|bytes| Message {
        declared_bytes: u32::try_from(bytes.len()).unwrap(),
        bytes: Bytes::copy_from_slice(bytes),
        ..Message::default()
    });
    Direction {
        messages: messages.collect(),
        ..Direction::default()
    }
}

fn pair(request: &[u8], responses: &[&[u8]]) -> Pair {
    let primary = Call {
        rpc_method: "t.Shop/Get".to_owned(),
        request: direction(&[request]),
        response: direction(responses),
        ..Call::default()
    };
    Pair {
        candidate: Box::new(primary.clone()),
        primary: Box::new(primary),
        found_by: FoundBy::PairId,
        is_ambiguous: false,
        attempts_count: 1,
    }
}

fn coverage_of(pairs: &[Pair]) -> Coverage {
    let mut sums = CoverageSums::new(pool(PROTO), None);
    pairs.iter().for_each(|pair| sums.add(pair));
    sums.into_coverage()
}

#[test]
fn a_field_of_another_wire_type_is_not_seen() {
    // Field 1 is a text: as a varint it is another field, and what follows is still seen.
    let coverage = coverage_of(&[pair(b"\x08\x07\x10\x01", &[])]);
    let request = &coverage.of_method("t.Shop/Get").unwrap().request_never_seen;
    assert_eq!(request.fields, ["id", "other"]);
}

#[test]
fn a_method_was_called_whatever_became_of_its_calls() {
    let mut aggregate = Aggregate::with_coverage(CoverageSums::new(pool(PROTO), None));
    let unjudged = Verdict {
        outcome: Outcome::Incomparable(Incomparable::Truncated),
        ..Verdict::default()
    };
    aggregate.add_pair(&pair(b"\x0a\x017", &[]), &unjudged);
    let unpaired = |rpc_method: &str, method_certainty| {
        let call = Call {
            rpc_method: rpc_method.to_owned(),
            method_certainty,
            ..Call::default()
        };
        Unpaired::of(Box::new(call), Reason::CandidateMissing)
    };
    // A name that was not captured is no name of a method, and what the descriptors do not know is not counted.
    aggregate.add_unpaired(&unpaired("t.Shop/Never", Certainty::Unknown));
    aggregate.add_unpaired(&unpaired("t.Shop/Else", Certainty::Seen));
    let report = |aggregate: Aggregate| {
        let (scope, loss) = (Scope::default(), Some(Loss::default()));
        aggregate.into_report(String::new(), scope, loss, Thresholds::default(), |_| true)
    };
    let found = report(aggregate);
    let text = text::render(&found, text::Style::default());
    assert!(
        text.contains("called, and no pair of them judged: t.Shop/Get"),
        "{text}"
    );
    let coverage = found.coverage.unwrap();
    assert_eq!(coverage.methods, Seen { seen: 1, of: 2 });
    assert_eq!(coverage.methods_never_seen, ["t.Shop/Never"]);
    assert_eq!(coverage.methods_never_judged, ["t.Shop/Get"]);
    // Its messages were not compared: nothing is said of their fields.
    assert_eq!((coverage.fields.of, coverage.by_method.len()), (0, 0));

    let mut aggregate = Aggregate::with_coverage(CoverageSums::new(pool(PROTO), None));
    aggregate.add_pair(&pair(b"\x0a\x017", &[]), &unjudged);
    aggregate.add_pair(&pair(b"\x0a\x017", &[]), &Verdict::default());
    aggregate.add_unpaired(&unpaired("t.Shop/Never", Certainty::Seen));
    let coverage = report(aggregate).coverage.unwrap();
    assert_eq!(coverage.methods, Seen { seen: 2, of: 2 });
    assert_eq!(coverage.methods_never_judged, ["t.Shop/Never"]);
    assert_eq!(coverage.by_method.len(), 1);
}

#[test]
fn what_only_the_candidate_answers_is_seen() {
    let mut pair = pair(b"", &[]);
    pair.candidate.response = direction(&[b"\x0a\x01x"]);
    let coverage = coverage_of(&[pair]);
    let response = &coverage
        .of_method("t.Shop/Get")
        .unwrap()
        .response_never_seen;
    assert!(
        !response.fields.contains(&"name".to_owned()),
        "{response:?}"
    );
}

#[test]
fn fields_enum_values_and_arms_are_seen_by_path() {
    // parts[0] = { id: 1, colour: GREEN }, colours = { "a": GREEN }, letter = 1, tints = [-1] packed
    let item = b"\x12\x04\x08\x01\x10\x01\x1a\x05\x0a\x01a\x10\x01\x28\x01\
                 \x3a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    let coverage = coverage_of(&[pair(b"\x0a\x017\x10\x01", &[item])]);
    assert_eq!(coverage.methods, Seen { seen: 1, of: 2 });
    assert_eq!(coverage.methods_never_seen, ["t.Shop/Never"]);
    let get = coverage.of_method("t.Shop/Get").unwrap();
    let request = &get.request_never_seen;
    assert_eq!(request.fields, ["other"]);
    assert_eq!(
        request.enum_values,
        [
            "colour = RED",
            "colour = NEGATIVE",
            "other = RED",
            "other = GREEN",
            "other = NEGATIVE"
        ]
    );
    assert_eq!(
        request.outermost().collect::<Vec<_>>(),
        ["other", "colour = RED", "colour = NEGATIVE"]
    );
    let response = &get.response_never_seen;
    assert_eq!(
        response.fields,
        ["name", "parcel", "next", "stock", "parts[*].whole"]
    );
    assert_eq!(response.oneof_arms, ["parcel"]);
    assert!(
        !response
            .enum_values
            .contains(&"tints[*] = NEGATIVE".to_owned())
    );
    assert!(
        response
            .enum_values
            .contains(&"tints[*] = GREEN".to_owned())
    );
    assert!(
        response
            .enum_values
            .contains(&"colours[*] = RED".to_owned())
    );
    assert!(
        response
            .enum_values
            .contains(&"parts[*].colour = RED".to_owned())
    );
}

#[test]
fn the_zero_of_an_enum_without_presence_is_seen_where_it_is_left_out() {
    let coverage = coverage_of(&[pair(b"", &[b"\x12\x02\x08\x01"])]);
    let get = coverage.of_method("t.Shop/Get").unwrap();
    assert!(
        !get.request_never_seen
            .enum_values
            .contains(&"colour = RED".to_owned())
    );
    assert!(
        get.request_never_seen
            .enum_values
            .contains(&"other = RED".to_owned())
    );
    assert!(
        !get.response_never_seen
            .enum_values
            .contains(&"parts[*].colour = RED".to_owned())
    );
}

#[test]
fn a_type_inside_itself_counts_for_the_outer_one() {
    // next { name: "a" }, parts { whole { stock: 1 } }
    let item = b"\x32\x03\x0a\x01a\x12\x04\x1a\x02\x40\x01";
    let never = coverage_of(&[pair(b"", &[item])]);
    let never = &never.of_method("t.Shop/Get").unwrap().response_never_seen;
    assert!(!never.fields.contains(&"name".to_owned()));
    assert!(!never.fields.contains(&"stock".to_owned()));
    assert!(!never.fields.iter().any(|path| path.starts_with("next.")));
}

#[test]
fn order_and_repetition_change_nothing() {
    let pairs = [
        pair(b"\x0a\x017", &[b"\x0a\x01a", b"\x40\x01"]),
        pair(b"\x10\x01", &[b"\x22\x01a"]),
        pair(b"", &[]),
    ];
    let mut other: Vec<Pair> = pairs.iter().rev().cloned().collect();
    other.extend(pairs.clone());
    assert_eq!(coverage_of(&pairs), coverage_of(&other));
}

#[test]
fn an_equal_body_is_walked_once() {
    let mut sums = CoverageSums::new(pool(PROTO), None);
    let mut first = pair(b"", &[b"\x0a\x01a"]);
    first.primary.response.body_digest = Some(7);
    sums.add(&first);
    let Some(Some(get)) = sums.methods.get_mut("t.Shop/Get") else {
        panic!("the method is known");
    };
    assert!(get.response.was_walked(&first.primary.response));
    assert!(!get.request.was_walked(&first.primary.request));
}

#[test]
fn hostile_bytes_are_walked_as_far_as_they_make_sense() {
    let mut deep = Vec::new();
    for _ in 0..200 {
        let mut outer = vec![0x32];
        prost::encoding::encode_varint(deep.len() as u64, &mut outer);
        outer.extend(&deep);
        deep = outer;
    }
    let lengthy = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    for bytes in [
        &deep[..],
        b"\x0a\x01",
        lengthy,
        b"\xff",
        b"\x33\x34",
        b"\x33",
        b"\x00",
        b"\x0c",
    ] {
        coverage_of(&[pair(bytes, &[b"\x40\x01", bytes])]);
    }
    let cut = coverage_of(&[pair(b"", &[b"\x40\x01\x0a\x05ab"])]);
    let never = &cut.of_method("t.Shop/Get").unwrap().response_never_seen;
    assert!(!never.fields.contains(&"stock".to_owned()));
}

#[test]
fn what_grows_without_bound_is_cut_and_counted() {
    // Ten types, each with a field of every other: the paths are as many as the orders of ten.
    let types: String = (0..10)
        .map(|n| {
            let fields: String = (0..10).map(|m| format!("M{m} f{m} = {};", m + 1)).collect();
            format!("message M{n} {{ {fields} }}")
        })
        .collect();
    let proto = format!(r#"syntax = "proto3"; package t; {types}"#);
    let shape = Shape::of(&pool(&proto).get_message_by_name("t.M0").unwrap());
    assert_eq!(shape.items.len(), PATHS_MAX);
    assert!(shape.cut > 0);
    let chain: String = (0..40)
        .map(|n| format!("message C{n} {{ C{} next = 1; }}", n + 1))
        .collect();
    let proto =
        format!(r#"syntax = "proto3"; package t; {chain} message C40 {{ int32 end = 1; }}"#);
    let shape = Shape::of(&pool(&proto).get_message_by_name("t.C0").unwrap());
    assert_eq!((shape.items.len(), shape.cut), (DEPTH_MAX, 1));
}

#[test]
fn only_methods_asked_for_are_missed() {
    let sums = CoverageSums::new(pool(PROTO), Some("*/Get".to_owned()));
    let coverage = sums.into_coverage();
    assert_eq!(coverage.methods, Seen { seen: 0, of: 1 });
}
