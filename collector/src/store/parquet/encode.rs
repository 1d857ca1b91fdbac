//! Rows to the bytes of one file, row group by row group.
//!
//! Where row groups and batches end depends on the rows alone: equal rows give equal bytes.

use std::io::Write;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;

use super::columns::Row;
use super::encoders::column_chunks;
use super::{WriteSettings, checksum, properties, schema};

/// Rows turned into Arrow arrays at a time: few enough to stay in the processor's cache.
const BATCH_ROWS_MAX: usize = 512;

/// What rows weigh that are turned into Arrow arrays at a time, unless one weighs more.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows that are turned into arrays at a time.
pub(super) type Batch<'r, 'c> = &'r [Row<'c>];

/// Writes a file of `rows`.
pub(super) fn encode<W: Write + Send>(
    rows: &[Row<'_>],
    output: W,
    settings: &WriteSettings,
) -> Result<W, ParquetError> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties::calls(settings, rows.len())?)
        // Everything Arrow needs is in the Parquet schema.
        .with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(output, schema::calls(), options)?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    for (index, batches) in row_groups(rows, settings)?.iter().enumerate() {
        let leaves = factory.create_column_writers(index)?;
        let columns = (0..leaves.len()).map(|leaf| file.schema_descr().get_column_root_idx(leaf));
        let leaves = columns.zip(leaves).collect();
        let chunks = column_chunks(leaves, batches, settings.threads_count)?;
        let mut row_group = file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
    }
    file.append_key_value_metadata(checksum::announcement());
    file.append_key_value_metadata(checksum::blank());
    file.into_inner()
}

/// Cuts `rows` into row groups of batches.
fn row_groups<'r, 'c>(
    mut rows: &'r [Row<'c>],
    settings: &WriteSettings,
) -> Result<Vec<Vec<Batch<'r, 'c>>>, ParquetError> {
    let rows_max = settings.row_group_rows_max.max(1);
    let mut groups = Vec::new();
    let (mut group, mut group_rows, mut group_bytes) = (Vec::new(), 0, 0);
    while !rows.is_empty() {
        let room = (rows_max - group_rows).min(BATCH_ROWS_MAX);
        let (count, bytes) = first_batch(rows.iter().take(room), settings)?;
        let (batch, rest) = rows.split_at_checked(count).unwrap_or((rows, &[]));
        rows = rest;
        group.push(batch);
        group_rows += batch.len();
        group_bytes += bytes;
        let is_full = group_rows >= rows_max || group_bytes >= settings.row_group_bytes_max;
        if is_full || rows.is_empty() {
            groups.push(std::mem::take(&mut group));
            (group_rows, group_bytes) = (0, 0);
        }
    }
    Ok(groups)
}

/// How many of `rows` make the first batch, and how many bytes of metadata and messages they have.
fn first_batch<'a>(
    rows: impl Iterator<Item = &'a Row<'a>>,
    settings: &WriteSettings,
) -> Result<(usize, usize), ParquetError> {
    let (mut count, mut bytes, mut weight) = (0, 0, 0);
    for row in rows {
        let row_bytes = row.call.bytes_count();
        if row_bytes > settings.row_bytes_max {
            let max = settings.row_bytes_max;
            return Err(ParquetError::General(format!(
                "a row has {row_bytes} bytes of metadata and messages, the limit is {max}"
            )));
        }
        count += 1;
        bytes += row_bytes;
        weight += row.call.weight(row_bytes);
        if weight > BATCH_BYTES_MAX {
            break;
        }
    }
    Ok((count, bytes))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::call::{Call, Message};

    /// Rows of the row groups, batch by batch, of calls with so many bytes each.
    fn cut(bytes: &[usize], settings: &WriteSettings) -> Vec<Vec<usize>> {
        let of_bytes = |bytes: &usize| {
            let mut call = Call::default();
            call.request.messages = vec![Message {
                bytes: Bytes::from(vec![0; *bytes]),
                ..Message::default()
            }];
            call
        };
        let calls: Vec<Call> = bytes.iter().map(of_bytes).collect();
        let rows = calls.iter().map(|call| Row { call, bucket: 0 });
        let rows: Vec<_> = rows.collect();
        let groups = row_groups(&rows, settings).unwrap();
        let lengths = |group: Vec<Batch<'_, '_>>| group.iter().map(|batch| batch.len()).collect();
        groups.into_iter().map(lengths).collect()
    }

    #[test]
    fn row_groups_end_at_their_rows_or_their_bytes() {
        let settings = WriteSettings {
            row_group_rows_max: 1000,
            row_group_bytes_max: 10 << 20,
            ..WriteSettings::default()
        };
        let none: [Vec<usize>; 0] = [];
        assert_eq!(cut(&[], &settings), none);
        assert_eq!(cut(&[1; 1000], &settings), [[512, 488]]);
        assert_eq!(
            cut(&[1; 2100], &settings),
            [vec![512, 488], vec![512, 488], vec![100]]
        );
        let large = [9 << 20, 1, 1, 2 << 20, 1 << 20, 5];
        assert_eq!(cut(&large, &settings), [vec![1, 5]]);
        let larger = [11 << 20, 1, 9 << 20, 9 << 20, 1];
        assert_eq!(cut(&larger, &settings), [vec![1], vec![2, 1], vec![1]]);
    }
}
