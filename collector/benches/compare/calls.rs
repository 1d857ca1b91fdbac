//! Orders of about 1 KiB, and the same orders as another service answers them.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde_json::json;
use twintap::call::{Call, CallId, Direction, End, Header, Message, Position, Role, Status};
use twintap::compare::Schema;
use xxhash_rust::xxh3::xxh3_64;

const PROTO: &str = r#"
syntax = "proto3";
package bench.v1;
service Orders { rpc Get(Query) returns (Order); }
message Query { string id = 1; }
message Order {
  string id = 1;
  string customer = 2;
  double total = 3;
  repeated Line lines = 4;
  string note = 5;
  int64 version = 6;
}
message Line {
  string sku = 1;
  string title = 2;
  int32 quantity = 3;
  double price = 4;
}
"#;

/// Lines of an order: together about 1 KiB.
const LINES: u64 = 14;

/// Which answers of the candidate differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// One in ten.
    SomePairs,
    EveryPair,
}

pub struct Orders {
    pool: DescriptorPool,
    pub descriptors: Vec<u8>,
}

impl Orders {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.proto");
        std::fs::write(&file, PROTO).unwrap();
        let compiled = protox::compile([&file], [folder.path()]).unwrap();
        let descriptors = compiled.encode_to_vec();
        Self {
            pool: DescriptorPool::decode(descriptors.as_slice()).unwrap(),
            descriptors,
        }
    }

    pub fn schema(&self) -> Schema {
        let mut schema = Schema::default();
        schema.add_descriptor_set(&self.descriptors).unwrap();
        schema
    }

    /// Both sides of pair `number`.
    pub fn pair(&self, number: u64, change: Change) -> (Call, Call) {
        let differs = differs(number, change);
        (
            self.call(number, Role::Primary, false),
            self.call(number, Role::Candidate, differs),
        )
    }

    fn call(&self, number: u64, role: Role, differs: bool) -> Call {
        let mut query = self.message("bench.v1.Query");
        query.set_field_by_name("id", Value::String(id(number)));
        let id_header = format!("{number:032x}");
        let side = u64::from(role == Role::Candidate);
        Call {
            id: CallId {
                producer_id: [7; 16],
                record_number: number * 2 + side + 1,
            },
            role,
            position: Position::Upstream,
            rpc_method: "bench.v1.Orders/Get".to_owned(),
            pair_id: Bytes::from(id_header.clone()),
            started_unix_ns: 1_800_000_000_000_000_000 + number * 1_000_000,
            request: direction(&query.encode_to_vec()),
            response: direction(&self.order(number, differs).encode_to_vec()),
            request_metadata: vec![
                header(":method", "POST"),
                header(":path", "/bench.v1.Orders/Get"),
                header(":authority", "orders.shop:50051"),
                header("content-type", "application/grpc"),
                header("user-agent", "grpc-go/1.66.0"),
                header("x-twintap-pair-id", &id_header),
            ],
            response_metadata: vec![
                header(":status", "200"),
                header("content-type", "application/grpc"),
            ],
            trailers: vec![header("grpc-status", "0"), header("grpc-message", "")],
            status: Some(Status::OK),
            http_status: Some(200),
            end: End::Complete,
            ..Call::default()
        }
    }

    fn order(&self, number: u64, differs: bool) -> DynamicMessage {
        let mut order = self.message("bench.v1.Order");
        let lines = (0..LINES).map(|line| {
            let mut made = self.message("bench.v1.Line");
            made.set_field_by_name("sku", Value::String(format!("SKU-{number:08}-{line:02}")));
            made.set_field_by_name("title", Value::String(title(number + line)));
            made.set_field_by_name("quantity", Value::I32((line + 1) as i32));
            made.set_field_by_name("price", Value::F64(price(number, line)));
            Value::Message(made)
        });
        order.set_field_by_name("lines", Value::List(lines.collect()));
        order.set_field_by_name("id", Value::String(id(number)));
        order.set_field_by_name(
            "customer",
            Value::String(format!("customer {}", number % 977)),
        );
        order.set_field_by_name("total", Value::F64(total(number, differs)));
        order.set_field_by_name("note", Value::String("leave at the door".to_owned()));
        order.set_field_by_name("version", Value::I64(3));
        order
    }

    /// The line of a log that an interceptor writes for the same call.
    pub fn log_line(number: u64, differs: bool) -> serde_json::Value {
        let lines: Vec<_> = (0..LINES)
            .map(|line| {
                json!({
                    "sku": format!("SKU-{number:08}-{line:02}"),
                    "title": title(number + line),
                    "quantity": line + 1,
                    "price": price(number, line),
                })
            })
            .collect();
        json!({
            "method": "/bench.v1.Orders/Get",
            "trace_id": format!("{number:032x}"),
            "request": {
                "headers": { "user-agent": "grpc-go/1.66.0", "content-type": "application/grpc" },
                "body": { "id": id(number) },
            },
            "response": {
                "headers": { "content-type": "application/grpc" },
                "body": {
                    "id": id(number),
                    "customer": format!("customer {}", number % 977),
                    "total": total(number, differs),
                    "lines": lines,
                    "note": "leave at the door",
                    "version": "3",
                },
            },
        })
    }

    fn message(&self, name: &str) -> DynamicMessage {
        DynamicMessage::new(self.pool.get_message_by_name(name).unwrap())
    }
}

pub fn differs(number: u64, change: Change) -> bool {
    match change {
        Change::Nothing => false,
        Change::SomePairs => number % 10 == 3,
        Change::EveryPair => true,
    }
}

fn id(number: u64) -> String {
    format!("order-{number:012}")
}

fn title(number: u64) -> String {
    const WORDS: [&str; 6] = ["ceramic", "mug", "blue", "large", "kettle", "steel"];
    let word = |shift: u64| WORDS[(number.wrapping_mul(7919) >> shift) as usize % WORDS.len()];
    format!("{} {} {}", word(0), word(3), word(6))
}

fn price(number: u64, line: u64) -> f64 {
    ((number * 31 + line * 17) % 9_000) as f64 / 100.0 + 1.0
}

fn total(number: u64, differs: bool) -> f64 {
    let total = (number % 90_000) as f64 / 100.0 + 10.125;
    if differs { total + 0.5 } else { total }
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        redacted: false,
    }
}

fn direction(message: &[u8]) -> Direction {
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    Direction {
        messages: vec![Message {
            declared_bytes: message.len() as u32,
            bytes: Bytes::copy_from_slice(message),
            ..Message::default()
        }],
        messages_count: Some(1),
        body_bytes: body.len() as u64,
        body_digest: Some(xxh3_64(&body)),
        end_stream: true,
        ..Direction::default()
    }
}
