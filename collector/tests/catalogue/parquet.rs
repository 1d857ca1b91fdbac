//! Files in the dataset that are no calls of ours: an error that names the file, never a panic, a
//! guess or all the memory there is.

use std::fs;
use std::path::{Path, PathBuf};

use twintap::call::{Call, CallId, Role};
use twintap::store::parquet::{Dataset, Projection, ReadError, WriteSettings, write_part};
use uuid::Uuid;

use super::check;

/// A folder with one part, and the part: nine calls of three methods.
pub(crate) fn dataset() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let calls = (1..=9).map(|number| Call {
        id: CallId {
            producer_id: [7; 16],
            record_number: number,
        },
        role: Role::Primary,
        rpc_method: format!("shop.v1.Shop/Get{}", number % 3),
        started_unix_ns: 1_785_578_400_000_000_000,
        ..Call::default()
    });
    let settings = WriteSettings::default();
    let part = write_part(
        calls.collect::<Vec<_>>(),
        root.path(),
        Uuid::nil(),
        &settings,
    )
    .unwrap();
    let path = part.paths.into_iter().next().unwrap();
    (root, path)
}

/// `N calls of M methods`, or the error without the file's name, which has to be in it.
pub(crate) fn read(root: &Path, path: &Path) -> String {
    let methods = || -> Result<Vec<String>, _> {
        let dataset = Dataset::open(root)?;
        let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
        calls
            .map(|call| Ok::<_, ReadError>(call?.rpc_method.clone()))
            .collect()
    };
    match methods() {
        Ok(mut methods) => {
            let calls = methods.len();
            methods.sort_unstable();
            methods.dedup();
            format!("{calls} calls of {} methods", methods.len())
        }
        Err(error) => {
            let text = error.to_string();
            let name = path.to_str().unwrap();
            assert!(text.contains(name), "does not name the file: {text}");
            text.replace(name, "FILE")
        }
    }
}

/// The file whose bytes `change` made of a good one's.
fn changed(change: &dyn Fn(Vec<u8>) -> Vec<u8>) -> String {
    let (root, path) = dataset();
    let bytes = change(fs::read(&path).unwrap());
    fs::write(&path, bytes).unwrap();
    read(root.path(), &path)
}

/// A file with `footer` as its metadata.
fn with_footer(footer: &[u8], length: u32) -> Vec<u8> {
    [b"PAR1", footer, &length.to_le_bytes(), b"PAR1"].concat()
}

/// Footer of a whole file: its start and its length.
fn footer(bytes: &[u8]) -> (usize, u32) {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    (end - usize::try_from(length).unwrap(), length)
}

type Change = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;

fn just(bytes: &'static [u8]) -> Change {
    Box::new(move |_| bytes.to_vec())
}

#[test]
fn files_that_are_no_parquet_are_named() {
    // A list of 2^31 - 1 schema elements, in Thrift's compact protocol.
    const LIST_BOMB: &[u8] = b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07";
    const NEGATIVE_ROWS: &[u8] = b"\x15\x02\x19\x1c\x48\x01r\x15\x00\x00\x16\x01\x19\x0c\x00";
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let cases: Vec<(&str, Change, &str)> = vec![
        ("whole", Box::new(|bytes| bytes), "9 calls of 3 methods"),
        (
            "0 bytes",
            just(b""),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "1 byte",
            just(b"P"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "4 bytes",
            just(b"PAR1"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "7 bytes",
            just(b"PAR1PAR"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "8 bytes",
            just(b"PAR1PAR1"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "11 bytes",
            just(b"PAR1\0\0\0PAR1"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer of no bytes",
            just(b"PAR1\0\0\0\0PAR1"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "no footer",
            Box::new(|bytes| bytes[..bytes.len() - 8].to_vec()),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer of 2^31",
            Box::new(|mut bytes| {
                let end = bytes.len() - 8;
                bytes[end..end + 4].copy_from_slice(&[0, 0, 0, 0x80]);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer of 2^32-1",
            Box::new(|mut bytes| {
                let end = bytes.len() - 8;
                bytes[end..end + 4].copy_from_slice(&[0xff; 4]);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer one byte short",
            Box::new(|mut bytes| {
                let end = bytes.len() - 8;
                bytes[end] = bytes[end].wrapping_sub(1);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer of zeros",
            Box::new(|mut bytes| {
                let (start, length) = footer(&bytes);
                let end = start + usize::try_from(length).unwrap();
                bytes[start..end].fill(0);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a footer of 0xff",
            Box::new(|mut bytes| {
                let (start, length) = footer(&bytes);
                let end = start + usize::try_from(length).unwrap();
                bytes[start..end].fill(0xff);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a list of 2^31 columns",
            Box::new(move |_| with_footer(LIST_BOMB, length(LIST_BOMB))),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a negative number of rows",
            Box::new(move |_| with_footer(NEGATIVE_ROWS, length(NEGATIVE_ROWS))),
            "read FILE: no usable twintap.schema_version in its metadata",
        ),
        (
            "encrypted",
            Box::new(|mut bytes| {
                let end = bytes.len();
                bytes[end - 4..].copy_from_slice(b"PARE");
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "text",
            just(b"rpc_method,role\nshop.v1.Shop/Get,primary\n"),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "pages of zeros",
            Box::new(|mut bytes| {
                let (start, _) = footer(&bytes);
                bytes[4..start].fill(0);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "pages of 0xff",
            Box::new(|mut bytes| {
                let (start, _) = footer(&bytes);
                bytes[4..start].fill(0xff);
                bytes
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "pages gone",
            Box::new(|bytes| {
                let (start, _) = footer(&bytes);
                [&bytes[..4], &bytes[start..]].concat()
            }),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "a page cut out",
            Box::new(|bytes| [&bytes[..100], &bytes[200..]].concat()),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "something before it",
            Box::new(|bytes| [b"\0".repeat(1000), bytes].concat()),
            "decode FILE: not a readable Parquet file",
        ),
        (
            "something behind it",
            Box::new(|bytes| [bytes, b"\0".repeat(10)].concat()),
            "decode FILE: not a readable Parquet file",
        ),
    ];
    check(&cases, |change| changed(change.as_ref()));
}

#[test]
fn up_to_eleven_bytes_are_no_file_whatever_they_are() {
    let (root, path) = dataset();
    let whole = fs::read(&path).unwrap();
    for length in 0..12 {
        let ends = [&b"PAR1\0\0\0"[..length.min(7)], b"PAR1"].concat();
        for bytes in [
            &whole[..length],
            &[0xff; 12][..length],
            &ends[ends.len() - length.min(ends.len())..],
        ] {
            fs::write(&path, bytes).unwrap();
            let answer = read(root.path(), &path);
            assert_eq!(
                answer, "decode FILE: not a readable Parquet file",
                "{bytes:x?}"
            );
        }
    }
}

#[test]
fn every_prefix_of_a_file_is_an_error() {
    let (root, path) = dataset();
    let whole = fs::read(&path).unwrap();
    let step = whole.len() / 64;
    for length in (0..whole.len()).step_by(step) {
        fs::write(&path, &whole[..length]).unwrap();
        let answer = read(root.path(), &path);
        assert!(
            answer.starts_with("decode FILE: "),
            "{length} bytes: {answer}"
        );
    }
}

#[test]
fn what_is_no_file_is_named_or_no_part() {
    type Replace = fn(&Path);
    let cases: [(&str, Replace, &str); 4] = [
        (
            "a folder",
            |path| fs::create_dir(path).unwrap(),
            "read FILE",
        ),
        (
            "a link to nowhere",
            |path| std::os::unix::fs::symlink("gone", path).unwrap(),
            "open FILE",
        ),
        (
            "a link to itself",
            |path| std::os::unix::fs::symlink(path, path).unwrap(),
            "open FILE",
        ),
        (
            "a link to an endless device",
            |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
            "decode FILE: not a readable Parquet file",
        ),
    ];
    check(&cases, |replace| {
        let (root, path) = dataset();
        fs::remove_file(&path).unwrap();
        replace(&path);
        read(root.path(), &path)
    });
}
