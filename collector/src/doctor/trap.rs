//! What a trap is: something in a set-up that mirrors gRPC calls and will hurt, and how to see it.
//!
//! Each trap is a module of [`super::traps`] that holds its [`Trap`] and its check. Numbers and ids are
//! for ever: scripts name them.

use serde::Serialize;

use super::finding::Findings;
use super::view::View;

/// A way in which a set-up hurts.
#[derive(Debug)]
pub struct Trap {
    /// From 1; never used again.
    pub number: u8,
    /// Short name in lower case; never changes.
    pub id: &'static str,
    /// What is wrong, in a line.
    pub title: &'static str,
    /// What its findings are at worst.
    pub severity: Severity,
    /// Why it hurts.
    pub hurts: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What to do where an Envoy is set up by hand, without Istio; `None` if it is the same.
    pub remedy_by_hand: Option<&'static str>,
    /// All that the check can look at.
    pub looks: &'static [Look],
    /// Looks.
    pub check: fn(&View<'_>, &mut Findings),
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// Hurts under some load, some failure, or at some upgrade; or makes the answer less sure.
    Warning,
    /// Production may be hurt, or nothing of use is recorded.
    Error,
}

impl Severity {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that a check looks at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Where it is found.
    pub need: Need,
    /// What is looked at, in a few words.
    pub at: &'static str,
}

/// What a check cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Services.
    Services,
    /// Routes that may mirror: VirtualServices, GRPCRoutes, HTTPRoutes.
    Routes,
    /// What installs the filter: EnvoyFilters, WasmPlugins, TrafficExtensions.
    Installers,
    /// Deployments and other objects with a pod template.
    Workloads,
    /// DestinationRules.
    DestinationRules,
    /// PeerAuthentications.
    PeerAuthentications,
    /// AuthorizationPolicies or NetworkPolicies.
    Policies,
    /// Sidecars.
    Sidecars,
    /// Configuration of an Envoy.
    Envoy,
    /// Statistics of an Envoy.
    Stats,
    /// Recorded calls.
    Recording,
    /// Descriptors of the services.
    Descriptors,
}

impl Need {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Services,
        Self::Routes,
        Self::Installers,
        Self::Workloads,
        Self::DestinationRules,
        Self::PeerAuthentications,
        Self::Policies,
        Self::Sidecars,
        Self::Envoy,
        Self::Stats,
        Self::Recording,
        Self::Descriptors,
    ];

    /// What to give, as the user knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Services => "Service YAML",
            Self::Routes => "VirtualService, GRPCRoute or HTTPRoute YAML",
            Self::Installers => "EnvoyFilter, WasmPlugin or TrafficExtension YAML",
            Self::Workloads => "Deployment (or other workload) YAML",
            Self::DestinationRules => "DestinationRule YAML",
            Self::PeerAuthentications => "PeerAuthentication YAML",
            Self::Policies => "AuthorizationPolicy or NetworkPolicy YAML",
            Self::Sidecars => "Sidecar YAML",
            Self::Envoy => "an Envoy's /config_dump (or --envoy-admin)",
            Self::Stats => "an Envoy's /stats (or --envoy-admin)",
            Self::Recording => "recorded calls (--data-dir)",
            Self::Descriptors => "descriptors of the services (--descriptors or --proto)",
        }
    }

    /// Kinds of Kubernetes objects that satisfy it.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Services => &["Service"],
            Self::Routes => &["VirtualService", "GRPCRoute", "HTTPRoute"],
            Self::Installers => &["EnvoyFilter", "WasmPlugin", "TrafficExtension"],
            Self::Workloads => super::kube::WORKLOAD_KINDS,
            Self::DestinationRules => &["DestinationRule"],
            Self::PeerAuthentications => &["PeerAuthentication"],
            Self::Policies => &["AuthorizationPolicy", "NetworkPolicy"],
            Self::Sidecars => &["Sidecar"],
            Self::Envoy | Self::Stats | Self::Recording | Self::Descriptors => &[],
        }
    }
}
