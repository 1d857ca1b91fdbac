//! The columns of a row group, encoded by several threads beside each other: each takes a share of the columns,
//! and another when it is done.
//!
//! A column's bytes depend on nothing but its rows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use arrow_array::ArrayRef;
use arrow_schema::FieldRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;

use super::arrays::array;
use super::columns::{COLUMNS, Column, Values};
use super::encode::Batch;
use super::schema;

/// What one thread encodes at a time: a list of messages, a list of headers with the map that shares its buffers,
/// or all flat columns.
type Share = Vec<Encoder>;

/// A top-level column on its way into a row group.
struct Encoder {
    /// Among the columns of the file.
    place: usize,
    column: &'static Column,
    field: FieldRef,
    leaves: Vec<ArrowColumnWriter>,
}

/// Encodes all columns of a row group of `batches`, in file order. `leaves` are their writers, each with the place
/// of its top-level column.
pub(super) fn column_chunks(
    leaves: Vec<(usize, ArrowColumnWriter)>,
    batches: &[Batch<'_, '_>],
    threads_count: usize,
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let shares = shares(leaves);
    let helpers_count = threads_count.min(shares.len()).saturating_sub(1);
    let (shares, chunks) = (Mutex::new(shares.into_iter()), Mutex::new(Vec::new()));
    let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(share) = next() {
            let encoded = encode(share, batches);
            let mut chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner);
            chunks.push(encoded);
        }
    };
    thread::scope(|scope| {
        for _ in 0..helpers_count {
            let helper = thread::Builder::new().name("encoder".to_owned());
            // One that cannot be started leaves more to the others.
            drop(helper.spawn_scoped(scope, work));
        }
        work();
    });
    let chunks = chunks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let chunks: Result<Vec<_>, _> = chunks.into_iter().collect();
    let mut chunks: Vec<_> = chunks?.into_iter().flatten().collect();
    chunks.sort_by_key(|(place, _)| *place);
    Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
}

/// The shares, those that take longest first.
fn shares(leaves: Vec<(usize, ArrowColumnWriter)>) -> Vec<Share> {
    let mut shares = BTreeMap::<_, Share>::new();
    let schema = schema::calls();
    let mut leaves = leaves.into_iter().peekable();
    for ((place, column), field) in COLUMNS.iter().enumerate().zip(schema.fields()) {
        let share = match column.values {
            Values::Messages(_) => (0, column.id),
            Values::Metadata(_) => (2, column.id),
            Values::MetadataMap { shows, .. } => (2, shows),
            _ => (1, 0),
        };
        let of_column = std::iter::from_fn(|| leaves.next_if(|(root, _)| *root == place));
        shares.entry(share).or_default().push(Encoder {
            place,
            column,
            field: FieldRef::clone(field),
            leaves: of_column.map(|(_, leaf)| leaf).collect(),
        });
    }
    shares.into_values().collect()
}

/// The chunks of a share's columns, each with its column's place.
fn encode(
    mut share: Share,
    batches: &[Batch<'_, '_>],
) -> Result<Vec<(usize, ArrowColumnChunk)>, ParquetError> {
    for batch in batches {
        let mut before: Option<ArrayRef> = None;
        for encoder in &mut share {
            let array = array(
                &encoder.column.values,
                &encoder.field,
                batch,
                before.as_ref(),
            )?;
            let levels = compute_leaves(&encoder.field, &array)?;
            for (leaf, levels) in encoder.leaves.iter_mut().zip(&levels) {
                leaf.write(levels)?;
            }
            before = Some(array);
        }
    }
    let mut chunks = Vec::new();
    for Encoder { place, leaves, .. } in share {
        for leaf in leaves {
            chunks.push((place, leaf.close()?));
        }
    }
    Ok(chunks)
}
