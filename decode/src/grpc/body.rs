//! The body of one half-stream as packets bring it: in pieces, perhaps with gaps.
//!
//! Keeps the body as it is, prefixes included, up to a limit; messages are places in it. Lengths
//! and the digest stay right beyond the limit. A gap within a message damages that message only;
//! a gap over the end of a message hides all boundaries after it, and no message is made up.
//!
//! [`super::MessageSplitter`] does the same for bodies that the filter ships, which have no gaps.

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::PREFIX_LEN;

/// How whole a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// All of its bytes were captured in order.
    None,
    /// Bytes were lost on the connection while it was sent, and perhaps some were its own.
    Possible,
    /// Some of its bytes are missing, or it was cut.
    Certain,
}

/// The bit of the flag byte that marks what is compressed.
const COMPRESSED: u8 = 1;
/// The bit of the flag byte that marks trailers of gRPC-Web.
const WEB_TRAILERS: u8 = 0x80;

/// One length-prefixed message of a [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyMessage {
    /// When its last captured byte was captured.
    pub at_unix_ns: u64,
    /// The flag byte: 1 is compressed; 0x80 marks the trailers of gRPC-Web.
    pub flag: u8,
    /// Length as the prefix declares it.
    pub declared_bytes: u32,
    /// Is it whole?
    pub damage: Damage,
    start: usize,
    end: usize,
}

/// A body in the making or made.
#[derive(Debug, Default)]
pub struct Body {
    kept: Vec<u8>,
    messages: Messages,
    messages_count: u64,
    bytes_count: u64,
    state: State,
    /// Of all bytes, once not all are kept.
    hasher: Option<Box<Hasher>>,
    has_gap: bool,
    /// Are no bytes kept, nor messages listed, whatever the limits?
    is_spilled: bool,
    /// Messages before this one were over when bytes may have been lost.
    suspect_from: Option<usize>,
}

/// The messages of a body. Most bodies have one, which costs no allocation.
#[derive(Debug, Default)]
enum Messages {
    #[default]
    None,
    One(BodyMessage),
    Many(Vec<BodyMessage>),
}

/// Goes on while bytes come. Its state is nothing to look at.
struct Hasher(Xxh3);

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// Prefix ──5 bytes──▶ Message ──declared bytes──▶ Prefix; a gap over a boundary ──▶ Lost
#[derive(Clone, Copy, Debug)]
enum State {
    /// Within a prefix, of which `len` bytes are there.
    Prefix { bytes: [u8; PREFIX_LEN], len: usize },
    /// Within a message, of which `left` bytes are to come.
    Message { message: BodyMessage, left: u64 },
    /// Where messages begin is not known.
    Lost,
}

impl Default for State {
    fn default() -> Self {
        Self::Prefix {
            bytes: [0; PREFIX_LEN],
            len: 0,
        }
    }
}

/// Messages of one body that are listed, so that also a list of messages of no byte takes little: more than fit
/// into the largest body that a filter records. How a segment of the journal is cut into parts hangs on it.
pub const MESSAGES_MAX: usize = 1 << 17;

/// Limits of what a body keeps.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes kept of one body. Default 16 MiB.
    pub kept_bytes_max: usize,
    /// Messages of one body that are listed. Default [`MESSAGES_MAX`].
    pub messages_max: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            kept_bytes_max: 16 * 1024 * 1024,
            messages_max: MESSAGES_MAX,
        }
    }
}

impl Body {
    /// The next bytes.
    pub fn push(&mut self, at_unix_ns: u64, chunk: &[u8], limits: &BodyLimits) {
        let before = self.kept.len();
        self.keep(chunk, limits);
        self.bytes_count += chunk.len() as u64;
        let kept = self.kept.len();
        let place = |used: usize| (before + used).min(kept);
        let mut used = 0;
        while let Some(rest) = chunk.get(used..).filter(|rest| !rest.is_empty()) {
            if self.is_at_boundary()
                && let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX_LEN>()
                && let [flag, declared @ ..] = *prefix
                && let declared_bytes = u32::from_be_bytes(declared)
                && rest.len() >= declared_bytes as usize
            {
                // Nearly all: as a whole in the chunk.
                let start = used + PREFIX_LEN;
                used = start + declared_bytes as usize;
                let message = BodyMessage {
                    at_unix_ns,
                    flag,
                    declared_bytes,
                    damage: Damage::None,
                    start: place(start),
                    end: place(used),
                };
                self.list(message, limits);
                continue;
            }
            match &mut self.state {
                State::Prefix { bytes, len } => {
                    let room = bytes.iter_mut().skip(*len);
                    let taken = room.zip(rest).map(|(to, from)| *to = *from).count();
                    *len += taken;
                    used += taken;
                    if *len == PREFIX_LEN {
                        let [flag, declared @ ..] = *bytes;
                        let declared_bytes = u32::from_be_bytes(declared);
                        let start = place(used);
                        let damage = Damage::None;
                        let message = BodyMessage {
                            at_unix_ns,
                            flag,
                            declared_bytes,
                            damage,
                            start,
                            end: start,
                        };
                        self.state = State::Message {
                            message,
                            left: u64::from(declared_bytes),
                        };
                        self.end_message_if_whole(at_unix_ns, start, limits);
                    }
                }
                State::Message { left, .. } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    used += taken;
                    self.end_message_if_whole(at_unix_ns, place(used), limits);
                }
                State::Lost => used = chunk.len(),
            }
        }
    }

    /// `len` bytes of this body were lost.
    pub fn gap(&mut self, at_unix_ns: u64, len: u64, limits: &BodyLimits) {
        if len == 0 {
            return;
        }
        self.has_gap = true;
        self.bytes_count = self.bytes_count.saturating_add(len);
        self.hasher = None;
        let end = self.kept.len();
        match &mut self.state {
            State::Message { message, left } if len <= *left => {
                message.damage = Damage::Certain;
                *left -= len;
                self.end_message_if_whole(at_unix_ns, end, limits);
            }
            State::Message { message, .. } => {
                message.damage = Damage::Certain;
                let message = BodyMessage {
                    end,
                    at_unix_ns,
                    ..*message
                };
                self.list(message, limits);
                self.state = State::Lost;
            }
            State::Prefix { .. } | State::Lost => self.state = State::Lost,
        }
    }

    /// What was taken for messages is none: its sender says that it is something else than gRPC.
    pub fn forget_messages(&mut self) {
        self.state = State::default();
        self.messages = Messages::None;
        self.messages_count = 0;
    }

    /// Does it end within the prefix of a message?
    pub fn ends_in_prefix(&self) -> bool {
        matches!(self.state, State::Prefix { len: 1.., .. })
    }

    /// Bytes of the connection were lost, and perhaps some of this body.
    pub fn suspect(&mut self) {
        let listed = self.messages().len();
        self.suspect_from.get_or_insert(listed);
        if let State::Message { message, .. } = &mut self.state {
            message.damage = message.damage.max(Damage::Possible);
        }
    }

    /// Keeps no bytes any more and lists no messages. Lengths, counts and the digest stay right.
    pub fn spill(&mut self) {
        self.begin_digest();
        self.is_spilled = true;
        self.kept = Vec::new();
        self.messages = Messages::None;
        self.suspect_from = self.suspect_from.map(|_| 0);
        if let State::Message { message, .. } = &mut self.state {
            (message.start, message.end) = (0, 0);
        }
    }

    /// Bytes of memory that it holds, without what is set aside for more.
    #[inline]
    pub fn kept_bytes(&self) -> usize {
        let listed_bytes = match &self.messages {
            Messages::None | Messages::One(_) => 0,
            Messages::Many(messages) => messages.len() * size_of::<BodyMessage>(),
        };
        self.kept.len() + listed_bytes
    }

    /// No more will come: a message at hand is cut.
    pub fn finish(&mut self, at_unix_ns: u64, limits: &BodyLimits) {
        let end = self.kept.len();
        let is_clean = self.is_at_boundary();
        if let State::Message { message, .. } = self.state {
            let damage = Damage::Certain;
            self.list(
                BodyMessage {
                    end,
                    at_unix_ns,
                    damage,
                    ..message
                },
                limits,
            );
            self.state = State::Lost;
        }
        if let Some(from) = self.suspect_from {
            let damage = if is_clean {
                Damage::Possible
            } else {
                Damage::Certain
            };
            for message in self.messages.as_mut_slice().iter_mut().skip(from) {
                message.damage = message.damage.max(damage);
            }
        }
    }

    /// Does a message begin with the next byte?
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Prefix { len: 0, .. })
    }

    /// The messages, the last one possibly cut.
    pub fn messages(&self) -> &[BodyMessage] {
        match &self.messages {
            Messages::None => &[],
            Messages::One(message) => std::slice::from_ref(message),
            Messages::Many(messages) => messages,
        }
    }

    /// Messages that began, listed or not; `None` if a gap hid some.
    pub fn messages_count(&self) -> Option<u64> {
        let is_known = !self.has_gap && self.suspect_from.is_none();
        is_known.then_some(self.messages_count)
    }

    /// Exact length, prefixes and gaps of known length included.
    pub fn bytes_count(&self) -> u64 {
        self.bytes_count
    }

    /// What of the body is kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes what is kept of the body; places of messages are in it.
    pub fn take_kept(&mut self) -> Bytes {
        std::mem::take(&mut self.kept).into()
    }

    /// XXH3-64 of the whole body; `None` if it has gaps, or was taken.
    pub fn digest(&self) -> Option<u64> {
        if let Some(hasher) = &self.hasher {
            return Some(hasher.0.digest());
        }
        let is_kept = !self.has_gap && self.kept.len() as u64 == self.bytes_count;
        is_kept.then(|| xxh3_64(&self.kept))
    }

    /// Is a part of the body not kept, not listed, or lost?
    pub fn is_truncated(&self) -> bool {
        let is_all_kept = self.hasher.is_none() || self.bytes_count == 0;
        let is_all_listed = self.messages().len() as u64 == self.messages_count;
        self.has_gap || !is_all_kept || !is_all_listed
    }

    /// Is a part of the body known to be lost?
    pub fn has_gap(&self) -> bool {
        self.has_gap
    }

    fn end_message_if_whole(&mut self, at_unix_ns: u64, end: usize, limits: &BodyLimits) {
        if let State::Message { message, left: 0 } = self.state {
            self.list(
                BodyMessage {
                    end,
                    at_unix_ns,
                    ..message
                },
                limits,
            );
            self.state = State::default();
        }
    }

    fn list(&mut self, message: BodyMessage, limits: &BodyLimits) {
        self.messages_count += 1;
        if self.messages().len() < limits.messages_max && !self.is_spilled {
            self.messages.push(message);
        }
    }

    fn keep(&mut self, chunk: &[u8], limits: &BodyLimits) {
        let bytes_max = if self.is_spilled {
            0
        } else {
            limits.kept_bytes_max
        };
        let room = bytes_max.saturating_sub(self.kept.len());
        if chunk.len() <= room && self.hasher.is_none() {
            if self.kept.is_empty() {
                // Most bodies come at once, and need no room to grow.
                self.kept = chunk.to_vec();
            } else {
                self.kept.extend_from_slice(chunk);
            }
            return;
        }
        self.begin_digest();
        if let Some(hasher) = &mut self.hasher {
            hasher.0.update(chunk);
        }
        self.kept
            .extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
    }

    /// From now on not all bytes are kept, so the digest is made as they come.
    fn begin_digest(&mut self) {
        if self.hasher.is_none() && !self.has_gap {
            let mut hasher = Box::new(Hasher(Xxh3::new()));
            hasher.0.update(&self.kept);
            self.hasher = Some(hasher);
        }
    }
}

impl Messages {
    fn push(&mut self, message: BodyMessage) {
        match self {
            Self::None => *self = Self::One(message),
            Self::One(first) => *self = Self::Many(vec![*first, message]),
            Self::Many(messages) => messages.push(message),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [BodyMessage] {
        match self {
            Self::None => &mut [],
            Self::One(message) => std::slice::from_mut(message),
            Self::Many(messages) => messages,
        }
    }
}

impl BodyMessage {
    /// Does its flag say what nobody has defined? Trailers are defined by gRPC-Web only.
    pub fn is_flag_reserved(&self, is_web: bool) -> bool {
        let defined = COMPRESSED | if is_web { WEB_TRAILERS } else { 0 };
        self.flag & !defined != 0
    }

    /// Does it hold the trailers of gRPC-Web?
    pub fn is_web_trailers(&self) -> bool {
        self.flag & WEB_TRAILERS != 0
    }

    /// Is it compressed?
    pub fn is_compressed(&self) -> bool {
        self.flag & COMPRESSED != 0
    }

    /// Its place in what the body keeps. Shorter than declared if it was cut or not all was kept.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// Is it in `body` with all its bytes?
    pub fn is_whole(&self) -> bool {
        self.damage == Damage::None && self.end - self.start == self.declared_bytes as usize
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
