//! The collector: takes recorded gRPC calls in, keeps them, pairs them, compares them, reports.
//!
//! The map, in the order in which a call travels. A stage imports only stages above it; what exactly is in the table
//! `STAGES` of `tests/tests/tidy.rs`, which holds it:
//!
//! 1. [`sources`]: where input enters (records from the filter, captures of packets).
//! 2. the crate `twintap-decode`: bytes to calls. No I/O, no clock.
//! 3. [`call`]: the domain type, and its builder that says what is missing.
//! 4. [`store`]: journal (durable before acknowledged) and the Parquet dataset.
//! 5. [`pair`]: primary and candidate to a pair, or unpaired with a reason.
//! 6. [`compare`]: a pair to a verdict with differences. Pure.
//! 7. [`report`]: what was found as text, JSON, JUnit, Markdown, HTML, SARIF, and rows of Parquet.
//! 8. [`noise`]: what the old service's own answers differ in, offered as rules. Pure.
//!
//! Beside them, [`doctor`] looks at the set-up around it all: manifests, Envoys, recorded calls.
//!
//! [`pipeline`] wires them and is the only place that spawns (but for `store`'s encoders of columns, which end
//! with the call that starts them); [`config`] is what the user sets; [`cli`] is the thin shell around it all,
//! [`metrics`] what the collector counts about itself, [`clock`] the time it is given, `escape` makes foreign text
//! safe for a terminal, `share` says shares of a whole as people read them.

pub mod call;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod config;
pub mod doctor;
mod escape;
pub mod metrics;
pub mod noise;
pub mod pair;
pub mod pipeline;
pub mod report;
mod share;
pub mod sources;
pub mod store;
