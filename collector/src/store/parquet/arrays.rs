//! Rows to Arrow arrays, a column at a time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, StringBuilder,
};
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, ListArray, MapArray, PrimitiveArray, RecordBatch, StructArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::columns::{COLUMNS, Row, Values};
use super::schema;
use crate::call::{Header, Message};

/// Blocks with more headers than this are searched for repeated names by sorting.
const PAIRWISE_HEADERS_MAX: usize = 32;

/// All columns of `rows`.
pub(super) fn record_batch(rows: &[Row<'_>]) -> Result<RecordBatch, ArrowError> {
    let schema = schema::calls();
    let columns = COLUMNS.iter().zip(schema.fields());
    let arrays = columns.map(|(column, field)| array(&column.values, field, rows));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, arrays)
}

fn array(values: &Values, field: &Field, rows: &[Row<'_>]) -> Result<ArrayRef, ArrowError> {
    let rows = || rows.iter().copied();
    Ok(match values {
        Values::Bool(of) => Arc::new(rows().map(|row| Some(of(row))).collect::<BooleanArray>()),
        Values::Int32(of) => Arc::new(PrimitiveArray::<Int32Type>::from_iter_values(
            rows().map(of),
        )),
        Values::OptionalInt32(of) => {
            Arc::new(PrimitiveArray::<Int32Type>::from_iter(rows().map(of)))
        }
        Values::Int64(of) => Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
            rows().map(of),
        )),
        Values::OptionalInt64(of) => {
            Arc::new(PrimitiveArray::<Int64Type>::from_iter(rows().map(of)))
        }
        Values::Timestamp(of) => {
            let array = TimestampMicrosecondArray::from_iter_values(rows().map(of));
            Arc::new(array.with_timezone("UTC"))
        }
        Values::Text(of) => text(rows().map(|row| Some(of(row)))),
        Values::OptionalText(of) => text(rows().map(|row| non_empty(of(row)))),
        Values::OptionalBytes(of) => bytes(rows().map(|row| non_empty(of(row)))),
        Values::Id(of) => ids(rows().map(|row| Some(of(row))))?,
        Values::OptionalId(of) => ids(rows().map(of))?,
        Values::Metadata(of) => metadata(field, rows().map(of))?,
        Values::MetadataMap(of) => metadata_map(field, rows().map(of))?,
        Values::Messages(of) => messages(field, rows().map(of))?,
    })
}

fn non_empty(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}

/// `String::from_utf8_lossy`, which looks at each byte, with a fast path for what is UTF-8.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Text is for people: what is not UTF-8 is replaced (the exact bytes are in the metadata).
pub(super) fn text<'a>(values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(values.len(), 0);
    for value in values {
        builder.append_option(value.map(lossy));
    }
    Arc::new(builder.finish())
}

fn bytes<'a>(values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let mut builder = BinaryBuilder::with_capacity(values.len(), 0);
    for value in values {
        builder.append_option(value);
    }
    Arc::new(builder.finish())
}

pub(super) fn ids(
    values: impl ExactSizeIterator<Item = Option<[u8; 16]>>,
) -> Result<ArrayRef, ArrowError> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(values.len(), 16);
    for value in values {
        match value {
            Some(id) => builder.append_value(id)?,
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn metadata<'a>(
    field: &Field,
    blocks: impl Iterator<Item = &'a [Header]> + Clone,
) -> Result<ArrayRef, ArrowError> {
    let headers = || blocks.clone().flatten();
    let count = headers().count();
    let mut names = StringBuilder::with_capacity(count, 0);
    let mut values = BinaryBuilder::with_capacity(count, 0);
    let mut redacted = BooleanBuilder::with_capacity(count);
    for header in headers() {
        names.append_value(lossy(&header.name));
        values.append_value(&header.value);
        redacted.append_value(header.redacted);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names.finish()),
        Arc::new(values.finish()),
        Arc::new(redacted.finish()),
    ];
    list(field, blocks.map(<[_]>::len), columns)
}

fn messages<'a>(
    field: &Field,
    directions: impl Iterator<Item = &'a [Message]> + Clone,
) -> Result<ArrayRef, ArrowError> {
    let messages = || directions.clone().flatten();
    let mut bytes = BinaryBuilder::with_capacity(
        messages().count(),
        messages().map(|message| message.bytes.len()).sum(),
    );
    for message in messages() {
        bytes.append_value(&message.bytes);
    }
    let digest = |bytes: &Bytes| xxh3_64(bytes).cast_signed();
    let offset = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(PrimitiveArray::<Int64Type>::from_iter(
            messages().map(|m| m.offset_ns.map(offset)),
        )),
        Arc::new(
            messages()
                .map(|message| Some(message.compressed))
                .collect::<BooleanArray>(),
        ),
        Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
            messages().map(|message| i64::from(message.declared_bytes)),
        )),
        Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
            messages().map(|message| digest(&message.bytes)),
        )),
        Arc::new(bytes.finish()),
    ];
    list(field, directions.map(<[_]>::len), columns)
}

fn list(
    field: &Field,
    lengths: impl Iterator<Item = usize>,
    columns: Vec<ArrayRef>,
) -> Result<ArrayRef, ArrowError> {
    let (element, fields) = struct_of(field)?;
    let elements = StructArray::try_new(fields, columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        element,
        offsets,
        Arc::new(elements),
        None,
    )?))
}

fn metadata_map<'a>(
    field: &Field,
    blocks: impl Iterator<Item = &'a [Header]>,
) -> Result<ArrayRef, ArrowError> {
    let mut keys = StringBuilder::new();
    let mut values = StringBuilder::new();
    let mut lengths = Vec::with_capacity(blocks.size_hint().0);
    for block in blocks {
        let before = keys.len();
        if names_are_distinct_text(block) {
            for header in block {
                keys.append_value(lossy(&header.name));
                values.append_value(lossy(&header.value));
            }
        } else {
            for (name, value) in joined(block) {
                keys.append_value(name);
                values.append_value(lossy(&value));
            }
        }
        lengths.push(keys.len() - before);
    }
    let (entry, fields) = struct_of(field)?;
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    let entries = StructArray::try_new(fields, columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(
        entry, offsets, entries, None, false,
    )?))
}

fn names_are_distinct_text(block: &[Header]) -> bool {
    if block.len() > PAIRWISE_HEADERS_MAX {
        return false;
    }
    let mut rest = block;
    while let Some((header, others)) = rest.split_first() {
        if others.iter().any(|other| other.name == header.name) {
            return false;
        }
        rest = others;
    }
    block
        .iter()
        .all(|header| std::str::from_utf8(&header.name).is_ok())
}

/// Values of equal names joined as HTTP joins them.
fn joined(block: &[Header]) -> BTreeMap<Cow<'_, str>, Vec<u8>> {
    let mut joined = BTreeMap::<_, Vec<u8>>::new();
    for header in block {
        let name = lossy(&header.name);
        joined
            .entry(name)
            .and_modify(|value| {
                value.extend_from_slice(b", ");
                value.extend_from_slice(&header.value);
            })
            .or_insert_with(|| header.value.to_vec());
    }
    joined
}

/// The element of a list or map, and the fields of that struct.
fn struct_of(field: &Field) -> Result<(FieldRef, Fields), ArrowError> {
    match field.data_type() {
        DataType::List(element) | DataType::Map(element, _) => match element.data_type() {
            DataType::Struct(fields) => Ok((Arc::clone(element), fields.clone())),
            other => Err(ArrowError::SchemaError(format!("{other} is no struct"))),
        },
        other => Err(ArrowError::SchemaError(format!("{other} is no list"))),
    }
}
