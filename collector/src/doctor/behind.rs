//! What stands behind a Service: whether sidecars find its pods, and whether it has any.

use super::kube::{Object, labels, selects};
use super::view::View;

/// Istio's setting that has sidecars find the pods of headless Services.
const HEADLESS: &str = "PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES";
/// What Argo Rollouts adds to selectors, and to labels of pods that no manifest has.
const ROLLOUTS: &str = "rollouts-pod-template-hash";

/// Why sidecars reach nobody behind `service` but at an address that a caller chose, which copies of requests and the
/// filter's own do not have.
pub fn headless(view: &View<'_>, service: &Object) -> Option<&'static str> {
    let address = service.at().find(&["spec", "clusterIP"])?;
    let containers = view.workloads.iter().flat_map(|one| one.containers());
    let mut settings = containers.flat_map(|container| container.list("env"));
    let is_found = settings.any(|setting| {
        let value = setting.get("value");
        setting.text("name") == Some(HEADLESS)
            && value.is_some_and(|value| value.node().boolean() == Some(true))
    });
    (address.node().text() == Some("None") && !is_found).then_some(
        "is headless (clusterIP: None): Istio's sidecars pass calls of it to the address that the caller chose, and \
         here nobody chose any",
    )
}

/// Says so if a workload has the name of `service`, and neither it nor any other that was given has the labels that
/// it selects. Where there is none of its name, its pods may be elsewhere.
pub fn namesake_beside(view: &View<'_>, service: &Object) -> Option<String> {
    let mut wanted = labels(service.at().find(&["spec", "selector"]));
    wanted.retain(|(key, _)| key != ROLLOUTS);
    let may_be_here = view.workloads.iter();
    let here: Vec<_> = may_be_here
        .filter(|one| service.is_in(&one.object.namespace))
        .collect();
    let namesake = here.iter().find(|one| one.object.name == service.name)?;
    let is_selected = here.iter().any(|one| selects(&wanted, &one.labels));
    (!wanted.is_empty() && !is_selected).then(|| {
        let asked: Vec<_> = wanted
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        format!(
            "no pod that was given has the labels {} that it selects, those of {} neither",
            asked.join(","),
            namesake.object.origin.object
        )
    })
}
