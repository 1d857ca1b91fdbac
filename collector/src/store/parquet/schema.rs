//! [`COLUMNS`] as Arrow and Parquet see them: types, nullability, field ids.
//!
//! Nested fields have ids of their own, derived from the column's, as Iceberg wants them. Lists use
//! the specification's three levels (`list.element`), maps `key_value`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use super::columns::{COLUMNS, Column, Values};

/// Key under which Arrow hands a field id to Parquet.
const FIELD_ID: &str = "PARQUET:field_id";

static CALLS: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Fields>())));

/// The schema of `calls`.
pub(super) fn calls() -> SchemaRef {
    Arc::clone(&CALLS)
}

/// A field with its id.
pub(super) fn with_id(id: i32, name: &str, data_type: DataType, nullable: bool) -> Field {
    let metadata = HashMap::from([(FIELD_ID.to_owned(), id.to_string())]);
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

/// Timestamps everywhere: microseconds, because nanoseconds break Spark.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn field(column: &Column) -> Field {
    let (data_type, nullable) = match column.values {
        Values::Bool(_) => (DataType::Boolean, false),
        Values::Int32(_) => (DataType::Int32, false),
        Values::OptionalInt32(_) => (DataType::Int32, true),
        Values::Int64(_) => (DataType::Int64, false),
        Values::OptionalInt64(_) => (DataType::Int64, true),
        Values::Timestamp(_) => (timestamp(), false),
        Values::Text(_) => (DataType::Utf8, false),
        Values::OptionalText(_) => (DataType::Utf8, true),
        Values::OptionalBytes(_) => (DataType::Binary, true),
        Values::Id(_) => (DataType::FixedSizeBinary(16), false),
        Values::OptionalId(_) => (DataType::FixedSizeBinary(16), true),
        Values::Metadata(_) => (list(column.id, metadata_fields(column.id)), false),
        Values::MetadataMap { .. } => (map(column.id), false),
        Values::Messages(_) => (list(column.id, message_fields(column.id)), false),
    };
    with_id(column.id, column.name, data_type, nullable)
}

/// Ids of what is nested in column `id`: 1000 + 10 * id + 0, 1, 2, ...
fn nested(id: i32, index: i32, name: &str, data_type: DataType, nullable: bool) -> FieldRef {
    Arc::new(with_id(1000 + 10 * id + index, name, data_type, nullable))
}

fn list(id: i32, fields: Fields) -> DataType {
    DataType::List(nested(id, 0, "element", DataType::Struct(fields), false))
}

fn metadata_fields(id: i32) -> Fields {
    Fields::from(vec![
        nested(id, 1, "name", DataType::Utf8, false),
        nested(id, 2, "value", DataType::Binary, false),
        nested(id, 3, "redacted", DataType::Boolean, false),
    ])
}

fn message_fields(id: i32) -> Fields {
    Fields::from(vec![
        nested(id, 1, "offset_ns", DataType::Int64, true),
        nested(id, 2, "compressed", DataType::Boolean, false),
        nested(id, 3, "declared_bytes", DataType::Int64, false),
        nested(id, 4, "digest", DataType::Int64, false),
        nested(id, 5, "bytes", DataType::Binary, false),
    ])
}

fn map(id: i32) -> DataType {
    let fields = Fields::from(vec![
        nested(id, 1, "key", DataType::Utf8, false),
        nested(id, 2, "value", DataType::Utf8, false),
    ]);
    let entries = Field::new("key_value", DataType::Struct(fields), false);
    DataType::Map(Arc::new(entries), false)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_and_names_are_unique() {
        let ids: HashSet<i32> = COLUMNS.iter().map(|column| column.id).collect();
        let names: HashSet<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!((ids.len(), names.len()), (COLUMNS.len(), COLUMNS.len()));
        assert!(
            ids.iter().all(|id| (1..100).contains(id)),
            "nested ids start at 1010"
        );
    }
}
