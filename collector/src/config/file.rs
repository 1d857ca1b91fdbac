//! A TOML file of flat keys, each with its place in the file.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::layers::Origin;

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Keys, values as text, and where they are.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String, Origin)>, ConfigError> {
    let fail = |problem: String| ConfigError {
        origin: path.display().to_string(),
        problem,
    };
    let size = std::fs::metadata(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(fail(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<(String, String, Origin)>, ConfigError> {
    let origin = |offset: usize| {
        let (line, column) = place(text, offset);
        Origin::File {
            path: path.to_owned(),
            line,
            column,
        }
    };
    let table = DeTable::parse(text).map_err(|error| ConfigError {
        origin: origin(error.span().map_or(0, |span| span.start)).to_string(),
        problem: error.message().to_owned(),
    })?;
    let mut values = Vec::new();
    for (key, value) in table.into_inner() {
        let origin = origin(key.span().start);
        let text = match value.into_inner() {
            DeValue::String(text) => text.into_owned(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            other => {
                let problem = format!(
                    "{}: expected a string, a number or a boolean, found {}",
                    key.get_ref(),
                    other.type_str()
                );
                return Err(ConfigError {
                    origin: origin.to_string(),
                    problem,
                });
            }
        };
        values.push((key.into_inner().into_owned(), text, origin));
    }
    Ok(values)
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    let line = before.matches('\n').count() + 1;
    (
        line,
        before.get(line_start..).unwrap_or_default().chars().count() + 1,
    )
}
