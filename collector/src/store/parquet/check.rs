//! Files of `calls`, one by one: a comparison stops at the first that cannot be read, a check names all.

use std::path::Path;

use parquet::errors::ParquetError;

use super::checksum;
use super::constants::Constants;
use super::contain::contain;
use super::from_rows::FromRows;
use super::part::{Part, PartRows};
use super::{Projection, ReadError};
use crate::call::PAIR_BUCKETS;

/// A file that was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedPart {
    /// Calls in it.
    pub calls: u64,
    /// Does it have a checksum? Without one, a bit that flipped and left it decodable goes unseen.
    pub has_checksum: bool,
}

/// Compares the file at `path` with its checksum, decodes every value, and sees whether a comparison, which reads
/// less, reads the same.
pub fn check_part(path: &Path) -> Result<CheckedPart, ReadError> {
    let has_checksum = checksum::verify(path)?;
    let mut part = Part::open(path.to_owned())?;
    part.keeps_layout = true;
    let buckets = 0..u16::try_from(PAIR_BUCKETS).unwrap_or(u16::MAX);
    let mut whole = part.read_whole()?;
    let PartRows { batches, constants } = &mut part.read(&buckets, None, Projection::Everything)?;
    let (mut of_whole, mut of_read) = (FromRows::default(), FromRows::default());
    let mut rows = 0;
    let mut next = || -> Result<Option<usize>, ParquetError> {
        let batch = whole.next().transpose()?;
        let all = batch
            .map(|batch| of_whole.calls(&batch, &Constants::default()))
            .transpose()?;
        let batch = batches.next().transpose()?;
        let read = batch
            .map(|batch| of_read.calls(&batch, constants))
            .transpose()?;
        if all != read {
            let problem = "statistics or pairing buckets contradict the rows".to_owned();
            return Err(ParquetError::General(problem));
        }
        Ok(all.map(|calls| calls.len()))
    };
    while let Some(read) = contain(path, &mut next)? {
        rows += read as u64;
    }
    match rows == part.rows {
        true => Ok(CheckedPart {
            calls: rows,
            has_checksum,
        }),
        false => contain(path, || {
            let problem = format!("{rows} rows, and {} by the footer", part.rows);
            Err(ParquetError::General(problem))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::call::{Call, Message};
    use crate::store::parquet::{WriteSettings, write_part};

    /// A file of calls with bodies that do and do not compress.
    fn part(root: &Path) -> PathBuf {
        let call = |number: u8| {
            let mut call = Call::default();
            call.request.messages.push(Message {
                bytes: Bytes::from(vec![number; 100]),
                ..Message::default()
            });
            call.response.messages.push(Message {
                bytes: (0..100)
                    .map(|index: u8| index.wrapping_mul(number))
                    .collect(),
                ..Message::default()
            });
            call
        };
        let calls: Vec<Call> = (0..20).map(call).collect();
        let part = write_part(calls, root, Uuid::nil(), &WriteSettings::default()).unwrap();
        part.paths.into_iter().next().unwrap()
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        let whole = CheckedPart {
            calls: 20,
            has_checksum: true,
        };
        assert_eq!(check_part(&path).unwrap(), whole);
        let bytes = fs::read(&path).unwrap();
        let find = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).unwrap();
        // All bits around what says that there is a checksum, and one of each byte in five elsewhere.
        let keys = find(checksum::ANNOUNCEMENT_KEY) - 8..find(checksum::KEY) + 40;
        let around_keys = keys.flat_map(|at| (0..8).map(move |bit| (at, bit)));
        let elsewhere = (0..bytes.len()).step_by(5).map(|at| (at, at % 8));
        for (at, bit) in around_keys.chain(elsewhere) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let error = check_part(&path).expect_err(&format!("byte {at} of {}", bytes.len()));
            assert!(error.is_of_the_file(), "byte {at}: {error}");
        }
    }

    #[test]
    fn pairing_buckets_that_are_damaged_are_found_without_a_checksum() {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        let mut bytes = fs::read(&path).unwrap();
        for key in [checksum::ANNOUNCEMENT_KEY, checksum::KEY] {
            let key = memchr::memmem::find(&bytes, key.as_bytes()).unwrap();
            bytes[key] = b'T';
        }
        let file = fs::File::open(&path).unwrap();
        let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new();
        let metadata = parquet::arrow::arrow_reader::ArrowReaderMetadata::load(&file, options);
        let (start, length) = metadata
            .unwrap()
            .metadata()
            .row_group(0)
            .column(0)
            .byte_range();
        let chunk = usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap();
        bytes[chunk].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let error = check_part(&path).unwrap_err();
        assert!(error.is_of_the_file(), "{error}");
    }

    #[test]
    fn a_file_of_a_writer_without_checksums_is_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        let mut bytes = fs::read(&path).unwrap();
        for key in [checksum::ANNOUNCEMENT_KEY, checksum::KEY] {
            let key = memchr::memmem::find(&bytes, key.as_bytes()).unwrap();
            bytes[key] = b'T';
        }
        fs::write(&path, bytes).unwrap();
        assert!(!check_part(&path).unwrap().has_checksum);
    }
}
