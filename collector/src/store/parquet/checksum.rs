//! A checksum of a whole file, kept in its footer: a flipped bit anywhere is found.
//!
//! The encoder writes no CRCs of pages, and a file is more than its pages. So the footer's metadata has
//! [`KEY`]: XXH3-64 (seed 0) of all bytes of the file as 16 hexadecimal digits, taken with these digits as
//! zeros. [`Summed`] adds up what the encoder writes, [`seal`] puts the sum in its place, [`verify`] does it
//! all again. [`ANNOUNCEMENT_KEY`] says that there is a checksum, so that a bit flipped in [`KEY`] does not hide
//! it. Files of writers that did not do so have neither, and can only be decoded.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem;
use parquet::file::metadata::KeyValue;
use xxhash_rust::xxh3::Xxh3Default;

use super::ReadError;
use super::part::io_error;

/// Key of the checksum in a file's metadata.
pub(super) const KEY: &str = "twintap.xxh3";

/// Key of the metadata that says how the checksum is computed.
pub(super) const ANNOUNCEMENT_KEY: &str = "twintap.checksum";

/// Its value.
const ALGORITHM: &str = "xxh3-64";

/// Length of the checksum's text.
const DIGITS: usize = 16;

/// What stands in the place of the checksum while it is computed.
const BLANK: [u8; DIGITS] = [b'0'; DIGITS];

/// How the footer encodes that a text follows, before its length in a byte: Thrift's compact protocol.
const TEXT: u8 = 0x18;

/// What follows the key: a text of [`DIGITS`] bytes.
const VALUE_PREFIX: [u8; 2] = [TEXT, 16];

/// At the end of a file: the footer's length in four bytes, then `PAR1`.
const TAIL_BYTES: usize = 8;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The metadata whose value [`seal`] replaces.
pub(super) fn blank() -> KeyValue {
    KeyValue::new(KEY.to_owned(), String::from_utf8_lossy(&BLANK).into_owned())
}

/// The metadata that says that there is a checksum.
pub(super) fn announcement() -> KeyValue {
    KeyValue::new(ANNOUNCEMENT_KEY.to_owned(), ALGORITHM.to_owned())
}

/// Adds up what is written to `W`.
pub(super) struct Summed<W> {
    output: W,
    sum: Xxh3Default,
}

impl<W> Summed<W> {
    pub(super) fn new(output: W) -> Self {
        let sum = Xxh3Default::new();
        Self { output, sum }
    }

    /// The output, and the sum of what it was given.
    pub(super) fn finish(self) -> (W, u64) {
        (self.output, self.sum.digest())
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Puts `sum` in the place of [`blank`] in the whole Parquet file `file`.
pub(super) fn seal(file: &File, sum: u64) -> io::Result<()> {
    let footer = Footer::read(file)?;
    let digits = footer.digits().ok_or_else(|| invalid("no place for it"))?;
    let at = footer.start + digits as u64;
    file.write_all_at(text(sum).as_bytes(), at)
}

/// Compares the file at `path` with its checksum; `false` if it has none and says so, such as one that is no
/// Parquet.
pub(super) fn verify(path: &Path) -> Result<bool, ReadError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    match matches(&file) {
        Ok(Some(true)) => Ok(true),
        Ok(Some(false)) => Err(ReadError::Checksum {
            path: path.to_owned(),
        }),
        Ok(None) => Ok(false),
        // The footer is not where the file says that it is: the decoder says more of that.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Does `file` have the checksum that it says? `None` if it says that it has none.
fn matches(file: &File) -> io::Result<Option<bool>> {
    let mut footer = Footer::read(file)?;
    let Some(at) = footer.digits() else {
        return Ok(footer.announces_one().then_some(false));
    };
    let Some(digits) = footer.bytes.get_mut(at..at + DIGITS) else {
        return Ok(None);
    };
    let said = digits.to_vec();
    digits.copy_from_slice(&BLANK);
    let mut sum = Xxh3Default::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < footer.start {
        let rest = usize::try_from(footer.start - at).unwrap_or(usize::MAX);
        let chunk = chunk.get_mut(..rest.min(CHUNK_BYTES)).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        sum.update(chunk);
        at += chunk.len() as u64;
    }
    sum.update(&footer.bytes);
    Ok(Some(text(sum.digest()).as_bytes() == said))
}

/// The end of a file, from the footer on.
struct Footer {
    start: u64,
    bytes: Vec<u8>,
}

impl Footer {
    fn read(file: &File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut tail = [0; TAIL_BYTES];
        let tail_start = len.checked_sub(TAIL_BYTES as u64);
        let tail_start = tail_start.ok_or_else(|| invalid("shorter than any Parquet file"))?;
        file.read_exact_at(&mut tail, tail_start)?;
        let [a, b, c, d, ..] = tail;
        let start = tail_start.checked_sub(u32::from_le_bytes([a, b, c, d]).into());
        let start = start.ok_or_else(|| invalid("shorter than its footer"))?;
        let bytes = usize::try_from(len - start).map_err(io::Error::other)?;
        let mut bytes = vec![0; bytes];
        file.read_exact_at(&mut bytes, start)?;
        Ok(Self { start, bytes })
    }

    /// Where in the footer the checksum's digits are. The metadata comes last, so that no text of a call
    /// among the statistics can pass for it.
    fn digits(&self) -> Option<usize> {
        let value = memmem::rfind(&self.bytes, KEY.as_bytes())? + KEY.len();
        let rest = self.bytes.get(value..)?;
        let is_there = rest.starts_with(&VALUE_PREFIX) && rest.len() >= VALUE_PREFIX.len() + DIGITS;
        is_there.then_some(value + VALUE_PREFIX.len())
    }

    /// Is [`announcement`] among the metadata?
    fn announces_one(&self) -> bool {
        let mut encoded = Vec::new();
        for text in [ANNOUNCEMENT_KEY, ALGORITHM] {
            encoded.push(TEXT);
            encoded.extend(u8::try_from(text.len()));
            encoded.extend(text.as_bytes());
        }
        memmem::rfind(&self.bytes, &encoded).is_some()
    }
}

/// As it stands in the footer.
fn text(sum: u64) -> String {
    format!("{sum:016x}")
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
