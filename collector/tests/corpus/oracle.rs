//! Python's protobuf library judges the same messages: equal or not, as messages and as JSON.

use serde_json::json;

use crate::sample::{Class, Sample};
use crate::types::ENCODED;
use crate::venv;

/// Fails where Python sees another number of unequal samples than was planted.
pub fn agrees(samples: &[Sample]) {
    let folder = tempfile::tempdir().unwrap();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let is_about_messages = |sample: &&Sample| {
        let (a, b) = (&sample.primary.response, &sample.candidate.response);
        a.messages.len() == 1 && b.messages.len() == 1
    };
    let lines: String = samples
        .iter()
        .filter(is_about_messages)
        .map(|sample| {
            let place = twintap::compare::Place::ResponseMessage;
            let line = json!({
                "class": format!("{:?}", sample.class),
                "type": sample.type_name,
                "primary": hex(&sample.primary.response.messages[0].bytes),
                "candidate": hex(&sample.candidate.response.messages[0].bytes),
                "differs": sample.expected.iter().any(|planted| planted.place == place),
                // JSON does not show what the type does not know.
                "shows_in_json": sample.class != Class::UnknownField,
            });
            format!("{line}\n")
        })
        .collect();
    let (corpus, descriptors) = (
        folder.path().join("corpus.jsonl"),
        folder.path().join("types.binpb"),
    );
    std::fs::write(&corpus, lines).unwrap();
    std::fs::write(&descriptors, ENCODED.as_slice()).unwrap();
    print!("{}", venv::run("judge_corpus.py", &[&corpus, &descriptors]));
}
