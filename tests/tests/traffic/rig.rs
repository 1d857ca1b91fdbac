//! Two Envoys in front of one server, one with the filter and one without, and the same calls through
//! each in turn.

use std::sync::Arc;
use std::time::Duration;

use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Client, Server};
use twintap_e2e::traffic::{self, Mix};
use twintap_e2e::{Envoy, Filter, Listener, Route, wait};

use crate::load::{self, Round};

/// Calls per second.
const RATE: u32 = 1000;
/// Connections to each Envoy.
const CONNECTIONS: usize = 4;
/// Promised, per worker.
pub(crate) const VM_BYTES_MAX: u64 = 16 << 20;
/// Told by the filter's metrics once a flush interval.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Envoys and the calls made so far.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) envoy: Envoy,
    _control: Envoy,
    with: Vec<Arc<Client>>,
    without: Vec<Arc<Client>>,
    /// Calls through the Envoy with the filter: their numbers are those below.
    pub(crate) calls: u64,
    _server: Server,
}

impl Rig {
    /// `collector` adds the filter's collector.
    pub(crate) async fn start(collector: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        let server = Server::answering(traffic::plan(Mix::Small)).await;
        let listener = || Listener::new("grpc", Route::to("server"));
        let recorded = Bootstrap::new("recorded")
            .listener(listener().filter(Filter::inbound()))
            .grpc("server", server.address());
        let envoy = collector(recorded).start().await;
        let control = Bootstrap::new("control")
            .listener(listener())
            .grpc("server", server.address())
            .start()
            .await;
        Self {
            with: clients(&envoy).await,
            without: clients(&control).await,
            envoy,
            _control: control,
            calls: 0,
            _server: server,
        }
    }

    /// The same calls for `duration` without the filter and with it, in this order or the other.
    pub(crate) async fn pair(&mut self, duration: Duration, with_first: bool) -> (Round, Round) {
        let count = duration.as_millis() as u64 * u64::from(RATE) / 1000;
        let numbers = self.calls..self.calls + count;
        self.calls = numbers.end;
        let with = load::run(&self.with, numbers.clone(), RATE);
        let without = load::run(&self.without, numbers, RATE);
        if with_first {
            let with = with.await;
            (without.await, with)
        } else {
            (without.await, with.await)
        }
    }

    /// Waits until the filter has counted every call, each once.
    pub(crate) async fn assert_accounted(&self, fault: &str) {
        let what = format!("{fault}: all {} calls are counted", self.calls);
        wait::until_true(&what, TOLD_WITHIN, async || {
            let stats = self.envoy.stats().await;
            let count = |name: &str| stats.counter(&format!("wasmcustom.twintap_{name}_total"));
            let counted = count("records") + count("dropped") + count("skipped");
            assert!(counted <= self.calls, "{fault}: {counted} calls counted");
            counted == self.calls
        })
        .await;
    }

    /// The largest linear memory of a VM.
    pub(crate) fn vm_bytes(&self) -> u64 {
        let memories = self.envoy.process.wasm_memories();
        memories.into_iter().max().expect("a VM")
    }
}

async fn clients(envoy: &Envoy) -> Vec<Arc<Client>> {
    let address = envoy.address("grpc").await;
    let clients = Client::connect_all(address, CONNECTIONS).await;
    clients.into_iter().map(Arc::new).collect()
}
