//! Descriptor sets: refused whole with a reason, or taken; then any message can be compared with them.

use twintap::compare::Schema;

use super::call::{answer, assert_consistent};
use super::types;

/// Methods of a set that are tried.
const METHODS_MAX: usize = 3;

/// `bytes` are an encoded set, and as good a message as any.
pub(crate) fn check(bytes: &[u8]) {
    let mut both = types::schema().clone();
    let before = both.to_descriptor_set();
    match both.add_descriptor_set(bytes) {
        Ok(()) => assert!(both.knows(types::METHOD), "what was taken before is gone"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(both.to_descriptor_set(), before, "it left a trace");
        }
    }
    let mut alone = Schema::default();
    if alone.add_descriptor_set(bytes).is_ok() {
        assert_usable(&alone, bytes);
    }
}

/// Panics unless a schema can be handed on, differs from itself in nothing, and reads messages.
pub(crate) fn assert_usable(schema: &Schema, message: &[u8]) {
    let mut again = Schema::default();
    let encoded = schema.to_descriptor_set();
    again.add_descriptor_set(&encoded).unwrap();
    assert_eq!(again.to_descriptor_set(), encoded);
    let drifted = schema.clone().with_candidate(&again);
    let methods = schema.pool().services().flat_map(|service| {
        let methods: Vec<_> = service.methods().collect();
        let name = service.full_name().to_owned();
        methods
            .into_iter()
            .map(move |method| format!("{name}/{}", method.name()))
    });
    for method in methods.take(METHODS_MAX) {
        let half = message.len() / 2;
        let calls = || [answer(&method, message), answer(&method, &message[..half])];
        assert_consistent(Some(schema), calls());
        assert_consistent(Some(&drifted), calls());
    }
}
