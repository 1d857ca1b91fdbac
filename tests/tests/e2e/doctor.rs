//! `twintap doctor --envoy-admin`: what a real Envoy tells of itself is understood.

use std::time::Duration;

use twintap_e2e::doctor::Doctor;
use twintap_e2e::envoy::Bootstrap;
use twintap_e2e::grpc::{Answer, Call, Client, Server, Step};
use twintap_e2e::{Envoy, Filter, Listener, Route, Scene, machine, wait};

const METHOD: &str = "shop.v1.Orders/Get";
const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// More than windows and buffers on the way to a mirror take.
const LARGE_BYTES: usize = 64 << 20;

/// The doctor's findings at `envoy`, as `id severity path`, and its exit code. All methods are mirrored
/// in these scenes, so that trap is left out.
fn findings(envoy: &Envoy) -> (Vec<String>, i32) {
    let doctor = Doctor::new().envoy(envoy).ignoring("mirrored-writes");
    let diagnosis = doctor.run();
    (diagnosis.found, diagnosis.code)
}

#[tokio::test]
async fn an_envoy_that_is_set_up_well_gives_no_alarm() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::outbound())
        .and(Filter::upstream())
        .mirrored(|_| Answer::echo())
        .route(|route| route.timeout("10s"))
        .start()
        .await;
    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    scene.settled(3).await;

    assert_eq!(findings(&scene.envoy), (vec![], 0));
}

#[tokio::test]
async fn a_mirror_over_http1_is_seen_in_configuration_and_statistics() {
    let _machine = machine::shared();
    let (old, new) = (Server::echo().await, Server::echo().await);
    let route = Route::to("old").mirror("new").timeout("10s");
    let listener = Listener::new("grpc", route).filter(Filter::outbound().with("record", false));
    let bootstrap = Bootstrap::new("downgraded").listener(listener);
    let envoy = bootstrap
        .grpc("old", old.address())
        .http1("new", new.address())
        .collector(new.address())
        .start()
        .await;
    let client = Client::connect(envoy.address("grpc").await).await;
    assert!(client.call(Call::unary(METHOD, "x")).await.ok());
    const CONNECTIONS: &str = "cluster.new.upstream_cx_http1_total";
    wait::until_true("the mirror is connected to", SEEN_WITHIN, async || {
        envoy.stats().await.counter(CONNECTIONS) > 0
    })
    .await;

    let (found, code) = findings(&envoy);
    assert!(
        found.contains(&format!("grpc-port error {CONNECTIONS}")),
        "{found:?}"
    );
    let of_configuration = found
        .iter()
        .any(|text| text.starts_with("grpc-port error configs["));
    assert!(of_configuration, "{found:?}");
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_mirror_that_holds_callers_up_is_seen_in_statistics() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::outbound())
        .and(Filter::upstream())
        .mirrored(|_| Answer::script([Step::Hang]))
        .route(|route| route.timeout("10s"))
        .start()
        .await;
    const BACKED_UP: &str = "cluster.new.upstream_flow_control_backed_up_total";
    let call = Call::unary(METHOD, vec![7; LARGE_BYTES]);
    tokio::select! {
        outcome = scene.client.call(call) => panic!("the caller was not held up: {outcome:?}"),
        () = wait::until_true("the mirror is backed up", SEEN_WITHIN, async || {
            scene.envoy.stats().await.counter(BACKED_UP) > 0
        }) => {}
    }

    let (found, code) = findings(&scene.envoy);
    assert_eq!(found, [format!("mirror-stall error {BACKED_UP}")]);
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_filter_that_refused_its_settings_is_seen_in_configuration_and_statistics() {
    let _machine = machine::shared();
    let scene = Scene::of(Filter::inbound().with("no_such_key", true))
        .start()
        .await;
    assert!(scene.client.call(Call::unary(METHOD, "x")).await.ok());
    wait::until_true("the filter counts it", SEEN_WITHIN, async || {
        let stats = scene.envoy.stats().await;
        stats.counter("wasmcustom.twintap_config_invalid") > 0
    })
    .await;

    let (found, code) = findings(&scene.envoy);
    assert!(
        matches!(found.as_slice(), [one, other]
            if one.starts_with("filter-settings error configs[")
                && other == "filter-settings error twintap_config_invalid"),
        "{found:?}"
    );
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_collector_that_the_envoy_does_not_know_is_seen_in_its_configuration() {
    let _machine = machine::shared();
    let filter = Filter::inbound().with("collector_cluster", "elsewhere");
    let scene = Scene::of(filter).start().await;

    let (found, code) = findings(&scene.envoy);
    assert!(
        matches!(found.as_slice(), [one] if one.starts_with("collector-hidden error configs[")),
        "{found:?}"
    );
    assert_eq!(code, 1);
}
