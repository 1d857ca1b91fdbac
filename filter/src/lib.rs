//! The recording filter: a proxy-wasm module that sees gRPC calls in Envoy and ships records of them.
//!
//! Contract: traffic is never paused, delayed or changed (but for the pair id header where that is
//! configured); no input and no host status can trap the VM; memory is fixed; what is not recorded
//! is counted, exactly, by reason. The core is pure and runs natively under test; only `wasm/` calls
//! the host. Not here: decoding messages, judging them, redacting within payloads (the collector).
//!
//! # The way of a call
//!
//! ```text
//! request headers ─▶ begin ─┬─ skipped, dropped: counted, forgotten
//!                           └─▶ capture: tape of pages ◀── flow (bodies), block (headers)
//!                                  │ stream's end
//!                               finish ─▶ record ─▶ batch slot ─▶ ship ─▶ POST /v1/records
//! tick, answers ──────────────────────────────────────────────────▲
//! ```
//!
//! # Memory
//!
//! There is no allocator. Every buffer is static, sized in `wasm/memory.rs`, and what happens when
//! it is full is counted. The module declares 16 MiB as its maximum, so the host enforces the sum.
//!
//! | buffer | number × size | holds | when full |
//! | --- | --- | --- | --- |
//! | batch slots | 8 × 1 MiB | records until the collector has them; 4 under way | a batch of a root that is ending is given up (`twintap_dropped_total`), else newest records: `dropped{buffer_full}` |
//! | small pages | 1536 × 2 KiB | headers, small bodies of open streams | `dropped{stream_memory}`; later blocks omitted, bodies cut |
//! | large pages | 192 × 16.25 KiB | larger bodies of open streams | body cut: `CUT_MEMORY` |
//! | streams | 1536 × 0.3 KiB | state of open recorded streams | `dropped{stream_memory}` |
//! | context table | 4096 × 8 B, 3/4 used | context → stream | `dropped{stream_memory}` |
//! | running digests | 512 × 0.5 KiB | XXH3 of bodies that are cut | digest absent |
//! | connections | 64 × 0.5 KiB | what Envoy knows of downstream connections | asked for again |
//! | roots | 8 × 17 KiB | plugin configurations sharing the VM | what the one that has been ending for longest has left is given up, else further ones pass traffic, a log line; `twintap_config_invalid` |
//! | scratch | 512 KiB + 64 KiB | header maps; cut bodies in pieces | header block omitted; `dropped{host_error}` for request headers |
//! | stack | 128 KiB | the deepest chain of calls, which `tests/no_trap.rs` adds up | cannot |
//!
//! Zero bytes are the initial state of everything, so none of this is in the module, and pages never
//! needed are never touched.
#![cfg_attr(target_family = "wasm", no_std)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::integer_division,
        clippy::integer_division_remainder_used,
        clippy::cast_possible_truncation
    )
)]

pub mod batch;
mod begin;
pub mod block;
pub mod breaker;
pub mod capture;
mod close;
pub mod config;
mod configure;
pub mod connections;
pub mod copy;
pub mod correlation;
pub mod counters;
pub mod engine;
mod finish;
pub mod flow;
pub mod grpc;
pub mod hashers;
pub mod headers;
pub mod hmac;
pub mod host;
pub mod json;
pub mod methods;
pub mod pages;
pub mod random;
pub mod record;
pub mod redaction;
pub mod root;
pub mod sampling;
mod ship;
pub mod table;
pub mod tape;
pub mod wire;

#[cfg(target_family = "wasm")]
mod wasm;
