//! `twintap doctor` and the sample mesh: silent while it is right, and what it says when one line of the
//! YAML is not, in manifests, at a running Envoy and in what was recorded.

use std::time::Duration;

use serde_json::Value;
use twintap_e2e::doctor::Doctor;
use twintap_e2e::grpc::{Answer, Call, RequestHead, Step};
use twintap_e2e::istio::Manifests;
use twintap_e2e::{machine, wait};

use crate::mesh::{METHOD, Mesh, RecordsAt};

const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// Statistics of the caller's cluster of the new service.
const MIRROR: &str = "cluster.outbound|50051||orders-new.shop.svc.cluster.local";
/// Of the route to a mirror that stops reading.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More than the windows and buffers of two Envoys take.
const LARGE_BYTES: usize = 64 << 20;

/// Manifests in which only `make release-manifests` is missing: it pins the module.
fn look_at(manifests: &Manifests) -> Doctor {
    Doctor::new().manifests(manifests).ignoring("module-load")
}

#[tokio::test]
async fn sample_mesh_gives_no_alarm() {
    let _machine = machine::shared();
    let mut mesh = Mesh::of_the_demo().start().await;
    assert!(mesh.client.call(Call::unary(METHOD, "x")).await.ok());

    let manifests = look_at(&mesh.manifests).run();
    // Not beside the manifests, which ask for mutual TLS: there is none on loopback.
    let envoys = mesh
        .envoys()
        .iter()
        .fold(Doctor::new(), Doctor::envoy)
        .run();
    let data = mesh.recorded(2).await;
    let records = look_at(&mesh.manifests).data(&data).run();

    assert_eq!((manifests.found, manifests.code), (vec![], 0));
    assert_eq!((envoys.found, envoys.code), (vec![], 0));
    assert_eq!((records.found, records.code), (vec![], 0));
}

/// The Service's port as most are written: Istio guesses what it speaks.
fn unsaid(port: &mut Value) {
    port["name"] = "api".into();
    port.as_object_mut().expect("a port").remove("appProtocol");
}

#[tokio::test]
async fn mirror_over_http1_is_seen_in_manifests_at_the_caller_and_in_records() {
    let _machine = machine::shared();
    let mut mesh = Mesh::of_the_demo().port("orders-new", unsaid).start().await;

    // Production notices nothing.
    assert!(mesh.client.call(Call::unary(METHOD, "x")).await.ok());

    let connections = format!("{MIRROR}.upstream_cx_http1_total");
    wait::until_true("the mirror is connected to", SEEN_WITHIN, async || {
        mesh.caller().stats().await.counter(&connections) > 0
    })
    .await;
    let manifests = look_at(&mesh.manifests).run();
    let at_caller = Doctor::new().envoy(mesh.caller()).run();
    let data = mesh.recorded(2).await;
    let records = Doctor::new().data(&data).run();

    let port = "grpc-port error Service shop/orders-new spec.ports[0]";
    assert_eq!(
        (manifests.found, manifests.code),
        (vec![port.to_owned()], 1)
    );
    let found = at_caller.of("grpc-port");
    let is_cluster = |line: &&str| line.starts_with("grpc-port error configs[");
    assert!(found.iter().any(is_cluster), "{found:?}");
    assert!(
        found.contains(&&*format!("grpc-port error {connections}")),
        "{found:?}"
    );
    assert_eq!(at_caller.code, 1);
    assert_eq!(records.found, ["candidate-down error", "grpc-port warning"]);
    let what = &records.answer["findings"][1]["what"];
    let what = what.as_str().expect("what was found");
    assert!(
        what.starts_with("1 mirrored calls (100 %) ended in a protocol error"),
        "{what}"
    );
    assert_eq!(records.code, 1);
}

#[tokio::test]
async fn mirror_over_http1_is_seen_in_what_the_caller_recorded() {
    let _machine = machine::shared();
    let mesh = Mesh::with(&["outbound", "upstream"], RecordsAt::Caller);
    let mut mesh = mesh.port("orders-new", unsaid).start().await;
    assert!(mesh.client.call(Call::unary(METHOD, "x")).await.ok());
    let data = mesh.recorded(2).await;

    let records = Doctor::new().data(&data).run();

    assert_eq!(records.found, ["grpc-port warning"]);
}

/// The route's timeout begins when the request has been sent whole, and that is what never happens.
#[tokio::test]
async fn mirror_that_stops_reading_holds_the_caller_up_beyond_the_timeout_and_is_seen_there() {
    let _machine = machine::shared();
    let stuck = |head: &RequestHead| match head.headers.contains_key("x-stuck") {
        true => Answer::script([Step::Hang]),
        false => Answer::echo(),
    };
    let short = |service: &mut Value| {
        service["spec"]["http"][0]["timeout"] = format!("{}s", TIMEOUT.as_secs()).into()
    };
    let mesh = Mesh::of_the_demo()
        .route(short)
        .new_answers(stuck)
        .start()
        .await;
    let call = Call::unary(METHOD, vec![7; LARGE_BYTES]).header("x-stuck", "1");
    let call = mesh.client.call(call);
    tokio::pin!(call);
    let backed_up = format!("{MIRROR}.upstream_flow_control_backed_up_total");
    tokio::select! {
        outcome = &mut call => panic!("the caller was not held up: {outcome:?}"),
        () = wait::until_true("the mirror is backed up", SEEN_WITHIN, async || {
            mesh.caller().stats().await.counter(&backed_up) > 0
        }) => {}
    }

    let diagnosis = Doctor::new().envoy(mesh.caller()).run();
    let beyond = tokio::time::timeout(3 * TIMEOUT, &mut call).await;

    let stall = format!("mirror-stall error {backed_up}");
    assert_eq!((diagnosis.found, diagnosis.code), (vec![stall], 1));
    assert!(beyond.is_err(), "{beyond:?}");
}

/// Nothing else tells: the pods run, and their records never arrive.
#[test]
fn recorded_namespace_that_the_collector_does_not_let_in_is_seen_in_manifests() {
    let without_label = Manifests::overlay("demo").changed("Namespace", "shop", |namespace| {
        let labels = namespace["metadata"]["labels"].as_object_mut();
        labels.expect("labels").remove("twintap/records");
    });

    let diagnosis = look_at(&without_label).run();

    let namespace = "collector-denied error Namespace shop";
    assert_eq!(
        (diagnosis.found, diagnosis.code),
        (vec![namespace.to_owned()], 1)
    );
}
