//! Records: header, types, and the bytes of one way cut into them.

use crate::bytes_at;

/// Bytes of a record's header.
pub(super) const HEADER_BYTES: usize = 5;

/// Bytes of the longest body: that of TLS 1.2, 2^14 and 2048 (RFC 5246, section 6.2.3). TLS 1.3
/// allows 2^14 and 256.
pub(super) const BODY_BYTES_MAX: usize = (1 << 14) + 2048;

/// Content types.
pub(super) mod content_type {
    pub(in crate::tls) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in crate::tls) const ALERT: u8 = 21;
    pub(in crate::tls) const HANDSHAKE: u8 = 22;
    pub(in crate::tls) const APPLICATION_DATA: u8 = 23;
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) content_type: u8,
    pub(super) version: [u8; 2],
    /// Bytes of the body.
    pub(super) length: u16,
}

impl RecordHeader {
    /// The header at the front of `bytes`, if they are enough; whether it is one is for
    /// [`Self::is_plausible`] to tell.
    pub(super) fn peek(bytes: &[u8]) -> Option<Self> {
        let [content_type, major, minor, high, low] = bytes_at::array(bytes, 0)?;
        Some(Self {
            content_type,
            version: [major, minor],
            length: u16::from_be_bytes([high, low]),
        })
    }

    pub(super) fn is_plausible(self) -> bool {
        let types = content_type::CHANGE_CIPHER_SPEC..=content_type::APPLICATION_DATA;
        types.contains(&self.content_type)
            && matches!(self.version, [3, 0..=4])
            && (1..=BODY_BYTES_MAX).contains(&usize::from(self.length))
    }

    /// Could it be that of a protected record? Those have the version of TLS 1.2.
    pub(super) fn may_be_protected(self) -> bool {
        self.is_plausible() && self.version == [3, 3]
    }

    /// Bytes of header and body.
    pub(super) fn record_bytes(self) -> usize {
        HEADER_BYTES + usize::from(self.length)
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let ([major, minor], [high, low]) = (self.version, self.length.to_be_bytes());
        [self.content_type, major, minor, high, low]
    }
}

/// What [`Framer::next`] found.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// A record.
    Record(RecordHeader, &'a [u8]),
    /// Not the beginning of a record: these bytes, and whatever follows them.
    Malformed,
    /// Its end is still to come.
    NeedMore,
}

/// Cuts bytes into records, starting at a boundary. Holds at most one record.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// The beginning of a record.
    held: Vec<u8>,
    /// Was what is held handed out?
    is_used: bool,
}

impl Framer {
    /// The next record of what is held and `input`. One that lies in `input` is not copied.
    pub(super) fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Next<'s> {
        if std::mem::take(&mut self.is_used) {
            self.held.clear();
        }
        if self.held.is_empty()
            && let Some(header) = RecordHeader::peek(input)
        {
            if !header.is_plausible() {
                return Next::Malformed;
            }
            if let Some((record, rest)) = input.split_at_checked(header.record_bytes()) {
                *input = rest;
                return Next::Record(header, record.get(HEADER_BYTES..).unwrap_or_default());
            }
        }
        self.take(input, HEADER_BYTES);
        let Some(header) = RecordHeader::peek(&self.held) else {
            return Next::NeedMore;
        };
        if !header.is_plausible() {
            return Next::Malformed;
        }
        self.take(input, header.record_bytes());
        if self.held.len() < header.record_bytes() {
            return Next::NeedMore;
        }
        self.is_used = true;
        Next::Record(header, self.held.get(HEADER_BYTES..).unwrap_or_default())
    }

    /// What is held of a record, which is left to its fate.
    pub(super) fn give_up(&mut self) -> Cut {
        let is_used = std::mem::take(&mut self.is_used);
        let held = if is_used { 0 } else { self.held.len() };
        let header = RecordHeader::peek(&self.held).filter(|_| !is_used);
        self.held.clear();
        Cut { held, header }
    }

    /// The bytes that are held and were not handed out.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        match std::mem::take(&mut self.is_used) {
            true => Vec::new(),
            false => std::mem::take(&mut self.held),
        }
    }

    /// Fills up to `len` bytes.
    fn take(&mut self, input: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.held.len()).min(input.len());
        let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        self.held.extend_from_slice(taken);
        *input = rest;
    }
}

/// A record of which not all is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Bytes that are, header included.
    pub(super) held: usize,
    /// Its header, if all of that is there.
    pub(super) header: Option<RecordHeader>,
}
