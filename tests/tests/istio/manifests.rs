//! What can be judged without Envoy, in `tests/python/istio/`.

use std::process::Command;

use twintap_e2e::artifacts;

#[test]
fn every_object_is_one_that_every_supported_istio_takes() {
    check("schemas");
}

#[test]
fn planted_errors_are_found() {
    check("planted");
}

#[test]
fn kubectl_renders_the_same() {
    check("kubectl");
}

#[test]
fn names_ports_clusters_and_types_agree_across_files() {
    check("agreement");
}

#[test]
fn documents_show_what_the_files_say() {
    check("documents");
}

fn check(topic: &str) {
    let output = Command::new(artifacts::python())
        .arg(artifacts::script("istio/check.py"))
        .arg(topic)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    assert!(output.status.success(), "{said}{errors}");
}
