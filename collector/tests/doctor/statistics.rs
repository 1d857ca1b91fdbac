//! Statistics that an Envoy does not have, as Istio leaves most of them out, are not taken for 0.

use std::collections::BTreeSet;

use serde_json::Value;

use super::program::{examine, fixtures};

/// Traps that were not looked at although their input was there, and why.
fn unseen(answer: &Value) -> BTreeSet<String> {
    let unseen = answer["not_checked"].as_array().unwrap().iter();
    let about = unseen.filter(|one| one.get("needs").is_none());
    let about = about.filter(|one| one["what"].as_str().unwrap().contains("stats.txt"));
    about
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

fn examine_with(lines: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let stats = folder.path().join("stats.txt");
    std::fs::write(&stats, lines.join("\n")).unwrap();
    examine(&[fixtures().join("clean"), stats])
}

#[test]
fn what_istio_leaves_out_by_default_is_said_to_be_unseen() {
    let answer = examine_with(&[
        "cluster_manager.cds.update_success: 3",
        "cluster.xds-grpc.membership_total: 1",
        "listener_manager.lds.update_success: 3",
        "server.concurrency: 2",
    ]);
    let expected = [
        "candidate-down",
        "collector-denied",
        "collector-hidden",
        "collector-tls",
        "early-cancel",
        "filter-settings",
        "grpc-port",
        "mirror-form",
        "mirror-stall",
        "module-load",
        "records-lost",
    ];
    assert_eq!(unseen(&answer), expected.map(str::to_owned).into());
}

#[test]
fn statistics_that_are_there_are_seen() {
    let answer = examine_with(&[
        "cluster.outbound|50051|v2|orders-next.shop.svc.cluster.local.membership_total: 1",
        "cluster.outbound|9090||twintap-collector.twintap.svc.cluster.local.membership_total: 1",
        "extension_config_discovery.http_filter.twintap.inbound.config_fail: 0",
        "wasmcustom.twintap_batches_sent_total: 7",
    ]);
    assert_eq!(unseen(&answer), BTreeSet::new(), "{answer:#}");
}
