//! Files of `calls`, one by one: a comparison stops at the first that cannot be read, a check names all.

use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;

use super::checksum;
use super::constants::Constants;
use super::contain::contain;
use super::from_rows::FromRows;
use super::part::{Part, PartRows, io_error};
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

/// Descriptors that must be there, before a file is blamed that could not be decoded: more than that takes.
const DESCRIPTORS: usize = 16;

/// Compares the file at `path` with its checksum, decodes every value, and sees whether a comparison, which reads
/// less, reads the same. What could not be decoded is tried again, since the system may have failed.
pub fn check_part(path: &Path) -> Result<CheckedPart, ReadError> {
    let first = check_once(path);
    if !matches!(
        first,
        Err(ReadError::Decode { .. } | ReadError::Whole { .. })
    ) {
        return first;
    }
    let descriptors: Result<Vec<File>, _> = (0..DESCRIPTORS).map(|_| File::open(path)).collect();
    drop(descriptors.map_err(io_error("open", path))?);
    match check_once(path) {
        // It is not the system.
        Err(ReadError::Whole { path, source }) => Err(ReadError::Decode { path, source }),
        again => again,
    }
}

fn check_once(path: &Path) -> Result<CheckedPart, ReadError> {
    let has_checksum = checksum::verify(path)?;
    let mut part = Part::open(path.to_owned())?;
    part.keeps_layout = true;
    let buckets = 0..u16::try_from(PAIR_BUCKETS).unwrap_or(u16::MAX);
    let mut whole = part.read_whole()?;
    let PartRows { batches, constants } = &mut part.read(&buckets, None, Projection::Everything)?;
    let (mut of_whole, mut of_read) = (FromRows::default(), FromRows::default());
    let mut rows = 0;
    let mut next = || -> Result<Option<(usize, bool)>, ParquetError> {
        let batch = whole.next().transpose()?;
        let all = batch
            .map(|batch| of_whole.calls(&batch, &Constants::default()))
            .transpose()?;
        let batch = batches.next().transpose()?;
        let read = batch
            .map(|batch| of_read.calls(&batch, constants))
            .transpose()?;
        let is_same = all == read;
        let calls = all.or(read);
        Ok(calls.map(|calls| (calls.len(), is_same)))
    };
    let contradiction = |what| ReadError::Contradiction {
        path: path.to_owned(),
        what,
    };
    while let Some((calls, is_same)) = contain(path, &mut next)? {
        if !is_same {
            let what = "statistics or pairing buckets contradict the rows";
            return Err(contradiction(what.to_owned()));
        }
        rows += calls as u64;
    }
    match rows == part.rows {
        true => Ok(CheckedPart {
            calls: rows,
            has_checksum,
        }),
        false => Err(contradiction(format!(
            "{rows} rows, and {} by the footer",
            part.rows
        ))),
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
    fn what_was_written_wrong_is_of_the_file_whatever_its_checksum() {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        let bytes = fs::read(&path).unwrap();
        // Spoils a byte in ten of the pages, and gives the file the checksum of what it is then.
        let footer = memchr::memmem::find(&bytes, checksum::ANNOUNCEMENT_KEY.as_bytes()).unwrap();
        let (mut refused, mut sealed) = (0, 0);
        for at in (4..footer / 2).step_by(10) {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0xff;
            let value = memchr::memmem::rfind(&spoilt, checksum::KEY.as_bytes()).unwrap();
            let digits = value + checksum::KEY.len() + 2;
            spoilt[digits..digits + 16].fill(b'0');
            let sum = xxhash_rust::xxh3::xxh3_64(&spoilt);
            spoilt[digits..digits + 16].copy_from_slice(format!("{sum:016x}").as_bytes());
            fs::write(&path, &spoilt).unwrap();
            assert!(checksum::verify(&path).unwrap());
            sealed += 1;
            if let Err(error) = check_part(&path) {
                assert!(error.is_of_the_file(), "byte {at}: {error}");
                refused += 1;
            }
        }
        assert!(refused > sealed / 4, "{refused} of {sealed}");
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
