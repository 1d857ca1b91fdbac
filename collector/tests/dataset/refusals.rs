//! Damaged, foreign and newer files are errors that name the file; nothing panics.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use twintap::store::parquet::{Dataset, Projection, ReadError, WriteSettings, write_part};
use uuid::Uuid;

use crate::samples::calls;

fn part(root: &Path) -> PathBuf {
    let settings = WriteSettings {
        row_group_rows_max: 3,
        ..WriteSettings::default()
    };
    write_part(calls(5), root, Uuid::nil(), &settings)
        .unwrap()
        .paths
        .remove(0)
}

/// Reads everything below `root`.
fn read(root: &Path) -> Result<usize, ReadError> {
    let dataset = Dataset::open(root)?;
    let mut count = 0;
    for call in dataset.calls_in_buckets(0..256, Projection::Everything) {
        call?;
        count += 1;
    }
    Ok(count)
}

/// Replaces `from` by `to`, of the same length, throughout the file.
fn patch(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_schema_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let path = part(root.path());
    patch(
        &path,
        b"schema_version\x18\x011",
        b"schema_version\x18\x012",
    );
    let error = Dataset::open(root.path()).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::NewerSchema {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_file_without_our_mark_or_columns_is_foreign() {
    let root = tempfile::tempdir().unwrap();
    let path = part(root.path());
    patch(&path, b"twintap.schema_version", b"another.schema_version");
    assert!(matches!(read(root.path()), Err(ReadError::Foreign { .. })));

    let path = part(root.path());
    patch(&path, b"started_ns_rest", b"started_xx_rest");
    let error = read(root.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("column started_ns_rest is missing"),
        "{error}"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn what_is_no_parquet_is_an_error_that_names_the_file() {
    let whole = {
        let root = tempfile::tempdir().unwrap();
        fs::read(part(root.path())).unwrap()
    };
    let mut huge_footer = whole.clone();
    let length = huge_footer.len();
    huge_footer[length - 8..length - 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let cases: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("magic only", b"PAR1"),
        ("eleven bytes", b"PAR1\0\0\0PAR1"),
        ("text", b"this is no Parquet file at all"),
        ("no footer", &whole[..whole.len() / 2]),
        ("encrypted footer", b"PAR1aaaabbbbccccPARE"),
        ("footer beyond the file", &huge_footer),
    ];
    for (name, bytes) in cases {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        fs::write(&path, bytes).unwrap();
        let error = read(root.path()).unwrap_err();
        assert!(matches!(error, ReadError::Decode { .. }), "{name}: {error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{name}: {error}"
        );
    }
}

#[test]
fn the_iterator_ends_after_an_error() {
    let root = tempfile::tempdir().unwrap();
    let path = part(root.path());
    let dataset = Dataset::open(root.path()).unwrap();
    fs::remove_file(path).unwrap();
    let mut calls = dataset.calls_in_buckets(0..256, Projection::Everything);
    assert!(matches!(
        calls.next(),
        Some(Err(ReadError::Io { action: "open", .. }))
    ));
    assert!(calls.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let root = tempfile::tempdir().unwrap();
        let path = part(root.path());
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        // An error or calls, some perhaps with other values: the format has no checksums.
        drop(read(root.path()));
    }
}
