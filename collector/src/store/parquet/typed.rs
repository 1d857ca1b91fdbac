//! Arrow arrays by row, with NULL and "not read" as empty, and without copies.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryType, ByteArrayType, Int32Type, Int64Type, TimestampMicrosecondType,
    Utf8Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, ListArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use bytes::Bytes;

/// The array of a column: of a value for each row, or of one that all rows have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnArray<'a> {
    array: &'a ArrayRef,
    rows: Rows,
}

impl<'a> ColumnArray<'a> {
    /// `array` has one value, which all rows have.
    pub(super) fn constant(array: &'a ArrayRef) -> Self {
        let rows = Rows::One;
        Self { array, rows }
    }
}

impl<'a> From<&'a ArrayRef> for ColumnArray<'a> {
    fn from(array: &'a ArrayRef) -> Self {
        let rows = Rows::Each;
        Self { array, rows }
    }
}

/// Whose values an array holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rows {
    /// Each row has its own.
    #[default]
    Each,
    /// All rows have the first.
    One,
}

impl Rows {
    /// Where in the array the value of `row` is.
    fn index(self, row: usize) -> usize {
        match self {
            Self::Each => row,
            Self::One => 0,
        }
    }
}

fn unexpected(array: &ArrayRef, expected: &str) -> ArrowError {
    ArrowError::SchemaError(format!("found {}, expected {expected}", array.data_type()))
}

fn is_valid(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_none_or(|nulls| row < nulls.len() && nulls.is_valid(row))
}

/// Text or binary.
#[derive(Debug, Default)]
pub(super) struct Slices {
    values: Bytes,
    offsets: Option<OffsetBuffer<i32>>,
    nulls: Option<NullBuffer>,
    rows: Rows,
}

/// Lets [`Bytes`] share an Arrow buffer.
struct Owner(Buffer);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Slices {
    pub(super) fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        let Some(column) = column else {
            return Ok(Self::default());
        };
        match column.array.data_type() {
            DataType::Utf8 => Self::share::<Utf8Type>(column),
            DataType::Binary => Self::share::<BinaryType>(column),
            _ => Err(unexpected(column.array, "text or binary")),
        }
    }

    fn share<T: ByteArrayType<Offset = i32>>(column: ColumnArray<'_>) -> Result<Self, ArrowError> {
        let ColumnArray { array, rows } = column;
        let array = array
            .as_bytes_opt::<T>()
            .ok_or_else(|| unexpected(array, "bytes"))?;
        Ok(Self {
            values: Bytes::from_owner(Owner(array.values().clone())),
            offsets: Some(array.offsets().clone()),
            nulls: array.nulls().cloned(),
            rows,
        })
    }

    /// Do all rows have the same?
    pub(super) fn is_constant(&self) -> bool {
        self.offsets.is_none() || self.rows == Rows::One
    }

    fn range(&self, row: usize) -> Option<Range<usize>> {
        let row = self.rows.index(row);
        let offsets = self
            .offsets
            .as_ref()
            .filter(|_| is_valid(self.nulls.as_ref(), row))?;
        let offset = |index| usize::try_from(*offsets.get(index)?).ok();
        let range = offset(row)?..offset(row + 1)?;
        (range.start < range.end && range.end <= self.values.len()).then_some(range)
    }

    pub(super) fn at(&self, row: usize) -> Bytes {
        self.range(row)
            .map(|range| self.values.slice(range))
            .unwrap_or_default()
    }

    /// As [`Self::at`], to look at only.
    pub(super) fn bytes(&self, row: usize) -> &[u8] {
        let range = self.range(row);
        range
            .and_then(|range| self.values.get(range))
            .unwrap_or_default()
    }

    /// As [`Self::at`], for a text column.
    pub(super) fn text(&self, row: usize) -> &str {
        std::str::from_utf8(self.bytes(row)).unwrap_or_default()
    }
}

/// Integers and timestamps, as 64 bits.
#[derive(Debug, Default)]
pub(super) struct Integers {
    values: Option<IntegerValues>,
    nulls: Option<NullBuffer>,
    rows: Rows,
}

#[derive(Debug)]
enum IntegerValues {
    Int32(ScalarBuffer<i32>),
    Int64(ScalarBuffer<i64>),
}

impl Integers {
    pub(super) fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        fn values<T: ArrowPrimitiveType>(
            array: &ArrayRef,
        ) -> Result<ScalarBuffer<T::Native>, ArrowError> {
            let array = array
                .as_primitive_opt::<T>()
                .ok_or_else(|| unexpected(array, "integers"))?;
            Ok(array.values().clone())
        }
        let Some(ColumnArray { array, rows }) = column else {
            return Ok(Self::default());
        };
        let values = match array.data_type() {
            DataType::Int32 => IntegerValues::Int32(values::<Int32Type>(array)?),
            DataType::Int64 => IntegerValues::Int64(values::<Int64Type>(array)?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                IntegerValues::Int64(values::<TimestampMicrosecondType>(array)?)
            }
            _ => return Err(unexpected(array, "integers")),
        };
        Ok(Self {
            values: Some(values),
            nulls: array.nulls().cloned(),
            rows,
        })
    }

    fn signed(&self, row: usize) -> Option<i64> {
        let row = self.rows.index(row);
        let values = self
            .values
            .as_ref()
            .filter(|_| is_valid(self.nulls.as_ref(), row))?;
        match values {
            IntegerValues::Int32(values) => values.get(row).copied().map(i64::from),
            IntegerValues::Int64(values) => values.get(row).copied(),
        }
    }

    /// A count or duration; negative numbers, which were never written, count as absent.
    pub(super) fn unsigned(&self, row: usize) -> Option<u64> {
        u64::try_from(self.signed(row)?).ok()
    }

    /// A digest or bit set: 64 bits without sign.
    pub(super) fn bits(&self, row: usize) -> Option<u64> {
        self.signed(row).map(i64::cast_unsigned)
    }

    /// A number of a smaller type; absent if it does not fit.
    pub(super) fn narrow<T: TryFrom<i64>>(&self, row: usize) -> Option<T> {
        T::try_from(self.signed(row)?).ok()
    }
}

/// Booleans; false if absent.
#[derive(Debug, Default)]
pub(super) struct Bools {
    values: Option<BooleanArray>,
    rows: Rows,
}

impl Bools {
    pub(super) fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        let Some(ColumnArray { array, rows }) = column else {
            return Ok(Self::default());
        };
        let bools = array
            .as_boolean_opt()
            .ok_or_else(|| unexpected(array, "booleans"))?;
        let values = Some(bools.clone());
        Ok(Self { values, rows })
    }

    pub(super) fn at(&self, row: usize) -> bool {
        let row = self.rows.index(row);
        let bools = self
            .values
            .as_ref()
            .filter(|bools| row < bools.len() && bools.is_valid(row));
        bools.is_some_and(|bools| bools.value(row))
    }
}

/// Ids of 16 bytes.
#[derive(Debug, Default)]
pub(super) struct Fixed16 {
    values: Option<FixedSizeBinaryArray>,
    rows: Rows,
}

impl Fixed16 {
    pub(super) fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        let Some(ColumnArray { array, rows }) = column else {
            return Ok(Self::default());
        };
        let ids = array
            .as_fixed_size_binary_opt()
            .filter(|ids| ids.value_length() == 16);
        let ids = ids.ok_or_else(|| unexpected(array, "ids of 16 bytes"))?;
        let values = Some(ids.clone());
        Ok(Self { values, rows })
    }

    pub(super) fn at(&self, row: usize) -> Option<[u8; 16]> {
        let row = self.rows.index(row);
        let ids = self
            .values
            .as_ref()
            .filter(|ids| row < ids.len() && ids.is_valid(row))?;
        ids.value(row).try_into().ok()
    }
}

/// Lists of structs. They have no statistics, and so are never constant.
#[derive(Debug, Default)]
pub(super) struct Lists(Option<ListArray>);

impl Lists {
    pub(super) fn of(column: Option<ColumnArray<'_>>) -> Result<Self, ArrowError> {
        let Some(ColumnArray { array, .. }) = column else {
            return Ok(Self::default());
        };
        let lists = array
            .as_list_opt::<i32>()
            .ok_or_else(|| unexpected(array, "lists"))?;
        Ok(Self(Some(lists.clone())))
    }

    /// A field of the structs of all rows, one behind the other.
    pub(super) fn field(&self, name: &str) -> Option<ColumnArray<'_>> {
        let structs = self.0.as_ref()?.values().as_struct_opt()?;
        structs.column_by_name(name).map(ColumnArray::from)
    }

    /// Which of the elements are those of `row`.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        let Some(lists) = self.0.as_ref().filter(|lists| is_valid(lists.nulls(), row)) else {
            return 0..0;
        };
        let offset = |index| {
            lists
                .value_offsets()
                .get(index)
                .and_then(|at| usize::try_from(*at).ok())
        };
        offset(row)
            .zip(offset(row + 1))
            .map_or(0..0, |(start, end)| start..end)
    }
}
