//! Comparison tests: one planted change, one difference, in the right place and of the right kind.

mod aborted;
mod calls;
mod contents;
mod drift;
mod hostile;
mod inside;
mod json;
mod messages;
mod metadata;
mod rules;
mod shop;
mod status;
mod wire;

use prost::Message as _;

use super::*;

/// The types of a `.proto` file with this text.
pub(super) fn schema(proto: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.proto");
    std::fs::write(&file, proto).unwrap();
    let set = protox::compile([&file], [folder.path()]).unwrap();
    let mut schema = Schema::default();
    schema.add_descriptor_set(&set.encode_to_vec()).unwrap();
    schema
}

/// Compares, with the shop's descriptors.
fn by_descriptor(primary: &Call, candidate: &Call) -> Verdict {
    let settings = Settings {
        schema: Some(shop::schema()),
        ..Settings::default()
    };
    compare(primary, candidate, &settings)
}

/// Compares by wire field.
fn by_wire(primary: &Call, candidate: &Call) -> Verdict {
    compare(primary, candidate, &Settings::default())
}

/// The only difference of `verdict`, as `place path kind`.
#[track_caller]
fn only(verdict: &Verdict) -> (&'static str, &str, &'static str) {
    assert_eq!(verdict.differences.len(), 1, "{verdict:#?}");
    let difference = &verdict.differences[0];
    (
        difference.place.name(),
        difference.path.as_str(),
        difference.kind.name(),
    )
}
