//! Random services, called by clients of random habits: no name may ever be wrong.
//!
//! `TWINTAP_SEEDS=N` tries more of them.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use twintap::sources::capture::learn::Descriptors;

use crate::client::{Client, number, pcap, text};
use crate::run::{Run, run};

/// Conversations tried.
const SEEDS: u64 = 8;
const CONNECTIONS: u16 = 4;
const CALLS: usize = 400;

/// A linear congruential generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

#[derive(Clone)]
struct Field {
    number: u8,
    is_text: bool,
    /// How often it is set, in percent.
    presence: usize,
}

type MessageType = Vec<Field>;

struct Method {
    path: String,
    request: usize,
    response: usize,
    weight: usize,
}

/// How alike methods are.
#[derive(Clone, Copy, PartialEq)]
enum Alike {
    /// Many share types, and types share fields.
    Often,
    /// Each has types of its own, and at least one field that no other has at that place.
    Never,
}

struct Service {
    types: Vec<MessageType>,
    methods: Vec<Method>,
}

impl Service {
    fn random(random: &mut Random, alike: Alike) -> Self {
        match alike {
            Alike::Often => Self::alike(random),
            Alike::Never => Self::distinct(random),
        }
    }

    fn distinct(random: &mut Random) -> Self {
        let mut service = Self {
            types: Vec::new(),
            methods: Vec::new(),
        };
        for index in 0..3 + random.below(8) {
            let own = |base: usize| Field {
                number: u8::try_from(base + index).unwrap(),
                is_text: index % 2 == 0,
                presence: 100,
            };
            let optional = |random: &mut Random| Field {
                number: 1,
                is_text: random.percent(60),
                presence: [100, 90, 50, 10][random.below(4)],
            };
            // Some differ in their request, others in their response.
            let is_request = random.percent(50);
            let (mut request, mut response) = (vec![optional(random)], vec![optional(random)]);
            if is_request {
                &mut request
            } else {
                &mut response
            }
            .push(own(2));
            service.methods.push(Method {
                path: format!("/random.v1.Service/Method{index}"),
                request: service.types.len(),
                response: service.types.len() + 1,
                weight: [10, 20, 50][random.below(3)],
            });
            service.types.extend([request, response]);
        }
        service
    }

    fn alike(random: &mut Random) -> Self {
        let types: Vec<MessageType> = (0..3 + random.below(8))
            .map(|_| {
                let count = 1 + random.below(5);
                let fields = (0..count).map(|index| Field {
                    number: u8::try_from(index + 1 + random.below(2)).unwrap(),
                    is_text: random.percent(60),
                    presence: [100, 100, 90, 50, 10][random.below(5)],
                });
                let mut fields: Vec<_> = fields.collect();
                fields.dedup_by_key(|field| field.number);
                fields
            })
            .collect();
        let methods = (0..2 + random.below(8)).map(|index| Method {
            path: format!("/random.v1.Service/Method{index}"),
            request: random.below(types.len()),
            response: random.below(types.len()),
            weight: [1, 5, 20, 50][random.below(4)],
        });
        Self {
            methods: methods.collect(),
            types,
        }
    }

    fn pick(&self, random: &mut Random) -> &Method {
        let total: usize = self.methods.iter().map(|method| method.weight).sum();
        let mut place = random.below(total);
        let found = self.methods.iter().find(|method| {
            let is_here = place < method.weight;
            place = place.saturating_sub(method.weight);
            is_here
        });
        found.unwrap()
    }

    fn descriptors(&self) -> Descriptors {
        let field = |field: &Field| FieldDescriptorProto {
            name: Some(format!("field{}", field.number)),
            number: Some(i32::from(field.number)),
            label: Some(Label::Optional.into()),
            r#type: Some(
                if field.is_text {
                    Type::String
                } else {
                    Type::Int32
                }
                .into(),
            ),
            ..FieldDescriptorProto::default()
        };
        let message = |(index, fields): (usize, &MessageType)| DescriptorProto {
            name: Some(format!("Type{index}")),
            field: fields.iter().map(field).collect(),
            ..DescriptorProto::default()
        };
        let method = |method: &Method| MethodDescriptorProto {
            name: method.path.rsplit('/').next().map(str::to_owned),
            input_type: Some(format!(".random.v1.Type{}", method.request)),
            output_type: Some(format!(".random.v1.Type{}", method.response)),
            ..MethodDescriptorProto::default()
        };
        let file = FileDescriptorProto {
            name: Some("random.proto".to_owned()),
            package: Some("random.v1".to_owned()),
            syntax: Some("proto3".to_owned()),
            message_type: self.types.iter().enumerate().map(message).collect(),
            service: vec![ServiceDescriptorProto {
                name: Some("Service".to_owned()),
                method: self.methods.iter().map(method).collect(),
                ..ServiceDescriptorProto::default()
            }],
            ..FileDescriptorProto::default()
        };
        let set = FileDescriptorSet { file: vec![file] };
        Descriptors::new([set.encode_to_vec().as_slice()]).unwrap()
    }
}

fn message(message_type: &MessageType, random: &mut Random) -> Vec<u8> {
    let set = message_type.iter().flat_map(|field| {
        let value = random.below(60);
        match (random.percent(field.presence), field.is_text) {
            (false, _) => Vec::new(),
            (true, true) => text(field.number, &"x".repeat(value)),
            (true, false) => number(field.number, u8::try_from(value).unwrap()),
        }
    });
    set.collect()
}

/// Every other connection is cut. Every client has its own habit of setting some fields.
fn conversation(service: &Service, random: &mut Random) -> (Vec<u8>, HashMap<(u16, u32), String>) {
    let (mut packets, mut truth) = (Vec::new(), HashMap::new());
    for port in 40_000..40_000 + CONNECTIONS {
        let mut types = service.types.clone();
        for field in types.iter_mut().flatten() {
            if field.presence < 100 && random.percent(20) {
                field.presence = random.below(100);
            }
        }
        let mut client = Client::new(port);
        for call in 0..CALLS {
            let method = service.pick(random);
            let request = message(&types[method.request], random);
            let response = message(&types[method.response], random);
            client.call(&method.path, &request, &response);
            let stream_id = u32::try_from(2 * call + 1).unwrap();
            truth.insert((port, stream_id), method.path.clone());
        }
        packets.extend(if port % 2 == 0 {
            client.whole()
        } else {
            client.without_first(CALLS / 3)
        });
    }
    (pcap(&packets), truth)
}

/// Calls that were not seen by name, those that got one, and those that got a wrong one.
fn score(run: &Run, truth: &HashMap<(u16, u32), String>) -> (usize, usize, usize) {
    let unseen = run.calls.iter().filter(|call| call.certainty != "seen");
    let mut score = (0, 0, 0);
    for call in unseen {
        let is_named = call.certainty == "inferred";
        score.0 += 1;
        score.1 += usize::from(is_named);
        score.2 +=
            usize::from(is_named && truth[&(call.client_port, call.stream_id)] != call.method);
    }
    score
}

/// The share of calls that got a name, in percent.
fn all(what: &str, alike: Alike, with_descriptors: bool) -> usize {
    let seeds = std::env::var("TWINTAP_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let mut total = (0, 0, 0);
    for seed in 1..=seeds {
        let mut random = Random(seed);
        let service = Service::random(&mut random, alike);
        let (capture, truth) = conversation(&service, &mut random);
        let descriptors = with_descriptors.then(|| service.descriptors());
        let run = run(&[&capture], descriptors, 2);
        let (unseen, named, wrong) = score(&run, &truth);
        if wrong > 0 {
            println!("{what}, seed {seed}: {wrong} of {named} names are wrong");
        }
        total = (total.0 + unseen, total.1 + named, total.2 + wrong);
    }
    println!(
        "{what}: {} calls not seen by name, {} named, {} wrong",
        total.0, total.1, total.2
    );
    assert_eq!(total.2, 0);
    total.1 * 100 / total.0
}

#[test]
fn no_name_is_wrong_where_methods_look_alike() {
    assert!(all("alike, sisters", Alike::Often, false) > 0);
    assert!(all("alike, descriptors and sisters", Alike::Often, true) > 0);
}

#[test]
fn nearly_all_calls_get_names_where_methods_look_different() {
    assert!(all("distinct, sisters", Alike::Never, false) >= 90);
    assert!(all("distinct, descriptors and sisters", Alike::Never, true) >= 90);
}
