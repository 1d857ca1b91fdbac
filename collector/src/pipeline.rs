//! The runs: what each command that works on calls wires together; the only place that spawns.
//!
//! | run | from | to |
//! | --- | --- | --- |
//! | [`serve`] | what filters send | the journal, then the dataset |
//! | [`ingest`] | files of packets | the dataset |
//! | [`capture`] | packets of an interface | [`ingest`] |
//! | [`comparison`] | the dataset, by [`passes`] | a report, `pairs`, `differences` |
//! | [`learning`] | the dataset, by [`passes`] | rules |
//! | [`partners`] | the dataset, by ids | a pair |

pub mod capture;
pub mod comparison;
pub mod ingest;
pub mod learning;
pub mod partners;
pub mod passes;
pub mod selection;
pub mod serve;
pub mod signals;

use std::thread::JoinHandle;

/// Begins `work` on a thread of its own.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}

/// Does `work`, which blocks, away from the threads that serve connections.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
