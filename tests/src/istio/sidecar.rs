//! One proxy as istiod configures it: a listener for one port, with the EnvoyFilters that select it.

use serde_json::{Value, json};

use super::patches::{self, Patch};
use super::{Agent, Manifests};
use crate::{Listener, Route};

/// Which part of a proxy a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// What comes to the workload.
    Inbound,
    /// What the workload calls.
    Outbound,
    /// A gateway.
    Gateway,
}

impl Context {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inbound => "SIDECAR_INBOUND",
            Self::Outbound => "SIDECAR_OUTBOUND",
            Self::Gateway => "GATEWAY",
        }
    }
}

/// A listener in preparation.
#[derive(Clone, Debug)]
pub struct Sidecar {
    labels: Value,
    context: Context,
    port: u16,
    routes: Vec<Value>,
    tracing_percent: Option<f64>,
}

impl Sidecar {
    /// The listener for `port` (of the container inbound, of the Service outbound) of a workload with
    /// these labels.
    pub fn new(labels: Value, context: Context, port: u16, routes: Vec<Value>) -> Self {
        Self {
            labels,
            context,
            port,
            routes,
            tracing_percent: None,
        }
    }

    /// Everything goes to `cluster`.
    pub fn to(labels: Value, context: Context, port: u16, cluster: &str) -> Self {
        let route =
            json!({"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}});
        Self::new(labels, context, port, vec![route])
    }

    /// Traces this share: the proxy then writes its decision into `x-request-id`.
    #[must_use]
    pub fn tracing(mut self, percent: f64) -> Self {
        self.tracing_percent = Some(percent);
        self
    }

    /// The listener with all EnvoyFilters that select the workload, named `name`, on a port of the
    /// kernel's choice. Panics if none was applied.
    pub fn listener(&self, name: &str, manifests: &Manifests, agent: &Agent) -> Value {
        let patches = self.patches(manifests);
        for extension in patches
            .iter()
            .filter(|patch| patch.applies_to("EXTENSION_CONFIG"))
        {
            agent.serve(extension.value());
        }
        let mut listener = self.without_filters(name);
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let Value::Array(filters) = &mut manager["http_filters"] else {
            panic!("a listener has HTTP filters")
        };
        let applied = patches::apply(&patches, self.context, self.port, filters);
        assert!(
            applied > 0,
            "no EnvoyFilter selects {} {:?}",
            self.labels,
            self.context
        );
        let connected = agent.connect(&mut listener);
        assert_eq!(connected, applied, "each patch asks for one configuration");
        listener
    }

    /// Does any EnvoyFilter select the workload?
    pub fn is_patched_by(&self, manifests: &Manifests) -> bool {
        let mut patches = self.patches(manifests).into_iter();
        patches.any(|patch| patch.is_in(self.context))
    }

    /// The same listener before any EnvoyFilter.
    pub fn without_filters(&self, name: &str) -> Value {
        let built_in = |name: &str, kind: &str| {
            let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
            json!({"name": name, "typed_config": {"@type": kind}})
        };
        let listener = Listener::new(name, Route::to("unused"))
            .http_filter(built_in(
                "envoy.filters.http.grpc_stats",
                "grpc_stats.v3.FilterConfig",
            ))
            .http_filter(built_in("envoy.filters.http.fault", "fault.v3.HTTPFault"))
            .http_filter(built_in("envoy.filters.http.cors", "cors.v3.Cors"));
        let mut listener = listener.json();
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["route_config"]["virtual_hosts"][0]["routes"] = self.routes.clone().into();
        if let Some(percent) = self.tracing_percent {
            manager["tracing"] = json!({"random_sampling": {"value": percent}});
        }
        listener
    }

    fn patches(&self, manifests: &Manifests) -> Vec<Patch> {
        let mut filters: Vec<&Value> = manifests
            .all("EnvoyFilter")
            .filter(|filter| self.is_selected(&filter["spec"]["workloadSelector"]["labels"]))
            .collect();
        filters.sort_by_key(|filter| {
            let name = filter["metadata"]["name"].as_str().map(str::to_owned);
            (filter["spec"]["priority"].as_i64(), name)
        });
        let patches = filters
            .iter()
            .filter_map(|filter| filter["spec"]["configPatches"].as_array());
        patches.flatten().cloned().map(Patch).collect()
    }

    fn is_selected(&self, wanted: &Value) -> bool {
        let wanted = wanted.as_object().expect("labels");
        wanted
            .iter()
            .all(|(name, value)| self.labels[name] == *value)
    }
}
