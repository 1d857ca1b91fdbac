//! Batch slots: where records wait until the collector has them.
//!
//! ```text
//!                room wanted            full, or a tick          sent
//!   Free ────────────────────▶ Open ───────────────────▶ Sealed ──────▶ InFlight{token}
//!    ▲                                                     ▲                 │
//!    │                                                     └── try again ────┤
//!    └───────────── acknowledged, or refused for good ───────────────────────┘
//! ```
//! A sealed batch keeps its bytes until it is acknowledged, so that it is sent again byte by byte. Only a root that is
//! ending gives one up: after a minute, where another root has no slot left for a record or no place, or with the VM.
//! With no slot free the newest record is dropped. A slot of a root holds records of that root only.

use crate::counters::Counters;
use crate::wire::{Encoder, nested_len};

/// Bytes of one batch; `twintap_record::BATCH_BYTES_MAX`.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Kept free for the sequence number and the counters, which are written when a batch is sealed.
const SEAL_BYTES: usize = 512;

/// Major version of the contract; `twintap_record::VERSION`.
const VERSION: u64 = 1;
const RECORDS_FIELD: u32 = 15;

/// What a slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Free,
    /// Taking records.
    Open,
    /// Waiting to be sent.
    Sealed,
    /// Sent; the answer will come under the token.
    InFlight,
}

/// All about a slot but its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    state: State,
    root: u8,
    token: u32,
    attempts: u32,
    sequence: u64,
    records: u32,
    used: u32,
}

impl Slot {
    /// All zero.
    pub const FREE: Self = Self {
        state: State::Free,
        root: 0,
        token: 0,
        attempts: 0,
        sequence: 0,
        records: 0,
        used: 0,
    };
}

/// What every batch of a producer says of it.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// `RecordBatch.producer_id`.
    pub producer_id: &'a [u8],
    /// Encoded `Producer`.
    pub producer: &'a [u8],
}

/// The slots of the VM, shared by its roots.
#[derive(Debug)]
pub struct Slots<'m> {
    slots: &'m mut [Slot],
    bytes: &'m mut [u8],
    each: usize,
}

impl<'m> Slots<'m> {
    /// Slots of `each` bytes, which must be as many as `bytes` has room for.
    pub fn new(slots: &'m mut [Slot], bytes: &'m mut [u8], each: usize) -> Self {
        Self { slots, bytes, each }
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The largest record that fits a batch of `identity`.
    pub fn record_bytes_max(&self, identity: Identity<'_>) -> usize {
        self.each
            .saturating_sub(SEAL_BYTES)
            .saturating_sub(prefix_len(identity))
            .saturating_sub(nested_len(RECORDS_FIELD, 0).saturating_add(4))
    }

    /// Slots of `root` in `state`.
    pub fn count(&self, root: u8, state: State) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.root == root && slot.state == state)
            .count()
    }

    /// Slots of `root` in use, in whatever state.
    pub fn held(&self, root: u8) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.root == root && slot.state != State::Free)
            .count()
    }

    /// Slots of all roots that take no more records: sealed, or under way.
    pub fn closed(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| matches!(slot.state, State::Sealed | State::InFlight))
            .count()
    }

    /// The open slot of `root`.
    pub fn open(&self, root: u8) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.root == root && slot.state == State::Open)
    }

    /// Bytes and records in slot `index`.
    pub fn fill(&self, index: usize) -> (usize, u32) {
        self.slots
            .get(index)
            .map_or((0, 0), |slot| (slot.used as usize, slot.records))
    }

    /// Takes a free slot for `root`, whose next record has number `first_record`.
    pub fn take(&mut self, root: u8, identity: Identity<'_>, first_record: u64) -> Option<usize> {
        let index = self
            .slots
            .iter()
            .position(|slot| slot.state == State::Free)?;
        let mut encoder = Encoder::new(self.bytes_mut(index));
        encode_prefix(&mut encoder, identity, first_record);
        let used = u32::try_from(encoder.finish()?).ok()?;
        *self.slots.get_mut(index)? = Slot {
            state: State::Open,
            root,
            used,
            ..Slot::FREE
        };
        Some(index)
    }

    /// Room for a record of `len` bytes in open slot `index`, or `None` if it does not fit. The
    /// record counts once [`Slots::commit`] says so.
    pub fn room(&mut self, index: usize, len: usize) -> Option<&mut [u8]> {
        let used = self.slots.get(index)?.used as usize;
        let limit = self.each.saturating_sub(SEAL_BYTES);
        let field_len = nested_len(RECORDS_FIELD, len);
        let field = self
            .bytes_mut(index)
            .get_mut(used..used.checked_add(field_len)?)?;
        if used.saturating_add(field_len) > limit {
            return None;
        }
        let mut encoder = Encoder::new(field);
        encoder.nested(RECORDS_FIELD, len);
        let prefix = encoder.used();
        field.get_mut(prefix..)
    }

    /// Makes the room given last, for `len` bytes, a record of the batch.
    pub fn commit(&mut self, index: usize, len: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            let field_len = u32::try_from(nested_len(RECORDS_FIELD, len)).unwrap_or(0);
            slot.used = slot.used.saturating_add(field_len);
            slot.records = slot.records.saturating_add(1);
        }
    }

    /// Ends the batch in open slot `index`.
    pub fn seal(&mut self, index: usize, sequence: u64, counters: &Counters) {
        let used = self.fill(index).0;
        let target = self.bytes_mut(index).get_mut(used..).unwrap_or_default();
        let mut encoder = Encoder::new(target);
        encode_seal(&mut encoder, sequence, counters);
        let sealed = encoder
            .finish()
            .and_then(|len| u32::try_from(len).ok())
            .unwrap_or(0);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.used = slot.used.saturating_add(sealed);
            slot.sequence = sequence;
            slot.state = State::Sealed;
        }
    }

    /// The oldest sealed batch of `root`.
    pub fn next_sealed(&self, root: u8) -> Option<usize> {
        let mut oldest: Option<(usize, u64)> = None;
        for (index, slot) in self.slots.iter().enumerate() {
            let sealed = slot.root == root && slot.state == State::Sealed;
            if sealed && oldest.is_none_or(|(_, sequence)| slot.sequence < sequence) {
                oldest = Some((index, slot.sequence));
            }
        }
        oldest.map(|(index, _)| index)
    }

    /// The encoded batch in slot `index`.
    pub fn encoded(&self, index: usize) -> &[u8] {
        let start = index.saturating_mul(self.each);
        let end = start.saturating_add(self.fill(index).0);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The batch in slot `index` was sent under `token`; answers whether it was sent before.
    pub fn sent(&mut self, index: usize, token: u32) -> bool {
        let Some(slot) = self.slots.get_mut(index) else {
            return false;
        };
        slot.state = State::InFlight;
        slot.token = token;
        slot.attempts = slot.attempts.saturating_add(1);
        slot.attempts > 1
    }

    /// The slot of `root` that waits for an answer under `token`.
    pub fn in_flight(&self, root: u8, token: u32) -> Option<usize> {
        self.slots.iter().position(|slot| {
            slot.root == root && slot.state == State::InFlight && slot.token == token
        })
    }

    /// The batch in slot `index` is to be sent again.
    pub fn put_back(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = State::Sealed;
        }
    }

    /// No batch of `root` will get an answer: all are to be sent again.
    pub fn put_back_all(&mut self, root: u8) {
        for slot in self.slots.iter_mut().filter(|slot| slot.root == root) {
            if slot.state == State::InFlight {
                slot.state = State::Sealed;
            }
        }
    }

    /// The batch in slot `index` is no longer needed.
    pub fn free(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot::FREE;
        }
    }

    /// Records in slots of `root`, in whatever state.
    pub fn records(&self, root: u8) -> u64 {
        let own = self
            .slots
            .iter()
            .filter(|slot| slot.root == root && slot.state != State::Free);
        own.fold(0, |sum, slot| sum.saturating_add(u64::from(slot.records)))
    }

    /// Forgets all batches of `root`.
    pub fn free_all(&mut self, root: u8) {
        for slot in self.slots.iter_mut().filter(|slot| slot.root == root) {
            *slot = Slot::FREE;
        }
    }

    fn bytes_mut(&mut self, index: usize) -> &mut [u8] {
        let start = index.saturating_mul(self.each);
        let end = start.saturating_add(self.each);
        self.bytes.get_mut(start..end).unwrap_or_default()
    }
}

/// Encodes a batch without records, which carries counters only.
pub fn encode_heartbeat(
    into: &mut [u8],
    identity: Identity<'_>,
    next_record: u64,
    sequence: u64,
    counters: &Counters,
) -> Option<usize> {
    let mut encoder = Encoder::new(into);
    encode_prefix(&mut encoder, identity, next_record);
    encode_seal(&mut encoder, sequence, counters);
    encoder.finish()
}

fn encode_prefix(encoder: &mut Encoder<'_>, identity: Identity<'_>, first_record: u64) {
    encoder.uint(1, VERSION);
    encoder.bytes(2, identity.producer_id);
    encoder.uint(4, first_record);
    encoder.bytes(5, identity.producer);
}

fn prefix_len(identity: Identity<'_>) -> usize {
    // Two tags, version, and a record number of full length.
    nested_len(2, identity.producer_id.len())
        .saturating_add(nested_len(5, identity.producer.len()))
        .saturating_add(2 + 11)
}

fn encode_seal(encoder: &mut Encoder<'_>, sequence: u64, counters: &Counters) {
    encoder.uint(3, sequence);
    encoder.nested(6, counters.encoded_len());
    counters.encode(encoder);
}
