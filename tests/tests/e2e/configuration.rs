//! Bad configurations (the catalogue's section A): traffic passes, and the filter says so.

use std::time::Duration;

use serde_json::json;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Call, Client, Server};
use twintap_e2e::{Filter, Listener, Route, Scene, Sink, machine, wait};

const METHOD: &str = "shop.v1.Orders/Get";
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// What is wrong, and the configuration.
fn refused() -> Vec<(&'static str, String)> {
    let good = r#""position":"inbound","collector_cluster":"collector""#;
    let with = |extra: &str| format!("{{{good},{extra}}}");
    let pattern = format!("\"{}\"", "(a{1000}){1000}");
    let many = vec![r#""p.S/M""#; 10_000].join(",");
    vec![
        ("empty", String::new()),
        ("null", "null".to_owned()),
        ("list", "[]".to_owned()),
        ("not JSON", "position: inbound".to_owned()),
        ("half of an object", format!("{{{good}")),
        ("text behind it", format!("{{{good}}} x")),
        ("byte order mark", format!("\u{feff}{{{good}}}")),
        ("deep", "[".repeat(10_000)),
        (
            "deep value",
            with(&format!("\"service\":{}", "{\"a\":".repeat(10_000))),
        ),
        (
            "long",
            with(&format!("\"service\":\"{}\"", "s".repeat(1 << 20))),
        ),
        ("repeated key", with(r#""position":"upstream""#)),
        ("unknown key", with(r#""sample_rte":0.5"#)),
        (
            "position missing",
            r#"{"collector_cluster":"collector"}"#.to_owned(),
        ),
        (
            "position unknown",
            r#"{"position":"sideways","collector_cluster":"c"}"#.to_owned(),
        ),
        ("cluster missing", r#"{"position":"inbound"}"#.to_owned()),
        (
            "cluster empty",
            r#"{"position":"inbound","collector_cluster":""}"#.to_owned(),
        ),
        ("role unknown", with(r#""role":"understudy""#)),
        ("rate below 0", with(r#""sample_rate":-0.1"#)),
        ("rate over 1", with(r#""sample_rate":1.01"#)),
        ("rate overflows", with(r#""sample_rate":1e400"#)),
        ("rate is text", with(r#""sample_rate":"0.5""#)),
        ("rate is NaN", with(r#""sample_rate":NaN"#)),
        ("size negative", with(r#""body_bytes_max":-1"#)),
        ("size fractional", with(r#""body_bytes_max":1.5"#)),
        (
            "size overflows",
            with(r#""body_bytes_max":18446744073709551616"#),
        ),
        ("size over the limit", with(r#""body_bytes_max":458753"#)),
        ("interval 0", with(r#""flush_interval_ms":0"#)),
        (
            "interval over the limit",
            with(r#""flush_interval_ms":10001"#),
        ),
        ("timeout 0", with(r#""send_timeout_ms":0"#)),
        ("bool is number", with(r#""record":1"#)),
        ("methods is text", with(r#""include_methods":"p.S/M""#)),
        (
            "pattern is a regex bomb",
            with(&format!("\"include_methods\":[{pattern}]")),
        ),
        (
            "too many methods",
            with(&format!("\"exclude_methods\":[{many}]")),
        ),
        ("method is a number", with(r#""exclude_methods":[1]"#)),
    ]
}

/// Root contexts that one VM takes.
const CONFIGURATIONS_PER_VM: usize = 8;

#[tokio::test]
async fn refused_configuration_passes_all_traffic_and_says_so() {
    let _machine = machine::shared();
    for some in refused().chunks(CONFIGURATIONS_PER_VM) {
        pass_and_say_so(some).await;
    }
}

async fn pass_and_say_so(configurations: &[(&str, String)]) {
    let server = Server::echo().await;
    let sink = Sink::keeping().await;
    let mut bootstrap = Bootstrap::new("refused")
        .grpc("server", server.address())
        .collector(sink.address());
    for (what, configuration) in configurations {
        let filter = Filter::inbound().raw(configuration).named(what);
        bootstrap = bootstrap.listener(Listener::new(what, Route::to("server")).filter(filter));
    }
    let envoy = bootstrap.start().await;

    for (what, _) in configurations {
        let client = Client::connect(envoy.address(what).await).await;
        let outcome = client.call(Call::unary(METHOD, "x")).await;
        assert!(outcome.ok(), "{what}: {outcome:?}");
        let log = envoy.process.log();
        let says = |line: &str| line.contains("wasm log") && line.contains(what);
        assert!(
            log.lines().any(says),
            "{what}: a line in Envoy's log:\n{log}"
        );
    }

    wait::until_true("the filter counts them", SAID_WITHIN, async || {
        let count = configurations.len() as u64;
        envoy
            .stats()
            .await
            .counter("wasmcustom.twintap_config_invalid")
            >= count
    })
    .await;
    assert_eq!(sink.received().batches, 0, "nothing is recorded");
}

#[tokio::test]
async fn every_key_at_its_limits_is_accepted() {
    let _machine = machine::shared();
    let filters = [
        Filter::inbound()
            .with("role", "candidate")
            .with("service", "orders")
            .with("sample_rate", 1)
            .with("body_bytes_max", 458_752)
            .with("flush_interval_ms", 10)
            .with("send_timeout_ms", 100)
            .with("include_methods", json!([]))
            .with("exclude_methods", json!([]))
            .with("redact_headers", json!(["x-a"]))
            .with("redaction_key", "k".repeat(64))
            .with("collector_authority", "collector.obs.svc"),
        Filter::inbound()
            .with("body_bytes_max", 0)
            .with("send_timeout_ms", 60_000),
    ];
    for filter in filters {
        let scene = Scene::of(filter).start().await;
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
        scene.record().await;
        assert_eq!(
            scene
                .envoy
                .stats()
                .await
                .counter("wasmcustom.twintap_config_invalid"),
            0
        );
    }
}

#[tokio::test]
async fn unknown_collector_cluster_costs_records_not_calls() {
    let _machine = machine::shared();
    let filter = Filter::inbound().with("collector_cluster", "nowhere");
    let scene = Scene::of(filter).start().await;

    for _ in 0..200 {
        assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    }

    wait::until_true("the filter counts failed sends", SAID_WITHIN, async || {
        scene
            .envoy
            .stats()
            .await
            .counter("wasmcustom.twintap_batches_failed_total")
            > 0
    })
    .await;
    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
}
