//! `twintap compare` as a user runs it: a data directory in, report, datasets and exit code out.

#![cfg(test)]
#![allow(missing_docs, reason = "tests document themselves")]

mod browser;
mod correlations;
mod drift;
mod editions;
mod exit_codes;
mod recording;
mod reflection;
mod reports;
mod show;
#[path = "../dataset/venv.rs"]
mod venv;
mod verdict;
mod watch;
