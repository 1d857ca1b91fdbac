//! Every Nth system call of one ingest, seal, publish and delete cycle fails, in every way.
//!
//! For each kind of call in each thread that writes, cases run with N = 1, 2, 3, ... until one ends
//! with the call not reached: so there is no N that was left out. The start is a thread of its own,
//! traced from its first call.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use twintap_e2e::loopback;

use crate::batch::Batch;
use crate::collector::{Collector, Place};
use crate::figures::Figures;
use crate::full_or;
use crate::oracle::{Oracle, Verdict};
use crate::parallel;
use crate::random::Random;
use crate::strace::{self, Attached, Calls, Fault, Trace};

/// Batches of a cycle; two fill a segment.
const BATCHES: u64 = 4;
const BATCH_RECORDS: u64 = 5;
/// Refusals in a cycle after which it ends.
const REFUSALS_MAX: u32 = 20;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(20);
/// A cycle has far fewer calls of a kind.
const NTH_MAX: u64 = 200;

// One of a set exists on each kind of processor. Calls that are used side by side are not one set:
// strace counts each for itself.
const RENAMES: &str = "?rename,?renameat,?renameat2";
const REMOVALS: &str = "?unlink,?unlinkat";
const OPENS: &str = "?open,openat";
const FOLDERS: &str = "?mkdir,?mkdirat";

/// Every kind of call by which the journal or the publisher changes the disk.
const RUNNING: &[Calls] = &[
    calls("journal", "writev", None),
    // Otherwise `write` is how it wakes the runtime.
    calls("journal", "write", Some("accounting.json.tmp")),
    calls("journal", "fdatasync", None),
    calls("journal", "fsync", None),
    calls("journal", RENAMES, None),
    calls("journal", REMOVALS, None),
    calls("journal", OPENS, None),
    calls("publisher", "write", None),
    calls("publisher", "pwrite64", None),
    calls("publisher", "fsync", None),
    calls("publisher", RENAMES, None),
    calls("publisher", OPENS, None),
    calls("publisher", FOLDERS, None),
];

/// The same of the thread that starts everything.
const STARTING: &[Calls] = &[
    calls("twintap", "write", None),
    calls("twintap", "writev", None),
    calls("twintap", "fsync", None),
    calls("twintap", "fdatasync", None),
    calls("twintap", RENAMES, None),
    calls("twintap", REMOVALS, None),
    calls("twintap", OPENS, None),
    calls("twintap", FOLDERS, None),
    calls("twintap", "ftruncate", None),
];

const fn calls(thread: &'static str, set: &'static str, file: Option<&'static str>) -> Calls {
    Calls { thread, set, file }
}

/// One failing call.
#[derive(Clone, Copy, Debug)]
struct Case {
    calls: Calls,
    nth: u64,
    fault: Fault,
}

/// What came of a case in which the call was reached.
struct Outcome {
    verdict: Verdict,
    restart: Duration,
}

fn place() -> Place {
    // What fails for good is given up when the collector ends.
    Place::new(&[
        "publish_interval=100ms",
        "segment_records_max=10",
        "drain_timeout=2s",
    ])
}

fn batches() -> impl Iterator<Item = Batch> {
    (1..=BATCHES).map(|sequence| Batch {
        producer: 0,
        sequence,
        records: BATCH_RECORDS,
        message_bytes: 0,
    })
}

impl Case {
    /// A cycle with a call that fails; `None` if there are fewer such calls.
    async fn run(self) -> Option<Outcome> {
        let what = format!("{self:?}");
        let (place, oracle) = (place(), Oracle::default());
        let (mut collector, _) = place.start().await;
        let trace = place.file("trace");
        let data_dir = place.data_dir();
        let arguments = strace::arguments(&self.calls, self.nth, self.fault, &data_dir, &trace);
        let log = place.file("strace.log");
        let pid = collector.process.pid();
        let attached = Attached::to(pid, &self.calls, arguments, &log).await;
        cycle(&mut collector, &oracle).await;
        let status = collector.ended_by(Signal::TERM).await;
        let trace = attached.ended().await;
        if !trace.is_hit(self.fault) {
            assert!(status.success(), "{what}: {status}\n{}", collector.log());
            return None;
        }
        self.check(&collector, status, &trace, &oracle);
        Some(self.judge(&place, &oracle).await)
    }

    /// A start with a call that fails, after a collector was killed while it had work.
    async fn run_start(self, place: Place, oracle: Oracle) -> Outcome {
        let trace = place.file("trace");
        let data_dir = place.data_dir();
        let arguments = strace::arguments(&self.calls, self.nth, self.fault, &data_dir, &trace);
        let mut tracer = vec!["strace".to_owned(), "-q".to_owned()];
        tracer.extend(arguments);
        let mut collector = place.spawn(&tracer);
        // It may have coped.
        if collector.ready().await.is_ok() {
            let program = collector.process.child("twintap");
            collector.terminate_traced(program).await;
        }
        let trace = Trace::read(&trace);
        assert!(trace.is_hit(self.fault), "{self:?} was not reached");
        self.judge(&place, &oracle).await
    }

    /// What it did in the moment of the failure.
    fn check(self, collector: &Collector, status: ExitStatus, trace: &Trace, oracle: &Oracle) {
        let what = format!("{self:?}, {:?}, {status}", trace.injected());
        let complaints = collector.complaints();
        if self.fault == Fault::Kill {
            return;
        }
        let is_log = trace
            .injected()
            .is_some_and(|call| call.contains("twintap.log>"));
        assert!(is_log || !complaints.is_empty(), "{what}: nothing was said");
        if self.calls.thread == "journal" && self.calls.set == "fdatasync" && !status.success() {
            // One sync per group, and one group per batch, as they come one after the other.
            let acknowledged = oracle.acknowledged() / BATCH_RECORDS;
            assert!(acknowledged <= trace.succeeded(), "{what}: {acknowledged}");
            let is_said = complaints
                .iter()
                .any(|line| line.contains("accepting nothing more"));
            assert!(is_said, "{what}: {complaints:?}");
        }
    }

    /// Without help, everything that was acknowledged is there, and the rest is taken.
    async fn judge(self, place: &Place, oracle: &Oracle) -> Outcome {
        let restart = place.settle(oracle).await;
        let verdict = oracle.judge(place, &format!("{self:?}"));
        assert_eq!(verdict.records, verdict.acknowledged, "{self:?}");
        Outcome { verdict, restart }
    }
}

/// Posts the batches in order; each until it is taken, or the collector is gone.
async fn cycle(collector: &mut Collector, oracle: &Oracle) {
    let mut client = collector.client();
    let mut refusals = 0;
    for batch in batches() {
        loop {
            match client.post(batch, oracle).await {
                Ok(answer) if answer.status.is_success() => break,
                _ if collector.process.exited().is_some() => return,
                _ if refusals >= REFUSALS_MAX => return,
                _ => tokio::time::sleep(ATTEMPT_PAUSE).await,
            }
            refusals += 1;
        }
    }
}

/// All N for one kind of call and one fault: every `stride`th, from `first`.
async fn all_of(calls: Calls, fault: Fault, first: u64, stride: u64) -> Vec<Outcome> {
    let mut outcomes = vec![];
    for nth in (first..NTH_MAX).step_by(usize::try_from(stride).expect("small")) {
        let case = Case { calls, nth, fault };
        match case.run().await {
            Some(outcome) => outcomes.push(outcome),
            None => return outcomes,
        }
    }
    panic!("{calls:?}: no end of calls");
}

#[test]
fn every_failing_call_of_a_cycle_costs_nothing_acknowledged() {
    if !strace::is_possible("failing system calls of a cycle") {
        return;
    }
    let mut random = Random::of_run("failing calls");
    let mut figures = Figures::new(
        "failing calls",
        "SIGKILL, EIO once or for good, ENOSPC at each write, fsync, rename, unlink, open and mkdir \
         of a cycle",
        random.seed(),
    );
    let stride = full_or(1, 4);
    let mut kinds = vec![];
    for calls in RUNNING.iter().copied() {
        kinds.extend(Fault::ALL.map(|fault| (calls, fault, 1 + random.below(stride))));
    }
    let outcomes = parallel::all(kinds, async |(calls, fault, first)| {
        all_of(calls, fault, first, stride).await
    });
    for outcome in outcomes.into_iter().flatten() {
        figures.add(1, outcome.verdict, outcome.restart);
    }
    figures.keep();
}

/// What a collector leaves that is killed with records in the journal and on their way to Parquet.
async fn interrupted() -> (Place, Oracle) {
    let (place, oracle) = (place(), Oracle::default());
    let (mut collector, _) = place.start().await;
    cycle(&mut collector, &oracle).await;
    collector.ended_by(Signal::KILL).await;
    leave_unfinished(&place.data_dir());
    (place, oracle)
}

/// The same again, so that starts on it make the same calls.
fn replica(template: &Place) -> Place {
    // Its log may be among what fails.
    let place = place().listening_on(loopback::own());
    copy(&template.data_dir(), &place.data_dir());
    place
}

fn copy(from: &Path, to: &Path) {
    let private = DirBuilder::new().mode(0o700).create(to);
    private.expect("a new folder");
    for entry in fs::read_dir(from)
        .expect("the folder is readable")
        .flatten()
    {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).expect("the file is readable")),
        }
    }
}

/// A torn end of the journal and a half-written part, as they are after a crash at the worst moment.
fn leave_unfinished(data_dir: &Path) {
    let journal = fs::read_dir(data_dir.join("journal")).expect("there is a journal");
    let newest = journal.filter_map(|entry| Some(entry.ok()?.path())).max();
    let newest = newest.expect("it has a segment");
    let file = fs::File::options().append(true).open(newest);
    file.and_then(|mut file| file.write_all(b"torn"))
        .expect("the segment is a file");
    let hour = data_dir.join("calls/v1/dt=2026-01-01/hh=00");
    fs::create_dir_all(&hour).expect("the dataset's folder");
    fs::write(hour.join(".part-0.parquet.tmp"), "half").expect("a file in it");
}

#[test]
fn every_failing_call_of_a_start_costs_nothing_acknowledged() {
    if !strace::is_possible("failing system calls of a start") {
        return;
    }
    let mut random = Random::of_run("failing start");
    let mut figures = Figures::new(
        "failing start",
        "the same at each such call of a start after a crash",
        random.seed(),
    );
    let stride = full_or(1, 4);
    let runtime = parallel::runtime();
    let (template, oracle) = runtime.block_on(interrupted());
    let mut cases = vec![];
    for calls in STARTING.iter().copied() {
        for nth in runtime.block_on(reached_by_a_start(calls, replica(&template))) {
            cases.extend(Fault::ALL.map(|fault| Case { calls, nth, fault }));
        }
    }
    // With `write` this thread also wakes the runtime, which no disk can keep it from.
    let is_disk = |case: &Case| case.fault != Fault::EioForGood || case.calls.set != "write";
    cases.retain(|case| is_disk(case) && random.below(stride) == 0);
    let outcomes = parallel::all(cases, async |case| {
        case.run_start(replica(&template), oracle.replica()).await
    });
    for outcome in outcomes {
        figures.add(1, outcome.verdict, outcome.restart);
    }
    figures.keep();
}

/// Which of its calls touch the data directory; the others load libraries.
async fn reached_by_a_start(calls: Calls, place: Place) -> Vec<u64> {
    let trace = place.file("trace");
    let data_dir = place.data_dir();
    let mut tracer = vec!["strace".to_owned(), "-q".to_owned()];
    let beyond = u64::from(u16::MAX);
    tracer.extend(strace::arguments(
        &calls,
        beyond,
        Fault::Eio,
        &data_dir,
        &trace,
    ));
    let mut collector = place.spawn(&tracer);
    let ready = collector.ready().await;
    assert!(
        ready.is_ok(),
        "a start without a fault:\n{}",
        collector.log()
    );
    let program = collector.process.child("twintap");
    collector.terminate_traced(program).await;
    Trace::read(&trace).calls_on(&data_dir)
}
