//! Every change of the filter drains listeners, and cuts long streams.

use super::super::finding::Findings;
use super::super::recorder::How;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

/// Changes of listeners that a proxy has seen, from which on somebody makes them often.
const MODIFIED_MAX: f64 = 20.0;

pub(super) const TRAP: Trap = Trap {
    number: 19,
    id: "listener-drain",
    title: "a change of the filter drains listeners",
    severity: Severity::Warning,
    hurts: "The filter's settings, where they stand in the listener itself, cannot be changed without replacing \
            the listener: its connections are drained, and long gRPC streams reset, each time.",
    remedy: "Keep the settings in an EXTENSION_CONFIG (ECDS is updated in place) and leave the HTTP_FILTER as \
             it is; change settings in quiet hours where they are inline.",
    remedy_by_hand: Some(
        "Fetch the filter's settings from a file of their own (`config_discovery` with \
         `path_config_source`), which is updated in place; where they are inline, change them \
         in quiet hours.",
    ),
    looks: &[
        look(Need::Installers, "settings that stand in listeners"),
        look(Need::Stats, "listeners that were replaced"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.installed {
        let is_fetched = recorder.at.find(&["vm_config", "code", "remote"]).is_some();
        match recorder.how {
            How::Inline if is_fetched => findings.warning(
                &recorder.at,
                "settings stand in the listener: each change of them, or of the module, drains it",
            ),
            How::Inline => findings.info(
                &recorder.at,
                "settings stand in the listener: each change of them drains it",
            ),
            _ => {}
        }
    }
    for stats in &view.stats {
        let of = |name: &str| stats.total(name).unwrap_or(0.0);
        let modified = of("listener_manager.listener_modified");
        if modified > MODIFIED_MAX {
            findings.put(
                Severity::Warning,
                stats.place("listener_manager.listener_modified"),
                format!("listeners were replaced {modified} times since this Envoy began"),
            );
        }
        let draining = of("listener_manager.total_listeners_draining");
        if draining > 0.0 {
            findings.put(
                Severity::Info,
                stats.place("listener_manager.total_listeners_draining"),
                format!("{draining} listeners are being drained now"),
            );
        }
    }
}
