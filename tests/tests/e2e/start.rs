//! Envoy's start and the name of the collector: `envoy/README.md` says how not to wait for it.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::{Envoy, Filter, Listener, Route, machine};

const METHOD: &str = "shop.v1.Orders/Get";
/// Far less than what Envoy waits for a name server that never answers.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn silent_name_server_of_the_collector_delays_envoy_only_if_its_cluster_is_waited_for() {
    let _machine = machine::shared();
    let resolver = UdpSocket::bind(("127.0.0.1", 0)).await;
    let resolver = resolver.expect("a free port");
    let address = resolver.local_addr().expect("bound");
    let server = Server::echo().await;
    let bootstrap = |is_waited_for| {
        Bootstrap::new("named")
            .listener(Listener::new("grpc", Route::to("old")).filter(Filter::inbound()))
            .grpc("old", server.address())
            .collector_unresolved(address, is_waited_for)
    };

    let envoy = bootstrap(false).start().await;
    let asked = timeout(STARTS_WITHIN, resolver.recv(&mut [0; 512])).await;
    let client = Client::connect(envoy.address("grpc").await).await;
    let outcome = client.call(Call::unary(METHOD, "x")).await;
    let mut waiting = Envoy::start_initializing(bootstrap(true)).await;
    let ready = timeout(STARTS_WITHIN, waiting.ready()).await;
    let state = waiting.state().await;

    assert!(
        asked.is_ok_and(|bytes| bytes.is_ok()),
        "nobody asked for the name"
    );
    assert!(outcome.ok(), "{outcome:?}");
    assert!(ready.is_err(), "nothing waited for the name");
    // Its clusters are not initialized.
    assert_eq!(state, "PRE_INITIALIZING");
}
