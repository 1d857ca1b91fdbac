//! The sample mesh on loopback, made of the YAML in `istio/`: caller's Envoy, old and new service each
//! behind an Envoy, the real collector, and at the end the real `twintap compare`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Answer, Call, Client, RequestHead, Server};
use twintap_e2e::istio::{Agent, Context, Manifests, Sidecar, Spoken, routes};
use twintap_e2e::{Collector, Envoy, Stored, artifacts, live, wait};

const PORT: u16 = 50_051;
/// A sidecar's cluster of the workload beside it.
const INBOUND: &str = "inbound|50051||";
const WITHIN: Duration = Duration::from_secs(30);
/// A method that the sample's VirtualService mirrors.
pub(crate) const METHOD: &str = "shop.orders.v1.OrderService/GetOrder";
/// Neither mirrored nor like anything else: waits for the filters to be in force.
const WARM_UP: &str = "shop.orders.v1.OrderService/Warm";

type Plan = Box<dyn Fn(&RequestHead) -> Answer + Send + Sync>;

/// What a mesh is made of.
pub(crate) struct Builder {
    manifests: Manifests,
    records_at: RecordsAt,
    with_suffix: bool,
    tracing: bool,
    old: Plan,
    new: Plan,
}

/// Where the recorders of the manifests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordsAt {
    /// At the old and at the new service.
    Services,
    /// At the caller.
    Caller,
}

/// A running mesh.
pub(crate) struct Mesh {
    /// The caller's application.
    pub(crate) client: Client,
    /// What all of it is made of.
    pub(crate) manifests: Manifests,
    collector: Collector,
    /// Of the old service, of the new one, of the caller.
    envoys: Vec<Envoy>,
    _servers: [Server; 2],
    _agents: Vec<Agent>,
}

impl Mesh {
    /// The demo overlay, which mirrors everything that its VirtualService matches.
    pub(crate) fn of_the_demo() -> Builder {
        Self::of(Manifests::overlay("demo"), RecordsAt::Services)
    }

    /// The samples with these components.
    pub(crate) fn with(components: &[&str], records_at: RecordsAt) -> Builder {
        Self::of(Manifests::of(&["samples"], components), records_at)
    }

    fn of(manifests: Manifests, records_at: RecordsAt) -> Builder {
        let everything = |service: &mut Value| {
            service["spec"]["http"][0]["mirrorPercentage"]["value"] = 100.into();
        };
        Builder {
            manifests: manifests.changed("VirtualService", "orders", everything),
            records_at,
            with_suffix: false,
            tracing: false,
            old: Box::new(|_| Answer::echo()),
            new: Box::new(|_| Answer::echo()),
        }
    }

    /// The caller's Envoy.
    pub(crate) fn caller(&self) -> &Envoy {
        self.envoys.last().expect("the mesh runs")
    }

    /// All Envoys.
    pub(crate) fn envoys(&self) -> &[Envoy] {
        &self.envoys
    }

    /// Waits for this many records of the mirrored method, and ends all but what was recorded: returns
    /// the data directory.
    pub(crate) async fn recorded(&mut self, records: usize) -> PathBuf {
        let state = || self.collector.accounting().to_string();
        let what = format!("{records} records of {METHOD} are in the dataset");
        wait::until_or(&what, WITHIN, state, async || {
            let stored = Stored::read(&self.collector.data_dir());
            let stored = stored.with("rpc_method", METHOD).rows.len();
            (stored >= records).then_some(())
        })
        .await;
        self.collector.drain().await;
        self.envoys.clear();
        self.collector.data_dir()
    }

    /// Waits for this many records of the mirrored method, ends the collector and compares. The
    /// report is of that method alone.
    pub(crate) async fn report(self, records: usize) -> Value {
        self.report_and_calls(records).await.0
    }

    /// As [`Mesh::report`], with the stored calls of that method.
    pub(crate) async fn report_and_calls(mut self, records: usize) -> (Value, Stored) {
        let data = self.recorded(records).await;
        let output = live::twintap()
            .args(["compare", "--output", "json"])
            .args(["--method", METHOD])
            .arg(&data)
            .output()
            .expect("twintap starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout);
        let stored = Stored::read_whole(&data).with("rpc_method", METHOD);
        (report.unwrap_or_else(|_| panic!("{errors}")), stored)
    }
}

impl Builder {
    /// The mirror's authority is `HOST-shadow`, as before Istio 1.28.
    pub(crate) fn with_shadow_suffix(mut self) -> Self {
        self.with_suffix = true;
        self
    }

    /// The new service's sidecar traces every call, the others none.
    pub(crate) fn traced_at_the_new_service(mut self) -> Self {
        self.tracing = true;
        self
    }

    /// The old service answers like this.
    pub(crate) fn old_answers(
        mut self,
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.old = Box::new(plan);
        self
    }

    /// The new service answers like this.
    pub(crate) fn new_answers(
        mut self,
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.new = Box::new(plan);
        self
    }

    /// Changes the VirtualService.
    pub(crate) fn route(mut self, change: impl FnOnce(&mut Value)) -> Self {
        self.manifests = self.manifests.changed("VirtualService", "orders", change);
        self
    }

    /// Changes the first port of a Service.
    pub(crate) fn port(mut self, service: &str, change: impl FnOnce(&mut Value)) -> Self {
        let of_port = |service: &mut Value| change(&mut service["spec"]["ports"][0]);
        self.manifests = self.manifests.changed("Service", service, of_port);
        self
    }

    /// Starts everything, and waits until every filter is in force.
    pub(crate) async fn start(self) -> Mesh {
        let collector = Collector::start().await;
        let mut mesh = Parts {
            to_collector: Cluster::of(&Manifests::collector(), "twintap-collector"),
            collector: &collector,
            envoys: vec![],
            agents: vec![],
        };
        let old = Server::answering(self.old).await;
        let new = Server::answering(self.new).await;
        let services = [("orders", &old, false), ("orders-new", &new, self.tracing)];
        let mut clusters = vec![];
        for (name, server, is_traced) in services {
            let labels = self.manifests.labels(name);
            let mut sidecar = Sidecar::to(labels, Context::Inbound, PORT, INBOUND);
            sidecar = sidecar.tracing(if is_traced { 100.0 } else { 0.0 });
            let outbound = Cluster::of(&self.manifests, name);
            let bootstrap = outbound
                .inbound()
                .to(Bootstrap::new(name), server.address());
            let filters = (self.records_at == RecordsAt::Services).then_some(&self.manifests);
            let address = mesh.start(bootstrap, &sidecar, filters).await;
            clusters.push((outbound, address));
        }
        let service = self.manifests.named("VirtualService", "orders");
        let routes = routes(service, self.with_suffix);
        let labels = self.manifests.labels("shop-front");
        let caller = Sidecar::new(labels, Context::Outbound, PORT, routes).tracing(0.0);
        let bootstrap = clusters
            .iter()
            .fold(Bootstrap::new("front"), |bootstrap, (cluster, address)| {
                cluster.to(bootstrap, *address)
            });
        let has_filters = caller.is_patched_by(&self.manifests);
        let filters = has_filters.then_some(&self.manifests);
        let address = mesh.start(bootstrap, &caller, filters).await;
        let client = Client::connect(address).await;
        mesh.warm_up(&client, &clusters).await;
        let (envoys, agents) = (mesh.envoys, mesh.agents);
        Mesh {
            client,
            manifests: self.manifests,
            collector,
            envoys,
            _servers: [old, new],
            _agents: agents,
        }
    }
}

/// A cluster as istiod makes it of a Service.
struct Cluster {
    name: String,
    spoken: Spoken,
}

impl Cluster {
    fn of(manifests: &Manifests, service: &str) -> Self {
        Self {
            name: manifests.cluster(service),
            spoken: manifests.spoken(service),
        }
    }

    /// The workload's own, behind its sidecar.
    fn inbound(&self) -> Self {
        Self {
            name: INBOUND.to_owned(),
            spoken: self.spoken,
        }
    }

    fn to(&self, bootstrap: Bootstrap, address: SocketAddr) -> Bootstrap {
        match self.spoken {
            Spoken::Http2 => bootstrap.grpc(&self.name, address),
            Spoken::Http1 => bootstrap.http1(&self.name, address),
            Spoken::AsCaller => bootstrap.as_caller(&self.name, address),
        }
    }
}

/// A mesh on its way up.
struct Parts<'a> {
    to_collector: Cluster,
    collector: &'a Collector,
    envoys: Vec<Envoy>,
    agents: Vec<Agent>,
}

impl Parts<'_> {
    async fn start(
        &mut self,
        bootstrap: Bootstrap,
        sidecar: &Sidecar,
        filters: Option<&Manifests>,
    ) -> SocketAddr {
        let agent = Agent::with_file(&artifacts::filter_wasm());
        let listener = match filters {
            Some(filters) => sidecar.listener("port", filters, &agent),
            None => sidecar.without_filters("port"),
        };
        let bootstrap = self.to_collector.to(bootstrap, self.collector.address());
        let envoy = bootstrap.listener_json(listener).start().await;
        let address = envoy.address("port").await;
        self.envoys.push(envoy);
        self.agents.push(agent);
        address
    }

    /// Envoys serve before they have the module: makes calls until each has counted some.
    async fn warm_up(&self, client: &Client, services: &[(Cluster, SocketAddr)]) {
        let call = || Call::unary(WARM_UP, "warm");
        let is_warm = async || {
            let mut warm = true;
            for (_, address) in services {
                drop(Client::connect(*address).await.call(call()).await);
            }
            drop(client.call(call()).await);
            for envoy in &self.envoys {
                let stats = envoy.stats().await;
                let asked = stats
                    .beginning_with("extension_config_discovery")
                    .next()
                    .is_some();
                let seen = ["twintap_records_total", "twintap_skipped_total"];
                let seen = seen.map(|name| stats.counter(&format!("wasmcustom.{name}")));
                warm &= !asked || seen.iter().sum::<u64>() > 0;
            }
            warm
        };
        wait::until_true("every filter is in force", WITHIN, is_warm).await;
    }
}
