//! Reads calls back, a range of pairing buckets at a time, in bounded memory.
//!
//! Held at once by each reader are one batch of rows (about 8 MiB) and the layout of one part (of all, if they are
//! few). Row groups outside the range are not read, nor most pages. Of a part whose layout is kept it is looked up
//! once where the rows of each bucket are, and which columns say the same in all rows: these are not read. A part
//! that cannot be read is an error that names it; nothing is skipped silently.

use std::ops::Range;
use std::path::Path;
use std::{slice, vec};

use super::ReadError;
use super::checksum;
use super::contain::contain;
use super::files::part_files_within;
use super::from_rows::FromRows;
use super::layout::calls_folder;
use super::part::{Part, PartRows, io_error};
use super::shards::Shards;
use crate::call::Call;

/// Parts whose layout is kept, of about 160 KiB for a row group of 65 536 rows, so 80 MiB; that of a dataset with
/// more parts is read in each pass.
const LAYOUTS_MAX: usize = 512;

/// The parts of a `calls` dataset, checked to be readable.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    pub(super) parts: Vec<Part>,
}

/// Which columns to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// Everything a [`Call`] holds.
    #[default]
    Everything,
    /// Without metadata and messages: these stay empty.
    WithoutPayload,
}

impl Dataset {
    /// Finds the parts below `root` (the data directory) and checks that this code reads them.
    /// A folder without any is an empty dataset.
    pub fn open(root: &Path) -> Result<Self, ReadError> {
        Self::open_within(root, 0..u64::MAX)
    }

    /// As [`Self::open`], of the hours only that overlap `range`, in nanoseconds since the Unix
    /// epoch. Files of other hours are not even opened.
    pub fn open_within(root: &Path, range: Range<u64>) -> Result<Self, ReadError> {
        let folder = calls_folder(root);
        let files = part_files_within(root, &range).map_err(io_error("list", &folder))?;
        let parts: Result<Vec<_>, _> = files.whole.into_iter().map(Part::open).collect();
        let mut parts = parts?;
        let keeps_layouts = parts.len() <= LAYOUTS_MAX;
        for part in &mut parts {
            part.keeps_layout = keeps_layouts;
        }
        Ok(Self { parts })
    }

    /// Is reading it a second time cheaper, because layouts are kept?
    pub fn keeps_layouts(&self) -> bool {
        self.parts.iter().all(|part| part.keeps_layout)
    }

    /// Compares each file with its checksum, if it has one: of the first that changed since it was written, the
    /// error. It costs a read more, of bytes that are then at hand for the reading itself.
    pub fn verify(&self) -> Result<(), ReadError> {
        for part in &self.parts {
            checksum::verify(&part.path)?;
        }
        Ok(())
    }

    /// The files, by hour and name.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| part.path.as_path())
    }

    /// Calls in all parts.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// Bytes of all parts on disk.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Bytes of all parts once decompressed and decoded, about.
    pub fn decoded_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.decoded_bytes).sum()
    }

    /// Calls whose bucket is in `buckets`: part by part, in each in order of bucket and key. After
    /// an error the iterator ends.
    pub fn calls_in_buckets(&self, buckets: Range<u16>, projection: Projection) -> Calls<'_> {
        Calls {
            parts: self.parts.iter(),
            buckets,
            shards: None,
            projection,
            reading: None,
            from_rows: FromRows::default(),
            batch: Vec::new().into_iter(),
        }
    }
}

/// Iterator over the calls of a bucket range.
#[derive(Debug)]
pub struct Calls<'a> {
    parts: slice::Iter<'a, Part>,
    buckets: Range<u16>,
    shards: Option<Shards>,
    projection: Projection,
    reading: Option<Reading<'a>>,
    from_rows: FromRows,
    /// Calls that were decoded and not handed out.
    batch: vec::IntoIter<Box<Call>>,
}

/// The part that is being read.
struct Reading<'a> {
    path: &'a Path,
    rows: PartRows,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Iterator for Calls<'_> {
    type Item = Result<Box<Call>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(call) = self.batch.next() {
                return Some(Ok(call));
            }
            match self.next_batch() {
                Ok(Some(calls)) => self.batch = calls.into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    self.reading = None;
                    self.parts = [].iter();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Calls<'_> {
    /// Only those of some shards. To be said before the first is read.
    pub fn in_shards(self, shards: Shards) -> Self {
        Self {
            shards: Some(shards),
            ..self
        }
    }

    fn next_batch(&mut self) -> Result<Option<Vec<Box<Call>>>, ReadError> {
        loop {
            let Some(reading) = &mut self.reading else {
                let Some(part) = self.parts.next() else {
                    return Ok(None);
                };
                let rows = part.read(&self.buckets, self.shards.as_ref(), self.projection)?;
                self.reading = Some(Reading {
                    path: &part.path,
                    rows,
                });
                continue;
            };
            let from_rows = &mut self.from_rows;
            let calls = contain(reading.path, || {
                let PartRows { batches, constants } = &mut reading.rows;
                let batch = batches.next().transpose()?;
                batch
                    .map(|batch| from_rows.calls(&batch, constants))
                    .transpose()
            })?;
            if calls.is_some() {
                return Ok(calls);
            }
            self.reading = None;
        }
    }
}
