//! Steady load: planned calls of all kinds begin when they are due, one in a hundred is aborted by its client,
//! and every other answer is checked to the byte.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use h2::Reason;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use twintap_e2e::grpc::{Call, Client, Send, framed};
use twintap_e2e::traffic::{CALL_HEADER, Mix, Plan};

pub(crate) const MIX: Mix = Mix::Small;
/// A machine that stalls for seconds must not turn the rest of the run into a flood.
const UNDER_WAY_MAX: usize = 256;
/// From the beginning of an aborted call to its end.
const ABORTED_AFTER: Duration = Duration::from_millis(20);
/// One call in this many is aborted.
const ABORTED_ONE_IN: u64 = 100;
/// For a connection that takes a call, as a gRPC client waits.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// Does the client abort this call?
pub(crate) fn is_aborted(number: u64) -> bool {
    number % ABORTED_ONE_IN == 37
}

/// Load that runs until it is told to end.
#[derive(Debug)]
pub(crate) struct Load {
    calls: Arc<Calls>,
    running: JoinHandle<()>,
}

/// What became of the calls so far.
#[derive(Debug, Default)]
struct Calls {
    connections: Mutex<Vec<Arc<Client>>>,
    issued: AtomicU64,
    aborted: AtomicU64,
    failed: AtomicU64,
    slowest_us: AtomicU64,
    is_over: AtomicBool,
}

/// Figures of the load.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    /// Calls, which have the numbers below.
    pub(crate) issued: u64,
    /// By their clients, as planned.
    pub(crate) aborted: u64,
    /// Whose end was another than the planned one.
    pub(crate) failed: u64,
    /// Of those that were answered, from the moment when it was due.
    pub(crate) slowest: Duration,
}

impl Load {
    pub(crate) fn start(connections: Vec<Arc<Client>>, per_second: u32) -> Self {
        let calls = Arc::new(Calls {
            connections: Mutex::new(connections),
            ..Calls::default()
        });
        let running = tokio::spawn(run(Arc::clone(&calls), per_second));
        Self { calls, running }
    }

    /// Calls that begin from now on go there; others end where they are.
    pub(crate) fn move_to(&self, connections: Vec<Arc<Client>>) {
        *self.calls.connections.lock().expect("nobody panics") = connections;
    }

    pub(crate) fn made(&self) -> Made {
        let figure = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Made {
            issued: figure(&self.calls.issued),
            aborted: figure(&self.calls.aborted),
            failed: figure(&self.calls.failed),
            slowest: Duration::from_micros(figure(&self.calls.slowest_us)),
        }
    }

    /// No more calls; waits for those under way.
    pub(crate) async fn end(&mut self) -> Made {
        self.calls.is_over.store(true, Ordering::Relaxed);
        (&mut self.running).await.expect("the load has its end");
        self.made()
    }
}

async fn run(calls: Arc<Calls>, per_second: u32) {
    let mut under_way = JoinSet::new();
    let mut due = tokio::time::interval(Duration::from_secs(1) / per_second);
    // What a stalled machine missed is not made up for all at once.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !calls.is_over.load(Ordering::Relaxed) {
        let due = due.tick().await.into_std();
        let number = calls.issued.fetch_add(1, Ordering::Relaxed);
        let doing = Arc::clone(&calls);
        under_way.spawn(async move { doing.make(number, due).await });
        while under_way.len() >= UNDER_WAY_MAX
            && let Some(call) = under_way.join_next().await
        {
            calls.ended(call.is_ok());
        }
        while let Some(call) = under_way.try_join_next() {
            calls.ended(call.is_ok());
        }
    }
    while let Some(call) = under_way.join_next().await {
        calls.ended(call.is_ok());
    }
}

impl Calls {
    /// One that panicked has said what it got instead.
    fn ended(&self, is_as_planned: bool) {
        self.failed
            .fetch_add(u64::from(!is_as_planned), Ordering::Relaxed);
    }

    /// The call of this number, which was due then.
    async fn make(&self, number: u64, due: Instant) {
        let began = Instant::now();
        let plan = Plan::new(MIX, number);
        let aborts = is_aborted(number);
        let call = match aborts {
            true => aborted(&plan),
            false => plan.call(),
        };
        let outcome = loop {
            let outcome = self.connection(number).call(call.clone()).await;
            // The connection is about to end and took no more: nobody has seen this call.
            if outcome.is_sent || began.elapsed() > CONNECTED_WITHIN {
                break outcome;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        match aborts {
            true => {
                assert_eq!(outcome.reset, Some(Reason::CANCEL), "{number}: {outcome:?}");
                self.aborted.fetch_add(1, Ordering::Relaxed);
            }
            false => {
                plan.assert_answered(&outcome);
                let took = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.slowest_us.fetch_max(took, Ordering::Relaxed);
            }
        }
    }

    fn connection(&self, number: u64) -> Arc<Client> {
        let connections = self.connections.lock().expect("nobody panics");
        let index = number % connections.len() as u64;
        Arc::clone(&connections[usize::try_from(index).expect("below a length")])
    }
}

/// The planned call without its end, which it does not wait for.
fn aborted(plan: &Plan) -> Call {
    let messages = plan.request.iter();
    let mut steps: Vec<Send> = messages
        .map(|message| Send::Data(framed(message)))
        .collect();
    steps.extend([Send::Sleep(ABORTED_AFTER), Send::Cancel]);
    Call::script(&plan.rpc_method(), steps).header(CALL_HEADER, plan.number.to_string())
}
