//! The columns of a row group, encoded by several threads beside each other: each takes a share of the columns,
//! and another when it is done. One thread takes all of them at once, a few rows at a time, while these are in
//! the processor's cache.
//!
//! A column's bytes depend on nothing but its rows.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use arrow_array::ArrayRef;
use arrow_schema::FieldRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;

use super::arrays::array;
use super::columns::{COLUMNS, Column, Values};
use super::encode::Batch;
use super::schema;

/// Columns that one thread encodes together, in file order.
type Share = Vec<Encoder>;

/// A top-level column on its way into a row group.
struct Encoder {
    /// Among the columns of the file.
    place: usize,
    column: &'static Column,
    field: FieldRef,
    leaves: Vec<ArrowColumnWriter>,
}

/// What became of shares: chunks with the places of their columns, or the failure of the first column that failed.
type Chunks = Result<Vec<(usize, ArrowColumnChunk)>, (usize, ParquetError)>;

/// Encodes all columns of a row group of `batches`, in file order. `leaves` are their writers, each with the place
/// of its top-level column.
pub(super) fn column_chunks(
    leaves: Vec<(usize, ArrowColumnWriter)>,
    batches: &[Batch<'_, '_>],
    threads_count: usize,
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let shares = match threads_count {
        0 | 1 => vec![encoders(leaves)],
        _ => shares(encoders(leaves)),
    };
    let helpers_count = threads_count.min(shares.len()).saturating_sub(1);
    let (shares, chunks) = (Mutex::new(shares.into_iter()), Mutex::new(Ok(Vec::new())));
    let work = || {
        // What is left is of no use once one has failed.
        let next = || lock(&shares).next().filter(|_| lock(&chunks).is_ok());
        while let Some(share) = next() {
            let encoded = encode(share, batches);
            add(&mut lock(&chunks), encoded);
        }
    };
    thread::scope(|scope| {
        let mut helpers = Vec::with_capacity(helpers_count);
        for _ in 0..helpers_count {
            let helper = thread::Builder::new().name("encoder".to_owned());
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends with this call, and is told of by lib.rs"
            )]
            let helper = helper.spawn_scoped(scope, work);
            // One that cannot be started leaves more to the others.
            helpers.extend(helper);
        }
        work();
        for helper in helpers {
            if let Err(panic) = helper.join() {
                resume_unwind(panic);
            }
        }
    });
    let chunks = chunks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut chunks = chunks.map_err(|(_, error)| error)?;
    chunks.sort_by_key(|(place, _)| *place);
    Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds what became of a share to what became of others.
fn add(all: &mut Chunks, share: Chunks) {
    match (&mut *all, share) {
        (Ok(chunks), Ok(more)) => chunks.extend(more),
        (Ok(_), failed @ Err(_)) => *all = failed,
        (Err((first, _)), Err((place, error))) if place < *first => *all = Err((place, error)),
        (Err(_), _) => {}
    }
}

/// All columns.
fn encoders(leaves: Vec<(usize, ArrowColumnWriter)>) -> Vec<Encoder> {
    let schema = schema::calls();
    let mut leaves = leaves.into_iter().peekable();
    let columns = COLUMNS.iter().enumerate().zip(schema.fields());
    let encoders = columns.map(|((place, column), field)| {
        let of_column = std::iter::from_fn(|| leaves.next_if(|(root, _)| *root == place));
        Encoder {
            place,
            column,
            field: FieldRef::clone(field),
            leaves: of_column.map(|(_, leaf)| leaf).collect(),
        }
    });
    encoders.collect()
}

/// Shares for several threads, those that take longest first: lists of messages, then all flat columns, then lists
/// of headers with the maps that share their buffers.
fn shares(encoders: Vec<Encoder>) -> Vec<Share> {
    let mut shares = BTreeMap::<_, Share>::new();
    for encoder in encoders {
        let share = match encoder.column.values {
            Values::Messages(_) => (0, encoder.column.id),
            Values::Metadata(_) => (2, encoder.column.id),
            Values::MetadataMap { shows, .. } => (2, shows),
            _ => (1, 0),
        };
        shares.entry(share).or_default().push(encoder);
    }
    shares.into_values().collect()
}

/// The chunks of a share's columns.
fn encode(mut share: Share, batches: &[Batch<'_, '_>]) -> Chunks {
    for batch in batches {
        // Lists of headers, by their column: maps that come later show the same.
        let mut lists: Vec<(i32, ArrayRef)> = Vec::new();
        for encoder in &mut share {
            let list = encoder.write(batch, &lists);
            let list = list.map_err(|error| (encoder.place, error))?;
            if let Values::Metadata(_) = encoder.column.values {
                lists.push((encoder.column.id, list));
            }
        }
    }
    let mut chunks = Vec::new();
    for Encoder { place, leaves, .. } in share {
        for leaf in leaves {
            let chunk = leaf.close().map_err(|error| (place, error))?;
            chunks.push((place, chunk));
        }
    }
    Ok(chunks)
}

impl Encoder {
    /// Encodes the column of `batch`; answers it.
    fn write(
        &mut self,
        batch: Batch<'_, '_>,
        lists: &[(i32, ArrayRef)],
    ) -> Result<ArrayRef, ParquetError> {
        let shown = match self.column.values {
            Values::MetadataMap { shows, .. } => lists.iter().find(|(list, _)| *list == shows),
            _ => None,
        };
        let shown = shown.map(|(_, list)| list);
        let array = array(&self.column.values, &self.field, batch, shown)?;
        let levels = compute_leaves(&self.field, &array)?;
        for (leaf, levels) in self.leaves.iter_mut().zip(&levels) {
            leaf.write(levels)?;
        }
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_comes_behind_the_list_that_it_shows_in_its_share() {
        let shares = shares(encoders(Vec::new()));
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), COLUMNS.len());
        let mut maps = 0;
        for share in &shares {
            for (index, encoder) in share.iter().enumerate() {
                if let Values::MetadataMap { shows, .. } = encoder.column.values {
                    assert!(share[..index].iter().any(|it| it.column.id == shows));
                    maps += 1;
                }
            }
        }
        assert_eq!((maps, shares.len()), (3, 6));
    }

    #[test]
    fn of_several_failures_that_of_the_first_column_is_told() {
        let failed = |place: usize| Err((place, ParquetError::General(place.to_string())));
        let mut all = Ok(Vec::new());
        for share in [
            Ok(Vec::new()),
            failed(7),
            failed(3),
            Ok(Vec::new()),
            failed(5),
        ] {
            add(&mut all, share);
        }
        assert_eq!(all.unwrap_err().0, 3);
    }
}
