//! HPACK (RFC 7541) for a watcher, who may come late and miss blocks.
//!
//! A [`Decoder`] follows the header blocks of one way of a connection. It never guesses: a field
//! that refers to an entry whose insertion was not captured has the entry's [`EntryId`] in place of
//! name and value. After [`Decoder::lose`] it searches for how many insertions were lost: each
//! block is read under every possible number, readings that make no legal block rule the number
//! out, and until one number is proved, values found past the hole are inferred or ambiguous. Once
//! it is, blocks that were read before are read again ([`Decoder::take_revised`]).
//!
//! Not policed, because the sender and not the watcher has to: that the table's size obeys the
//! receiver's SETTINGS. Updates up to 64 KiB, or the largest size advertised, are followed.

mod block;
mod decoder;
mod huffman;
mod instruction;
mod legality;
mod names;
mod revisit;
mod runs;
mod shift;
mod table;

pub use block::{Defect, EntryId, Field, HeaderBlock, Name, Span, Ticket, Value};
pub use decoder::Decoder;
pub use legality::Expected;
pub use names::KnownName;

/// Why a header block cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// It ends within an instruction.
    #[error("header block ends within an instruction")]
    Truncated,
    /// An integer exceeds 2^28.
    #[error("integer in header block is too large")]
    IntegerTooLarge,
    /// The symbol EOS within a Huffman-coded string.
    #[error("EOS in Huffman-coded string")]
    HuffmanEos,
    /// A Huffman-coded string ends with more than seven bits of padding, or with zeros.
    #[error("wrong padding of Huffman-coded string")]
    HuffmanPadding,
    /// Index 0, which stands for nothing.
    #[error("index 0 in header block")]
    IndexZero,
    /// There is no entry with that index, and none can have been missed.
    #[error("index {0} is beyond the dynamic table")]
    IndexBeyondTable(u64),
    /// A size update beyond the limit.
    #[error("dynamic table size {0} is over the limit")]
    TableSizeOverLimit(u64),
}
