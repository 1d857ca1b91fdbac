//! The walk over a capture: which format, which record, what to do after a damaged one.
//!
//! ```text
//!            magic               record          bad record
//!  Begin ───────────▶ Reading ◀─────────▶ hands ───────────▶ Seeking ──chain──▶ Reading
//!    │ no magic          │ end of input          out
//!    ▼                   ▼
//!   Over ◀───────────────┘
//! ```
//!
//! A record that ends behind the input is cut off, or its length is damaged: then others begin
//! within it.

use super::classic::{self, HeaderError};
use super::pcapng::{self, Section};
use super::{Damage, Packet, Parsed, Problem, Record, Secrets};
use crate::bytes_at;

/// What [`Reader::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// Secrets for the packets that follow.
    Secrets(Secrets<'a>),
    /// A record that could not be read. Unless [`Problem::can_continue`] says no, good ones may
    /// follow.
    Broken(Damage),
    /// The input must be continued: keep what is unread and append to it until it has at least
    /// this many bytes, or the end of the input is there.
    More(usize),
    /// Nothing is left.
    End,
}

/// What has been read. `packets + damages` is the number of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounters {
    /// Packets handed out.
    pub packets: u64,
    /// Bytes of the packets handed out, without record headers.
    pub packet_bytes: u64,
    /// Damaged records.
    pub damages: u64,
    /// Bytes passed over while looking for the next good record.
    pub skipped_bytes: u64,
    /// Packets that say no time (Simple Packet Blocks): they have that of the packet before.
    pub timeless: u64,
}

impl ReaderCounters {
    /// Adds the counters of another reader.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.packet_bytes += other.packet_bytes;
        self.damages += other.damages;
        self.skipped_bytes += other.skipped_bytes;
        self.timeless += other.timeless;
    }
}

/// Reads one capture, from its first byte to its last.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
    /// Bytes of the input passed so far.
    offset: u64,
    /// Bytes still to be passed over, of a block of no interest.
    skip: u64,
    number: u64,
    last_unix_ns: u64,
    counters: ReaderCounters,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Begin,
    Reading(Format),
    Seeking(Format),
    Over,
}

#[derive(Debug)]
enum Format {
    Classic(classic::Header),
    Pcapng(Section),
}

impl Reader {
    /// A reader at the beginning of a capture.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been read so far.
    pub fn counters(&self) -> ReaderCounters {
        self.counters
    }

    /// How many bytes of the input have been passed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next packet of `input`, which is cut by what has been read. `last` says that nothing
    /// follows `input`.
    #[inline]
    pub fn next<'a>(&mut self, input: &mut &'a [u8], last: bool) -> Step<'a> {
        // Nearly every call: the next packet, whole.
        if self.skip == 0 {
            let packet = match &self.state {
                State::Reading(Format::Classic(header)) => header.packet(input),
                State::Reading(Format::Pcapng(section)) => section.packet(input),
                _ => None,
            };
            if let Some((len, record)) = packet {
                return self.packet(input, len, record);
            }
        }
        self.next_step(input, last)
    }

    fn next_step<'a>(&mut self, input: &mut &'a [u8], last: bool) -> Step<'a> {
        loop {
            if self.skip > 0 && !self.pass_skipped(input) {
                if !last {
                    return Step::More(1);
                }
                let missing = std::mem::take(&mut self.skip);
                self.state = State::Over;
                return self.damage(Problem::Truncated { missing });
            }
            if input.is_empty() {
                return match (&self.state, last) {
                    (_, false) => Step::More(1),
                    (State::Begin, true) => {
                        self.state = State::Over;
                        self.damage(Problem::Empty)
                    }
                    _ => self.over(),
                };
            }
            let parsed = match &mut self.state {
                State::Reading(Format::Classic(header)) => header.record(input),
                State::Reading(Format::Pcapng(section)) => section.record(input),
                State::Begin => self.begin(input, last),
                State::Seeking(_) => match self.seek(input, last) {
                    Some(step) => return step,
                    None => continue,
                },
                State::Over => return Step::End,
            };
            match parsed {
                Parsed::Packet { len, record } => return self.packet(input, len, record),
                Parsed::Secrets { len, secrets } => {
                    self.pass(input, len);
                    return Step::Secrets(secrets);
                }
                Parsed::Skip(len) => self.skip = len,
                Parsed::Need(need) if last => {
                    let missing = bytes_at::count(need.saturating_sub(input.len()));
                    return self.behind_the_end(input, missing);
                }
                Parsed::Need(need) => return Step::More(need),
                Parsed::FileHeader => self.state = State::Begin,
                Parsed::BrokenOf { len, problem } => {
                    let damage = self.damage(problem);
                    self.pass(input, len);
                    return damage;
                }
                Parsed::Broken(problem) => {
                    let damage = self.damage(problem);
                    self.state = match std::mem::take(&mut self.state) {
                        State::Reading(format) if problem.can_continue() => {
                            self.pass(input, 1);
                            State::Seeking(format)
                        }
                        _ => State::Over,
                    };
                    return damage;
                }
            }
        }
    }

    /// Reads a file header. The format is settled here; `Skip` passes the header.
    fn begin<'a>(&mut self, input: &'a [u8], last: bool) -> Parsed<'a> {
        let Some(magic) = bytes_at::array::<4>(input, 0) else {
            return match last {
                // Of either format a header has this much at least.
                true => Parsed::Need(24),
                false => Parsed::Need(4),
            };
        };
        if magic == pcapng::SECTION_HEADER {
            let (section, parsed) = Section::begin(input);
            // Behind a header with a wrong length there may be good blocks.
            if let Some(section) = section
                && (last || !matches!(parsed, Parsed::Need(_)))
            {
                self.state = State::Reading(Format::Pcapng(section));
            }
            return parsed;
        }
        match classic::Header::parse(input) {
            Ok((header, len)) => {
                self.state = State::Reading(Format::Classic(header));
                Parsed::Skip(bytes_at::count(len))
            }
            Err(HeaderError::Need(_)) if !classic::Header::is_magic(magic) => {
                Parsed::Broken(Problem::NotACapture(u32::from_be_bytes(magic)))
            }
            Err(HeaderError::Need(need)) => Parsed::Need(need),
            Err(HeaderError::Broken(problem)) => Parsed::Broken(problem),
        }
    }

    /// A record ends `missing` bytes behind the end of all input: the input is cut off, unless good
    /// records begin within.
    #[cold]
    fn behind_the_end<'a>(&mut self, input: &mut &'a [u8], missing: u64) -> Step<'a> {
        let rest = input.get(1..).unwrap_or_default();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Reading(format) if self.resync(&format, rest, true).is_ok() => {
                let damage = self.damage(Problem::Overlong { beyond: missing });
                self.pass(input, 1);
                self.state = State::Seeking(format);
                damage
            }
            _ => self.damage(Problem::Truncated { missing }),
        }
    }

    /// Where in `input` good records begin; see [`Section::resync`].
    fn resync(&self, format: &Format, input: &[u8], last: bool) -> Result<usize, usize> {
        let near_s = u32::try_from(self.last_unix_ns / 1_000_000_000).unwrap_or(u32::MAX);
        match format {
            Format::Classic(header) => header.resync(input, near_s, last),
            Format::Pcapng(section) => section.resync(input, last),
        }
    }

    /// Looks for the next good record; `None` when it has been found.
    #[cold]
    fn seek<'a>(&mut self, input: &mut &'a [u8], last: bool) -> Option<Step<'a>> {
        let found = match &self.state {
            State::Seeking(format) => self.resync(format, input, last),
            _ => Ok(0),
        };
        let (Ok(passed) | Err(passed)) = found;
        self.counters.skipped_bytes += bytes_at::count(passed);
        self.pass(input, passed);
        if found.is_ok() {
            if let State::Seeking(format) = std::mem::take(&mut self.state) {
                self.state = State::Reading(format);
            }
            return None;
        }
        Some(match last {
            true => self.over(),
            false => Step::More(input.len() + 1),
        })
    }

    #[inline]
    fn packet<'a>(&mut self, input: &mut &'a [u8], len: usize, record: Record<'a>) -> Step<'a> {
        self.number += 1;
        self.last_unix_ns = record.unix_ns.unwrap_or(self.last_unix_ns);
        self.counters.timeless += u64::from(record.unix_ns.is_none());
        self.counters.packets += 1;
        self.counters.packet_bytes += bytes_at::count(record.bytes.len());
        let packet = Packet {
            number: self.number,
            offset: self.offset,
            unix_ns: self.last_unix_ns,
            link_type: record.link_type,
            bytes: record.bytes,
            original_len: record.original_len,
        };
        self.pass(input, len);
        Step::Packet(packet)
    }

    /// Passes over a block of no interest; says whether its end was reached.
    fn pass_skipped(&mut self, input: &mut &[u8]) -> bool {
        let here = usize::try_from(self.skip).map_or(input.len(), |skip| skip.min(input.len()));
        self.pass(input, here);
        self.skip -= bytes_at::count(here);
        self.skip == 0
    }

    #[inline]
    fn pass(&mut self, input: &mut &[u8], len: usize) {
        *input = input.get(len..).unwrap_or_default();
        self.offset += bytes_at::count(len);
    }

    #[cold]
    fn damage<'a>(&mut self, problem: Problem) -> Step<'a> {
        self.number += 1;
        self.counters.damages += 1;
        Step::Broken(Damage {
            packet_number: self.number,
            offset: self.offset,
            problem,
        })
    }

    fn over<'a>(&mut self) -> Step<'a> {
        self.state = State::Over;
        Step::End
    }
}
