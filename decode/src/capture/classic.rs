//! Classic pcap: a file header of 24 bytes, then records of a header of 16 (in the "modified"
//! form 24) and the packet.
//!
//! Records carry no marks, so after a damaged one the next is found by a chain of headers that
//! are plausible: lengths that agree and times near the last one.

use super::{ByteOrder, CAPTURED_LEN_MAX, LinkType, Parsed, Problem, Record, pcapng};
use crate::bytes_at;

const FILE_HEADER_LEN: usize = 24;
/// So many records in a row must be plausible to be believed after a damaged one.
const CHAIN_RECORDS_COUNT: usize = 3;
/// How far from the last time a record found after a damaged one may be, in seconds.
const CHAIN_TIME_MAX_S: u32 = 86_400;

/// What the file header says of the records that follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    order: ByteOrder,
    fraction_ns: u64,
    fraction_max: u32,
    record_header_len: usize,
    link_type: LinkType,
}

impl Header {
    /// Does a file header begin with these four bytes?
    #[inline]
    pub(crate) fn is_magic(bytes: [u8; 4]) -> bool {
        Self::form(bytes).is_some()
    }

    /// Byte order, nanoseconds per unit of the fraction, length of a record's header.
    fn form(magic: [u8; 4]) -> Option<(ByteOrder, u64, usize)> {
        Some(match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => (ByteOrder::Big, 1_000, 16),
            0xd4c3_b2a1 => (ByteOrder::Little, 1_000, 16),
            0xa1b2_3c4d => (ByteOrder::Big, 1, 16),
            0x4d3c_b2a1 => (ByteOrder::Little, 1, 16),
            0xa1b2_cd34 => (ByteOrder::Big, 1_000, 24),
            0x34cd_b2a1 => (ByteOrder::Little, 1_000, 24),
            _ => return None,
        })
    }

    /// Reads a file header: the header and its length, or how many bytes are needed.
    pub(crate) fn parse(input: &[u8]) -> Result<(Self, usize), HeaderError> {
        let Some(header) = input.first_chunk::<FILE_HEADER_LEN>() else {
            return Err(HeaderError::Need(FILE_HEADER_LEN));
        };
        let magic = bytes_at::array(header, 0).unwrap_or_default();
        let (order, fraction_ns, record_header_len) = Self::form(magic).ok_or(
            HeaderError::Broken(Problem::NotACapture(u32::from_be_bytes(magic))),
        )?;
        let major = order.u16_at(header, 4).unwrap_or_default();
        let minor = order.u16_at(header, 6).unwrap_or_default();
        if major != 2 {
            return Err(HeaderError::Broken(Problem::Version { major, minor }));
        }
        let network = order.u32_at(header, 20).unwrap_or_default();
        let header = Self {
            order,
            fraction_ns,
            fraction_max: if fraction_ns == 1 {
                999_999_999
            } else {
                999_999
            },
            record_header_len,
            // The upper bits say whether frames end with a check sequence; IP's length cuts it.
            link_type: LinkType(network & 0x0fff_ffff),
        };
        Ok((header, FILE_HEADER_LEN))
    }

    /// The packet at the beginning of `input` and the length of its record, if it is whole and
    /// sound.
    #[inline]
    pub(crate) fn packet<'a>(&self, input: &'a [u8]) -> Option<(usize, Record<'a>)> {
        match self.record(input) {
            Parsed::Packet { len, record } => Some((len, record)),
            _ => None,
        }
    }

    /// The record at the beginning of `input`, which is not empty.
    #[inline]
    pub(crate) fn record<'a>(&self, input: &'a [u8]) -> Parsed<'a> {
        let Some(head) = input.first_chunk::<16>() else {
            return match bytes_at::array(input, 0) {
                Some(magic) if Self::is_magic(magic) => Parsed::FileHeader,
                _ => Parsed::Need(self.record_header_len),
            };
        };
        let RecordHeader {
            seconds,
            fraction,
            captured,
            original,
        } = self.record_header(head);
        if Self::is_file_header(head) {
            return Parsed::FileHeader;
        }
        if captured > CAPTURED_LEN_MAX {
            // Where the lengths are, an appended pcapng section has its byte-order magic.
            if pcapng::is_section_header(head) {
                return Parsed::FileHeader;
            }
            return Parsed::Broken(Problem::CapturedLength(captured));
        }
        if captured > original {
            return Parsed::Broken(Problem::Contradiction { captured, original });
        }
        let len = self.record_header_len + bytes_at::size(captured);
        let Some(bytes) = input.get(self.record_header_len..len) else {
            return Parsed::Need(len);
        };
        let unix_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.fraction_ns;
        Parsed::Packet {
            len,
            record: Record {
                unix_ns: Some(unix_ns),
                link_type: self.link_type,
                bytes,
                original_len: original,
            },
        }
    }

    /// Where in `input` records can be read again after a damaged one, whose time was about
    /// `near_s`. `Err` is the number of leading bytes that can be given up without an answer.
    pub(crate) fn resync(&self, input: &[u8], near_s: u32, last: bool) -> Result<usize, usize> {
        for at in 0..input.len() {
            let Some(rest) = input.get(at..) else { break };
            match self.chain(rest, near_s, last) {
                Chain::Proved => return Ok(at),
                Chain::Undecided => return Err(at),
                Chain::No => {}
            }
        }
        Err(input.len())
    }

    fn chain(&self, mut rest: &[u8], near_s: u32, last: bool) -> Chain {
        for index in 0..CHAIN_RECORDS_COUNT {
            if rest.is_empty() && last && index > 0 {
                return Chain::Proved;
            }
            let Some(head) = rest.first_chunk::<16>() else {
                return if last { Chain::No } else { Chain::Undecided };
            };
            if index == 0 && Self::is_file_header(head) {
                return Chain::Proved;
            }
            let header = self.record_header(head);
            let plausible = header.captured <= header.original
                && header.captured > 0
                && header.captured <= CAPTURED_LEN_MAX
                && header.original <= 1 << 20
                && header.fraction <= self.fraction_max
                && header.seconds.abs_diff(near_s) <= CHAIN_TIME_MAX_S;
            if !plausible {
                return Chain::No;
            }
            let len = self.record_header_len + bytes_at::size(header.captured);
            rest = match rest.get(len..) {
                Some(rest) => rest,
                None if last => return Chain::No,
                None => return Chain::Undecided,
            };
        }
        Chain::Proved
    }

    /// Is this the beginning of an appended file, and not a record of a strange time?
    #[inline]
    pub(crate) fn is_file_header(head: &[u8]) -> bool {
        // Version 2.4 in either byte order, then the magic number.
        let version = bytes_at::array(head, 4).map(u32::from_be_bytes);
        matches!(version, Some(0x0002_0004 | 0x0200_0400))
            && bytes_at::array(head, 0).is_some_and(Self::is_magic)
    }

    #[inline]
    fn record_header(&self, head: &[u8; 16]) -> RecordHeader {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *head;
        RecordHeader {
            seconds: self.order.u32([a, b, c, d]),
            fraction: self.order.u32([e, f, g, h]),
            captured: self.order.u32([i, j, k, l]),
            original: self.order.u32([m, n, o, p]),
        }
    }
}

struct RecordHeader {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

enum Chain {
    Proved,
    Undecided,
    No,
}

/// Why there is no file header.
#[derive(Debug)]
pub(crate) enum HeaderError {
    Need(usize),
    Broken(Problem),
}
