//! Control groups with a memory limit, version 1 or 2; removed when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use twintap_e2e::live;

/// A group is busy until the kernel has let go of what its processes had.
const REMOVAL_ATTEMPTS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Names of one version's files.
#[derive(Debug)]
struct Files {
    limit: &'static str,
    events: &'static str,
    peak: &'static str,
}

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    events: "memory.oom_control",
    peak: "memory.max_usage_in_bytes",
};
const VERSION_2: Files = Files {
    limit: "memory.max",
    events: "memory.events",
    peak: "memory.peak",
};

/// A group of its own.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    files: &'static Files,
}

impl Cgroup {
    /// With so much memory; `None`, said loudly, where that is not possible.
    pub(crate) fn with_memory(test: &str, bytes: u64) -> Option<Self> {
        let made = Self::make("/sys/fs/cgroup/memory", &VERSION_1, bytes).or_else(|first| {
            let made = Self::make("/sys/fs/cgroup", &VERSION_2, bytes);
            made.map_err(|second| format!("{first}; {second}"))
        });
        made.map_err(|reason| live::skip(test, &reason)).ok()
    }

    fn make(root: &str, files: &'static Files, bytes: u64) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(root).join(format!("twintap-test-{}-{number}", std::process::id()));
        let said = |error| format!("control group {}: {error}", path.display());
        fs::create_dir(&path).map_err(said)?;
        let group = Self {
            path: path.clone(),
            files,
        };
        fs::write(path.join(files.limit), bytes.to_string()).map_err(said)?;
        Ok(group)
    }

    /// Goes before a program that is to be in the group.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let procs = self.path.join("cgroup.procs");
        let script = "echo $$ >\"$0\" && exec \"$@\"";
        let procs = procs.to_string_lossy();
        ["sh", "-c", script, &procs].map(str::to_owned).to_vec()
    }

    /// Processes of the group that the kernel killed for want of memory.
    pub(crate) fn killed(&self) -> u64 {
        let text = self.read(self.files.events);
        let mut counts = text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        let count = counts.next().and_then(|count| count.parse().ok());
        count.unwrap_or_else(|| panic!("{}: {text}", self.files.events))
    }

    /// The most memory the group had, page cache and kernel's included.
    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        self.read(self.files.peak).trim().parse().ok()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap_or_default()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..REMOVAL_ATTEMPTS {
            match fs::remove_dir(&self.path) {
                Ok(()) => return,
                Err(_) => thread::sleep(REMOVAL_PAUSE),
            }
        }
        eprintln!("{} stays behind", self.path.display());
    }
}
