//! Every call is stored on both sides exactly once, and what is not stored is counted.
//!
//! The real collector, killed without warning in some tests; the dataset is read with DuckDB.

use std::net::SocketAddr;
use std::time::Duration;

use twintap_e2e::collector::Accounting;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::Server;
use twintap_e2e::oracle::{Oracle, assert_paired};
use twintap_e2e::traffic::{self, Mix};
use twintap_e2e::{Collector, Envoy, Filter, Listener, Route, Stored, drive, machine};

const RATE: u32 = 500;

/// Calls of one test: a minute of them.
fn calls() -> u64 {
    u64::from(RATE) * machine::sized(60, 60)
}

/// Envoys that mirror an old service to a new one.
struct Mesh {
    caller: Envoy,
    _sidecars: Vec<Envoy>,
    _servers: [Server; 2],
}

impl Mesh {
    /// The caller's Envoy records both answers.
    async fn upstream(collector: SocketAddr) -> Self {
        let servers = servers().await;
        let [old, new] = [servers[0].address(), servers[1].address()];
        let caller = caller(
            old,
            new,
            vec![Filter::outbound(), Filter::upstream()],
            collector,
        )
        .await;
        Self {
            caller,
            _sidecars: vec![],
            _servers: servers,
        }
    }

    /// The sidecars of old and new record their own answers.
    async fn inbound(collector: SocketAddr) -> Self {
        let servers = servers().await;
        let old = sidecar("old", "primary", servers[0].address(), collector).await;
        let new = sidecar("new", "candidate", servers[1].address(), collector).await;
        let (at_old, at_new) = (old.address("grpc").await, new.address("grpc").await);
        let caller = caller(at_old, at_new, vec![Filter::outbound()], collector).await;
        Self {
            caller,
            _sidecars: vec![old, new],
            _servers: servers,
        }
    }

    async fn drive(&self, numbers: std::ops::Range<u64>) {
        drive::at_rate(self.caller.address("grpc").await, Mix::Small, numbers, RATE).await;
    }
}

async fn servers() -> [Server; 2] {
    let server = || Server::answering(traffic::plan(Mix::Small));
    [server().await, server().await]
}

async fn caller(
    old: SocketAddr,
    new: SocketAddr,
    filters: Vec<Filter>,
    collector: SocketAddr,
) -> Envoy {
    let listener = Listener::new("grpc", Route::to("old").mirror("new"));
    let bootstrap = Bootstrap::new("caller")
        .listener(filters.into_iter().fold(listener, Listener::filter))
        .grpc("old", old)
        .grpc("new", new)
        .collector(collector);
    bootstrap.start().await
}

async fn sidecar(name: &str, role: &str, server: SocketAddr, collector: SocketAddr) -> Envoy {
    let filter = Filter::inbound().with("role", role).with("service", name);
    Bootstrap::new(name)
        .listener(Listener::new("grpc", Route::to("server")).filter(filter))
        .grpc("server", server)
        .collector(collector)
        .start()
        .await
}

/// Each call is seen by the stamping filter and once per side.
async fn settled(collector: &Collector, calls: u64) -> Accounting {
    let accounting = collector.settled(3 * calls).await;
    assert_eq!(
        accounting.figure("skipped"),
        calls,
        "only the stamping filter skips"
    );
    accounting
}

fn assert_all_stored(stored: &Stored, calls: u64) {
    let oracle = Oracle {
        mix: Mix::Small,
        numbers: 0..calls,
    };
    let primary = stored.with("role", "primary");
    let candidate = stored.with("role", "candidate");
    oracle.assert_complete("primary", &primary);
    oracle.assert_complete("candidate", &candidate);
    assert_eq!(stored.rows.len() as u64, 2 * calls, "and nothing else");
    assert_paired(&primary, &candidate);
}

#[tokio::test]
async fn every_call_is_stored_on_both_sides_from_the_callers_envoy() {
    let _machine = machine::alone();
    let collector = Collector::start().await;
    let mesh = Mesh::upstream(collector.address()).await;

    mesh.drive(0..calls()).await;

    let accounting = settled(&collector, calls()).await;
    assert_eq!(accounting.figure("dropped"), 0, "{accounting}");
    let (stored, _directory) = collector.into_stored().await;
    assert_all_stored(&stored, calls());
}

#[tokio::test]
async fn every_call_is_stored_on_both_sides_from_the_servers_sidecars() {
    let _machine = machine::alone();
    let collector = Collector::start().await;
    let mesh = Mesh::inbound(collector.address()).await;

    mesh.drive(0..calls()).await;

    let accounting = settled(&collector, calls()).await;
    assert_eq!(accounting.figure("dropped"), 0, "{accounting}");
    let (stored, _directory) = collector.into_stored().await;
    assert_all_stored(&stored, calls());
}

#[tokio::test]
async fn killing_the_collector_five_times_loses_nothing_acknowledged() {
    let _machine = machine::alone();
    let mut collector = Collector::start().await;
    let mesh = Mesh::upstream(collector.address()).await;
    let calls = calls();

    let (_, ()) = tokio::join!(mesh.drive(0..calls), async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(calls / u64::from(RATE) / 7)).await;
            collector.kill();
            // Long enough for POSTs to fail.
            tokio::time::sleep(Duration::from_millis(700)).await;
            collector.restart().await;
        }
    });

    let accounting = settled(&collector, calls).await;
    let (stored, _directory) = collector.into_stored().await;
    let oracle = Oracle {
        mix: Mix::Small,
        numbers: 0..calls,
    };
    let sides =
        ["primary", "candidate"].map(|side| oracle.assert_subset(side, &stored.with("role", side)));
    let rows = stored.rows.len() as u64;
    assert_eq!(sides.iter().sum::<u64>(), rows);
    assert_eq!(
        rows,
        accounting.figure("stored"),
        "the dataset and the accounting agree"
    );
    let [dropped, refused, undelivered] =
        ["dropped", "refused", "undelivered"].map(|name| accounting.figure(name));
    assert_eq!(undelivered, 0, "what the filter numbered, it delivered");
    assert_eq!(
        rows + dropped + refused,
        2 * calls,
        "every call is stored or counted as lost"
    );
    eprintln!(
        "{rows} stored, {dropped} dropped, {refused} refused of {}",
        2 * calls
    );
}
