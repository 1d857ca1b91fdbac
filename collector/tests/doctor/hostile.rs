//! Inputs that are cut, changed or mixed: whatever they are, they are read without a panic and judged.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use twintap::doctor::evidence::Evidence;
use twintap::doctor::examine;
use twintap::doctor::input::{Chosen, Inputs, read};

use super::program::{entries, fixtures};

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for (_, path) in entries(folder) {
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// All fixtures.
fn texts() -> &'static [Vec<u8>] {
    static TEXTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let mut files = Vec::new();
        files_below(&fixtures(), &mut files);
        files
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect()
    })
}

/// Lines of `text` with some removed, repeated or moved: mostly valid still, and another set-up.
fn shuffled(text: &[u8], picks: &[prop::sample::Index]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, pick) in picks.iter().enumerate() {
        if lines.is_empty() {
            break;
        }
        let at = pick.index(lines.len());
        match index % 3 {
            0 => {
                lines.remove(at);
            }
            1 => lines.insert(at, lines[at / 2]),
            _ => lines.swap(at, at / 3),
        }
    }
    lines.concat()
}

fn judge(texts: &[Vec<u8>]) {
    let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
    for text in texts {
        read("in", text, Chosen::ByUser, &mut evidence, &mut inputs);
    }
    examine(&evidence, &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cut_and_changed_inputs_are_judged_without_a_panic(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut text = which.get(texts()).clone();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        judge(&[text[..cut.index(text.len())].to_vec(), text]);
    }

    #[test]
    fn mixed_set_ups_are_judged_without_a_panic(
        which in prop::collection::vec(any::<prop::sample::Index>(), 2..5),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let mixed: Vec<Vec<u8>> = which
            .iter()
            .map(|which| {
                let text: &Vec<u8> = which.get(texts());
                shuffled(text, &picks)
            })
            .collect();
        judge(&mixed);
    }
}

#[test]
fn deep_nesting_and_anchors_that_multiply_are_refused() {
    let deep = format!(
        "apiVersion: v1\nkind: {}x{}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let json = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (outer, inner) in ('b'..='k').zip('a'..='j') {
        bomb.push_str(&format!(
            "{outer}: &{outer} [{}]\n",
            vec![format!("*{inner}"); 9].join(", ")
        ));
    }
    for text in [deep, json, bomb] {
        let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
        read(
            "in",
            text.as_bytes(),
            Chosen::ByUser,
            &mut evidence,
            &mut inputs,
        );
        assert_eq!(inputs.problems.len(), 1, "{:?}", inputs.taken);
    }
}
