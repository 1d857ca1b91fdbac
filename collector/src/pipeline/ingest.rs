//! Captures to calls: reads, rebuilds on several cores, writes.
//!
//! ```text
//! reader (this thread) ──▶ shards ──▶ rebuilders ──▶ queue ──▶ writer thread
//! packets to segments      (4 for     calls          (4)       Parquet or lines
//!                          each)
//! ```
//!
//! All of a connection goes to one shard, and each thread takes the shard that has most to do, its own first: also
//! the one that reads, if all inputs are files. Calls whose method was not captured are held, since what
//! names them may be learnt later, by any worker: to the end, or for a while if the source is live.
//!
//! Whoever fails takes the others down: shards that are over, and a queue whose other
//! end is gone, end their users. What was written before stays.

mod ingested;
mod line_clock;
mod order;
mod progress;
mod reading;
mod rebuilder;
mod servers;
mod shards;
mod writer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use twintap_decode::exchange::Exchange;
use twintap_decode::link::LinkConfig;
use twintap_decode::tls::KeyLog;
use twintap_filter::methods::Methods;

use order::Order;
use reading::Reading;
use rebuilder::Rebuilder;
use servers::Servers;
use shards::{EndAtDrop, Shards};

use super::spawn;
use crate::call::{Addresses, Call, Certainty, Observer, from_exchange};
use crate::clock::Clock;
use crate::report::call_line;
use crate::sources::capture::learn::{Descriptors, Held, LIVE_DELAY_MAX, Learner, Room};
use crate::sources::capture::{Sorter, Source, Wanted, Watched, Watcher};

/// Shards for each of several threads: connections are not equal, and what one thread is late with others do.
const SHARDS_PER_THREAD: usize = 2;
/// Batches of calls that wait to be written.
const WRITER_QUEUE_BATCHES: usize = 4;
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
    /// Threads that rebuild calls, at least 1; the caller's is one of them if all inputs are files.
    pub threads_count: usize,
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
    let wanted = wanted(&settings);
    let plan = Arc::new(Plan {
        servers: Servers::new(&settings.observer.roles),
        observer: settings.observer,
        methods: settings.methods,
        excluded_method: OnceLock::new(),
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
    let held_for = is_live.then_some(LIVE_DELAY_MAX);
    let threads_count = settings.threads_count.max(1);
    let shards_count = match threads_count {
        1 => 1,
        _ => threads_count * SHARDS_PER_THREAD,
    };
    let room = Arc::new(Room::new(shards_count));
    let (products, received) = sync_channel(WRITER_QUEUE_BATCHES);
    let clock = Arc::clone(&settings.clock);
    let writer =
        spawn("writer", move || output.write(&received, &clock)).map_err(IngestError::Thread)?;
    let rebuilders = (0..shards_count).map(|index| {
        let watcher = Watcher::new(index, shards_count)
            .with_key_log(Arc::clone(&settings.key_log))
            .with_wanted(wanted.clone());
        Rebuilder {
            watcher: Some(watcher),
            watched: Watched::default(),
            held: Held::new(Arc::clone(&learner), held_for, Arc::clone(&room)),
            counts: CallCounts::default(),
            plan: Arc::clone(&plan),
            products: products.clone(),
        }
    });
    let shards = Arc::new(Shards::new(rebuilders, threads_count, settings.clock));
    // Of what comes by a pipe, packets may be lost where nobody reads it.
    let helps = settings.inputs.iter().all(Source::is_file);
    let ending = EndAtDrop(&shards);
    let mut threads = Vec::with_capacity(threads_count);
    for index in usize::from(helps)..threads_count {
        let at_work = Arc::clone(&shards);
        let thread = spawn("rebuild", move || at_work.run(index));
        threads.push(thread.map_err(IngestError::Thread)?);
    }

    let mut reading = Reading {
        sorter: Sorter::new(settings.link, settings.ports, shards_count),
        shards: Arc::clone(&shards),
        shards_count,
        helps,
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
    shards.run(0);
    drop(ending);
    let joined: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
    let are_all_done = joined.iter().all(Result::is_ok);
    let is_any_gone =
        !gather(shards.take_workers(), &plan, &products, &mut ingested) || !are_all_done;
    ingested.unlearnt = learner.unlearnt();
    ingested.servers = plan.servers.seen();
    ingested.excluded_method = plan.excluded_method.get().cloned();
    drop(products);
    writer.join().map_err(|_| IngestError::Ended("writer"))??;
    if is_any_gone {
        return Err(IngestError::Ended("worker"));
    }
    Ok(ingested)
}

/// Adds what all workers did, once they have ended; `false` if one failed.
fn gather(
    workers: Vec<Option<Rebuilder>>,
    plan: &Plan,
    products: &SyncSender<Product>,
    ingested: &mut Ingested,
) -> bool {
    let mut are_all_there = true;
    for worker in workers {
        let Some(mut worker) = worker else {
            are_all_there = false;
            continue;
        };
        worker.finish();
        // Now all is learnt that there is to learn.
        let (exchanges, names) = worker.held.finish();
        hand_on(exchanges, plan, products, &mut worker.counts);
        ingested.watched.add(&worker.watched);
        ingested.calls.add(&worker.counts);
        ingested.names.add(&names);
    }
    are_all_there
}

/// The servers that were asked for by port or role.
fn wanted(settings: &Settings) -> Wanted {
    let ports = settings.ports.clone();
    let roles = settings.observer.roles.clone();
    Wanted::new(move |server| {
        let has_role = roles.of(server).is_some();
        has_role || ports.contains(&server.port())
    })
}

/// What all workers share.
struct Plan {
    observer: Observer,
    servers: Servers,
    methods: Methods,
    /// One of those that are not wanted.
    excluded_method: OnceLock<String>,
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

/// What workers hand to the writer.
enum Product {
    /// And what they weigh together.
    Calls(Vec<Call>, usize),
    Lines(Vec<u8>),
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
    let mut addresses = Addresses::default();
    let servers = exchanges.iter().filter_map(|it| it.server_address());
    plan.servers.add(servers.collect());
    for exchange in exchanges {
        let number = plan.numbers.fetch_add(1, Ordering::Relaxed);
        let call = from_exchange(&plan.observer, &mut addresses, *exchange, number);
        let is_sure = call.method_certainty == Certainty::Seen;
        if is_sure && !plan.methods.recorded(call.rpc_method.as_bytes()) {
            counts.excluded += 1;
            plan.excluded_method.get_or_init(|| call.rpc_method);
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
