//! The search for how many insertions were lost with a header block.
//!
//! HPACK counts from the newest entry, so after a loss every reference to an older entry is off by
//! the number of insertions that were missed: the *shift*. Each later block is read under every
//! shift that the lost bytes have room for. A shift is ruled out for good when a block cannot be
//! under it; it is proved when references of gRPC blocks to [`PROOF_REFERENCES`] different older
//! entries made sense under it, and many more than under any other, and [`PROOF_TELLING`] of them
//! tell: gRPC says where fields of that name may be, and no other entry has it. (A table with many
//! `grpc-status` makes sense under as many shifts, while under the right one they may all be in
//! the hole.) A lost block may have inserted fields of the same names in the same order, so that the
//! next of its kind reads well under the shift before it too: of responses both opening and trailers
//! must have made sense, and a shift under which one block was odd that makes sense under another is
//! never proved. Until then, what the readings agree on is inferred, what they do not agree on
//! ambiguous.

use super::Expected;
use super::block::{Field, HeaderBlock, Name, Value};
use super::decoder::Decoder;
use super::instruction::{Indexing, Instruction, Instructions, LiteralName};
use super::legality::{Kinds, Legality, Verdict, is_once};
use super::names::{STATIC_COUNT, static_entry};
use super::table::{ENTRY_OVERHEAD_BYTES, Lookup, NameRef, SHIFT_UNKNOWN, Table};

/// Different older entries that must make sense under a shift, and under no other.
const PROOF_REFERENCES: usize = 3;

/// Of those, entries whose name gRPC knows and no other entry has.
const PROOF_TELLING: usize = 2;

/// References that do not outweigh one that makes sense under another shift, by chance: where most
/// references of a block go into the hole, the one that does not can hit a legal field.
const PROOF_FACTOR: usize = 2;

/// Evidence that is kept.
const EVIDENCE_MAX: usize = 32;

/// The shortest instruction that inserts: the index of a name and an empty value.
const INSERTION_BYTES_MIN: u64 = 2;

/// Shifts that are tried; more than a table of 16 KiB has entries.
const SHIFTS_MAX: usize = 512;

/// Readings of one block that are compared.
const READINGS_MAX: usize = 8;

/// The shifts that are still possible.
#[derive(Clone, Debug)]
pub(super) struct Search {
    candidates: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    shift: u32,
    /// Ordinals of different older entries that made sense, up to [`EVIDENCE_MAX`].
    evidence: Vec<i32>,
    /// How many of them are telling.
    telling: usize,
    /// What the block at hand is under this shift.
    verdict: Verdict,
    /// Did it refer to an older entry, and make sense?
    is_informed: bool,
    /// Was there a block that is odd under it, and makes sense under another?
    is_doubtful: bool,
    /// Kinds of blocks that referred to older entries, and made sense.
    kinds: Kinds,
}

impl Search {
    /// Begins after up to `bytes` bytes of header blocks were lost, and perhaps more before.
    pub(super) fn start(table: &mut Table, before: Option<Self>, bytes: u64) -> Option<Self> {
        if bytes < INSERTION_BYTES_MIN {
            return before;
        }
        // Without known older entries there is nothing to prove a shift by.
        if table.is_midway() || table.is_empty() {
            table.forget_older();
            return None;
        }
        let bounds = |search: &Self| {
            Some((
                search.candidates.first()?.shift,
                search.candidates.last()?.shift,
            ))
        };
        let (min, max) = before.as_ref().and_then(bounds).unwrap_or((0, 0));
        let forgotten = u32::try_from(table.open_hole()).unwrap_or(SHIFT_UNKNOWN);
        let room = (table.size_max() / ENTRY_OVERHEAD_BYTES).min(SHIFTS_MAX);
        let room = u32::try_from(room).unwrap_or(0);
        let lost = u32::try_from(bytes / INSERTION_BYTES_MIN).unwrap_or(SHIFT_UNKNOWN);
        let min = min.saturating_add(forgotten);
        let max = max.saturating_add(forgotten).saturating_add(lost).min(room);
        let candidates: Vec<_> = (min..=max).map(Candidate::new).collect();
        if candidates.is_empty() || table.is_empty() {
            table.forget_older();
            return None;
        }
        Some(Self { candidates })
    }

    /// Decodes a block under all possible shifts, and puts itself back unless it is at its end.
    pub(super) fn decode(
        mut self,
        decoder: &mut Decoder,
        block: &[u8],
        missing_bytes: u64,
        expected: Expected,
    ) -> HeaderBlock {
        if refers_past_hole(&decoder.table, block) {
            let is_cut = missing_bytes > 0;
            self.candidates.retain_mut(|candidate| {
                decoder.table.believe(candidate.shift);
                candidate.judge(&decoder.table, block, expected, is_cut)
            });
            self.doubt();
            if let Some(shift) = self.proved() {
                decoder.close_hole(shift);
            } else if self.candidates.is_empty() {
                decoder.revisits.forget();
                decoder.table.forget_older();
            } else {
                return self.decode_unproved(decoder, block, missing_bytes);
            }
        } else {
            decoder.search = Some(self);
        }
        let outcome = decoder.read(block);
        decoder.finish(outcome, missing_bytes)
    }

    /// Marks the shifts under which the block at hand is odd, if there is one under which it is not.
    fn doubt(&mut self) {
        if self.candidates.iter().all(|it| it.verdict == Verdict::Odd) {
            return;
        }
        for candidate in &mut self.candidates {
            candidate.is_doubtful |= candidate.verdict == Verdict::Odd;
        }
    }

    /// The shift under which the block at hand, and those before, are so much more likely than
    /// under any other that it can make sense under too.
    fn proved(&self) -> Option<u32> {
        let sensible = || self.candidates.iter().filter(|c| c.verdict > Verdict::Odd);
        let best = sensible().max_by_key(|candidate| candidate.evidence.len())?;
        let others = sensible().filter(|other| other.shift != best.shift);
        let second = others.map(|other| other.evidence.len()).max().unwrap_or(0);
        let count = best.evidence.len();
        let is_proved = best.verdict == Verdict::Grpc
            && !best.is_doubtful
            && best.kinds.are_enough()
            && count >= PROOF_REFERENCES
            && best.telling >= PROOF_TELLING
            && count > PROOF_FACTOR * second;
        is_proved.then_some(best.shift)
    }

    fn decode_unproved(
        self,
        decoder: &mut Decoder,
        block: &[u8],
        missing_bytes: u64,
    ) -> HeaderBlock {
        let informed = self
            .candidates
            .iter()
            .filter(|candidate| candidate.is_informed);
        let mut shifts: Vec<_> = informed
            .map(|candidate| (candidate.evidence.len(), candidate.shift))
            .collect();
        shifts.sort_by_key(|(evidence, _)| std::cmp::Reverse(*evidence));
        let too_many = shifts.len() > READINGS_MAX;
        let mut shifts = shifts.into_iter().map(|(_, shift)| shift);
        let before = decoder.table.inserted();
        let best = shifts.next().filter(|_| !too_many).unwrap_or(SHIFT_UNKNOWN);
        let others: Vec<_> = shifts
            .take(if too_many { 0 } else { READINGS_MAX })
            .map(|shift| {
                let mut other = Decoder::with_table(decoder.table.clone());
                other.table.believe(shift);
                let outcome = other.read(block);
                (other.finish(outcome, 0), other.table)
            })
            .collect();

        decoder.table.believe(best);
        decoder.search = Some(self);
        let outcome = decoder.read(block);
        let inserted = usize::try_from(decoder.table.inserted() - before).unwrap_or(0);
        for (_, table) in &others {
            decoder.table.keep_common_names(table, inserted);
        }
        let mut merged = decoder.finish(outcome, missing_bytes);
        for (other, _) in &others {
            merged.merge(other);
        }
        if missing_bytes == 0
            && merged.is_incomplete()
            && let Some(ticket) = decoder.revisits.add(block, before)
        {
            merged.doubts_mut().ticket = Some(ticket);
        }
        merged
    }
}

impl Candidate {
    fn new(shift: u32) -> Self {
        Self {
            shift,
            evidence: Vec::new(),
            telling: 0,
            verdict: Verdict::Odd,
            is_informed: false,
            is_doubtful: false,
            kinds: Kinds::default(),
        }
    }

    /// Could `block` be under this shift, which `table` believes? Takes down what speaks for it.
    fn judge(&mut self, table: &Table, block: &[u8], expected: Expected, is_cut: bool) -> bool {
        let mut legality = Legality::default();
        let mut instructions = Instructions::new(block);
        // Entries that the block itself inserts are newer than all of the table's.
        let mut own = 0;
        let mut references = Vec::new();
        while let Some(Ok(instruction)) = instructions.next() {
            match instruction {
                Instruction::Indexed(index) => {
                    if !refer_to(&mut references, table, &mut legality, index, own, None) {
                        return false;
                    }
                }
                Instruction::Literal {
                    indexing,
                    name,
                    value,
                } => {
                    let mut text = Vec::new();
                    let value = value.decode_into(&mut text).is_ok().then_some(&*text);
                    match name {
                        LiteralName::Index(index) => {
                            if !refer_to(
                                &mut references,
                                table,
                                &mut legality,
                                index,
                                own,
                                Some(value),
                            ) {
                                return false;
                            }
                        }
                        LiteralName::Text(name) => {
                            let mut text = Vec::new();
                            if name.decode_into(&mut text).is_ok() {
                                let known = super::KnownName::find(&text);
                                let name = known.map_or(NameRef::Text(&text), NameRef::Known);
                                legality.field(name, value);
                            }
                        }
                    }
                    own += u64::from(indexing == Indexing::Incremental);
                }
                Instruction::SizeUpdate(_) => {}
            }
        }
        self.verdict = legality.verdict(expected, is_cut);
        self.is_informed = self.verdict > Verdict::Odd && !references.is_empty();
        if self.is_informed {
            self.kinds.add(legality.kinds());
        }
        if self.verdict == Verdict::Grpc {
            for Reference {
                ordinal,
                is_telling,
            } in references
            {
                if self.evidence.len() < EVIDENCE_MAX && !self.evidence.contains(&ordinal) {
                    self.evidence.push(ordinal);
                    self.telling += usize::from(is_telling);
                }
            }
        }
        self.verdict != Verdict::Impossible
    }
}

/// A reference to an older entry.
#[derive(Clone, Copy, Debug)]
struct Reference {
    ordinal: i32,
    is_telling: bool,
}

/// Judges the reference to `index`; `literal` is the value in place of the entry's. False if
/// there can be no such entry.
fn refer_to(
    references: &mut Vec<Reference>,
    table: &Table,
    legality: &mut Legality,
    index: u64,
    own: u64,
    literal: Option<Option<&[u8]>>,
) -> bool {
    if let Some((name, value)) = static_entry(index) {
        legality.field(
            NameRef::Known(name),
            literal.unwrap_or(Some(value.as_bytes())),
        );
        return true;
    }
    let Some(depth) = (index - STATIC_COUNT - 1).checked_sub(own) else {
        legality.field(NameRef::Unknown, None);
        return true;
    };
    match table.lookup(depth) {
        Lookup::Entry(entry) => {
            legality.field(entry.name, literal.unwrap_or(entry.value));
            if entry.is_past_hole && entry.name != NameRef::Unknown {
                let is_telling = matches!(
                    entry.name,
                    NameRef::Known(name) if is_once(name) && table.count_older(name) == 1
                );
                references.push(Reference {
                    ordinal: entry.id.ordinal,
                    is_telling,
                });
            }
            true
        }
        Lookup::BeforeCapture(_) | Lookup::InHole => {
            legality.field(NameRef::Unknown, None);
            true
        }
        Lookup::Beyond => false,
    }
}

/// Does any reference of `block` go past the hole?
fn refers_past_hole(table: &Table, block: &[u8]) -> bool {
    let mut instructions = Instructions::new(block);
    let mut own = 0;
    while let Some(Ok(instruction)) = instructions.next() {
        let index = match instruction {
            Instruction::Indexed(index) => index,
            Instruction::Literal { indexing, name, .. } => {
                let index = if let LiteralName::Index(index) = name {
                    index
                } else {
                    0
                };
                own += u64::from(indexing == Indexing::Incremental);
                // This literal's own insertion comes after its reference.
                index + u64::from(indexing == Indexing::Incremental && index > STATIC_COUNT)
            }
            Instruction::SizeUpdate(_) => 0,
        };
        let depth = index
            .checked_sub(STATIC_COUNT + 1)
            .and_then(|depth| depth.checked_sub(own));
        if depth.is_some_and(|depth| table.is_past_hole(depth)) {
            return true;
        }
    }
    false
}

impl HeaderBlock {
    /// Takes back what `other`, another reading of the same block, does not agree with.
    fn merge(&mut self, other: &Self) {
        let mut fields = self.fields.to_vec();
        for (field, foreign) in fields.iter_mut().zip(other.fields()) {
            if self.name(field) != other.name(foreign) {
                field.name = Name::Lost;
            }
            self.merge_value(field, other, foreign);
        }
        self.fields = fields.into();
    }

    fn merge_value(&mut self, field: &mut Field, other: &Self, foreign: &Field) {
        let Some(theirs) = other.value(foreign) else {
            // The other reading knows no value: it may be anything.
            if matches!(field.value, Value::Inferred(_) | Value::Ambiguous(_)) {
                field.value = Value::Lost;
            }
            return;
        };
        let span = match field.value {
            Value::Inferred(own) if self.text_of(own) == Some(theirs) => return,
            Value::Inferred(own) => {
                let alternatives = &mut self.doubts_mut().alternatives;
                let index = u32::try_from(alternatives.len()).unwrap_or(u32::MAX);
                alternatives.push(vec![own]);
                field.value = Value::Ambiguous(index);
                self.append(theirs)
            }
            Value::Ambiguous(_) => {
                if self
                    .alternatives(field)
                    .iter()
                    .any(|value| **value == *theirs)
                {
                    return;
                }
                self.append(theirs)
            }
            Value::Seen(_) | Value::Unknown(_) | Value::Lost => return,
        };
        if let Value::Ambiguous(index) = field.value
            && let Some(list) = self.doubts_mut().alternatives.get_mut(index as usize)
        {
            list.push(span);
        }
    }
}

#[cfg(test)]
#[path = "shift_tests.rs"]
mod tests;
