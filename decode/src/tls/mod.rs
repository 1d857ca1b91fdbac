//! TLS for a watcher who has the secrets: the bytes of a connection to the bytes that are inside.
//!
//! [`Connection`] stands between TCP and HTTP/2: it takes bytes and gaps of both ways
//! ([`crate::stream`]) and hands the same of the plaintext on. What is no TLS passes through.
//! The secrets come from a [`KeyLog`], which may be filled while connections are followed.
//!
//! ```text
//!  records ─▶ hellos: client random, suite ─▶ secrets ─▶ read state of each way ─▶ plaintext
//!  (framer)   (hello)                         (key log)  (keys, sequence number)   and gaps
//! ```
//!
//! Read are TLS 1.2 and 1.3 with AES-GCM and ChaCha20-Poly1305, however keys were exchanged, with
//! HelloRetryRequest, early data, KeyUpdate, padding, and resumption. A byte is handed on only if
//! the tag of its record fits; every record that does not open is counted, and a gap where its
//! content belongs. Lost records are proved by the sequence number that the next one opens with.
//!
//! Not supported: CBC and CCM suites, versions before 1.2, renegotiation (which HTTP/2 forbids),
//! compression, Encrypted ClientHello with its inner random logged under another name, connections
//! of which a hello was not captured.

mod connection;
mod counters;
mod early;
mod hello;
mod key_log;
mod lost;
mod pending;
mod protection;
mod read_state;
mod reading;
mod record;
mod schedule;
mod session;
mod suite;

pub use connection::{Connection, Keys};
pub use counters::{Counters, FailReason, Outcome, UndecryptedReason};
pub use key_log::{Added, CONNECTIONS_MAX, ClientRandom, KeyLog};
