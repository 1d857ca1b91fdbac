//! `twintap doctor` as a user runs it: files in, findings and exit code out.

#![cfg(test)]
#![allow(missing_docs, reason = "tests document themselves")]

mod accounting;
mod admin;
mod command;
mod documents;
mod escaped;
mod fixtures;
mod hostile;
mod program;
mod recordings;
mod statistics;
