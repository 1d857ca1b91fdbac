//! A child process that cannot outlive its test, and what Linux counts about it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// V8 reserves more than this behind every linear memory.
const GUARD_BYTES_MIN: u64 = 3 << 30;

/// In which Linux counts CPU time (`USER_HZ`), on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// One line of `/proc/PID/maps`.
struct Mapping<'a> {
    start: u64,
    end: u64,
    access: &'a str,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            start: address(start)?,
            end: address(end)?,
            access: words.next()?,
        })
    }
}

/// A running program; killed by its pid when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with standard output and error going to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("log file opens");
        let error = file.try_clone().expect("log file is shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(error)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process that it started and that has this name, if there is one.
    pub fn child(&self, name: &str) -> Option<u32> {
        let processes = fs::read_dir("/proc").expect("/proc is mounted");
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_it = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let parent = format!("PPid:\t{}", self.pid());
            // Linux keeps 15 characters of a name.
            let name = format!("Name:\t{}", &name[..name.len().min(15)]);
            let mut lines = status.lines();
            lines.next() == Some(name.as_str()) && lines.any(|line| line == parent)
        };
        let mut pids = pids.filter(is_it);
        pids.next()
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("child can be waited for")
    }

    /// Waits for its end; panics when it does not come in time.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let (what, log) = (format!("{} ends", self.name), self.log.clone());
        let log = || String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
        wait::until_or(&what, within, log, async || self.exited()).await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .expect("pid is positive");
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("signal to {}: {error}", self.name));
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if self.exited().is_none() {
            self.child.kill().expect("child can be killed");
            self.child.wait().expect("child can be waited for");
        }
    }

    /// SIGTERM, and waits for the end; panics when it does not end in time.
    pub async fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let what = format!("{} ends after SIGTERM", self.name);
        wait::until(&what, within, async || self.exited()).await
    }

    /// CPU time of all its threads so far, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("process runs");
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// CPU time of all its threads, those that have ended too, to 10 ms; also after its end, until that is
    /// noticed.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("process runs");
        // The name may hold anything; what follows are numbers, from the third on.
        let (_, numbers) = stat.rsplit_once(") ").expect("a name");
        let mut ticks = numbers
            .split(' ')
            .skip(11)
            .map_while(|word| word.parse::<u64>().ok());
        let (user, system) = (ticks.next(), ticks.next());
        let ticks = user.zip(system).map(|(user, system)| user + system);
        Duration::from_millis(ticks.expect("two numbers") * 1000 / TICKS_PER_SECOND)
    }

    /// Resident memory, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    /// File descriptors that it has open, sockets and pipes too.
    pub fn open_files(&self) -> u64 {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("process runs");
        files.count() as u64
    }

    /// Its threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// Highest resident memory so far, in bytes.
    pub fn rss_peak_bytes(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    /// Sizes of its WebAssembly linear memories, in bytes.
    ///
    /// V8 reserves gigabytes of address space for each and makes the part in use accessible: the
    /// accessible mapping in front of each such reservation.
    pub fn wasm_memories(&self) -> Vec<u64> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid())).expect("process runs");
        let mappings: Vec<Mapping> = maps.lines().filter_map(Mapping::parse).collect();
        let pairs = mappings.windows(2).filter(|pair| {
            pair[0].end == pair[1].start
                && pair[0].access.starts_with("rw")
                && pair[1].access.starts_with("---")
                && pair[1].end - pair[1].start >= GUARD_BYTES_MIN
        });
        pairs.map(|pair| pair[0].end - pair[0].start).collect()
    }

    /// A number of its status; memory is in KiB.
    fn status(&self, key: &str) -> u64 {
        self.status_until_end(key)
            .unwrap_or_else(|| panic!("{} has no {key} any more:\n{}", self.name, self.log()))
    }

    /// The same; `None` when it has ended.
    fn status_until_end(&self, key: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A panic while dropping would hide the test's own.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
