//! The datasets' columns in words, for documentation and for whoever asks the program.

use arrow_schema::{DataType, Field};

use super::columns::COLUMNS;
use super::results::{differences, pairs, table};
use super::schema;

/// One column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// Its type, `?` behind what may be NULL.
    pub data_type: String,
    /// What it holds and where it comes from.
    pub meaning: &'static str,
}

/// The columns of `calls`, in file order.
pub fn describe_calls() -> Vec<ColumnDescription> {
    let schema = schema::calls();
    let columns = COLUMNS.iter().zip(schema.fields());
    columns
        .map(|(column, field)| description(field, column.meaning))
        .collect()
}

/// The columns of `pairs`, in file order.
pub fn describe_pairs() -> Vec<ColumnDescription> {
    describe(pairs::COLUMNS)
}

/// The columns of `differences`, in file order.
pub fn describe_differences() -> Vec<ColumnDescription> {
    describe(differences::COLUMNS)
}

fn describe<R>(columns: &[table::Column<R>]) -> Vec<ColumnDescription> {
    let run = description(
        &table::run_id(),
        "which run of the comparison: a UUID version 7",
    );
    let columns = columns
        .iter()
        .map(|column| description(&column.field(), column.meaning));
    std::iter::once(run).chain(columns).collect()
}

fn description(field: &Field, meaning: &'static str) -> ColumnDescription {
    let nullable = if field.is_nullable() { "?" } else { "" };
    let data_type = format!("{}{nullable}", type_name(field.data_type()));
    ColumnDescription {
        name: field.name().clone(),
        data_type,
        meaning,
    }
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::FixedSizeBinary(size) => format!("fixed[{size}]"),
        DataType::Timestamp(..) => "timestamp(us, UTC)".to_owned(),
        DataType::List(element) => format!("list<{}>", type_name(element.data_type())),
        DataType::Struct(fields) => format!("struct<{}>", field_names(fields, true)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => format!("map<{}>", field_names(fields, false)),
            other => type_name(other),
        },
        other => other.to_string(),
    }
}

fn field_names(fields: &arrow_schema::Fields, with_names: bool) -> String {
    let fields = fields.iter().map(|field| {
        let nullable = if field.is_nullable() { "?" } else { "" };
        let name = if with_names {
            format!("{}: ", field.name())
        } else {
            String::new()
        };
        format!("{name}{}{nullable}", type_name(field.data_type()))
    });
    fields.collect::<Vec<_>>().join(", ")
}
