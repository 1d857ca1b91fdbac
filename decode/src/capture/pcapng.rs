//! pcapng: blocks with a type and a length in front and the length again at the end.
//!
//! Read are section headers, interface descriptions (with `if_tsresol` and `if_tsoffset`),
//! enhanced, simple and obsolete packets, and decryption secrets; other blocks are stepped over.
//! Options of packets are not read. After a damaged block the next is found by two blocks in a row
//! whose lengths agree. A block whose type says section header and which lacks the byte-order
//! magic is damaged; its version tells whether it began a section.

use super::classic;
use super::{
    ByteOrder, CAPTURED_LEN_MAX, LinkType, Parsed, Problem, Record, Secrets, WINDOW_LEN_MAX,
};
use crate::bytes_at;

/// Most interfaces of one section that are kept track of.
pub const INTERFACES_MAX: usize = 65_536;

/// The type of the Section Header Block, the same in both byte orders.
pub(crate) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Highest minor version in use.
const MINOR_MAX: u16 = 2;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;
const OPTION_END: u16 = 0;
const OPTION_IF_TSRESOL: u16 = 9;
const OPTION_IF_TSOFFSET: u16 = 14;
/// Type, length and trailing length.
const BLOCK_LEN_MIN: u32 = 12;
/// Longest block that is read rather than stepped over.
const BLOCK_LEN_MAX: u32 = CAPTURED_LEN_MAX + 65_536;
/// Longest block that is believed at all, of the kinds that may be long.
const BLOCK_LEN_BELIEVED_MAX: u32 = 1 << 28;

/// What is known of the section that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    order: ByteOrder,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    snapshot_len: u32,
    clock: Clock,
}

/// How an interface counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// `if_tsresol`: a power of ten, or with the highest bit set of two; a negative exponent.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset_s: i64,
}

impl Section {
    /// Reads the section header at the beginning of `input`; `Parsed::Skip` is its length.
    pub(crate) fn begin(input: &[u8]) -> (Option<Self>, Parsed<'_>) {
        let Some(head) = input.first_chunk::<16>() else {
            return (None, Parsed::Need(16));
        };
        let magic = bytes_at::array(head, 8).unwrap_or_default();
        let order = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (BYTE_ORDER_MAGIC, _) => ByteOrder::Little,
            (_, BYTE_ORDER_MAGIC) => ByteOrder::Big,
            (_, other) => return (None, Parsed::Broken(Problem::NotACapture(other))),
        };
        let section = Self {
            order,
            interfaces: Vec::new(),
        };
        let major = order.u16_at(head, 12).unwrap_or_default();
        let minor = order.u16_at(head, 14).unwrap_or_default();
        if major != 1 {
            let problem = Problem::Version { major, minor };
            return (None, Parsed::Broken(problem));
        }
        let parsed = match section.block(input) {
            Block::Whole { len, .. } => Parsed::Skip(bytes_at::count(len)),
            Block::Long(len) => Parsed::Skip(u64::from(len)),
            Block::Need(need) => Parsed::Need(need),
            Block::Broken(problem) => Parsed::Broken(problem),
        };
        (Some(section), parsed)
    }

    /// The packet at the beginning of `input` and the length of its block, if it is a whole and
    /// sound enhanced packet.
    #[inline]
    pub(crate) fn packet<'a>(&self, input: &'a [u8]) -> Option<(usize, Record<'a>)> {
        let head = input.first_chunk::<8>()?;
        let kind = self.order.u32_at(head, 0)?;
        let length = self.order.u32_at(head, 4)?;
        if kind != ENHANCED_PACKET || length > BLOCK_LEN_MAX || !length.is_multiple_of(4) {
            return None;
        }
        let len = bytes_at::size(length);
        let body = input.get(8..len.checked_sub(4)?)?;
        if self.order.u32_at(input, len - 4) != Some(length) {
            return None;
        }
        Some((len, self.enhanced(body).ok()?))
    }

    /// The block at the beginning of `input`, which is not empty.
    #[inline]
    pub(crate) fn record<'a>(&mut self, input: &'a [u8]) -> Parsed<'a> {
        if classic::Header::is_file_header(input) {
            return Parsed::FileHeader;
        }
        if input.starts_with(&SECTION_HEADER) {
            return match input.first_chunk() {
                Some(head) if is_section_header(head) => Parsed::FileHeader,
                Some(head) => self.no_section(head, input),
                None => Parsed::Need(16),
            };
        }
        let (kind, body, len) = match self.block(input) {
            Block::Whole { kind, body, len } => (kind, body, len),
            Block::Long(len) => return Parsed::Skip(u64::from(len)),
            Block::Need(need) => return Parsed::Need(need),
            Block::Broken(problem) => return Parsed::Broken(problem),
        };
        let broken = |problem| Parsed::BrokenOf { len, problem };
        let result = match kind {
            ENHANCED_PACKET => self.enhanced(body),
            SIMPLE_PACKET => self.simple(body),
            OBSOLETE_PACKET => self.obsolete(body),
            INTERFACE_DESCRIPTION => match self.describe(body) {
                Ok(()) => return Parsed::Skip(bytes_at::count(len)),
                Err(problem) => Err(problem),
            },
            DECRYPTION_SECRETS => match self.secrets(body) {
                Some(secrets) => return Parsed::Secrets { len, secrets },
                None => Err(Problem::BlockLength(u32::try_from(len).unwrap_or(u32::MAX))),
            },
            _ => return Parsed::Skip(bytes_at::count(len)),
        };
        match result {
            Ok(record) => Parsed::Packet { len, record },
            Err(problem) => broken(problem),
        }
    }

    /// What says that it is a section header and has no byte-order magic: one in which the magic is
    /// damaged, or another block in which the type is.
    fn no_section<'a>(&mut self, head: &[u8; 16], input: &'a [u8]) -> Parsed<'a> {
        let magic = bytes_at::array(head, 8).map_or(0, u32::from_be_bytes);
        let problem = Problem::SectionMagic(magic);
        let orders = [ByteOrder::Little, ByteOrder::Big];
        // Where the version of a section is, packets have a time that is not 1970.
        let is_version = |order: &ByteOrder| {
            order.u16_at(head, 12) == Some(1)
                && order
                    .u16_at(head, 14)
                    .is_some_and(|minor| minor <= MINOR_MAX)
        };
        if let Some(order) = orders.into_iter().find(is_version) {
            *self = Self {
                order,
                interfaces: Vec::new(),
            };
        }
        match self.block(input) {
            Block::Whole { len, .. } => Parsed::BrokenOf { len, problem },
            Block::Need(need) => Parsed::Need(need),
            Block::Long(_) | Block::Broken(_) => Parsed::Broken(problem),
        }
    }

    /// Where in `input` blocks can be read again after a damaged one. `Err` is the number of
    /// leading bytes that can be given up without an answer.
    pub(crate) fn resync(&self, input: &[u8], last: bool) -> Result<usize, usize> {
        for at in 0..input.len() {
            let Some(rest) = input.get(at..) else { break };
            match self.chain(rest, last) {
                Some(true) => return Ok(at),
                Some(false) => {}
                None => return Err(at),
            }
        }
        Err(input.len())
    }

    /// Do two blocks begin here? `None`: not enough bytes to tell.
    fn chain(&self, mut rest: &[u8], last: bool) -> Option<bool> {
        for index in 0..2 {
            if rest.is_empty() && index > 0 && last {
                return Some(true);
            }
            let known = |kind| matches!(kind, 1..=6 | 10 | CUSTOM | CUSTOM_NOT_COPIED);
            let section = rest.starts_with(&SECTION_HEADER);
            let order = match (section, Self::begin(rest)) {
                (true, (Some(section), _)) => section.order,
                _ => self.order,
            };
            match order.u32_at(rest, 0) {
                Some(kind) if section || known(kind) => {}
                None if !last => return None,
                _ => return Some(false),
            }
            let block = Self {
                order,
                interfaces: Vec::new(),
            }
            .block(rest);
            rest = match block {
                Block::Whole { len, .. } => rest.get(len..)?,
                Block::Need(_) if !last => return None,
                _ => return Some(false),
            };
        }
        Some(true)
    }

    #[inline]
    fn block<'a>(&self, input: &'a [u8]) -> Block<'a> {
        let (Some(kind), Some(length)) = (self.order.u32_at(input, 0), self.order.u32_at(input, 4))
        else {
            return Block::Need(8);
        };
        if !length.is_multiple_of(4) || !(BLOCK_LEN_MIN..=BLOCK_LEN_BELIEVED_MAX).contains(&length)
        {
            return Block::Broken(Problem::BlockLength(length));
        }
        if length > BLOCK_LEN_MAX
            && (kind != DECRYPTION_SECRETS || bytes_at::size(length) > WINDOW_LEN_MAX)
        {
            // Of other kinds the length is damaged rather than true.
            let may_be_long = matches!(
                kind,
                NAME_RESOLUTION | DECRYPTION_SECRETS | CUSTOM | CUSTOM_NOT_COPIED
            );
            return match may_be_long {
                true => Block::Long(length),
                false => Block::Broken(Problem::BlockLength(length)),
            };
        }
        let len = bytes_at::size(length);
        let (Some(body), Some(trailing)) = (
            input.get(8..len.saturating_sub(4)),
            self.order.u32_at(input, len.saturating_sub(4)),
        ) else {
            return Block::Need(len);
        };
        if trailing != length {
            return Block::Broken(Problem::BlockTrailer {
                leading: length,
                trailing,
            });
        }
        Block::Whole { kind, body, len }
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Problem> {
        let short = || Problem::BlockLength(u32::try_from(body.len()).unwrap_or(u32::MAX));
        let link_type = self.order.u16_at(body, 0).ok_or_else(short)?;
        let snapshot_len = self.order.u32_at(body, 4).ok_or_else(short)?;
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(Problem::Interfaces(INTERFACES_MAX));
        }
        self.interfaces.push(Interface {
            link_type: LinkType(u32::from(link_type)),
            snapshot_len,
            clock: self.clock(body.get(8..).unwrap_or_default()),
        });
        Ok(())
    }

    /// The clock that an interface's options describe; options that end early are taken as far as
    /// they go.
    fn clock(&self, mut options: &[u8]) -> Clock {
        let mut clock = Clock {
            resolution: 6,
            offset_s: 0,
        };
        while let (Some(code), Some(length)) =
            (self.order.u16_at(options, 0), self.order.u16_at(options, 2))
        {
            let length = usize::from(length);
            let Some(value) = options.get(4..4 + length) else {
                break;
            };
            match (code, value) {
                (OPTION_END, _) => break,
                (OPTION_IF_TSRESOL, [resolution, ..]) => clock.resolution = *resolution,
                (OPTION_IF_TSOFFSET, value) => {
                    if let Some(bytes) = bytes_at::array(value, 0) {
                        clock.offset_s = match self.order {
                            ByteOrder::Little => i64::from_le_bytes(bytes),
                            ByteOrder::Big => i64::from_be_bytes(bytes),
                        };
                    }
                }
                _ => {}
            }
            let padded = 4 + length.next_multiple_of(4);
            options = options.get(padded..).unwrap_or_default();
        }
        clock
    }

    #[inline]
    fn enhanced<'a>(&self, body: &'a [u8]) -> Result<Record<'a>, Problem> {
        let interface = self.order.u32_at(body, 0).unwrap_or(u32::MAX);
        self.timed(interface, body)
    }

    fn obsolete<'a>(&self, body: &'a [u8]) -> Result<Record<'a>, Problem> {
        let interface = self.order.u16_at(body, 0).map_or(u32::MAX, u32::from);
        self.timed(interface, body)
    }

    /// The fields that enhanced and obsolete packets share: time, lengths and bytes.
    #[inline]
    fn timed<'a>(&self, interface: u32, body: &'a [u8]) -> Result<Record<'a>, Problem> {
        let field = |at| self.order.u32_at(body, at);
        let (Some(high), Some(low), Some(captured), Some(original)) =
            (field(4), field(8), field(12), field(16))
        else {
            let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
            return Err(Problem::BlockLength(len));
        };
        let interface = self.interface(interface)?;
        if captured > original {
            return Err(Problem::Contradiction { captured, original });
        }
        let bytes = body
            .get(20..20 + bytes_at::size(captured))
            .ok_or(Problem::CapturedLength(captured))?;
        let ticks = u64::from(high) << 32 | u64::from(low);
        Ok(Record {
            unix_ns: Some(interface.clock.unix_ns(ticks)),
            link_type: interface.link_type,
            bytes,
            original_len: original,
        })
    }

    fn simple<'a>(&self, body: &'a [u8]) -> Result<Record<'a>, Problem> {
        let short = || Problem::BlockLength(u32::try_from(body.len()).unwrap_or(u32::MAX));
        let original = self.order.u32_at(body, 0).ok_or_else(short)?;
        let interface = self.interface(0)?;
        let captured = match interface.snapshot_len {
            0 => original,
            limit => original.min(limit),
        };
        let bytes = body
            .get(4..4 + bytes_at::size(captured))
            .ok_or(Problem::CapturedLength(captured))?;
        Ok(Record {
            unix_ns: None,
            link_type: interface.link_type,
            bytes,
            original_len: original,
        })
    }

    fn secrets<'a>(&self, body: &'a [u8]) -> Option<Secrets<'a>> {
        let kind = self.order.u32_at(body, 0)?;
        let length = bytes_at::size(self.order.u32_at(body, 4)?);
        let bytes = body.get(8..8_usize.checked_add(length)?)?;
        Some(Secrets { kind, bytes })
    }

    #[inline]
    fn interface(&self, number: u32) -> Result<&Interface, Problem> {
        self.interfaces
            .get(bytes_at::size(number))
            .ok_or(Problem::Interface(number))
    }
}

/// Is this the beginning of a section, byte-order magic and all?
pub(crate) fn is_section_header(head: &[u8; 16]) -> bool {
    let magic = bytes_at::array(head, 8).map(u32::from_be_bytes);
    head.starts_with(&SECTION_HEADER)
        && magic.is_some_and(|magic| {
            magic == BYTE_ORDER_MAGIC || magic.swap_bytes() == BYTE_ORDER_MAGIC
        })
}

enum Block<'a> {
    Whole {
        kind: u32,
        body: &'a [u8],
        len: usize,
    },
    /// Longer than is read, and of no interest.
    Long(u32),
    Need(usize),
    Broken(Problem),
}

impl Clock {
    /// Nanoseconds since the epoch after `ticks`; times before 1970 are 1970, those after 2554
    /// are 2554.
    #[inline]
    fn unix_ns(self, ticks: u64) -> u64 {
        let since = match self.resolution {
            9 => u128::from(ticks),
            6 => u128::from(ticks) * 1_000,
            power if power & 0x80 == 0 => Self::decimal(ticks, power),
            // A shift beyond 127 leaves nothing, as does a unit so small.
            power => (u128::from(ticks) * 1_000_000_000)
                .checked_shr(u32::from(power & 0x7f))
                .unwrap_or(0),
        };
        if self.offset_s == 0 {
            return u64::try_from(since).unwrap_or(u64::MAX);
        }
        let offset = u128::from(self.offset_s.unsigned_abs()) * 1_000_000_000;
        let moved = if self.offset_s < 0 {
            since.saturating_sub(offset)
        } else {
            since.saturating_add(offset)
        };
        u64::try_from(moved).unwrap_or(u64::MAX)
    }

    fn decimal(ticks: u64, power: u8) -> u128 {
        let ticks = u128::from(ticks);
        if power <= 9 {
            ticks * 10_u128.pow(u32::from(9 - power))
        } else {
            10_u128
                .checked_pow(u32::from(power - 9))
                .map_or(0, |divisor| ticks / divisor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_and_offset_gives_nanoseconds() {
        let ns = |resolution, offset_s, ticks| {
            Clock {
                resolution,
                offset_s,
            }
            .unix_ns(ticks)
        };
        assert_eq!(ns(6, 0, 1_500_000), 1_500_000_000);
        assert_eq!(ns(9, 0, 7), 7);
        assert_eq!(ns(0, 0, 3), 3_000_000_000);
        assert_eq!(ns(12, 0, 5_000), 5);
        assert_eq!(ns(0x7f, 0, u64::MAX), 0);
        assert_eq!(ns(0xff, 0, u64::MAX), 0);
        assert_eq!(ns(0x80 | 10, 0, 1024), 1_000_000_000);
        assert_eq!(ns(6, 2, 1), 2_000_001_000);
        assert_eq!(ns(6, -2, 1), 0);
        assert_eq!(ns(6, i64::MIN, 1), 0);
        assert_eq!(ns(0, i64::MAX, u64::MAX), u64::MAX);
    }
}
