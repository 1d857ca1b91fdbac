//! Captures of packets: files, standard input, compressed or not, to segments and exchanges.
//!
//! ```text
//!  Input (file, stdin; gzip, zstd) ─▶ Chunks ─▶ packets ─▶ Parcels by flow ─▶ Watcher ─▶ exchanges
//!                                     (pool)               (one a worker)
//! ```
//!
//! [`Chunks`] reads ahead into large chunks, and packets are places in them: nothing is copied until
//! a message is put together. [`Sorter`] takes packets apart and sorts their segments by flow, so
//! that both ways of a connection come to the same [`Watcher`]. [`learn`] names the calls of connections
//! that were captured from the middle. No threads here; `pipeline` has them.

mod chunks;
mod head;
mod input;
pub mod learn;
mod sorter;
mod tls_watched;
mod watcher;

pub use chunks::{Chunk, Chunks, Heard};
pub use head::{Head, Known};
pub use input::{Arrival, AtStop, Input, InputError, LOOK_PAUSE, Source, total_bytes};
pub use sorter::{Parcel, Sorter};
pub use tls_watched::{TlsWatched, Wanted};
pub use watcher::{Watched, Watcher};
