//! Rows to Arrow arrays, a column at a time.
//!
//! Text and bytes are put together as Arrow keeps them, one buffer a column, and checked to be UTF-8
//! as a whole; only where that fails is each value looked at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use xxhash_rust::xxh3::xxh3_64;

use super::columns::{Row, Values};
use super::concatenated::Concatenated;
use crate::call::{Header, Message};

/// Blocks with more headers than this are searched for repeated names by sorting.
const PAIRWISE_HEADERS_MAX: usize = 32;

/// The column of `rows` whose `values` these are. `shown` is the list that a map shows, of the same rows.
pub(super) fn array(
    values: &Values,
    field: &Field,
    rows: &[Row<'_>],
    shown: Option<&ArrayRef>,
) -> Result<ArrayRef, ArrowError> {
    let rows = || rows.iter().copied();
    Ok(match values {
        Values::Bool(of) => Arc::new(BooleanArray::from(
            rows().map(of).collect::<BooleanBuffer>(),
        )),
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
        Values::Text(of) => text(rows().map(|row| Some(of(row))))?,
        Values::OptionalText(of) => text(rows().map(|row| non_empty(of(row))))?,
        Values::OptionalBytes(of) => {
            let values = Concatenated::of(rows().map(|row| non_empty(of(row))))?;
            Arc::new(values.binary()?)
        }
        Values::Id(of) => ids(rows().map(|row| Some(of(row))))?,
        Values::OptionalId(of) => ids(rows().map(of))?,
        Values::Metadata(of) => metadata(field, rows().map(of))?,
        Values::MetadataMap { of, .. } => metadata_map(field, shown, rows().map(of))?,
        Values::Messages(of) => messages(field, rows().map(of))?,
    })
}

fn non_empty(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}

/// Text is for people: what is not UTF-8 is replaced (the exact bytes are in the metadata).
pub(super) fn text<'a>(
    values: impl Iterator<Item = Option<&'a [u8]>> + Clone,
) -> Result<ArrayRef, ArrowError> {
    if let Some(text) = Concatenated::of(values.clone())?.text() {
        return Ok(Arc::new(text));
    }
    let mut builder = StringBuilder::new();
    for value in values {
        builder.append_option(value.map(String::from_utf8_lossy));
    }
    Ok(Arc::new(builder.finish()))
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
    let redacted: BooleanBuffer = headers().map(|header| header.redacted).collect();
    let columns: Vec<ArrayRef> = vec![
        text(headers().map(|header| Some(&*header.name)))?,
        Arc::new(Concatenated::of(headers().map(|header| Some(&*header.value)))?.binary()?),
        Arc::new(BooleanArray::from(redacted)),
    ];
    list(field, blocks.map(<[_]>::len), columns)
}

fn messages<'a>(
    field: &Field,
    directions: impl Iterator<Item = &'a [Message]> + Clone,
) -> Result<ArrayRef, ArrowError> {
    let messages = || directions.clone().flatten();
    let compressed: BooleanBuffer = messages().map(|message| message.compressed).collect();
    let offset = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let bytes = Concatenated::of(messages().map(|message| Some(&*message.bytes)))?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(PrimitiveArray::<Int64Type>::from_iter(
            messages().map(|m| m.offset_ns.map(offset)),
        )),
        Arc::new(BooleanArray::from(compressed)),
        Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
            messages().map(|message| i64::from(message.declared_bytes)),
        )),
        Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
            messages().map(|message| xxh3_64(&message.bytes).cast_signed()),
        )),
        Arc::new(bytes.binary()?),
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

/// The map of what `shown`, the list column of the same blocks, holds. Mostly all names differ and
/// all values are text: then the map shares the list's buffers.
fn metadata_map<'a>(
    field: &Field,
    shown: Option<&ArrayRef>,
    blocks: impl Iterator<Item = &'a [Header]>,
) -> Result<ArrayRef, ArrowError> {
    let (columns, offsets) = match shown.and_then(shared_entries) {
        Some(shared) => shared,
        None => joined_entries(blocks),
    };
    let (entry, fields) = struct_of(field)?;
    let entries = StructArray::try_new(fields, columns, None)?;
    Ok(Arc::new(MapArray::try_new(
        entry, offsets, entries, None, false,
    )?))
}

/// Keys and values of the maps, and where each map's begin.
type Entries = (Vec<ArrayRef>, OffsetBuffer<i32>);

fn shared_entries(list: &ArrayRef) -> Option<Entries> {
    let list = list.as_list_opt::<i32>()?;
    let columns = list.values().as_struct_opt()?.columns();
    let names = columns.first()?;
    if !names_are_distinct(names.as_string_opt()?, list.offsets()) {
        return None;
    }
    let values = columns.get(1)?.as_binary_opt::<i32>()?;
    let values = StringArray::try_new(values.offsets().clone(), values.values().clone(), None);
    let columns: Vec<ArrayRef> = vec![Arc::clone(names), Arc::new(values.ok()?)];
    Some((columns, list.offsets().clone()))
}

/// Has no block two headers of one name? Says no to long blocks without looking.
fn names_are_distinct(names: &StringArray, blocks: &OffsetBuffer<i32>) -> bool {
    let mut names = names.iter();
    blocks.lengths().all(|headers_count| {
        let mut seen = [""; PAIRWISE_HEADERS_MAX];
        let block = names.by_ref().take(headers_count).flatten();
        headers_count <= PAIRWISE_HEADERS_MAX
            && block.enumerate().all(|(index, name)| {
                let is_new = !seen.iter().take(index).any(|other| *other == name);
                if let Some(seen) = seen.get_mut(index) {
                    *seen = name;
                }
                is_new
            })
    })
}

fn joined_entries<'a>(blocks: impl Iterator<Item = &'a [Header]>) -> Entries {
    let mut keys = StringBuilder::new();
    let mut values = StringBuilder::new();
    let mut lengths = Vec::with_capacity(blocks.size_hint().0);
    for block in blocks {
        let joined = joined(block);
        lengths.push(joined.len());
        for (name, value) in joined {
            keys.append_value(name);
            values.append_value(String::from_utf8_lossy(&value));
        }
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    (columns, OffsetBuffer::from_lengths(lengths))
}

/// Values of equal names joined as HTTP joins them.
fn joined(block: &[Header]) -> BTreeMap<Cow<'_, str>, Vec<u8>> {
    let mut joined = BTreeMap::<_, Vec<u8>>::new();
    for header in block {
        let name = String::from_utf8_lossy(&header.name);
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
