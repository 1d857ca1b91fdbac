//! Header blocks of one way of a connection, in order, to fields.

use super::block::{Defect, Draft, Field, HeaderBlock, Name, Value};
use super::instruction::{Indexing, Instruction, Instructions, LiteralName};
use super::names::{STATIC_COUNT, static_entry};
use super::revisit::Revisits;
use super::runs::{Run, Runs};
use super::shift::Search;
use super::table::{EntryRef, Lookup, NameRef, Table};
use super::{Expected, HpackError, KnownName};

/// Size of the dynamic table before anyone says otherwise (RFC 9113, section 6.5.2).
const TABLE_BYTES_DEFAULT: usize = 4096;

/// Size updates that are followed though no SETTINGS that allow them were seen.
const TABLE_BYTES_MAX: usize = 64 * 1024;

/// SETTINGS that allow more than this are not followed.
const TABLE_BYTES_LIMIT: usize = 1024 * 1024;

/// Bytes of one header list that are kept, counted as RFC 7541 counts entries.
const LIST_BYTES_MAX: usize = 256 * 1024;

/// Follows the header blocks of one way of a connection.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(super) table: Table,
    /// Largest size update that is followed.
    table_bytes_max: usize,
    /// The search for what a loss did to the table, until it is proved.
    pub(super) search: Option<Search>,
    pub(super) revisits: Revisits,
    /// While an old block is read again: insertions since it was at this place.
    pub(super) insertions_since: Option<u64>,
    draft: Draft,
    runs: Runs,
}

impl Decoder {
    /// A decoder for a way whose first block will be seen, or (`is_midway`) perhaps not.
    pub fn new(is_midway: bool) -> Self {
        Self::with_table(Table::new(TABLE_BYTES_DEFAULT, is_midway))
    }

    pub(super) fn with_table(table: Table) -> Self {
        Self {
            table,
            table_bytes_max: TABLE_BYTES_MAX,
            search: None,
            revisits: Revisits::default(),
            insertions_since: None,
            draft: Draft::default(),
            runs: Runs::default(),
        }
    }

    /// The other endpoint allows a table of this size (SETTINGS_HEADER_TABLE_SIZE).
    pub fn allow_table_bytes(&mut self, bytes: u32) {
        let bytes = (bytes as usize).min(TABLE_BYTES_LIMIT);
        self.table_bytes_max = self.table_bytes_max.max(bytes);
    }

    /// It allows what it allowed `other`.
    pub fn allow_as(&mut self, other: &Self) {
        self.table_bytes_max = self.table_bytes_max.max(other.table_bytes_max);
    }

    /// Is it unknown how many insertions were lost?
    pub fn is_uncertain(&self) -> bool {
        self.search.is_some()
    }

    /// Up to `bytes` bytes of header blocks were not captured.
    pub fn lose(&mut self, bytes: u64) {
        if bytes > 0 {
            self.revisits.forget();
        }
        self.search = Search::start(&mut self.table, self.search.take(), bytes);
    }

    /// Decodes the next block. If its last `missing_bytes` bytes were not captured, decodes what is
    /// there.
    pub fn decode(&mut self, block: &[u8], missing_bytes: u64, expected: Expected) -> HeaderBlock {
        if let Some(search) = self.search.take() {
            return search.decode(self, block, missing_bytes, expected);
        }
        if missing_bytes == 0
            && let Some(run) = Run::first_of(block).filter(|run| run.len() == block.len())
            && let Some(block) = self.runs.recall(run, self.table.revision())
        {
            return block.clone();
        }
        let outcome = self.read(block);
        self.finish(outcome, missing_bytes)
    }

    /// Reads `block` into the draft; says why and how many bytes before its end it cannot.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<(), (HpackError, usize)> {
        self.draft.clear();
        let run = Run::first_of(block).filter(|_| self.insertions_since.is_none());
        let recalled = run.map_or(0, |run| self.read_run(run, block));
        let mut instructions = Instructions::new(block.get(recalled..).unwrap_or_default());
        loop {
            let left = instructions.bytes_left();
            let Some(instruction) = instructions.next() else {
                return Ok(());
            };
            instruction
                .and_then(|instruction| self.obey(instruction))
                .map_err(|error| (error, left))?;
        }
    }

    /// Puts the fields of `run`, with which `block` begins, into the draft; says how many bytes that
    /// were, which is none if one of them cannot be read.
    fn read_run(&mut self, run: Run, block: &[u8]) -> usize {
        let revision = self.table.revision();
        if let Some(block) = self.runs.recall(run, revision) {
            self.draft.resume(block);
            return run.len();
        }
        for byte in block.iter().take(run.len()) {
            if self.indexed(u64::from(byte & 0x7f)).is_err() || self.draft.is_too_large {
                self.draft.clear();
                return 0;
            }
        }
        self.runs.keep(run, revision, &self.draft);
        run.len()
    }

    /// The draft as a block; after an error the rest of the block is lost.
    pub(super) fn finish(
        &mut self,
        outcome: Result<(), (HpackError, usize)>,
        missing_bytes: u64,
    ) -> HeaderBlock {
        let (defect, lost_bytes) = match outcome {
            Ok(()) if missing_bytes == 0 => (None, 0),
            Ok(()) => (Some(Defect::Lost), missing_bytes),
            Err((_, left)) if missing_bytes > 0 => {
                (Some(Defect::Lost), missing_bytes + left as u64)
            }
            Err((error, left)) => (Some(Defect::Malformed(error)), left as u64),
        };
        if lost_bytes > 0 {
            self.lose(lost_bytes);
        }
        self.draft.finish(defect)
    }

    #[inline]
    fn obey(&mut self, instruction: Instruction<'_>) -> Result<(), HpackError> {
        match instruction {
            Instruction::Indexed(index) => self.indexed(index),
            Instruction::Literal {
                indexing,
                name,
                value,
            } => {
                let start = self.draft.mark();
                let (name, is_believed) = self.literal_name(name)?;
                let value_start = self.draft.mark();
                value.decode_into(&mut self.draft.text)?;
                let value = self.draft.span_since(value_start);
                if indexing == Indexing::Incremental && !self.has_inserted() {
                    let name = match name {
                        // What is only believed must not become an entry.
                        _ if is_believed => NameRef::Unknown,
                        Name::Known(name) => NameRef::Known(name),
                        Name::Text(span) => NameRef::Text(self.draft.text(span)),
                        Name::Unknown(_) | Name::Lost => NameRef::Unknown,
                    };
                    self.table.insert(name, Some(self.draft.text(value)));
                }
                let never_indexed = indexing == Indexing::Never;
                let field = Field {
                    name,
                    value: if is_believed {
                        Value::Inferred(value)
                    } else {
                        Value::Seen(value)
                    },
                    never_indexed,
                };
                self.draft.push(field, start, LIST_BYTES_MAX);
                Ok(())
            }
            Instruction::SizeUpdate(_) if self.insertions_since.is_some() => Ok(()),
            Instruction::SizeUpdate(bytes) => {
                let size = usize::try_from(bytes)
                    .ok()
                    .filter(|size| *size <= self.table_bytes_max);
                self.table
                    .resize(size.ok_or(HpackError::TableSizeOverLimit(bytes))?);
                Ok(())
            }
        }
    }

    #[inline]
    fn indexed(&mut self, index: u64) -> Result<(), HpackError> {
        let start = self.draft.mark();
        let (name, value) = if let Some((name, value)) = static_entry(index) {
            (
                Name::Known(name),
                Value::Seen(self.draft.push_text(value.as_bytes())),
            )
        } else {
            match self.table.lookup(self.depth(index)) {
                Lookup::Entry(entry) => {
                    let value = match entry.value.map(|value| self.draft.push_text(value)) {
                        Some(span) if entry.is_past_hole => Value::Inferred(span),
                        Some(span) => Value::Seen(span),
                        None => Value::Unknown(entry.id),
                    };
                    (name_of(&mut self.draft, &entry), value)
                }
                Lookup::BeforeCapture(id) => (Name::Unknown(id), Value::Unknown(id)),
                Lookup::InHole => (Name::Lost, Value::Lost),
                Lookup::Beyond => return Err(HpackError::IndexBeyondTable(index)),
            }
        };
        self.draft.push(
            Field {
                name,
                value,
                never_indexed: false,
            },
            start,
            LIST_BYTES_MAX,
        );
        Ok(())
    }

    /// Where in the dynamic table, counted from its newest entry, `index` points.
    #[inline]
    fn depth(&self, index: u64) -> u64 {
        index - STATIC_COUNT - 1 + self.insertions_since.unwrap_or(0)
    }

    /// Was the insertion that comes next done when the block was read before? Then it is passed.
    fn has_inserted(&mut self) -> bool {
        let Some(since) = &mut self.insertions_since else {
            return false;
        };
        *since = since.saturating_sub(1);
        true
    }

    /// The name of a literal field, and whether it was found past a hole whose width is believed.
    fn literal_name(&mut self, name: LiteralName<'_>) -> Result<(Name, bool), HpackError> {
        let index = match name {
            LiteralName::Index(index) => index,
            LiteralName::Text(text) => {
                if let Some(known) = text.plain().and_then(KnownName::find) {
                    return Ok((Name::Known(known), false));
                }
                let start = self.draft.mark();
                text.decode_into(&mut self.draft.text)?;
                let span = self.draft.span_since(start);
                let Some(known) = KnownName::find(self.draft.text(span)) else {
                    return Ok((Name::Text(span), false));
                };
                self.draft.text.truncate(start);
                return Ok((Name::Known(known), false));
            }
        };
        if let Some((name, _)) = static_entry(index) {
            return Ok((Name::Known(name), false));
        }
        match self.table.lookup(self.depth(index)) {
            Lookup::Entry(entry) => Ok((name_of(&mut self.draft, &entry), entry.is_past_hole)),
            Lookup::BeforeCapture(id) => Ok((Name::Unknown(id), false)),
            Lookup::InHole => Ok((Name::Lost, false)),
            Lookup::Beyond => Err(HpackError::IndexBeyondTable(index)),
        }
    }
}

fn name_of(draft: &mut Draft, entry: &EntryRef<'_>) -> Name {
    match entry.name {
        NameRef::Known(name) => Name::Known(name),
        NameRef::Text(text) => Name::Text(draft.push_text(text)),
        NameRef::Unknown => Name::Unknown(entry.id),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
