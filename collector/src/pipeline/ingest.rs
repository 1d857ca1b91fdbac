//! Captures to calls: reads, rebuilds on several cores, writes.
//!
//! ```text
//! reader (this thread) ──▶ queue a worker ──▶ workers ──▶ queue ──▶ writer thread
//! packets to segments      (4 chunks)         calls       (8)       Parquet or lines
//! ```
//!
//! All of a connection goes to one worker. Calls whose method was not captured are held, since what
//! names them may be learnt later, by any worker: to the end, or for a while if the source is live.
//!
//! Whoever fails takes the others down: a queue whose other
//! end is gone ends its user. What was written before stays.

mod ingested;
mod line_clock;
mod order;
mod progress;
mod reading;
mod servers;
mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use twintap_decode::exchange::Exchange;
use twintap_decode::link::LinkConfig;
use twintap_decode::tls::KeyLog;
use twintap_filter::methods::Methods;

use order::Order;
use reading::Reading;
use servers::Servers;

use super::spawn;
use crate::call::{Call, Certainty, Observer, from_exchange};
use crate::clock::Clock;
use crate::report::call_line;
use crate::sources::capture::learn::{Descriptors, Held, Learner};
use crate::sources::capture::{Chunk, Parcel, Sorter, Source, Wanted, Watched, Watcher};

/// Chunks that wait for one worker.
const WORKER_QUEUE_CHUNKS: usize = 4;
/// Batches of calls that wait to be written.
const WRITER_QUEUE_BATCHES: usize = 8;
/// A batch is handed on when its calls weigh this much.
const BATCH_BYTES_MAX: usize = 1 << 20;

pub use ingested::{IngestError, Ingested};
pub use order::{OutOfOrder, Swapped};
pub use progress::{CallCounts, OnProgress, Progress};
pub use servers::ServersSeen;
pub use writer::{Output, ParquetOutput, Rotation};

/// What to ingest, and how.
#[derive(Debug)]
pub struct Settings {
    /// Captures, in the order of their packets.
    pub inputs: Vec<Source>,
    /// Threads that rebuild calls, at least 1.
    pub workers_count: usize,
    /// What is known of links.
    pub link: LinkConfig,
    /// Ports of wanted connections, of either endpoint; none: whatever turns out to be HTTP/2.
    pub ports: Vec<u16>,
    /// Secrets of TLS connections, besides those that come with the packets.
    pub key_log: Arc<KeyLog>,
    /// Which methods are wanted.
    pub methods: Methods,
    /// Services that calls may be of, to name those whose method was not captured.
    pub descriptors: Option<Descriptors>,
    /// What the capture does not know.
    pub observer: Observer,
    /// How far it is, for others to look at.
    pub progress: Arc<Progress>,
    /// Told of progress: after each chunk, and while a live capture is quiet.
    pub on_progress: OnProgress,
    /// Set to end early, as if the capture ended.
    pub stop: Arc<AtomicBool>,
    /// Tells how long calls have waited.
    pub clock: Arc<dyn Clock>,
}

/// Ingests; blocks until all is written.
pub fn ingest(settings: Settings, output: Output) -> Result<Ingested, IngestError> {
    let workers_count = settings.workers_count.max(1);
    let wanted = wanted(&settings);
    let plan = Arc::new(Plan {
        servers: Servers::new(&settings.observer.roles),
        observer: settings.observer,
        methods: settings.methods,
        form: match output {
            Output::Parquet(_) => Form::Calls,
            Output::Lines(_) => Form::Lines,
            Output::Nowhere => Form::Nothing,
        },
        numbers: AtomicU64::new(1),
        progress: Arc::clone(&settings.progress),
        clock: Arc::clone(&settings.clock),
    });
    let learner = Arc::new(Learner::new(settings.descriptors));
    let is_live = settings.inputs.iter().any(Source::may_be_live);
    let (products, received) = sync_channel(WRITER_QUEUE_BATCHES);
    let clock = settings.clock;
    let writer =
        spawn("writer", move || output.write(&received, &clock)).map_err(IngestError::Thread)?;
    let mut queues = Vec::with_capacity(workers_count);
    let mut workers = Vec::with_capacity(workers_count);
    for index in 0..workers_count {
        let (queue, work) = sync_channel(WORKER_QUEUE_CHUNKS);
        let (plan, products) = (Arc::clone(&plan), products.clone());
        let (key_log, wanted) = (Arc::clone(&settings.key_log), wanted.clone());
        let held = Held::new(Arc::clone(&learner), is_live, workers_count);
        let worker = spawn("worker", move || {
            let watcher = Watcher::new(index, workers_count);
            let watcher = watcher.with_key_log(key_log).with_wanted(wanted);
            rebuild(watcher, held, &work, &plan, &products)
        });
        workers.push(worker.map_err(IngestError::Thread)?);
        queues.push(queue);
    }

    let mut reading = Reading {
        sorter: Sorter::new(settings.link, settings.ports, workers_count),
        queues,
        ingested: Ingested::default(),
        is_over: false,
        stop: settings.stop,
        progress: settings.progress,
        on_progress: settings.on_progress,
        ends_at_stop: true,
        line: None,
        order: Order::default(),
    };
    reading.all(settings.inputs);
    let mut ingested = reading.finish();
    // All are waited for before any failure is told: what can be written is.
    let is_any_gone = !gather(workers, &plan, &products, &mut ingested);
    ingested.unlearnt = learner.unlearnt();
    ingested.servers = plan.servers.seen();
    drop(products);
    writer.join().map_err(|_| IngestError::Ended("writer"))??;
    if is_any_gone {
        return Err(IngestError::Ended("worker"));
    }
    Ok(ingested)
}

/// Adds what all workers did, once they have ended; `false` if one did not end by itself.
fn gather(
    workers: Vec<JoinHandle<(Watched, CallCounts, Held)>>,
    plan: &Plan,
    products: &SyncSender<Product>,
    ingested: &mut Ingested,
) -> bool {
    let workers: Vec<_> = workers.into_iter().map(JoinHandle::join).collect();
    let mut are_all_there = true;
    for worker in workers {
        let Ok((watched, mut calls, held)) = worker else {
            are_all_there = false;
            continue;
        };
        // Now all is learnt that there is to learn.
        let (exchanges, names) = held.finish();
        hand_on(exchanges, plan, products, &mut calls);
        ingested.watched.add(&watched);
        ingested.calls.add(&calls);
        ingested.names.add(&names);
    }
    are_all_there
}

/// The servers that were asked for by port or role.
fn wanted(settings: &Settings) -> Wanted {
    let ports = settings.ports.clone();
    let roles = settings.observer.roles.clone();
    Wanted::new(move |server| {
        let has_role = roles.iter().any(|(pattern, _)| pattern.matches(server));
        has_role || ports.contains(&server.port())
    })
}

/// What all workers share.
struct Plan {
    observer: Observer,
    servers: Servers,
    methods: Methods,
    form: Form,
    /// The next record number.
    numbers: AtomicU64,
    progress: Arc<Progress>,
    /// Tells how long calls were held.
    clock: Arc<dyn Clock>,
}

/// What workers make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Calls,
    Lines,
    Nothing,
}

/// What one worker is given, in the order of the capture but for a chunk's secrets, which come before
/// its segments.
enum Work {
    /// Segments, and the chunk they are places in.
    Segments {
        chunk: Chunk,
        parcels: Vec<Parcel>,
        /// What time it is behind them, on a live line.
        now_unix_ns: Option<u64>,
    },
    /// Lines of a key log. Each worker keeps its own, so that what it does is a matter of the capture
    /// and not of who is first.
    Secrets(Arc<[u8]>),
}

/// What workers hand to the writer.
enum Product {
    /// And what they weigh together.
    Calls(Vec<Call>, usize),
    Lines(Vec<u8>),
}

/// Work of one worker until there is no more. Gives back what it still holds, since others may learn
/// more.
fn rebuild(
    mut watcher: Watcher,
    mut held: Held,
    work: &Receiver<Work>,
    plan: &Plan,
    products: &SyncSender<Product>,
) -> (Watched, CallCounts, Held) {
    let mut counts = CallCounts::default();
    loop {
        let ready = match next(work, held.due_at(), plan) {
            Next::Work(Work::Segments {
                chunk,
                parcels,
                now_unix_ns,
            }) => {
                for parcel in &parcels {
                    watcher.segment(&parcel.segment(&chunk));
                }
                if let Some(now_unix_ns) = now_unix_ns {
                    watcher.advance(now_unix_ns);
                }
                drop(chunk);
                held.pass(watcher.take(), plan.clock.monotonic())
            }
            Next::Work(Work::Secrets(lines)) => {
                watcher.secrets(&lines);
                continue;
            }
            Next::Due => held.pass(VecDeque::new(), plan.clock.monotonic()),
            Next::End => break,
        };
        if !hand_on(ready, plan, products, &mut counts) {
            break;
        }
    }
    let (exchanges, watched) = watcher.finish();
    let ready = held.pass(exchanges, plan.clock.monotonic());
    hand_on(ready, plan, products, &mut counts);
    (watched, counts, held)
}

/// What a worker does next.
enum Next {
    Work(Work),
    /// Calls were held for long enough.
    Due,
    End,
}

fn next(work: &Receiver<Work>, due_at: Option<Duration>, plan: &Plan) -> Next {
    let Some(due_at) = due_at else {
        return work.recv().map_or(Next::End, Next::Work);
    };
    match work.recv_timeout(due_at.saturating_sub(plan.clock.monotonic())) {
        Ok(work) => Next::Work(work),
        Err(RecvTimeoutError::Timeout) => Next::Due,
        Err(RecvTimeoutError::Disconnected) => Next::End,
    }
}

/// Makes calls and sends them to the writer; `false` if it is gone.
fn hand_on(
    exchanges: VecDeque<Box<Exchange>>,
    plan: &Plan,
    products: &SyncSender<Product>,
    counts: &mut CallCounts,
) -> bool {
    if exchanges.is_empty() {
        return true;
    }
    let mut new = CallCounts::default();
    let goes_on = make_calls(exchanges, plan, products, &mut new);
    counts.add(&new);
    plan.progress.add(&new);
    goes_on
}

fn make_calls(
    exchanges: VecDeque<Box<Exchange>>,
    plan: &Plan,
    products: &SyncSender<Product>,
    counts: &mut CallCounts,
) -> bool {
    let (mut calls, mut lines, mut weight) = (Vec::new(), Vec::new(), 0);
    let servers = exchanges.iter().filter_map(|it| it.server_address());
    plan.servers.add(servers.collect());
    for exchange in exchanges {
        let number = plan.numbers.fetch_add(1, Ordering::Relaxed);
        let call = from_exchange(&plan.observer, *exchange, number);
        let is_sure = call.method_certainty == Certainty::Seen;
        if is_sure && !plan.methods.recorded(call.rpc_method.as_bytes()) {
            counts.excluded += 1;
            continue;
        }
        counts.written += 1;
        counts.incomplete += u64::from(call.incomplete);
        counts.with_gap += u64::from(call.gap);
        match plan.form {
            Form::Calls => {
                weight += call.weight(call.bytes_count());
                calls.push(call);
            }
            // Writing into memory cannot fail, and no key of the line is anything but text.
            Form::Lines => drop(call_line::append(&call, &mut lines)),
            Form::Nothing => {}
        }
        let is_full = weight.max(lines.len()) >= BATCH_BYTES_MAX;
        if is_full && !send(&mut calls, &mut weight, &mut lines, products) {
            return false;
        }
    }
    send(&mut calls, &mut weight, &mut lines, products)
}

/// Sends what there is; `false` if the writer is gone.
fn send(
    calls: &mut Vec<Call>,
    weight: &mut usize,
    lines: &mut Vec<u8>,
    products: &SyncSender<Product>,
) -> bool {
    let product = match (calls.is_empty(), lines.is_empty()) {
        (true, true) => return true,
        (false, _) => Product::Calls(std::mem::take(calls), std::mem::take(weight)),
        (true, false) => Product::Lines(std::mem::take(lines)),
    };
    products.send(product).is_ok()
}
