//! Capture files to packets: classic pcap and pcapng, over windows of a larger buffer.
//!
//! A caller reads a file (or stdin) in pieces and hands [`Reader::next`] what it has; packets
//! borrow from it, nothing is copied. Understood are classic pcap in both byte orders with
//! microseconds or nanoseconds and in the "modified" form, pcapng with any number of sections and
//! interfaces ([`pcapng`]), and files of either kind appended to one another.
//!
//! A record that contradicts itself costs itself: [`Step::Broken`] says which packet, where and
//! why, and reading goes on at the next place where the records form a chain. Compressed files
//! are for the caller to inflate. Not understood: the pcap variants of Kuznetzov with version
//! numbers other than 2.x, and pcapng's compressed sections.

pub mod classic;
mod link_type;
pub mod pcapng;
mod reader;

pub use link_type::LinkType;
pub use reader::{Reader, ReaderCounters, Step};

use thiserror::Error;

/// Longest captured packet that is believed, as libpcap's largest snapshot length.
pub const CAPTURED_LEN_MAX: u32 = 262_144;

/// Most bytes that [`Step::More`] asks for: a caller's buffer must be able to grow to this.
pub const WINDOW_LEN_MAX: usize = 1 << 20;

/// One packet as captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Number in the whole input, from 1, as Wireshark counts within one file.
    pub number: u64,
    /// Where its record begins in the input, in bytes.
    pub offset: u64,
    /// When it was captured. Where a record has no time (pcapng's simple packets), the time of
    /// the packet before.
    pub unix_ns: u64,
    /// What its first header is.
    pub link_type: LinkType,
    /// The bytes in the capture.
    pub bytes: &'a [u8],
    /// How many bytes it had on the wire, at least `bytes.len()`.
    pub original_len: u32,
}

/// Secrets to decrypt other packets with, from a pcapng Decryption Secrets Block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets<'a> {
    /// The block's secrets type; [`Secrets::TLS_KEY_LOG`] is the one in wide use.
    pub kind: u32,
    /// The secrets, in the format of that type.
    pub bytes: &'a [u8],
}

impl Secrets<'_> {
    /// The type of secrets in the format of `SSLKEYLOGFILE`.
    pub const TLS_KEY_LOG: u32 = 0x544c_534b;
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("packet {packet_number} at byte {offset}: {problem}")]
pub struct Damage {
    /// The number that the packet would have.
    pub packet_number: u64,
    /// Where the record begins in the input.
    pub offset: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// There is not a byte.
    #[error("it is empty")]
    Empty,
    /// The input begins like no capture file. Nothing can be read.
    #[error("neither pcap nor pcapng: the first bytes are {0:#010x}")]
    NotACapture(u32),
    /// The input ends within a record. Everything before it has been read.
    #[error("the input ends {missing} bytes before the record does")]
    Truncated {
        /// How many bytes the record lacks.
        missing: u64,
    },
    /// A record that would end behind the input, while others begin within it.
    #[error("the record ends {beyond} bytes behind the input, and others begin within it")]
    Overlong {
        /// How many bytes are behind the input.
        beyond: u64,
    },
    /// The captured length is beyond [`CAPTURED_LEN_MAX`].
    #[error("the captured length {0} is beyond {CAPTURED_LEN_MAX}")]
    CapturedLength(u32),
    /// More was captured than there was.
    #[error("{captured} bytes captured of a packet of {original}")]
    Contradiction {
        /// What the record says was captured.
        captured: u32,
        /// What the record says was on the wire.
        original: u32,
    },
    /// A file header of a version that is not known.
    #[error("the file format has version {major}.{minor}")]
    Version {
        /// Major version; known are 2 for pcap, 1 for pcapng.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A pcapng block whose length is not a multiple of 4, too short for its kind or too long.
    #[error("the block length {0} is impossible")]
    BlockLength(u32),
    /// A pcapng block whose two lengths differ.
    #[error("the block says {leading} bytes in front and {trailing} at its end")]
    BlockTrailer {
        /// The length in front.
        leading: u32,
        /// The length at the end.
        trailing: u32,
    },
    /// What says that it is a pcapng section header and has no byte-order magic.
    #[error("the section header has the byte-order magic {0:#010x}")]
    SectionMagic(u32),
    /// A pcapng packet of an interface that the section has not described.
    #[error("interface {0} is not described")]
    Interface(u32),
    /// More interfaces than are kept track of.
    #[error("the section has more than {0} interfaces")]
    Interfaces(usize),
}

impl Problem {
    /// The machine-readable name, used as a metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotACapture(_) => "not_a_capture",
            Self::Truncated { .. } => "truncated",
            Self::Overlong { .. } => "overlong",
            Self::CapturedLength(_) => "captured_length",
            Self::Contradiction { .. } => "length_contradiction",
            Self::Version { .. } => "version",
            Self::BlockLength(_) => "block_length",
            Self::BlockTrailer { .. } => "block_trailer",
            Self::SectionMagic(_) => "section_magic",
            Self::Interface(_) => "unknown_interface",
            Self::Interfaces(_) => "too_many_interfaces",
        }
    }

    /// Can anything after it be read?
    pub fn can_continue(&self) -> bool {
        !matches!(
            self,
            Self::Empty | Self::NotACapture(_) | Self::Truncated { .. } | Self::Version { .. }
        )
    }
}

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    #[inline]
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(crate) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        crate::bytes_at::array(bytes, at).map(|bytes| self.u32(bytes))
    }

    #[inline]
    pub(crate) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        crate::bytes_at::array(bytes, at).map(|bytes| match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }
}

/// What a format's walker made of the beginning of its input.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A packet, and the length of its record.
    Packet { len: usize, record: Record<'a> },
    /// Secrets, and the length of their block.
    Secrets { len: usize, secrets: Secrets<'a> },
    /// Nothing to hand out: a header, or a block of no interest, of this length; it may be beyond
    /// the input.
    Skip(u64),
    /// At least this many bytes are needed.
    Need(usize),
    /// Another file begins here.
    FileHeader,
    /// Not a record.
    Broken(Problem),
    /// A record that says where it ends and is no use.
    BrokenOf { len: usize, problem: Problem },
}

/// A packet before the reader has numbered it.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) unix_ns: Option<u64>,
    pub(crate) link_type: LinkType,
    pub(crate) bytes: &'a [u8],
    pub(crate) original_len: u32,
}
