//! Descriptors: the only method that accepts all messages of a class names it.

use prost::Message as _;
use twintap::sources::capture::learn::{Descriptors, DescriptorsError};

use crate::client::{Client, number, pcap, text};
use crate::run::{Run, run};

const PROTO: &str = r#"
syntax = "proto3";
package shop.v1;
service Shop {
  rpc Get(Id) returns (Item);
  rpc Put(Item) returns (Empty);
  rpc Find(Id) returns (Items);
  rpc Touch(Id) returns (Empty);
  rpc Drop(Id) returns (Empty);
}
message Id { string id = 1; }
message Item { string name = 1; int32 price = 2; }
message Items { repeated Item items = 3; }
message Empty {}
"#;

fn encoded() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.proto"), PROTO).unwrap();
    let set = protox::compile(["shop.proto"], [folder.path()]).unwrap();
    set.encode_to_vec()
}

fn descriptors() -> Option<Descriptors> {
    Some(Descriptors::new([encoded().as_slice()]).unwrap())
}

fn item(round: usize) -> Vec<u8> {
    [text(1, &format!("item {round}")), number(2, 9)].concat()
}

/// 30 calls of `path`, of which the first was not captured.
fn late(
    path: &str,
    request: impl Fn(usize) -> Vec<u8>,
    response: impl Fn(usize) -> Vec<u8>,
) -> Run {
    let mut client = Client::new(40_002);
    for round in 0..30 {
        client.call(path, &request(round), &response(round));
    }
    run(&[&pcap(&client.without_first(1))], descriptors(), 2)
}

fn id(round: usize) -> Vec<u8> {
    text(1, &format!("id {round}"))
}

fn items(round: usize) -> Vec<u8> {
    let item = item(round);
    [&[3 << 3 | 2, u8::try_from(item.len()).unwrap()], &item[..]].concat()
}

#[test]
fn the_only_method_that_accepts_all_messages_gives_the_name() {
    let run = late("/shop.v1.Shop/Get", id, item);
    assert_eq!(run.names(40_002), [("/shop.v1.Shop/Get", "inferred")]);
    assert_eq!(run.named(40_002), (29, 29));
    assert_eq!(run.ingested.names.by_descriptors, 29);
    let run = late("/shop.v1.Shop/Put", item, |_| Vec::new());
    assert_eq!(run.names(40_002), [("/shop.v1.Shop/Put", "inferred")]);
    let run = late("/shop.v1.Shop/Find", id, items);
    assert_eq!(run.names(40_002), [("/shop.v1.Shop/Find", "inferred")]);
}

#[test]
fn messages_that_several_methods_accept_give_no_name() {
    let run = late("/shop.v1.Shop/Touch", id, |_| Vec::new());
    assert_eq!(run.named(40_002), (29, 0), "{:?}", run.names(40_002));
}

#[test]
fn a_method_that_no_descriptor_has_gets_no_name() {
    let run = late("/other.v1.Other/Do", |_| number(9, 1), |_| number(9, 1));
    assert_eq!(run.named(40_002), (29, 0));
    // Its status is a number where no other method has one: the health service is always known.
    let run = late("/grpc.health.v1.Health/Check", id, |_| number(1, 1));
    let health = ("/grpc.health.v1.Health/Check", "inferred");
    assert!(
        run.names(40_002)
            .iter()
            .all(|it| *it == health || it.1 == "unknown"),
        "{:?}",
        run.names(40_002)
    );
}

#[test]
fn one_message_that_does_not_fit_takes_the_name_away() {
    let run = late("/shop.v1.Shop/Get", id, |round| match round {
        17 => number(5, 1),
        _ => item(round),
    });
    assert_eq!(run.named(40_002), (29, 0));
}

#[test]
fn files_that_are_no_descriptors_are_refused() {
    let refused = |encoded: &[u8]| Descriptors::new([encoded]).unwrap_err();
    assert!(matches!(refused(b"\x0a\xff"), DescriptorsError::Invalid(_)));
    assert!(matches!(refused(b""), DescriptorsError::NoService));
}
