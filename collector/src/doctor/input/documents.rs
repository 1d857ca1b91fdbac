//! YAML cut into documents, so that a broken one does not take the others with it.
//!
//! A line that begins with `---` or `...` ends a document wherever it stands: YAML forbids it inside
//! block scalars and quotes too (YAML 1.2, section 9.1.2).

use serde_saphyr::Location;

use crate::compare::rules::file::without_place;
use crate::doctor::node::{Located, Node};

/// Nodes of one document at most; `kubectl get -A -o yaml` of a large cluster has a few hundred thousand.
const NODES_MAX: usize = 4_000_000;
/// Parsing events that aliases of one document repeat.
const ALIASED_MAX: usize = 50_000;
/// Depth of a document.
const DEPTH_MAX: usize = 128;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// From 1.
    pub(super) number: u64,
    /// Its first line in the file, from 1: the first after the marker that is not empty.
    pub(super) first_line: u64,
    /// Lines of the file before its text.
    lines_before: u64,
    text: String,
}

impl Document {
    /// Its tree, with lines of the file. Else the line and what is wrong.
    pub(super) fn parse(&self) -> Result<Node, (Option<u64>, String)> {
        let budget = serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: NODES_MAX.saturating_mul(2),
            max_depth: DEPTH_MAX,
        };
        let mut options = serde_saphyr::options! { with_snippet: false, budget: budget };
        options.alias_limits.max_total_replayed_events = ALIASED_MAX;
        match serde_saphyr::from_str_with_options::<Located>(&self.text, options) {
            Ok(Located(mut node)) => {
                node.shift(self.lines_before);
                Ok(node)
            }
            Err(error) => {
                let line = error
                    .location()
                    .as_ref()
                    .map(Location::line)
                    .filter(|line| *line > 0);
                let message = without_place(&error.to_string());
                Err((
                    line.map(|line| line + self.lines_before),
                    format!("is not valid YAML: {message}"),
                ))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.text.lines().all(|line| {
            line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with('%')
        })
    }
}

/// The documents of `text` that hold something.
pub(super) fn split(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut lines_before = 0;
    let mut current = String::new();
    let mut number = 1;
    let mut finish = |text: String, lines_before: u64| {
        let empty_lines = text
            .lines()
            .take_while(|line| line.trim().is_empty())
            .count();
        let document = Document {
            number,
            first_line: lines_before + u64::try_from(empty_lines).unwrap_or(0) + 1,
            lines_before,
            text,
        };
        if !document.is_empty() {
            documents.push(document);
            number += 1;
        }
    };
    for (line_number, line) in (0..).zip(text.split_inclusive('\n')) {
        let marker = line.trim_end();
        let is_start = marker == "---" || line.starts_with("--- ") || line.starts_with("---\t");
        if is_start || marker == "..." {
            finish(std::mem::take(&mut current), lines_before);
            lines_before = line_number;
            // What stands behind the marker belongs to the document, at its column.
            current.push_str("   ");
            current.push_str(line.get(3..).unwrap_or_default());
        } else {
            current.push_str(line);
        }
    }
    finish(current, lines_before);
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_lines() {
        let documents = split("# head\n---\na: 1\n--- # second\n\nb: 2\n...\n---\n");
        let lines: Vec<_> = documents
            .iter()
            .map(|document| (document.number, document.first_line))
            .collect();
        assert_eq!(lines.len(), 2);
        let node = documents[1].parse().unwrap();
        assert_eq!(node.get("b").unwrap().line, Some(6));
    }

    #[test]
    fn an_error_is_told_with_the_line_of_the_file() {
        let documents = split("a: 1\n---\nb: 2\nb: 3\n");
        let (line, what) = documents[1].parse().unwrap_err();
        assert_eq!(line, Some(4), "{what}");
    }
}
