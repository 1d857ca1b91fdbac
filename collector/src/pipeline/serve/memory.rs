//! A memory budget: limits that were chosen for a large machine are lowered on a small one, at the
//! start, so that what is too much is refused rather than the process killed.
//!
//! The budget is given, or three quarters of what the control group allows (version 1 or 2); the rest is
//! for the kernel's side of connections and for what the allocator cannot give back. Where there is
//! neither, nothing is lowered. Limits are never raised, and a batch of the largest size always fits.
//! Not bounded: a segment that an earlier run with more memory has left.

use std::fs;
use std::path::Path;

use tracing::info;

use super::Settings;

/// Of the budget, for batches that are read or wait for the disk.
const INGEST_PART: u64 = 12;
/// Of the budget, for a segment: publishing holds it several times over, as bytes, columns and pages.
const SEGMENT_PART: u64 = 24;
/// Of the budget, for connections.
const CONNECTIONS_PART: u64 = 8;
/// What a connection takes that sends nothing: buffers, the state of its task, the kernel's share.
const CONNECTION_BYTES: u64 = 24 << 10;
/// A control group without a limit says so with a number, in version 1.
const UNLIMITED_BYTES_MIN: u64 = 1 << 60;
/// Where the file system of control groups is.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

impl Settings {
    /// With limits that fit into `memory_bytes`; 0: into what the control group allows.
    #[must_use]
    pub fn within_memory(self, memory_bytes: u64) -> Self {
        let given = (memory_bytes > 0).then_some(memory_bytes);
        match given.or_else(|| Some(control_group_bytes()? / 4 * 3)) {
            Some(budget) => self.within(budget),
            None => self,
        }
    }

    fn within(mut self, budget: u64) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (limits, journal) = (&mut self.limits, &mut self.journal);
        let body = limits.body_bytes_max;
        let ingest = size(budget / INGEST_PART).max(body);
        let segment = (budget / SEGMENT_PART).max(body.try_into().unwrap_or(u64::MAX));
        let connections = size(budget / CONNECTIONS_PART / CONNECTION_BYTES).max(1);
        let is_enough = ingest >= limits.ingest_bytes_max
            && segment >= journal.segment_bytes_max
            && connections >= limits.connections_max;
        limits.ingest_bytes_max = limits.ingest_bytes_max.min(ingest);
        limits.connections_max = limits.connections_max.min(connections);
        journal.segment_bytes_max = journal.segment_bytes_max.min(segment);
        if !is_enough {
            info!(
                memory_bytes = budget,
                ingest_bytes_max = limits.ingest_bytes_max,
                segment_bytes_max = journal.segment_bytes_max,
                connections_max = limits.connections_max,
                "lowered limits to fit into memory"
            );
        }
        self
    }
}

/// What the control group of this process, and those above it, allow.
fn control_group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    allowed(&groups, Path::new(CONTROL_GROUPS))
}

/// The smallest limit, given `/proc/self/cgroup` and where its file systems are mounted.
fn allowed(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let path = Path::new(path.trim_start_matches('/'));
        let limit = |folder| -> Option<u64> {
            let text = fs::read_to_string(root.join(folder).join(file)).ok()?;
            let bytes = text.trim().parse().ok()?;
            (bytes < UNLIMITED_BYTES_MIN).then_some(bytes)
        };
        path.ancestors().filter_map(limit).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers};

    fn settings() -> Settings {
        Settings::from(&Config::from_layers(&Layers::default()).unwrap())
    }

    #[test]
    fn little_memory_lowers_limits_and_much_raises_none() {
        let (given, little) = (settings(), settings().within(192 << 20));
        assert_eq!(little.limits.ingest_bytes_max, 16 << 20);
        assert_eq!(little.journal.segment_bytes_max, 8 << 20);
        assert_eq!(little.limits.connections_max, given.limits.connections_max);
        let much = settings().within(1 << 40);
        assert_eq!(much.limits.ingest_bytes_max, given.limits.ingest_bytes_max);
        assert_eq!(
            much.journal.segment_bytes_max,
            given.journal.segment_bytes_max
        );
    }

    #[test]
    fn the_largest_batch_fits_into_any_memory() {
        let least = settings().within(1);
        assert_eq!(least.limits.ingest_bytes_max, least.limits.body_bytes_max);
        assert_eq!(least.journal.segment_bytes_max, 4 << 20);
        assert_eq!(least.limits.connections_max, 1);
    }

    #[test]
    fn the_smallest_limit_of_a_group_and_those_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("pod/memory.max", "268435456\n");
        write("pod/container/memory.max", "max\n");
        assert_eq!(
            allowed("0::/pod/container\n", root.path()),
            Some(268_435_456)
        );
        assert_eq!(allowed("0::/other\n", root.path()), None);
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/job/memory.limit_in_bytes", "1048576\n");
        let groups = "4:cpu,memory:/job\n3:cpuset:/job\n0::/pod\n";
        assert_eq!(allowed(groups, root.path()), Some(1_048_576));
        assert_eq!(allowed("4:memory:/\n", root.path()), None);
    }
}
