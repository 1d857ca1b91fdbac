//! DATA to messages: the "Length-Prefixed-Message" sequence of a gRPC body.
//!
//! ```text
//! ┌──────────────────┬────────────────────┬─────────────────────┐
//! │ compressed flag  │ message length     │ message             │
//! │ 1 byte: 0 or 1   │ 4 bytes big-endian │ `message length`    │
//! └──────────────────┴────────────────────┴─────────────────────┘
//! ```
//!
//! A body may arrive in any chunks: the messages are the same. A message that lies in one chunk is a
//! slice of it, others are put together. Memory follows what arrived, never what a prefix declares.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the prefix: flag and length.
pub const PREFIX_LEN: usize = 5;

/// Bytes set aside for a message that arrives in pieces, before they arrive.
const RESERVE_BYTES_MAX: usize = 64 * 1024;

/// One message of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LengthPrefixedMessage {
    /// Was the compressed flag 1?
    pub compressed: bool,
    /// Was the flag byte something other than 0 or 1? The length is taken to hold all the same.
    pub flag_is_reserved: bool,
    /// Length as the prefix declares it.
    pub declared_bytes: u32,
    /// The message without its prefix; shorter than declared if the body ends within it.
    pub bytes: Bytes,
    /// Position in the body behind the last byte in `bytes`.
    pub end_offset: u64,
}

/// Answer of [`MessageSplitter::next_step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole message.
    Message(LengthPrefixedMessage),
    /// All that was pushed is used up; push more, or finish.
    NeedMore,
}

/// What is left of a body at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the body ended where a message ended.
    Clean,
    /// The body ended within a prefix, after this many of its bytes (1 to 4).
    CutPrefix(usize),
    /// The body ended within this message, which may have no bytes at all.
    CutMessage(LengthPrefixedMessage),
}

/// Splits a body into messages.
#[derive(Debug, Default)]
pub struct MessageSplitter {
    /// What was pushed and is not used up.
    chunk: Bytes,
    /// Bytes of `chunk` and of all before it that are used up.
    offset: u64,
    state: State,
}

/// Prefix ──5 bytes──▶ Message ──declared bytes──▶ Prefix
#[derive(Debug)]
enum State {
    /// Within a prefix of which `len` bytes arrived in earlier chunks.
    Prefix { bytes: [u8; PREFIX_LEN], len: usize },
    /// Within a message of which `arrived` came in earlier chunks.
    Message { prefix: Prefix, arrived: BytesMut },
}

#[derive(Clone, Copy, Debug)]
struct Prefix {
    flag: u8,
    declared_bytes: u32,
}

impl Default for State {
    fn default() -> Self {
        Self::Prefix {
            bytes: [0; PREFIX_LEN],
            len: 0,
        }
    }
}

impl Prefix {
    fn load([flag, a, b, c, d]: [u8; PREFIX_LEN]) -> Self {
        Self {
            flag,
            declared_bytes: u32::from_be_bytes([a, b, c, d]),
        }
    }

    fn message(self, bytes: Bytes, end_offset: u64) -> LengthPrefixedMessage {
        LengthPrefixedMessage {
            compressed: self.flag == 1,
            flag_is_reserved: self.flag > 1,
            declared_bytes: self.declared_bytes,
            bytes,
            end_offset,
        }
    }
}

impl MessageSplitter {
    /// Appends the next bytes of the body.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.chunk = [&*self.chunk, &*chunk].concat().into();
        }
    }

    /// The next whole message, or the wish for more bytes.
    pub fn next_step(&mut self) -> Step {
        loop {
            match std::mem::take(&mut self.state) {
                State::Prefix { mut bytes, mut len } => {
                    for byte in bytes.iter_mut().skip(len) {
                        let Some(next) = self.chunk.first() else {
                            break;
                        };
                        *byte = *next;
                        self.advance(1);
                        len += 1;
                    }
                    if len < PREFIX_LEN {
                        self.state = State::Prefix { bytes, len };
                        return Step::NeedMore;
                    }
                    let prefix = Prefix::load(bytes);
                    self.state = State::Message {
                        prefix,
                        arrived: BytesMut::new(),
                    };
                }
                State::Message {
                    prefix,
                    mut arrived,
                } => {
                    let declared = usize::try_from(prefix.declared_bytes).unwrap_or(usize::MAX);
                    let missing = declared.saturating_sub(arrived.len());
                    if self.chunk.len() >= missing {
                        let rest = self.split_off(missing);
                        let whole = if arrived.is_empty() {
                            rest
                        } else {
                            arrived.extend_from_slice(&rest);
                            arrived.freeze()
                        };
                        return Step::Message(prefix.message(whole, self.offset));
                    }
                    if !self.chunk.is_empty() {
                        arrived.reserve(missing.min(RESERVE_BYTES_MAX));
                        let rest = self.split_off(self.chunk.len());
                        arrived.extend_from_slice(&rest);
                    }
                    self.state = State::Message { prefix, arrived };
                    return Step::NeedMore;
                }
            }
        }
    }

    /// What is left, once [`Self::next_step`] needs more and there is no more.
    pub fn finish(self) -> Tail {
        match self.state {
            State::Prefix { len: 0, .. } => Tail::Clean,
            State::Prefix { len, .. } => Tail::CutPrefix(len),
            State::Message { prefix, arrived } => {
                Tail::CutMessage(prefix.message(arrived.freeze(), self.offset))
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.chunk.advance(count);
        self.offset += count as u64;
    }

    /// Takes `count` bytes, which must be there, off the chunk.
    fn split_off(&mut self, count: usize) -> Bytes {
        self.offset += count as u64;
        self.chunk.split_to(count)
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
