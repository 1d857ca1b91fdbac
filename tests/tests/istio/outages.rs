//! Whatever becomes of the module, its configuration or the collector: clients get their answers.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::istio::{Agent, Context, Manifests, Module, Sidecar};
use twintap_e2e::{Envoy, Sink, artifacts, machine, wait};

const METHOD: &str = "shop.orders.v1.OrderService/GetOrder";
const PORT: u16 = 50_051;
/// Envoy waits 5 s for an extension configuration.
const WITHIN: Duration = Duration::from_secs(20);
const CALLS: usize = 50;

/// A component, its EnvoyFilter, the labels it selects, where it works.
fn components() -> Vec<(&'static str, &'static str, Value, Context)> {
    let role = |role: &str| json!({"twintap/role": role});
    let caller = || json!({"twintap/caller": "true"});
    let ingress = || json!({"istio": "ingressgateway"});
    let (inbound, gateway) = (Context::Inbound, Context::Gateway);
    vec![
        (
            "inbound",
            "twintap-inbound-primary",
            role("primary"),
            inbound,
        ),
        (
            "inbound",
            "twintap-inbound-candidate",
            role("candidate"),
            inbound,
        ),
        ("outbound", "twintap-outbound", caller(), Context::Outbound),
        ("upstream", "twintap-upstream", caller(), Context::Outbound),
        ("gateway", "twintap-gateway-outbound", ingress(), gateway),
        ("gateway", "twintap-gateway-upstream", ingress(), gateway),
    ]
}

struct Scene {
    envoy: Envoy,
    client: Client,
    sink: Sink,
    _server: Server,
    _agent: Agent,
}

async fn scene(component: &Component, module: Module, has_collector: bool) -> Scene {
    let (server, sink) = (Server::echo().await, Sink::keeping().await);
    let agent = Agent::with(module);
    let sidecar = Sidecar::to(component.labels.clone(), component.context, PORT, "server");
    let mut bootstrap = Bootstrap::new("sidecar")
        .listener_json(sidecar.listener("port", &component.manifests, &agent))
        .grpc("server", server.address());
    if has_collector {
        let cluster = Manifests::collector().cluster("twintap-collector");
        bootstrap = bootstrap.http1(&cluster, sink.address());
    }
    let envoy = bootstrap.start().await.with_failing_module();
    let client = Client::connect(envoy.address("port").await).await;
    Scene {
        envoy,
        client,
        sink,
        _server: server,
        _agent: agent,
    }
}

impl Scene {
    async fn all_calls_are_answered(&self, what: &str) {
        for number in 0..CALLS {
            let outcome = self.client.call(Call::unary(METHOD, "x")).await;
            let log = self.envoy.process.log();
            assert!(outcome.ok(), "{what}, call {number}: {outcome:?}\n{log}");
        }
    }

    /// Waits until one of the statistics whose name contains all of `words` is not 0.
    async fn counts(&self, what: &str, words: &[&str]) {
        let state = || self.envoy.process.log();
        wait::until_or(&format!("{what}: {words:?}"), WITHIN, state, async || {
            let stats = self.envoy.stats().await;
            let mut all = stats.beginning_with("");
            let is_it = |name: &str| words.iter().all(|word| name.contains(word));
            all.any(|(name, value)| value > 0 && is_it(name))
                .then_some(())
        })
        .await;
    }
}

struct Component {
    name: &'static str,
    manifests: Manifests,
    labels: Value,
    context: Context,
}

fn each() -> impl Iterator<Item = Component> {
    components()
        .into_iter()
        .map(|(component, name, labels, context)| Component {
            name,
            manifests: Manifests::of(&[], &[component]).with_only("EnvoyFilter", name),
            labels,
            context,
        })
}

fn garbage(directory: &TempDir, bytes: &[u8]) -> Module {
    let file = directory.path().join("module.wasm");
    fs::write(&file, bytes).expect("written");
    Module::File(file)
}

#[tokio::test]
async fn module_that_istiod_never_sends_costs_no_call() {
    let _machine = machine::shared();
    for component in each() {
        let scene = scene(&component, Module::NeverConfigured, true).await;
        scene.all_calls_are_answered(component.name).await;
        assert_eq!(scene.sink.received().records, 0);
    }
}

#[tokio::test]
async fn module_that_cannot_be_fetched_costs_no_call() {
    let _machine = machine::shared();
    for component in each() {
        let scene = scene(&component, Module::NotFetched, true).await;
        // RBAC is no filter of the upstream chain: there it is refused, and the default stays.
        let result = match component.name.ends_with("upstream") {
            true => "config_fail",
            false => "config_reload",
        };
        let discovery = ["extension_config_discovery", result];
        scene.counts(component.name, &discovery).await;
        scene.all_calls_are_answered(component.name).await;
    }
}

#[tokio::test]
async fn module_that_does_not_load_costs_no_call() {
    let _machine = machine::shared();
    let real = fs::read(artifacts::filter_wasm()).expect("the module");
    let modules: [(&str, &[u8]); 3] = [
        ("empty", b""),
        ("no module", b"<html>404 Not Found</html>"),
        ("half of one", &real[..real.len() / 2]),
    ];
    for (what, bytes) in modules {
        for component in each() {
            let directory = tempfile::tempdir().expect("temporary directory");
            let scene = scene(&component, garbage(&directory, bytes), true).await;
            let what = format!("{what}, {}", component.name);
            let discovery = ["extension_config_discovery", "config_fail"];
            scene.counts(&what, &discovery).await;
            scene.all_calls_are_answered(&what).await;
        }
    }
}

#[tokio::test]
async fn module_file_that_is_not_there_costs_no_call() {
    let _machine = machine::shared();
    for component in each() {
        let missing = Module::File("/nonexistent/twintap_filter.wasm".into());
        let scene = scene(&component, missing, true).await;
        scene.all_calls_are_answered(component.name).await;
    }
}

#[tokio::test]
async fn configuration_that_is_wrong_costs_no_call_and_says_so() {
    let _machine = machine::shared();
    for mut component in each() {
        let name = component.name;
        component.manifests = component.manifests.changed("EnvoyFilter", name, |filter| {
            let value = &mut filter["spec"]["configPatches"][1]["patch"]["value"];
            let configuration = &mut value["typed_config"]["config"]["configuration"]["value"];
            *configuration = r#"{"position": "inbound", "colector_cluster": "x"}"#.into();
        });
        let scene = scene(&component, Module::File(artifacts::filter_wasm()), true).await;
        scene.counts(name, &["twintap_config_invalid"]).await;
        scene.all_calls_are_answered(name).await;
        assert_eq!(scene.sink.received().records, 0);
    }
}

#[tokio::test]
async fn collector_that_is_not_in_the_mesh_costs_records_and_no_call() {
    let _machine = machine::shared();
    for component in each() {
        let scene = scene(&component, Module::File(artifacts::filter_wasm()), false).await;
        scene.all_calls_are_answered(component.name).await;
        if component.context == Context::Inbound {
            wait::until_true("the loss is counted", WITHIN, async || {
                assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
                let stats = scene.envoy.stats().await;
                stats.counter("wasmcustom.twintap_batches_failed_total") > 0
            })
            .await;
        }
    }
}

#[tokio::test]
async fn trap_costs_the_call_that_trapped_and_no_other() {
    let _machine = machine::shared();
    for component in each() {
        let scene = scene(&component, Module::File(artifacts::trap_wasm()), true).await;
        let runtime = ["wasm.envoy.wasm.runtime.v8.active"];
        scene.counts(component.name, &runtime).await;
        scene.counts(component.name, &["config_reload"]).await;
        scene.all_calls_are_answered(component.name).await;

        // Until the module is in force on the worker, nothing traps.
        wait::until_true("a call traps", WITHIN, async || {
            let trap = Call::unary(METHOD, "x").header("x-trap", "1");
            !scene.client.call(trap).await.ok()
        })
        .await;

        scene.all_calls_are_answered(component.name).await;
    }
}

/// The safety of the YAML is what is tested: without it, calls do fail.
#[tokio::test]
async fn without_a_default_configuration_an_unloadable_module_would_fail_calls() {
    let _machine = machine::shared();
    let mut component = each().next().expect("a component");
    component.manifests = component
        .manifests
        .changed("EnvoyFilter", component.name, |filter| {
            let value = &mut filter["spec"]["configPatches"][0]["patch"]["value"];
            let discovery = value["config_discovery"]
                .as_object_mut()
                .expect("an object");
            discovery.remove("default_config");
            discovery.remove("apply_default_config_without_warming");
        });
    let directory = tempfile::tempdir().expect("temporary directory");
    let scene = scene(&component, garbage(&directory, b"no module"), true).await;

    assert!(!scene.client.call(Call::unary(METHOD, "x")).await.ok());
}
