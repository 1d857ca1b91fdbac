//! What is taken of a server at most.

use std::time::Duration;

/// Time for the connection to be made.
pub const CONNECT: Duration = Duration::from_secs(5);

/// Time for everything together.
pub const TOTAL: Duration = Duration::from_secs(30);

/// Services asked about.
pub const SERVICES_MAX: usize = 1_000;

/// Files kept.
pub const FILES_MAX: usize = 10_000;

/// Bytes of all files together.
pub const FILES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one answer.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all headers or trailers of the answer.
pub const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;

/// HTTP/2 flow control window: bytes on their way at once.
pub const WINDOW_BYTES: u32 = 1024 * 1024;
