//! The usual scene: a client, one Envoy with the filter, a server (and a mirror), a sink.
//!
//! ```ignore
//! let scene = Scene::of(Filter::inbound()).answering(|_| Answer::trailers_only(5, "gone")).start().await;
//! scene.client.call(Call::unary("shop.v1.Orders/Get", "7")).await;
//! let record = scene.record().await;
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use twintap_record::Record;

use crate::envoy::Bootstrap;
use crate::grpc::{Answer, Client, RequestHead, Server};
use crate::sink::{Received, Sink};
use crate::{Envoy, Filter, Listener, Route, wait};

/// Recording and shipping take a flush interval, telling counters takes a second.
const SHIPPED_WITHIN: Duration = Duration::from_secs(20);

type Plan = Box<dyn Fn(&RequestHead) -> Answer + Send + Sync>;

/// A running scene.
#[derive(Debug)]
pub struct Scene {
    /// The client, connected to Envoy.
    pub client: Client,
    /// Envoy with the filters.
    pub envoy: Envoy,
    /// What the filters ship to.
    pub sink: Sink,
    servers: Vec<Server>,
    bootstrap: Bootstrap,
}

/// A scene in preparation.
pub struct Builder {
    filters: Vec<Filter>,
    route: Route,
    primary: Plan,
    candidate: Option<Plan>,
    workers: u32,
    collector: Option<SocketAddr>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}

impl Scene {
    /// One listener with this filter and a server that echoes.
    pub fn of(filter: Filter) -> Builder {
        Builder {
            filters: vec![filter],
            route: Route::to("old"),
            primary: Box::new(|_| Answer::echo()),
            candidate: None,
            workers: 1,
            collector: None,
        }
    }

    /// Waits for exactly one record.
    pub async fn record(&self) -> Record {
        let mut records = self.records(1).await;
        records.remove(0)
    }

    /// Waits for this many records, and for nothing more to be under way.
    pub async fn records(&self, count: u64) -> Vec<Record> {
        let received = self.settled(count).await;
        let records: Vec<Record> = received.all_records().cloned().collect();
        assert_eq!(
            records.len() as u64,
            count,
            "records of {count} streams: {records:#?}"
        );
        records
    }

    /// Waits until the filters have told of this many streams, all ended and all shipped, and
    /// checks the accounting identity.
    pub async fn settled(&self, observed: u64) -> Received {
        let what = format!("counters tell of {observed} streams, all ended and shipped");
        let state = || format!("{:#?}", self.sink.received().counters().collect::<Vec<_>>());
        let received = wait::until_or(&what, SHIPPED_WITHIN, state, async || {
            let received = self.sink.received();
            let settled = received.observed() >= observed
                && received.in_flight() == 0
                && received.records == received.recorded();
            settled.then_some(received)
        })
        .await;
        assert_eq!(
            received.observed(),
            observed,
            "streams that reached the filters"
        );
        received.assert_identity();
        received
    }

    /// Another client, on a connection of its own.
    pub async fn another_client(&self) -> Client {
        Client::connect(self.envoy.address("grpc").await).await
    }

    /// Replaces the filters by a listener update, as a mesh does on a configuration change.
    pub async fn replace_filters(&mut self, filters: Vec<Filter>, route: Route) {
        let bootstrap = self.bootstrap.clone().without_listeners();
        self.bootstrap = bootstrap.listener(listener(filters, route));
        self.envoy.update_listeners(&self.bootstrap).await;
        self.client = self.another_client().await;
    }

    /// Nobody serves any more.
    pub fn stop_servers(&mut self) {
        self.servers.clear();
    }

    /// Nobody serves mirrored calls any more.
    pub fn stop_mirror(&mut self) {
        self.servers.truncate(1);
    }
}

impl Builder {
    /// Adds another filter behind those already there.
    #[must_use]
    pub fn and(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// The server answers like this.
    #[must_use]
    pub fn answering(
        mut self,
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.primary = Box::new(plan);
        self
    }

    /// Every call is mirrored to a second server that answers like this.
    #[must_use]
    pub fn mirrored(
        mut self,
        plan: impl Fn(&RequestHead) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.candidate = Some(Box::new(plan));
        self.route = self.route.mirror("new");
        self
    }

    /// Changes the route.
    #[must_use]
    pub fn route(mut self, change: impl FnOnce(Route) -> Route) -> Self {
        self.route = change(self.route);
        self
    }

    /// Envoy runs this many workers.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// The filters ship to this address instead of the sink.
    #[must_use]
    pub fn shipping_to(mut self, collector: SocketAddr) -> Self {
        self.collector = Some(collector);
        self
    }

    /// Starts everything.
    pub async fn start(self) -> Scene {
        let sink = Sink::keeping().await;
        let old = Server::answering(self.primary).await;
        let mut bootstrap = Bootstrap::new("scene")
            .concurrency(self.workers)
            .listener(listener(self.filters, self.route))
            .grpc("old", old.address())
            .collector(self.collector.unwrap_or_else(|| sink.address()));
        let mut servers = vec![old];
        if let Some(plan) = self.candidate {
            let new = Server::answering(plan).await;
            bootstrap = bootstrap.grpc("new", new.address());
            servers.push(new);
        }
        let envoy = bootstrap.clone().start().await;
        let client = Client::connect(envoy.address("grpc").await).await;
        Scene {
            client,
            envoy,
            sink,
            servers,
            bootstrap,
        }
    }
}

fn listener(filters: Vec<Filter>, route: Route) -> Listener {
    filters
        .into_iter()
        .fold(Listener::new("grpc", route), Listener::filter)
}
