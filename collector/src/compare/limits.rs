//! Bounds of the work that one pair may cost. Counts, not time, so that answers are repeatable.

/// Differences that count kept per pair, and as many that do not; more are only counted.
pub const DIFFERENCES_MAX: usize = 200;

/// Differences kept per pair with the first of each shape (place, kind, path without indices) that comes
/// beyond that number.
pub const SHAPES_MAX: usize = 600;

/// Characters kept of a value as text. Of two that are longer, those around the first difference.
pub const VALUE_CHARS_MAX: usize = 512;

/// Fields, list elements and map entries visited per pair.
pub const WORK_MAX: u64 = 4_000_000;

/// Bytes of JSON that are read at the cost of one field.
pub const JSON_BYTES_PER_FIELD: usize = 16;

/// Depth of nested messages that is walked; protobuf runtimes refuse more than 100.
pub const DEPTH_MAX: u32 = 100;

/// Depth to which bytes of unknown type are taken for nested messages.
pub const GUESS_DEPTH_MAX: u32 = 32;

/// Bytes of one message after decompression: gRPC's default receive limit.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Insertions and deletions searched for when aligning two lists; beyond that they are compared
/// by index.
pub const ALIGN_EDITS_MAX: usize = 128;

/// Trial comparisons per pair when unequal elements have to be matched up.
pub const PROBES_MAX: u32 = 4096;

/// Differences at which a trial comparison stops: the two elements have nothing in common.
pub const PROBE_DIFFERENCES_MAX: usize = 16;

/// Fields visited by one trial comparison.
pub const PROBE_WORK_MAX: u64 = 2_000;

/// Differences of one message among which swapped fields are looked for.
pub const SWAPS_MAX: usize = 64;
