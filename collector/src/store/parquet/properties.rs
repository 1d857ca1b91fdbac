//! How columns are encoded: compression, dictionaries, statistics, bloom filters, sort order.

use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;

use super::{SCHEMA_VERSION, WriteSettings, schema};

/// Key of the schema's major version in a file's metadata.
pub(super) const SCHEMA_VERSION_KEY: &str = "twintap.schema_version";

/// Key of the writer's name and version in a file's metadata.
pub(super) const WRITER_KEY: &str = "twintap.writer";

/// Minima and maxima of text and bytes are cut to this length.
const STATISTICS_BYTES_MAX: usize = 64;

/// One false positive in a hundred: about 1.2 bytes a value.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// A dictionary that grows beyond this is given up for the rest of the row group.
const DICTIONARY_BYTES_MAX: usize = 256 * 1024;

/// Encoded bytes in a data page, about: it stays in the processor's cache until it is compressed.
const PAGE_BYTES_MAX: usize = 128 * 1024;

/// Rows in a data page, about, at most: a comparison reads a few rows of each file at a time, and what stands
/// beside them in their pages for nothing.
const PAGE_ROWS: usize = 2048;

/// Columns that point queries ask by equality.
const BLOOM_FILTERED: [&str; 3] = ["pair_id", "request_id", "trace_id"];

/// Leaf columns whose values hardly ever repeat: a dictionary would cost and gain nothing.
const WITHOUT_DICTIONARY: [&str; 20] = [
    "pair_id",
    "request_id",
    "trace_id",
    "record_number",
    "started_at",
    "started_ns_rest",
    "duration_ns",
    "request_end_ns",
    "response_headers_ns",
    "response_end_ns",
    "status_details",
    "request_body_digest",
    "response_body_digest",
    "client_address",
    "request_messages.list.element.offset_ns",
    "request_messages.list.element.digest",
    "request_messages.list.element.bytes",
    "response_messages.list.element.offset_ns",
    "response_messages.list.element.digest",
    "response_messages.list.element.bytes",
];

/// Nested fields that mostly hold one value, or none.
const OFTEN_CONSTANT: [&str; 3] = ["redacted", "compressed", "offset_ns"];

/// Properties of a `calls` file with `rows` rows.
pub(super) fn calls(
    settings: &WriteSettings,
    rows: usize,
) -> Result<WriterProperties, ParquetError> {
    let row_group_rows = settings.row_group_rows_max.max(1);
    let mut builder = common(settings.zstd_level)?
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_sorting_columns(Some(sorting()));
    for name in BLOOM_FILTERED {
        let distinct = u64::try_from(rows.min(row_group_rows)).unwrap_or(u64::MAX);
        builder = builder
            .set_column_bloom_filter_fpp(ColumnPath::from(name), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(ColumnPath::from(name), distinct);
    }
    for name in WITHOUT_DICTIONARY {
        builder = builder.set_column_dictionary_enabled(path(name), false);
    }
    // Nested values are not asked for by range, so their minima and maxima help no query; where all are one or
    // none, though, a reader need not look.
    let leaves = ArrowSchemaConverter::new().convert(&schema::calls())?;
    for leaf in leaves
        .columns()
        .iter()
        .filter(|leaf| leaf.max_rep_level() > 0)
    {
        let statistics = match OFTEN_CONSTANT.contains(&leaf.name()) {
            true => EnabledStatistics::Chunk,
            false => EnabledStatistics::None,
        };
        builder = builder.set_column_statistics_enabled(leaf.path().clone(), statistics);
    }
    Ok(builder.build())
}

/// What files of all datasets have in common. No time and no host: equal rows give equal files.
pub(super) fn common(zstd_level: i32) -> Result<WriterPropertiesBuilder, ParquetError> {
    let writer = concat!("twintap ", env!("CARGO_PKG_VERSION"));
    let metadata = vec![
        KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string()),
        KeyValue::new(WRITER_KEY.to_owned(), writer.to_owned()),
    ];
    Ok(WriterProperties::builder()
        // Version 2 data pages are not read everywhere.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(writer.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(zstd_level)?))
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES_MAX))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES_MAX))
        .set_key_value_metadata(Some(metadata)))
}

/// `pair_bucket`, then `pair_id`: the leading columns of the row order, as leaf indices.
fn sorting() -> Vec<SortingColumn> {
    let ascending = |column_idx| SortingColumn {
        column_idx,
        descending: false,
        nulls_first: false,
    };
    vec![ascending(0), ascending(1)]
}

fn path(dotted: &str) -> ColumnPath {
    ColumnPath::new(dotted.split('.').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::file::metadata::PageIndexPolicy;
    use uuid::Uuid;

    use super::*;
    use crate::call::Call;
    use crate::store::parquet::write_part;

    #[test]
    fn pages_hold_few_rows_also_of_columns_that_take_little_room() {
        let root = tempfile::tempdir().unwrap();
        let calls = vec![Call::default(); 3 * PAGE_ROWS];
        let settings = WriteSettings::default();
        let written = write_part(calls, root.path(), Uuid::nil(), &settings).unwrap();
        let file = std::fs::File::open(&written.paths[0]).unwrap();
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Required);
        let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
        let columns = &metadata.metadata().offset_index().unwrap()[0];
        assert!(
            columns
                .iter()
                .all(|column| column.page_locations().len() >= 3)
        );
    }
}
