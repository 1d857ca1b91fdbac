//! Failing system calls, from outside: `strace --inject` on single threads of the collector.
//!
//! strace counts calls per thread, so it is attached to the one thread that a case is about: sockets
//! and the runtime's own calls are never hit. Its trace says what was injected, and what came before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use twintap_e2e::process::Process;
use twintap_e2e::{live, wait};

const ATTACHED_WITHIN: Duration = Duration::from_secs(30);

/// What happens to a system call instead of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed before the call does anything.
    Kill,
    /// The disk failed.
    Eio,
    /// The same, and so does every such call from then on.
    EioForGood,
    /// The disk is full.
    Enospc,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Kill, Self::Eio, Self::EioForGood, Self::Enospc];

    fn action(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::Eio | Self::EioForGood => "error=EIO",
            Self::Enospc => "error=ENOSPC",
        }
    }

    /// Which calls, as strace takes it.
    fn when(self, nth: u64) -> String {
        match self {
            Self::EioForGood => format!("when={nth}+"),
            _ => format!("when={nth}"),
        }
    }
}

/// System calls of one kind, in one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    /// The thread's name.
    pub(crate) thread: &'static str,
    /// As strace takes it.
    pub(crate) set: &'static str,
    /// Only on this file of the data directory.
    pub(crate) file: Option<&'static str>,
}

/// The arguments that inject `fault` into the `nth` of `calls`, and nothing else.
pub(crate) fn arguments(
    calls: &Calls,
    nth: u64,
    fault: Fault,
    data_dir: &Path,
    trace: &Path,
) -> Vec<String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut arguments = vec![
        "-y".to_owned(),
        "-o".to_owned(),
        text(trace.to_owned()),
        format!("--trace={}", calls.set),
        format!(
            "--inject={}:{}:{}",
            calls.set,
            fault.action(),
            fault.when(nth)
        ),
    ];
    if let Some(file) = calls.file {
        arguments.extend(["-P".to_owned(), text(data_dir.join(file))]);
    }
    arguments
}

/// The arguments that make each of `calls` take longer by `delay` before it does anything.
pub(crate) fn delays(calls: &Calls, delay: Duration, trace: &Path) -> Vec<String> {
    vec![
        "-y".to_owned(),
        "-o".to_owned(),
        trace.to_string_lossy().into_owned(),
        format!("--trace={}", calls.set),
        format!("--inject={}:delay_enter={}", calls.set, delay.as_micros()),
    ]
}

/// strace, attached to a thread of a running collector; ends with it.
#[derive(Debug)]
pub(crate) struct Attached {
    strace: Process,
    trace: PathBuf,
}

impl Attached {
    /// Attaches to the thread `calls` names of the process `pid`, and waits until that is done.
    pub(crate) async fn to(
        pid: u32,
        calls: &Calls,
        mut arguments: Vec<String>,
        log: &Path,
    ) -> Self {
        let trace = PathBuf::from(&arguments[2]);
        arguments.extend(["-p".to_owned(), thread(pid, calls.thread).await.to_string()]);
        let mut command = Command::new("strace");
        let mut strace = Process::start("strace", command.args(arguments), log);
        wait::until_true("strace is attached", ATTACHED_WITHIN, async || {
            let log = strace.log();
            assert!(strace.exited().is_none(), "strace: {log}");
            log.contains("attached")
        })
        .await;
        Self { strace, trace }
    }

    /// Lets the thread go.
    pub(crate) async fn detach(mut self) -> Trace {
        self.strace.signal(Signal::TERM);
        self.strace.ended(ATTACHED_WITHIN).await;
        Trace::read(&self.trace)
    }

    /// What it has seen, when the collector is gone.
    pub(crate) async fn ended(mut self) -> Trace {
        self.strace.ended(ATTACHED_WITHIN).await;
        Trace::read(&self.trace)
    }
}

/// Lines of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Trace(String);

impl Trace {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        Self(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Positions, from 1, of the calls that touch `folder`.
    pub(crate) fn calls_on(&self, folder: &Path) -> Vec<u64> {
        let folder = folder.to_string_lossy();
        let calls = self.calls().zip(1..);
        let calls = calls.filter(|(line, _)| line.contains(folder.as_ref()));
        calls.map(|(_, position)| position).collect()
    }

    /// Calls that were made.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &str> {
        // Else it is a signal or the end.
        let lines = self.0.lines();
        lines.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
    }

    /// Was the fault reached?
    pub(crate) fn is_hit(&self, fault: Fault) -> bool {
        match fault {
            Fault::Kill => self.0.contains("killed by SIGKILL"),
            _ => self.0.contains("(INJECTED)"),
        }
    }

    /// The call that failed.
    pub(crate) fn injected(&self) -> Option<&str> {
        let is_one = |line: &&str| line.contains("(INJECTED)");
        self.calls().find(is_one).or(self.calls().last())
    }

    /// Calls that did what they were to do.
    pub(crate) fn succeeded(&self) -> u64 {
        let done = self.calls().filter(|line| line.contains(") = 0"));
        done.count() as u64
    }
}

/// The thread of `pid` with this name, which a thread gives itself when it begins.
async fn thread(pid: u32, name: &str) -> u32 {
    let what = format!("process {pid} has a thread {name}");
    wait::until(&what, ATTACHED_WITHIN, async || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
        let mut threads = threads.filter_map(|entry| {
            let folder = entry.ok()?.path();
            let found = fs::read_to_string(folder.join("comm")).ok()?;
            let id = folder.file_name()?.to_str()?.parse().ok()?;
            (found.trim_end() == name).then_some(id)
        });
        threads.next()
    })
    .await
}

/// May programs be traced here? If not, says loudly that `test` is skipped, and why.
pub(crate) fn is_possible(test: &str) -> bool {
    let arguments = ["-o", "/dev/null", "--inject=fsync:error=EIO", "true"];
    let reason = match Command::new("strace").args(arguments).output() {
        Err(error) => format!("strace: {error}: on Debian, apt-get install strace"),
        Ok(output) if !output.status.success() => {
            String::from_utf8_lossy(&output.stderr).trim().to_owned()
        }
        Ok(_) => match attaches() {
            Ok(()) => return true,
            Err(reason) => reason,
        },
    };
    live::skip(test, &reason);
    false
}

/// Where only children may be traced, attaching fails.
fn attaches() -> Result<(), String> {
    let mut child = Command::new("sleep")
        .arg("60")
        .spawn()
        .map_err(|error| error.to_string())?;
    let attempt = Command::new("timeout")
        .args([
            "1",
            "strace",
            "-o",
            "/dev/null",
            "-p",
            &child.id().to_string(),
        ])
        .output();
    child
        .kill()
        .and_then(|()| child.wait())
        .map_err(|error| error.to_string())?;
    let errors = attempt.map_err(|error| error.to_string())?.stderr;
    let errors = String::from_utf8_lossy(&errors).trim().to_owned();
    match errors.contains("attached") {
        true => Ok(()),
        false => Err(errors),
    }
}
