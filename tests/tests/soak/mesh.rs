//! The caller's Envoy, which stamps, mirrors old to new and records both answers, and the collector.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use twintap_e2e::collector::Accounting;
use twintap_e2e::envoy::{Bootstrap, Stats};
use twintap_e2e::grpc::{Client, Server};
use twintap_e2e::{Collector, Envoy, Filter, Listener, Route, traffic, wait};

use crate::faults::Fault;
use crate::load::{Load, MIX, Made};
use crate::settings::Settings;

const CONNECTIONS: usize = 4;
const WORKERS: u32 = 2;
/// Longer than calls take where the machine is overloaded: Envoy's default is ten minutes.
const DRAIN_TIME_S: u32 = 20;
/// After a fault, until what was counted before its end has been told: the filters' longest back-off, and a
/// machine that is busy.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(60);
/// After the last delivery: several publish intervals, of a collector in a debug build.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(180);
/// After the last call: several times as long as a filter that has nothing to say waits to say so.
const QUIET_FOR: Duration = Duration::from_secs(5);

/// All that runs.
#[derive(Debug)]
pub(crate) struct Mesh {
    pub(crate) load: Load,
    pub(crate) collector: Collector,
    pub(crate) envoy: Envoy,
    bootstrap: Bootstrap,
    updates: u64,
    _servers: [Server; 2],
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) made: Made,
    pub(crate) accounting: Accounting,
    pub(crate) collector_log: String,
    pub(crate) journal_bytes: u64,
    /// Where the data directory is.
    pub(crate) collector: Collector,
}

impl Mesh {
    /// Starts everything, and the load.
    pub(crate) async fn start(settings: &Settings) -> Self {
        let server = || Server::answering(traffic::plan(MIX));
        let servers = [server().await, server().await];
        let publish_interval = settings.publish_interval.as_millis();
        let keys = vec![format!("publish_interval={publish_interval}ms")];
        let collector = Collector::start_with(keys).await;
        let bootstrap = Bootstrap::new("caller")
            .concurrency(WORKERS)
            .drain_time_s(DRAIN_TIME_S)
            .grpc("old", servers[0].address())
            .grpc("new", servers[1].address())
            .collector(collector.address());
        let envoy = bootstrap.clone().listener(listener(0)).start().await;
        let load = Load::start(connections(&envoy).await, settings.rate);
        Self {
            load,
            collector,
            envoy,
            bootstrap,
            updates: 0,
            _servers: servers,
        }
    }

    /// Goes through a fault; returns how long after its end everything counted until then was told.
    pub(crate) async fn suffer(&mut self, fault: &Fault) -> Duration {
        match fault {
            Fault::Killed(away) => {
                self.collector.kill();
                tokio::time::sleep(*away).await;
                self.collector.restart().await;
            }
            Fault::Ended(away) => {
                self.collector.drain().await;
                tokio::time::sleep(*away).await;
                self.collector.restart().await;
            }
            Fault::Stopped(length) => {
                self.collector.process().signal(Signal::STOP);
                tokio::time::sleep(*length).await;
                self.collector.process().signal(Signal::CONT);
            }
            Fault::Updated => self.update().await,
        }
        self.catch_up().await
    }

    async fn update(&mut self) {
        self.updates += 1;
        let next = self.bootstrap.clone().listener(listener(self.updates));
        self.envoy.update_listeners(&next).await;
        self.load.move_to(connections(&self.envoy).await);
    }

    /// Waits until the collector knows of all that the filters have counted by now.
    async fn catch_up(&self) -> Duration {
        let began = Instant::now();
        let counted = counted(&self.envoy.stats().await);
        let what = format!("the filters have told of {counted} streams");
        let state = || self.collector.accounting().to_string();
        wait::until_or(&what, CAUGHT_UP_WITHIN, state, async || {
            let told = self.collector.accounting().figure("observed");
            (told >= counted).then_some(())
        })
        .await;
        began.elapsed()
    }

    /// Ends the load, waits until all is told and delivered, and ends the collector.
    pub(crate) async fn end(mut self) -> Outcome {
        let made = self.load.end().await;
        let mut told = (0, Instant::now());
        let what = "the filters have told of all calls, and delivered them";
        let state = || self.collector.accounting().to_string();
        wait::until_or(what, CAUGHT_UP_WITHIN, state, async || {
            let counted = counted(&self.envoy.stats().await);
            if counted != told.0 {
                told = (counted, Instant::now());
            }
            let now = self.collector.accounting();
            let is_told = now.figure("observed") == counted
                && now.figure("in_flight") == 0
                && now.figure("pending") == 0;
            (is_told && told.1.elapsed() >= QUIET_FOR).then_some(())
        })
        .await;
        let state = || self.collector.accounting().to_string();
        wait::until_or("all is in Parquet", PUBLISHED_WITHIN, state, async || {
            (self.collector.accounting().figure("journaled") == 0).then_some(())
        })
        .await;
        self.collector.drain().await;
        Outcome {
            made,
            accounting: self.collector.accounting(),
            collector_log: self.collector.log(),
            journal_bytes: crate::sample::journal(&self.collector.data_dir()).1,
            collector: self.collector,
        }
    }
}

/// Streams that have ended, at any filter.
fn counted(stats: &Stats) -> u64 {
    let count = |name: &str| stats.counter(&format!("wasmcustom.twintap_{name}_total"));
    count("records") + count("dropped") + count("skipped")
}

/// Its filters have another configuration with each update.
fn listener(update: u64) -> Listener {
    let service = format!("soaked-{update}");
    Listener::new("grpc", Route::to("old").mirror("new"))
        .filter(Filter::outbound())
        .filter(Filter::upstream().with("service", service))
}

async fn connections(envoy: &Envoy) -> Vec<Arc<Client>> {
    let address = envoy.address("grpc").await;
    let clients = Client::connect_all(address, CONNECTIONS).await;
    clients.into_iter().map(Arc::new).collect()
}
