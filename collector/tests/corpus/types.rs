//! The message types, compiled once.

use std::path::Path;
use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use twintap::compare::Schema;

pub static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/protos");
    let files = ["commerce.proto", "telemetry.proto", "legacy.proto"];
    protox::compile(files, [folder]).unwrap().encode_to_vec()
});

pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ENCODED.as_slice()).unwrap());

/// One method a type: its answers are of that type.
pub static METHODS: LazyLock<Vec<MethodDescriptor>> = LazyLock::new(|| {
    let services = POOL.services();
    services
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
});

pub static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    schema.add_descriptor_set(&ENCODED).unwrap();
    schema
});
