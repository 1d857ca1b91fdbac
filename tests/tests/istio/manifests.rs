//! What can be judged without Envoy, in `tests/python/istio/`.

use std::path::Path;
use std::process::Command;

use twintap_e2e::istio::Manifests;
use twintap_e2e::{artifacts, live};

#[test]
fn every_object_is_one_that_each_checked_istio_takes() {
    check("schemas", &[]);
}

#[test]
fn planted_errors_are_found() {
    check("planted", &[]);
}

#[test]
fn kubectl_renders_the_same() {
    check("kubectl", &[]);
}

#[test]
fn names_ports_clusters_and_types_agree_across_files() {
    check("agreement", &[]);
}

#[test]
fn documents_show_what_the_files_say() {
    check("documents", &[]);
}

/// Runs one topic of `check.py`, of another folder than `istio/` if one is given.
pub(crate) fn check(topic: &str, folder: &[&Path]) {
    let output = Command::new(artifacts::python())
        .arg(artifacts::script("istio/check.py"))
        .arg(topic)
        .args(folder)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    assert!(output.status.success(), "{said}{errors}");
}

#[test]
fn collector_accepts_its_arguments() {
    for overlay in ["demo", "production"] {
        let manifests = Manifests::overlay(overlay);
        let collector = manifests.named("StatefulSet", "twintap-collector");
        let container = &collector["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().expect("arguments");
        let arguments: Vec<&str> = arguments
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect();
        assert_eq!(arguments[0], "serve");
        // The same keys, without serving.
        let output = live::twintap()
            .arg("check-config")
            .args(&arguments[1..])
            .output()
            .expect("twintap starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{overlay}: {errors}"
        );
    }
}
