//! Keeps a panic of the Parquet decoder from ending the run.
//!
//! The decoder asserts what a damaged file can break, such as lengths that must not be negative. One
//! damaged file must be an error that names it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;

use super::ReadError;

/// Runs `decode`, whose state must not be used again after an error; its errors and panics become
/// errors of the file at `path`.
pub(super) fn contain<T, E: Into<ParquetError>>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, ReadError> {
    let answer = catch_unwind(AssertUnwindSafe(decode));
    let source = match answer {
        Ok(Ok(decoded)) => return Ok(decoded),
        Ok(Err(error)) => error.into(),
        Err(panic) => ParquetError::General(message(&*panic).to_owned()),
    };
    Err(ReadError::Decode {
        path: path.to_owned(),
        source,
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the decoder panicked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let answer = contain(Path::new("part.parquet"), || -> Result<(), ParquetError> {
            panic!("length {} is negative", -1)
        });
        let error = answer.unwrap_err();
        assert!(error.to_string().contains("part.parquet"));
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .to_string()
                .contains("length -1")
        );
    }
}
