//! What `twintap` and `twintap-capture` say to each other. Pure: no dependencies, no I/O.
//!
//! `twintap-capture` is the only part of twintap that needs a privilege, CAP_NET_RAW. It opens an
//! interface, drops every privilege, and only then looks at the filter and at packets, which it
//! copies and never parses. Started as root it goes on as `nobody`, or not at all; only in a user
//! namespace without `nobody` does it stay that namespace's root, without capabilities.
//!
//! | stream | what |
//! | --- | --- |
//! | standard output | pcap with nanoseconds, in the byte order of the machine; with `--list-interfaces` one [`Interface`] a line |
//! | standard error | one [`Line`] a line: [`Line::Started`] or [`Line::Error`] first, [`Line::Stats`] every second, [`Line::Ended`] or [`Line::Error`] last |
//!
//! Exit codes: 0 ended as asked, or because the reader of standard output went away; 2 usage, no such
//! interface, or a bad filter expression; 3 everything else.

mod interface;
mod line;
mod stats;

pub use interface::Interface;
pub use line::{Ending, ErrorKind, Line, Started, UnknownLine};
pub use stats::Stats;

/// Version of the contract. Unknown keys are ignored; another version is refused.
pub const VERSION: u32 = 1;

/// Name of the program.
pub const PROGRAM: &str = "twintap-capture";

/// Largest packet that is captured whole, in bytes: more than any interface hands over.
pub const SNAPLEN_BYTES: u32 = 262_144;

/// How long the kernel may keep packets before it hands them over, in milliseconds.
pub const HAND_OVER_MS: u32 = 10;
