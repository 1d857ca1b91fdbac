//! Stories of http2jp/hpack-test-case: whole, begun midway at every block, and with every block lost.
//!
//! `TWINTAP_HPACK_STORIES=DIR` replays a whole copy of the collection beside the few stories here.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, with the helpers that only they use"
)]

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use twintap_decode::hpack::{Decoder, Expected, HeaderBlock, Name, Value};

/// Names and values of a header list.
type Headers = Vec<(String, String)>;

struct Story {
    path: PathBuf,
    /// Wire bytes and headers of each block.
    blocks: Vec<(Vec<u8>, Headers)>,
}

fn load(path: PathBuf) -> Story {
    let json: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let cases = json["cases"].as_array().unwrap();
    let block = |case: &Json| {
        let wire = case["wire"].as_str().unwrap().as_bytes();
        let digit = |at: usize| char::from(wire[at]).to_digit(16).unwrap();
        let wire = (0..wire.len() / 2)
            .map(|at| u8::try_from(digit(2 * at) * 16 + digit(2 * at + 1)).unwrap());
        let headers = case["headers"].as_array().unwrap().iter();
        let headers = headers.flat_map(|header| header.as_object().unwrap());
        let headers =
            headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        (wire.collect(), headers.collect())
    };
    Story {
        blocks: cases.iter().map(block).collect(),
        path,
    }
}

fn collect(folder: &Path, stories: &mut Vec<Story>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, stories);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            stories.push(load(path));
        }
    }
}

fn stories() -> Vec<Story> {
    let mut stories = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/hpack"),
        &mut stories,
    );
    match std::env::var_os("TWINTAP_HPACK_STORIES") {
        Some(folder) => collect(Path::new(&folder), &mut stories),
        None => println!("the whole collection is skipped: TWINTAP_HPACK_STORIES names no folder"),
    }
    stories
}

fn decoder(is_midway: bool) -> Decoder {
    let mut decoder = Decoder::new(is_midway);
    decoder.allow_table_bytes(1 << 20);
    decoder
}

fn is_request(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name == ":method")
}

/// Every name and value that is presented as seen is right; returns how many values are.
fn assert_nothing_is_wrong(story: &Story, index: usize, block: &HeaderBlock, what: &str) -> usize {
    let expected = &story.blocks[index].1;
    let place = format!("{} block {index} {what}", story.path.display());
    assert_eq!(block.fields().len(), expected.len(), "{place}: {block:?}");
    let mut seen = 0;
    for (field, (name, value)) in block.fields().iter().zip(expected) {
        if !matches!(field.name, Name::Unknown(_) | Name::Lost) {
            let is_sure = matches!(field.value, Value::Seen(_));
            assert!(
                !is_sure || block.name(field) == Some(name.as_bytes()),
                "{place}: {field:?}"
            );
        }
        if matches!(field.value, Value::Seen(_)) {
            assert_eq!(
                block.value(field),
                Some(value.as_bytes()),
                "{place}: {name}"
            );
            seen += 1;
        }
    }
    seen
}

/// Some blocks of a story, spread over it.
fn points(story: &Story) -> impl Iterator<Item = usize> + use<> {
    const POINTS_MAX: usize = 16;
    (0..story.blocks.len()).step_by(story.blocks.len().div_ceil(POINTS_MAX))
}

#[test]
fn every_story_decodes() {
    for story in stories() {
        let mut decoder = decoder(false);
        for (index, (wire, headers)) in story.blocks.iter().enumerate() {
            let block = decoder.decode(wire, 0, Expected::Any);
            assert_eq!(
                block.defect(),
                None,
                "{} block {index}",
                story.path.display()
            );
            let seen = assert_nothing_is_wrong(&story, index, &block, "whole");
            assert_eq!(
                seen,
                headers.len(),
                "{} block {index}",
                story.path.display()
            );
        }
    }
}

#[test]
fn a_story_begun_midway_gives_the_same_or_unknown() {
    for story in stories() {
        for begin in points(&story) {
            let mut decoder = decoder(true);
            for index in begin..story.blocks.len() {
                let block = decoder.decode(&story.blocks[index].0, 0, Expected::Any);
                assert_nothing_is_wrong(&story, index, &block, &format!("begun at {begin}"));
            }
        }
    }
}

#[test]
fn a_story_that_lost_a_block_gives_the_same_or_says_so() {
    for story in stories() {
        for lost in points(&story) {
            let mut decoder = decoder(false);
            for (index, (wire, headers)) in story.blocks.iter().enumerate() {
                if index == lost {
                    decoder.lose(wire.len() as u64);
                    continue;
                }
                let expected = if is_request(headers) {
                    Expected::Request
                } else {
                    Expected::Response
                };
                let block = decoder.decode(wire, 0, expected);
                if block.defect().is_none() {
                    assert_nothing_is_wrong(&story, index, &block, &format!("without {lost}"));
                }
            }
        }
    }
}

#[test]
fn a_story_that_lost_the_end_of_a_block_gives_the_same_or_says_so() {
    for story in stories() {
        for cut in points(&story) {
            let mut decoder = decoder(false);
            for (index, (wire, headers)) in story.blocks.iter().enumerate() {
                let expected = if is_request(headers) {
                    Expected::Request
                } else {
                    Expected::Response
                };
                if index == cut {
                    let kept = &wire[..wire.len() / 2];
                    let missing = wire.len() - kept.len();
                    let block = decoder.decode(kept, missing as u64, expected);
                    assert!(block.is_incomplete());
                    continue;
                }
                let block = decoder.decode(wire, 0, expected);
                if block.defect().is_none() {
                    assert_nothing_is_wrong(&story, index, &block, &format!("{cut} cut"));
                }
            }
        }
    }
}
