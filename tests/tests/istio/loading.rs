//! Every EnvoyFilter of `istio/`, in a real Envoy with the real module: it loads, and it records.

use std::time::Duration;

use serde_json::{Value, json};
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::istio::{Agent, Context, Manifests, Sidecar};
use twintap_e2e::{Envoy, Sink, artifacts, machine, wait};

const METHOD: &str = "shop.orders.v1.OrderService/GetOrder";
/// The samples' port, of Services and containers.
const PORT: u16 = 50_051;

const WITHIN: Duration = Duration::from_secs(20);
const RECORDS: &str = "wasmcustom.twintap_records_total";
const SKIPPED: &str = "wasmcustom.twintap_skipped_total";
const INVALID: &str = "wasmcustom.twintap_config_invalid";

/// A component, the labels of a workload that it selects, where it works, and does it record.
fn components() -> Vec<(&'static str, Value, Context, bool)> {
    let caller = || json!({"twintap/caller": "true"});
    vec![
        (
            "inbound",
            json!({"twintap/role": "primary"}),
            Context::Inbound,
            true,
        ),
        (
            "inbound",
            json!({"twintap/role": "candidate"}),
            Context::Inbound,
            true,
        ),
        ("outbound", caller(), Context::Outbound, false),
        ("upstream", caller(), Context::Outbound, true),
        (
            "gateway",
            json!({"istio": "ingressgateway"}),
            Context::Gateway,
            true,
        ),
    ]
}

#[tokio::test]
async fn every_component_loads_and_records_wherever_its_module_comes_from() {
    let _machine = machine::shared();
    for (component, labels, context, records) in components() {
        for code in [None, Some("code-http"), Some("code-file")] {
            let components: Vec<&str> = [component].into_iter().chain(code).collect();
            let manifests = Manifests::of(&[], &components);
            let agent = Agent::with_file(&artifacts::filter_wasm());
            let sidecar = Sidecar::to(labels.clone(), context, PORT, "server");
            let (server, sink) = (Server::echo().await, Sink::keeping().await);
            let envoy = start(&sidecar, &manifests, &agent, &server, &sink).await;
            let client = Client::connect(envoy.address("port").await).await;

            // Envoy serves before it has the module: that is the point of a default configuration.
            let counter = async |name: &str| envoy.stats().await.counter(name);
            let state = || format!("{components:?}\n{}", envoy.process.log());
            wait::until_or("the module is in force", WITHIN, state, async || {
                assert!(client.call(Call::unary(METHOD, "x")).await.ok());
                let counted = if records { RECORDS } else { SKIPPED };
                (counter(counted).await > 0).then_some(())
            })
            .await;
            wait::until_or("all records are shipped", WITHIN, state, async || {
                (sink.received().records == counter(RECORDS).await).then_some(())
            })
            .await;
            assert_eq!(sink.received().records > 0, records, "{components:?}");
            let stats = envoy.stats().await;
            assert_eq!(stats.counter(INVALID), 0, "{components:?}");
        }
    }
}

async fn start(
    sidecar: &Sidecar,
    manifests: &Manifests,
    agent: &Agent,
    server: &Server,
    sink: &Sink,
) -> Envoy {
    Bootstrap::new("sidecar")
        .listener_json(sidecar.listener("port", manifests, agent))
        .grpc("server", server.address())
        .http1(
            &Manifests::collector().cluster("twintap-collector"),
            sink.address(),
        )
        .start()
        .await
}
