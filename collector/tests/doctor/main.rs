//! `twintap doctor` as a user runs it: files in, findings and exit code out.

#![cfg(test)]
#![allow(missing_docs, reason = "tests document themselves")]

mod fixtures;
mod program;
