//! What the Parquet decoder fails with, as an error of a file.
//!
//! The decoder asserts what a damaged file can break, such as lengths that must not be negative: a panic must not
//! end the run, but name the file. And it makes text of the system's errors, so that nobody could tell a file that
//! is damaged from one that could not be read for want of descriptors: where it fails, the file's checksum says
//! which it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;

use super::{ReadError, checksum};

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
    let path = path.to_owned();
    Err(match checksum::verify(&path) {
        Ok(true) => ReadError::Whole { path, source },
        Err(error @ ReadError::Io { .. }) => error,
        Ok(false) | Err(_) => ReadError::Decode { path, source },
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the decoder panicked")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::call::Call;
    use crate::store::parquet::{WriteSettings, write_part};

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "no Parquet").unwrap();
        let answer = contain(&path, || -> Result<(), ParquetError> {
            panic!("length {} is negative", -1)
        });
        let error = answer.unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert!(error.is_of_the_file());
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().contains("length -1"));
    }

    #[test]
    fn a_file_that_is_whole_is_not_to_blame() {
        let root = tempfile::tempdir().unwrap();
        let calls = [Call::default()];
        let written = write_part(calls, root.path(), Uuid::nil(), &WriteSettings::default());
        let path = &written.unwrap().paths[0];
        let fails = || Err::<(), _>(ParquetError::General("too many open files".to_owned()));
        let error = contain(path, fails).unwrap_err();
        assert!(matches!(error, ReadError::Whole { .. }), "{error}");
        assert!(!error.is_of_the_file());
        std::fs::remove_file(path).unwrap();
        let error = contain(path, fails).unwrap_err();
        assert!(matches!(error, ReadError::Io { .. }), "{error}");
    }
}
