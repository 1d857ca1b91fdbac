//! Messages with values that look like those of real services: the field's name says what it holds.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::types::POOL;

/// SplitMix64: the same corpus for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % (high - low).unsigned_abs()).unwrap()
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    pub fn hex(&mut self, digits: usize) -> String {
        let text: String = (0..digits.div_ceil(16))
            .map(|_| format!("{:016x}", self.next()))
            .collect();
        text[..digits].to_owned()
    }

    pub fn uuid(&mut self) -> String {
        let [a, b, c, d, e] = [8, 4, 4, 4, 12].map(|digits| self.hex(digits));
        format!("{a}-{b}-{c}-{d}-{e}")
    }

    /// Letters and digits mixed.
    pub fn token(&mut self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let letters: String = (0..28)
            .map(|_| char::from(LETTERS[self.below(LETTERS.len())]))
            .collect();
        format!("t0{letters}")
    }

    /// A phrase; no two are alike by chance.
    pub fn words(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "blue", "harbour", "seven", "lantern", "Quiet", "river", "stone", "maple", "winter",
            "Copper", "garden", "letter", "morning", "salt", "velvet", "window",
        ];
        let count = 3 + self.below(3);
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(16)]).collect();
        format!("{} {}", words.join(" "), self.next() % 1_000_000)
    }

    pub fn time(&mut self) -> DynamicMessage {
        let seconds = self.between(1_700_000_000, 1_800_000_000);
        let nanos = i32::try_from(self.between(1, 999_999_999)).unwrap() | 1;
        seconds_and_nanos("google.protobuf.Timestamp", seconds, nanos)
    }
}

pub fn seconds_and_nanos(name: &str, seconds: i64, nanos: i32) -> DynamicMessage {
    let mut time = DynamicMessage::new(POOL.get_message_by_name(name).unwrap());
    time.set_field_by_name("seconds", Value::I64(seconds));
    time.set_field_by_name("nanos", Value::I32(nanos));
    time
}

/// Depth at which messages stop to nest.
const DEPTH_MAX: u32 = 2;

/// A message with nearly every field set, to something that is not the default.
pub fn message(descriptor: &MessageDescriptor, random: &mut Random, depth: u32) -> DynamicMessage {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => return random.time(),
        "google.protobuf.Duration" => {
            let seconds = random.between(1, 90_000);
            return seconds_and_nanos("google.protobuf.Duration", seconds, 500_000_000);
        }
        "google.protobuf.Any" => return any(random),
        "google.protobuf.Struct" => return structure(descriptor, random),
        _ => {}
    }
    let mut made = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let nests = matches!(field.kind(), Kind::Message(_)) && depth >= DEPTH_MAX;
        // One arm of a oneof; of the rest, now and then one is left out.
        let skip = field.containing_oneof().is_some_and(|oneof| {
            !field.supports_presence() || oneof.fields().any(|arm| made.has_field(&arm))
        });
        let is_left_out = !is_required(&field) && random.below(8) == 0;
        if !nests && !skip && !is_left_out {
            made.set_field(&field, value(&field, random, depth));
        }
    }
    for extension in descriptor.extensions() {
        let value = match extension.kind() {
            Kind::Message(inner) => Value::Message(message(&inner, random, depth + 1)),
            _ if extension.is_list() => Value::List(
                (0..3)
                    .map(|_| Value::I64(random.between(1_001, 900_000_000)))
                    .collect(),
            ),
            _ => Value::String(random.words()),
        };
        if depth < DEPTH_MAX {
            made.set_extension(&extension, value);
        }
    }
    made
}

pub fn is_required(field: &FieldDescriptor) -> bool {
    field.cardinality() == prost_reflect::Cardinality::Required
}

fn value(field: &FieldDescriptor, random: &mut Random, depth: u32) -> Value {
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        let (key, of) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let entries: HashMap<MapKey, Value> = (0..2 + random.below(3))
            .map(|_| (map_key(&key.kind(), random), one(&of, random, depth)))
            .collect();
        return Value::Map(entries);
    }
    if field.is_list() {
        let length = 3 + random.below(3);
        return Value::List((0..length).map(|_| one(field, random, depth)).collect());
    }
    one(field, random, depth)
}

fn map_key(kind: &Kind, random: &mut Random) -> MapKey {
    match kind {
        Kind::Bool => MapKey::Bool(random.below(2) == 0),
        Kind::String => MapKey::String(format!("key {}", random.hex(6))),
        Kind::Int32 => MapKey::I32(i32::try_from(random.between(1, 1 << 30)).unwrap()),
        _ => MapKey::U64(random.next() >> 8),
    }
}

fn one(field: &FieldDescriptor, random: &mut Random, depth: u32) -> Value {
    // Far from zero, from each other, and from seconds since the epoch.
    let small = random.between(1_001, 900_000_000);
    let narrow = i32::try_from(small).unwrap();
    match field.kind() {
        Kind::Double => Value::F64(decimal(random)),
        Kind::Float => Value::F32(format!("{:.3}", decimal(random) / 100.0).parse().unwrap()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(narrow),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(small),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(narrow.unsigned_abs()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(small.unsigned_abs()),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(text(field.name(), random)),
        Kind::Bytes => Value::Bytes((0..24).map(|_| (random.next() | 0x80) as u8).collect()),
        Kind::Message(inner) => Value::Message(message(&inner, random, depth + 1)),
        Kind::Enum(kind) => {
            let values: Vec<i32> = kind.values().map(|value| value.number()).collect();
            Value::EnumNumber(*random.pick(&values).unwrap())
        }
    }
}

/// Six decimals, the last not zero, so that rounding and cutting give different numbers.
fn decimal(random: &mut Random) -> f64 {
    let whole = random.between(10, 90_000);
    let cents = random.between(1, 10) * 10 + random.between(1, 10);
    format!("{whole}.{cents}7{}", random.between(101, 999) | 1)
        .parse()
        .unwrap()
}

fn text(name: &str, random: &mut Random) -> String {
    if name.ends_with("_id") {
        return random.uuid();
    }
    match name.rsplit('_').next() {
        Some("hash") => random.hex(64),
        Some("token") => random.token(),
        Some("time") => {
            let day = random.between(10, 28);
            format!("2026-08-{day}T10:15:{}.25Z", random.between(10, 50))
        }
        _ => random.words(),
    }
}

/// Types that an `Any` of the corpus holds.
const INSIDE: [&str; 3] = [
    "corpus.commerce.Money",
    "corpus.commerce.Review",
    "corpus.telemetry.GeoPoint",
];

fn any(random: &mut Random) -> DynamicMessage {
    let name = INSIDE[random.below(INSIDE.len())];
    let inner = message(&POOL.get_message_by_name(name).unwrap(), random, DEPTH_MAX);
    pack(&inner)
}

pub fn pack(inner: &DynamicMessage) -> DynamicMessage {
    let mut any = DynamicMessage::new(POOL.get_message_by_name("google.protobuf.Any").unwrap());
    let url = format!("type.googleapis.com/{}", inner.descriptor().full_name());
    any.set_field_by_name("type_url", Value::String(url));
    any.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
    any
}

fn structure(descriptor: &MessageDescriptor, random: &mut Random) -> DynamicMessage {
    let of = POOL.get_message_by_name("google.protobuf.Value").unwrap();
    let mut made = DynamicMessage::new(descriptor.clone());
    let mut entries = HashMap::new();
    for index in 0..3 {
        let mut value = DynamicMessage::new(of.clone());
        if index == 0 {
            value.set_field_by_name("number_value", Value::F64(decimal(random)));
        } else {
            value.set_field_by_name("string_value", Value::String(random.words()));
        }
        let key = MapKey::String(format!("field {}", random.hex(4)));
        entries.insert(key, Value::Message(value));
    }
    made.set_field_by_name("fields", Value::Map(entries));
    made
}
