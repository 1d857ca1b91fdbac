//! Files: names, partitions, determinism, idempotence, and what a failure leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use twintap::call::Call;
use twintap::store::parquet::{Dataset, WriteError, WriteSettings, write_part};
use uuid::Uuid;

use crate::samples::{call, calls};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

#[test]
fn a_part_has_one_file_for_each_hour() {
    let root = tempfile::tempdir().unwrap();
    let part = Uuid::now_v7();
    let published = write_part(calls(10), root.path(), part, &WriteSettings::default()).unwrap();
    let expected = ["09", "10"].map(|hour| {
        root.path().join(format!(
            "calls/v1/dt=2026-11-21/hh={hour}/part-{part}.parquet"
        ))
    });
    assert_eq!(published.paths, expected);
    assert_eq!(files(root.path()), expected);
    let on_disk: u64 = expected
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!((published.rows, published.bytes), (10, on_disk));
}

#[test]
fn equal_calls_give_equal_bytes_in_any_order_of_arrival() {
    let root = tempfile::tempdir().unwrap();
    let bytes = |name: &str, calls: Vec<Call>| {
        let root = root.path().join(name);
        let published = write_part(calls, &root, Uuid::nil(), &WriteSettings::default()).unwrap();
        published
            .paths
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let reversed = calls(300).into_iter().rev().collect();
    assert_eq!(bytes("a", calls(300)), bytes("b", reversed));
}

#[test]
fn writing_a_part_again_replaces_it() {
    let root = tempfile::tempdir().unwrap();
    let part = Uuid::now_v7();
    for _ in 0..2 {
        write_part(calls(3), root.path(), part, &WriteSettings::default()).unwrap();
    }
    assert_eq!(files(root.path()).len(), 1);
    assert_eq!(Dataset::open(root.path()).unwrap().rows(), 3);
}

#[test]
fn no_calls_are_no_files() {
    let root = tempfile::tempdir().unwrap();
    let settings = WriteSettings::default();
    let published = write_part(Vec::new(), root.path(), Uuid::now_v7(), &settings).unwrap();
    assert!(published.paths.is_empty() && files(root.path()).is_empty());
    assert_eq!(
        Dataset::open(&root.path().join("absent")).unwrap().rows(),
        0
    );
}

#[test]
fn threads_change_no_byte() {
    let [one, others @ ..] = [1, 2, 5, 100].map(|threads_count| {
        let root = tempfile::tempdir().unwrap();
        let settings = WriteSettings {
            row_group_rows_max: 700,
            threads_count,
            ..WriteSettings::default()
        };
        let written = write_part(calls(2000), root.path(), Uuid::nil(), &settings).unwrap();
        fs::read(&written.paths[0]).unwrap()
    });
    assert!(others.iter().all(|other| *other == one));
}

#[test]
fn calls_of_1970_and_of_the_far_future_have_their_hours() {
    let root = tempfile::tempdir().unwrap();
    let ages = [0, u64::MAX].map(|started_unix_ns| Call {
        started_unix_ns,
        ..call(0)
    });
    write_part(ages, root.path(), Uuid::nil(), &WriteSettings::default()).unwrap();
    let hours = ["dt=1970-01-01/hh=00", "dt=2554-07-21/hh=23"];
    for (path, hour) in files(root.path()).iter().zip(hours) {
        assert!(
            path.ends_with(format!("{hour}/part-{}.parquet", Uuid::nil())),
            "{path:?}"
        );
    }
}

#[test]
fn leftovers_of_a_crash_are_not_read() {
    let root = tempfile::tempdir().unwrap();
    let published = write_part(
        calls(2),
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    fs::write(
        published.paths[0].with_file_name(".part-1.parquet.tmp"),
        "torn",
    )
    .unwrap();
    assert_eq!(Dataset::open(root.path()).unwrap().rows(), 2);
}

#[test]
fn a_failed_part_names_the_path_and_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("calls/v1/dt=2026-11-21")).unwrap();
    fs::write(
        root.path().join("calls/v1/dt=2026-11-21/hh=09"),
        "in the way",
    )
    .unwrap();
    let settings = WriteSettings::default();
    let error = write_part(calls(2), root.path(), Uuid::now_v7(), &settings).unwrap_err();
    assert!(matches!(error, WriteError::Io { .. }), "{error}");
    assert!(error.to_string().ends_with("hh=09"), "{error}");
    assert_eq!(files(root.path()).len(), 1);
}

#[test]
fn a_zstd_level_out_of_range_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let settings = WriteSettings {
        zstd_level: 99,
        ..WriteSettings::default()
    };
    let error = write_part(calls(1), root.path(), Uuid::now_v7(), &settings).unwrap_err();
    assert!(matches!(error, WriteError::Encode { .. }), "{error}");
    assert!(files(root.path()).is_empty());
}
