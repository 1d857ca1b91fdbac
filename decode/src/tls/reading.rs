//! One way whose secrets are known: its records opened, its losses told.
//!
//! After lost bytes it goes on exactly at the next record where the header of the one at hand was
//! seen; otherwise it hunts for bytes that look like a header and whose record opens, which proves
//! them. What was lost is told when the next record opens, for only its sequence number says whether
//! anything was.

use super::counters::{Counters, FailReason};
use super::early::EarlyData;
use super::lost::Lost;
use super::protection::TAG_BYTES;
use super::read_state::{Epoch, Read, ReadState};
use super::record::{Framer, HEADER_BYTES, Next, RecordHeader, content_type};
use super::suite::Version;
use crate::bytes_at;
use crate::stream::{ByteSink, Way};

/// Records in a row that do not open, after which the rest of the way is given up. A server's
/// handshake, whose secrets may be missing, is shorter.
const FAILED_IN_ROW_MAX: u32 = 64;

/// Bytes of the shortest record that takes a sequence number.
const RECORD_BYTES_MIN: u64 = (HEADER_BYTES + TAG_BYTES) as u64;

/// Where the plaintext of a way goes, and what belongs to the connection.
pub(super) struct Output<'a, S> {
    pub(super) at_unix_ns: u64,
    pub(super) way: Way,
    pub(super) sink: &'a mut S,
    pub(super) counters: &'a mut Counters,
    /// Where records are opened.
    pub(super) scratch: &'a mut Vec<u8>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Reading {
    state: ReadState,
    framer: Framer,
    place: Place,
    lost: Lost,
    early: EarlyData,
    /// Is there early data that the key log has no secret of?
    hides_early: bool,
    failed_in_row: u32,
    /// Of the keys of application data.
    generation: u32,
}

/// Where the next byte belongs.
///
/// ```text
/// Record ──bytes lost within──▶ Skip ──▶ Record
///    └──bytes lost over the end──▶ Hunting ──a record opens──▶ Record
///
/// Record, Hunting ──too much does not open──▶ GivenUp
/// ```
#[derive(Debug)]
enum Place {
    /// In a record of which the framer has the beginning.
    Record,
    /// In a record that is cut.
    Skip { left: u64 },
    /// Anywhere. Has the bytes from the first place on that may begin a record.
    Hunting(Vec<u8>),
    /// Too much did not open.
    GivenUp,
}

impl Reading {
    /// Goes on where `framer` is.
    pub(super) fn new(state: ReadState, framer: Framer, offers_early_data: bool) -> Self {
        Self {
            hides_early: offers_early_data && state.epoch() != Epoch::Early,
            state,
            framer,
            place: Place::Record,
            lost: Lost::default(),
            early: EarlyData::default(),
            failed_in_row: 0,
            generation: 0,
        }
    }

    pub(super) fn bytes<S: ByteSink>(&mut self, input: &[u8], out: &mut Output<'_, S>) {
        let mut joined: Vec<u8>;
        let mut input = input;
        while !input.is_empty() {
            match &mut self.place {
                Place::Record => self.records(&mut input, out),
                Place::Skip { left } => {
                    let len = bytes_at::count(input.len()).min(*left);
                    *left -= len;
                    if *left == 0 {
                        self.place = Place::Record;
                    }
                    input = input.get(bytes_at::index(len)..).unwrap_or_default();
                }
                Place::Hunting(held) => {
                    // Once or twice for all of the input: a hunt that ends without a record takes it
                    // all, and a framer holds what came before it.
                    if !held.is_empty() {
                        held.extend_from_slice(input);
                        joined = std::mem::take(held);
                        input = &joined;
                    }
                    self.hunt(&mut input, false, out);
                }
                Place::GivenUp => {
                    self.lost.bytes(bytes_at::count(input.len()));
                    return;
                }
            }
        }
    }

    /// Was anything lost that no record that opened came after?
    pub(super) fn has_lost(&self) -> bool {
        self.lost.is_any()
    }

    /// `len` bytes were not captured.
    pub(super) fn gap<S: ByteSink>(&mut self, len: u64, out: &mut Output<'_, S>) {
        self.end_hunt(out);
        let behind = match &mut self.place {
            Place::Record => {
                let cut = self.framer.give_up();
                match cut.header {
                    Some(header) => {
                        self.fail(header, FailReason::Cut, out.counters);
                        let missing = header.record_bytes().saturating_sub(cut.held);
                        self.skip(bytes_at::count(missing), len)
                    }
                    None => len.saturating_add(bytes_at::count(cut.held)),
                }
            }
            Place::Skip { left } => {
                let left = *left;
                self.skip(left, len)
            }
            Place::Hunting(held) => len.saturating_add(bytes_at::count(held.len())),
            Place::GivenUp => {
                self.lost.bytes(len);
                return;
            }
        };
        if behind > 0 {
            self.lost.bytes(behind);
            self.state.miss(behind.div_ceil(RECORD_BYTES_MIN) + 1);
            self.place = Place::Hunting(Vec::new());
        }
    }

    /// No more will come: what was lost last is told.
    pub(super) fn end<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        self.end_hunt(out);
        let held = match &self.place {
            Place::Hunting(held) => held.len(),
            _ => {
                let cut = self.framer.give_up();
                if cut.header.is_some() {
                    out.counters.fail(FailReason::Cut);
                }
                cut.held
            }
        };
        self.lost.bytes(bytes_at::count(held));
        self.early.drop_unanswered(out);
        if let Some(len) = self.lost.most_of_all() {
            out.sink.gap_up_to(out.at_unix_ns, out.way, len);
        }
    }

    /// The record at hand has `left` bytes to come, `len` of the next bytes are lost. Answers how many
    /// are behind the record.
    fn skip(&mut self, left: u64, len: u64) -> u64 {
        self.place = match left.saturating_sub(len) {
            0 => Place::Record,
            left => Place::Skip { left },
        };
        len.saturating_sub(left)
    }

    fn records<S: ByteSink>(&mut self, input: &mut &[u8], out: &mut Output<'_, S>) {
        loop {
            let (header, body) = match self.framer.next(input) {
                Next::Record(header, body) => (header, body),
                Next::NeedMore => return,
                Next::Malformed => {
                    // Nothing was lost, yet nothing says where the next record begins.
                    self.state.miss(1);
                    self.place = Place::Hunting(self.framer.take_held());
                    return;
                }
            };
            match self.state.version() {
                Version::Tls13 if header.content_type != content_type::APPLICATION_DATA => {
                    out.counters.plain();
                    continue;
                }
                Version::Tls12 if self.state.epoch() == Epoch::Plain => {
                    if header.content_type == content_type::CHANGE_CIPHER_SPEC {
                        self.state.advance();
                        out.counters.plain();
                        continue;
                    }
                    if !self.state.has_missed() {
                        out.counters.plain();
                        continue;
                    }
                }
                Version::Tls12 | Version::Tls13 => {}
            }
            let Some(read) = self.state.open(header, body, out.scratch) else {
                if self.state.epoch() == Epoch::Plain && self.state.version() == Version::Tls12 {
                    out.counters.plain();
                    continue;
                }
                self.fail(header, FailReason::Tag, out.counters);
                if self.failed_in_row > FAILED_IN_ROW_MAX {
                    self.place = Place::GivenUp;
                    return;
                }
                continue;
            };
            self.opened(read, out);
        }
    }

    /// What is held is all there is: a record behind what only looks like the beginning of a longer one
    /// is found, too.
    fn end_hunt<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        while let Place::Hunting(held) = &mut self.place {
            let held = std::mem::take(held);
            let mut rest = held.as_slice();
            if !self.hunt(&mut rest, true, out) {
                return;
            }
            self.bytes(rest, out);
        }
    }

    /// Looks for the first record that opens; `true` if there is one, and `input` is what follows it.
    /// Otherwise takes all of the input, and waits for the end of what may be a record, unless the
    /// input `is_all`.
    fn hunt<S: ByteSink>(
        &mut self,
        input: &mut &[u8],
        is_all: bool,
        out: &mut Output<'_, S>,
    ) -> bool {
        let bytes = std::mem::take(input);
        let mut at = 0;
        while let Some(header) = RecordHeader::peek(bytes.get(at..).unwrap_or_default()) {
            let end = at + header.record_bytes();
            let record = bytes.get(at..end);
            if self.may_be(header) && (record.is_some() || !is_all) {
                let Some(record) = record else {
                    break;
                };
                let body = record.get(HEADER_BYTES..).unwrap_or_default();
                if let Some(read) = self.state.open(header, body, out.scratch) {
                    self.lost.bytes(bytes_at::count(at));
                    self.place = Place::Record;
                    out.counters.resyncs += 1;
                    self.opened(read, out);
                    *input = bytes.get(end..).unwrap_or_default();
                    return true;
                }
                self.state.miss(1);
                self.failed_in_row += 1;
                if self.failed_in_row > FAILED_IN_ROW_MAX {
                    self.lost.bytes(bytes_at::count(bytes.len()));
                    self.place = Place::GivenUp;
                    return false;
                }
            }
            at += 1;
        }
        self.lost.bytes(bytes_at::count(at));
        self.place = Place::Hunting(bytes.get(at..).unwrap_or_default().to_vec());
        false
    }

    /// Could it be the header of a protected record?
    fn may_be(&self, header: RecordHeader) -> bool {
        let is_type = match self.state.version() {
            Version::Tls13 => header.content_type == content_type::APPLICATION_DATA,
            Version::Tls12 => header.content_type > content_type::CHANGE_CIPHER_SPEC,
        };
        is_type && header.may_be_protected() && usize::from(header.length) > TAG_BYTES
    }

    /// A record was seen and not opened.
    fn fail(&mut self, header: RecordHeader, reason: FailReason, counters: &mut Counters) {
        counters.fail(reason);
        self.lost.record(header, self.state.protection());
        self.state.miss(1);
        self.failed_in_row += u32::from(reason == FailReason::Tag);
    }

    fn opened<S: ByteSink>(&mut self, read: Read, out: &mut Output<'_, S>) {
        out.counters.opened();
        self.failed_in_row = 0;
        self.tell_lost(read, out);
        let content = out.scratch.get(..read.opened.content_len);
        let content = content.unwrap_or_default();
        let (at, way) = (out.at_unix_ns, out.way);
        match (self.state.epoch(), read.opened.content_type) {
            (Epoch::Application(_), content_type::APPLICATION_DATA) if !content.is_empty() => {
                out.counters.application_bytes += bytes_at::count(content.len());
                out.sink.bytes(at, way, content);
            }
            (Epoch::Early, content_type::APPLICATION_DATA) => self.early.hold(at, content),
            // The only message with these keys is EndOfEarlyData: the server took them.
            (Epoch::Early, content_type::HANDSHAKE) => self.early.hand_on(out),
            _ => {}
        }
    }

    /// Tells what was lost before the record that was opened just now.
    fn tell_lost<S: ByteSink>(&mut self, read: Read, out: &mut Output<'_, S>) {
        out.counters.missing_records += read.missing_records.saturating_sub(self.lost.records());
        if read.is_new_epoch {
            if let Epoch::Application(generation) = self.state.epoch() {
                out.counters.key_updates += u64::from(generation.saturating_sub(self.generation));
                self.generation = generation;
            }
            // Without EndOfEarlyData: it was lost, or the server did not take them.
            self.early.end(self.lost.is_any(), out);
        }
        if self.hides_early && self.state.epoch() == Epoch::Handshake {
            // Not of the handshake is what did not open before it.
            return;
        }
        let is_told = match self.state.epoch() {
            Epoch::Application(_) if std::mem::take(&mut self.hides_early) => self.lost.is_any(),
            // The end of the generation before may be among what was lost.
            Epoch::Application(1..) if read.is_new_epoch => self.lost.is_any(),
            Epoch::Application(_) | Epoch::Early => read.missing_records > 0,
            Epoch::Plain | Epoch::Handshake => false,
        };
        let lost = std::mem::take(&mut self.lost);
        if !is_told {
            return;
        }
        if self.state.epoch() == Epoch::Early {
            self.early
                .lose(lost.most(read.missing_records, self.state.protection()));
            return;
        }
        match lost.exact(read.missing_records) {
            Some(0) => {}
            Some(len) => out.sink.gap(out.at_unix_ns, out.way, len),
            None => {
                let len = lost.most(read.missing_records, self.state.protection());
                out.sink.gap_up_to(out.at_unix_ns, out.way, len);
            }
        }
    }
}
