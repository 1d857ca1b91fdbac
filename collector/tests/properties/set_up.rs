//! What `doctor` reads: each input has its place in the answer, with a line that it has; and the answer
//! is JSON, and text without a control character.

use twintap::doctor::evidence::Evidence;
use twintap::doctor::examine;
use twintap::doctor::form::{Style, json, text};
use twintap::doctor::input::{Chosen, Inputs, read};

const PLAIN: Style = Style {
    colours: false,
    width: 80,
};

/// `bytes` are a file.
pub(crate) fn check(bytes: &[u8]) {
    let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
    read("in", bytes, Chosen::ByUser, &mut evidence, &mut inputs);
    assert!(!inputs.taken.is_empty() || !inputs.problems.is_empty());
    let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
    let lines = ends.count() as u64 + 1;
    for problem in &inputs.problems {
        assert!(
            problem.line.is_none_or(|line| (1..=lines).contains(&line)),
            "{problem:?}"
        );
    }
    let examination = examine(&evidence, &[]);
    let answer = json(&examination, &inputs).unwrap();
    serde_json::from_str::<serde_json::Value>(&answer).unwrap();
    let answer = text(&examination, &inputs, PLAIN);
    assert!(
        !answer.contains(|c: char| c.is_control() && c != '\n'),
        "{answer:?}"
    );
}
