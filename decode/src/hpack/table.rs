//! The dynamic table (RFC 7541, section 2.3.2) as a watcher keeps it.
//!
//! Unlike an endpoint's, it may lack entries: those inserted before the capture began, and those
//! of header blocks that were lost. The former have negative ordinals. The latter are a *hole* of
//! unknown width between older and newer entries; while its width is being found, lookups are made
//! under a belief about it ([`Table::shift`]).
//!
//! Text of entries lies in one buffer, oldest first, so that an entry costs no allocation.

use std::collections::VecDeque;

use super::KnownName;
use super::block::EntryId;

/// What an entry counts beside its name and value (RFC 7541, section 4.1).
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 32;

/// Text of evicted entries that is kept before the buffer is moved up.
const DEAD_BYTES_MAX: usize = 4096;

/// Belief that every reference past the hole goes into it.
pub(super) const SHIFT_UNKNOWN: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryName {
    Known(KnownName),
    /// The first `name_bytes` of the entry's text.
    Text,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position of its text, counted from the first byte that was ever in the buffer.
    at: u64,
    name: EntryName,
    name_bytes: u32,
    value_bytes: u32,
    is_value_known: bool,
}

/// A name, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRef<'a> {
    Known(KnownName),
    Text(&'a [u8]),
    Unknown,
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryRef<'a> {
    pub(super) name: NameRef<'a>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) id: EntryId,
    /// Was it found past a hole whose width is only believed?
    pub(super) is_past_hole: bool,
}

/// What an index of the dynamic table means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup<'a> {
    Entry(EntryRef<'a>),
    /// An entry inserted before the capture began.
    BeforeCapture(EntryId),
    /// An entry of a lost header block, if the belief about the hole is right.
    InHole,
    /// There is no such entry.
    Beyond,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Table {
    text: Vec<u8>,
    /// Position of the first byte of `text`.
    text_at: u64,
    /// Oldest first.
    entries: VecDeque<Entry>,
    size: usize,
    size_max: usize,
    /// Insertions of this epoch that were seen.
    inserted: i64,
    epoch: u32,
    /// May there be entries from before the capture?
    is_midway: bool,
    /// Entries newer than the hole, if there is one.
    newer: Option<usize>,
    /// How many insertions the hole is believed to stand for.
    shift: u32,
    /// Grows whenever an index may mean something else than before.
    revision: u64,
}

impl Table {
    pub(super) fn new(size_max: usize, is_midway: bool) -> Self {
        Self {
            text: Vec::new(),
            text_at: 0,
            entries: VecDeque::new(),
            size: 0,
            size_max,
            inserted: 0,
            epoch: 0,
            is_midway,
            newer: None,
            shift: 0,
            revision: 0,
        }
    }

    /// As long as this stays the same, each index means the same.
    #[inline]
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn size_max(&self) -> usize {
        self.size_max
    }

    pub(super) fn is_midway(&self) -> bool {
        self.is_midway
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Insertions seen; a mark to find later ones by.
    pub(super) fn inserted(&self) -> i64 {
        self.inserted
    }

    /// The entry at `depth`, counted from 0, the newest.
    #[inline]
    pub(super) fn lookup(&self, depth: u64) -> Lookup<'_> {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let found = self.entries.len().checked_sub(depth + 1);
        match found.and_then(|index| self.entries.get(index)) {
            Some(entry) if self.newer.is_none() => Lookup::Entry(self.entry(entry, depth, false)),
            _ => self.lookup_unusual(depth),
        }
    }

    /// As [`Self::lookup`], where there is a hole or no such entry.
    fn lookup_unusual(&self, depth: usize) -> Lookup<'_> {
        let (mut from_newest, mut is_past_hole) = (depth, false);
        if let Some(newer) = self.newer
            && depth >= newer
        {
            let shift = usize::try_from(self.shift).unwrap_or(usize::MAX);
            if self.shift == SHIFT_UNKNOWN || depth - newer < shift {
                return Lookup::InHole;
            }
            from_newest = depth - shift;
            is_past_hole = true;
        }
        let found = self.entries.len().checked_sub(from_newest + 1);
        if let Some(entry) = found.and_then(|index| self.entries.get(index)) {
            return Lookup::Entry(self.entry(entry, from_newest, is_past_hole));
        }
        if self.is_midway && self.newer.is_none() {
            return Lookup::BeforeCapture(self.id(from_newest));
        }
        Lookup::Beyond
    }

    fn id(&self, from_newest: usize) -> EntryId {
        let from_newest = i64::try_from(from_newest).unwrap_or(i64::MAX);
        let ordinal = self.inserted.saturating_sub(1).saturating_sub(from_newest);
        EntryId {
            epoch: self.epoch,
            ordinal: i32::try_from(ordinal).unwrap_or(i32::MIN),
        }
    }

    #[inline]
    fn entry(&self, entry: &Entry, from_newest: usize, is_past_hole: bool) -> EntryRef<'_> {
        let start = usize::try_from(entry.at - self.text_at).unwrap_or(usize::MAX);
        let value_start = start + entry.name_bytes as usize;
        let value_end = value_start + entry.value_bytes as usize;
        let name = match entry.name {
            EntryName::Known(name) => NameRef::Known(name),
            EntryName::Text => NameRef::Text(self.text.get(start..value_start).unwrap_or_default()),
            EntryName::Unknown => NameRef::Unknown,
        };
        let value = self
            .text
            .get(value_start..value_end)
            .filter(|_| entry.is_value_known);
        EntryRef {
            name,
            value,
            id: self.id(from_newest),
            is_past_hole,
        }
    }

    /// Inserts an entry and evicts what no longer fits.
    pub(super) fn insert(&mut self, name: NameRef<'_>, value: Option<&[u8]>) {
        self.revision += 1;
        let at = self.text_at + self.text.len() as u64;
        let (name, name_bytes) = match name {
            NameRef::Known(known) => (EntryName::Known(known), 0),
            NameRef::Text(text) => {
                self.text.extend_from_slice(text);
                (EntryName::Text, text.len())
            }
            NameRef::Unknown => (EntryName::Unknown, 0),
        };
        let text = value.unwrap_or_default();
        self.text.extend_from_slice(text);
        // A block has at most 256 KiB, of which Huffman makes 410 at most.
        let bytes = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let entry = Entry {
            at,
            name,
            name_bytes: bytes(name_bytes),
            value_bytes: bytes(text.len()),
            is_value_known: value.is_some(),
        };
        self.size += entry.size();
        self.entries.push_back(entry);
        self.inserted += 1;
        if let Some(newer) = &mut self.newer {
            *newer += 1;
        }
        self.evict();
    }

    /// "Dynamic Table Size Update".
    pub(super) fn resize(&mut self, size_max: usize) {
        self.revision += 1;
        self.size_max = size_max;
        self.evict();
    }

    fn evict(&mut self) {
        if self.size <= self.size_max {
            return;
        }
        while self.size > self.size_max {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.size -= entry.size();
        }
        if let Some(newer) = &mut self.newer {
            *newer = (*newer).min(self.entries.len());
        }
        self.drop_dead_text();
    }

    fn drop_dead_text(&mut self) {
        let end = self.text_at + self.text.len() as u64;
        let live_at = self.entries.front().map_or(end, |entry| entry.at);
        let dead = usize::try_from(live_at - self.text_at).unwrap_or(0);
        if dead > DEAD_BYTES_MAX || self.entries.is_empty() {
            self.text.drain(..dead.min(self.text.len()));
            self.text_at = live_at;
        }
    }

    /// Opens a hole after the newest entry, forgetting the `newer` entries of an open one, and
    /// says how many those were.
    pub(super) fn open_hole(&mut self) -> usize {
        self.revision += 1;
        let forgotten = self.newer.unwrap_or(0);
        for _ in 0..forgotten {
            if let Some(entry) = self.entries.pop_back() {
                self.size -= entry.size();
                let end = usize::try_from(entry.at - self.text_at).unwrap_or(0);
                self.text.truncate(end);
            }
        }
        self.inserted -= i64::try_from(forgotten).unwrap_or(0);
        self.newer = Some(0);
        self.shift = SHIFT_UNKNOWN;
        forgotten
    }

    /// Is a reference to `depth` one past the hole?
    pub(super) fn is_past_hole(&self, depth: u64) -> bool {
        self.newer.is_some_and(|newer| depth >= newer as u64)
    }

    /// How many entries past the hole are called `name`.
    pub(super) fn count_older(&self, name: KnownName) -> usize {
        let older = self.entries.len() - self.newer.unwrap_or(0);
        let older = self.entries.iter().take(older);
        older
            .filter(|entry| entry.name == EntryName::Known(name))
            .count()
    }

    /// Lookups are made under the belief that the hole stands for `shift` insertions.
    pub(super) fn believe(&mut self, shift: u32) {
        self.revision += 1;
        self.shift = shift;
    }

    /// The hole stands for `shift` insertions, which become entries without name and value.
    pub(super) fn close_hole(&mut self, shift: u32) {
        self.revision += 1;
        let Some(newer) = self.newer.take() else {
            return;
        };
        let index = self.entries.len().saturating_sub(newer);
        let end = self.text_at + self.text.len() as u64;
        let at = self.entries.get(index).map_or(end, |entry| entry.at);
        let unknown = Entry {
            at,
            name: EntryName::Unknown,
            name_bytes: 0,
            value_bytes: 0,
            is_value_known: false,
        };
        for _ in 0..shift {
            self.entries.insert(index, unknown);
            self.size += unknown.size();
        }
        self.inserted += i64::from(shift);
        self.shift = 0;
        self.evict();
    }

    /// Forgets what is older than the hole; without a hole, everything. What was forgotten is as if
    /// the capture had begun after it.
    pub(super) fn forget_older(&mut self) {
        self.revision += 1;
        let newer = self.newer.take().unwrap_or(0);
        while self.entries.len() > newer {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.size -= entry.size();
        }
        self.inserted = i64::try_from(newer).unwrap_or(0);
        self.epoch += 1;
        self.is_midway = true;
        self.shift = 0;
        self.drop_dead_text();
    }

    /// Marks the names of those of the `count` newest entries as unknown that are not called alike
    /// in `other`, which has had the same insertions.
    pub(super) fn keep_common_names(&mut self, other: &Self, count: usize) {
        self.revision += 1;
        for from_newest in 0..count {
            let found = |table: &Self| {
                let index = table.entries.len().checked_sub(from_newest + 1)?;
                Some((index, *table.entries.get(index)?))
            };
            let (Some((index, own)), Some((_, foreign))) = (found(self), found(other)) else {
                continue;
            };
            let name = |table: &Self, entry| match table.entry(entry, 0, false).name {
                NameRef::Known(name) => Some(name.as_str().as_bytes().to_vec()),
                NameRef::Text(text) => Some(text.to_vec()),
                NameRef::Unknown => None,
            };
            if name(self, &own) != name(other, &foreign)
                && let Some(entry) = self.entries.get_mut(index)
            {
                // The text stays where it is and counts as before; it only cannot be looked up.
                entry.name = EntryName::Unknown;
            }
        }
    }
}

impl Entry {
    fn size(&self) -> usize {
        let name_bytes = match self.name {
            EntryName::Known(name) => name.as_str().len(),
            EntryName::Text | EntryName::Unknown => self.name_bytes as usize,
        };
        name_bytes + self.value_bytes as usize + ENTRY_OVERHEAD_BYTES
    }
}
