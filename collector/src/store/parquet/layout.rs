//! Where files of a dataset lie: Hive partitions by UTC hour, readable by every engine.
//!
//! `<data>/calls/v1/dt=2026-11-21/hh=09/part-<uuid>.parquet`. A file that is being written
//! begins with `.`, which readers of whole folders pass over, and ends in `.tmp`, which no `*.parquet` pattern matches.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Nanoseconds in an hour.
pub(super) const HOUR_NS: u64 = 3_600_000_000_000;

/// Extension of complete files.
pub(super) const EXTENSION: &str = "parquet";

/// Extension appended to files that are being written.
pub(super) const UNFINISHED: &str = "tmp";

/// A UTC hour, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Hour(u32);

impl Hour {
    /// The hour in which `unix_ns` lies; all that 64 bits can say lies before the year 2555.
    pub(super) fn of(unix_ns: u64) -> Self {
        Self(u32::try_from(unix_ns / HOUR_NS).unwrap_or(u32::MAX))
    }

    /// Does it share a moment with `range`, in nanoseconds since the Unix epoch?
    pub(super) fn overlaps(self, range: &std::ops::Range<u64>) -> bool {
        let start = u64::from(self.0).saturating_mul(HOUR_NS);
        start < range.end && range.start < start.saturating_add(HOUR_NS)
    }

    /// `dt=YYYY-MM-DD/hh=HH`.
    pub(super) fn folder(self) -> PathBuf {
        let start = jiff::Timestamp::from_second(i64::from(self.0) * 3600).unwrap_or_default();
        let start = start.to_zoned(jiff::tz::TimeZone::UTC);
        PathBuf::from(start.strftime("dt=%Y-%m-%d/hh=%H").to_string())
    }

    /// Inverse of [`Self::folder`]; `None` if the folders are named otherwise.
    pub(super) fn from_folders(dt: &str, hh: &str) -> Option<Self> {
        let date: jiff::civil::Date = dt.strip_prefix("dt=")?.parse().ok()?;
        let hour: i8 = hh.strip_prefix("hh=")?.parse().ok()?;
        let start = date
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .with()
            .hour(hour)
            .build()
            .ok()?;
        let hour = Self(u32::try_from(start.timestamp().as_second() / 3600).ok()?);
        (hour.folder() == Path::new(dt).join(hh)).then_some(hour)
    }
}

/// `<root>/calls/v1`.
pub(super) fn calls_folder(root: &Path) -> PathBuf {
    root.join("calls").join(version_folder())
}

/// `v1`.
pub(super) fn version_folder() -> String {
    format!("v{}", super::SCHEMA_VERSION)
}

/// The file of `part` in `hour`.
pub(super) fn part_path(root: &Path, hour: Hour, part: Uuid) -> PathBuf {
    calls_folder(root)
        .join(hour.folder())
        .join(format!("part-{part}.{EXTENSION}"))
}

/// The one file of comparison run `run` in `dataset` (`pairs` or `differences`).
pub(super) fn run_path(root: &Path, dataset: &str, run: Uuid) -> PathBuf {
    root.join(dataset)
        .join(version_folder())
        .join(format!("run={run}"))
        .join(format!("part-0.{EXTENSION}"))
}

/// What the file at `path` is called while it is written.
pub(super) fn unfinished_path(path: &Path) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name().unwrap_or_default());
    path.with_file_name(hidden).with_added_extension(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_name_their_folders_in_utc() {
        let cases = [
            (0, "dt=1970-01-01/hh=00"),
            (1_700_000_000_123_456_789, "dt=2023-11-14/hh=22"),
            (1_709_208_000_000_000_000 - 1, "dt=2024-02-29/hh=11"),
            (u64::MAX, "dt=2554-07-21/hh=23"),
        ];
        for (unix_ns, folder) in cases {
            let hour = Hour::of(unix_ns);
            assert_eq!(hour.folder(), Path::new(folder));
            let (dt, hh) = folder.split_once('/').unwrap();
            assert_eq!(Hour::from_folders(dt, hh), Some(hour));
        }
    }

    #[test]
    fn folders_with_other_names_are_no_hours() {
        let cases = [
            ("dt=2024-02-30", "hh=00"),
            ("dt=2024-02-01", "hh=24"),
            ("dt=2024-02-01", "hh=-1"),
            ("dt=2024-02-01", "hh=7"),
            ("dt=1969-12-31", "hh=23"),
            ("2024-02-01", "hh=07"),
            ("dt=2024-02-01T00:00", "hh=07"),
        ];
        for (dt, hh) in cases {
            assert_eq!(Hour::from_folders(dt, hh), None, "{dt}/{hh}");
        }
    }

    #[test]
    fn an_hour_overlaps_ranges_that_touch_it() {
        let hour = Hour::of(5 * HOUR_NS + 7);
        assert!(hour.overlaps(&(0..u64::MAX)));
        assert!(hour.overlaps(&(5 * HOUR_NS..5 * HOUR_NS + 1)));
        assert!(!hour.overlaps(&(0..5 * HOUR_NS)));
        assert!(!hour.overlaps(&(6 * HOUR_NS..u64::MAX)));
    }
}
