//! Places where twintap's filter is installed, whatever installs it.

use super::at::At;
use super::envoy::{Envoy, Filter, http_options, inside, type_of};
use super::kube::{Object, labels};
use super::node::{Node, Plain};

/// In names of the filter and its module.
const NAME: &str = "twintap";
/// Values of the setting `position`.
const POSITIONS: [&str; 3] = ["inbound", "outbound", "upstream"];

/// What brings the filter into an Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The filter's configuration stands in the list of filters.
    Inline,
    /// The same, in the chain of a router or of a cluster.
    InlineUpstream,
    /// The configuration is fetched by name (ECDS).
    Extension,
    /// A WasmPlugin or TrafficExtension.
    Plugin,
}

/// One configuration of the filter.
#[derive(Clone, Debug)]
pub struct Recorder<'a> {
    /// `PluginConfig` of Envoy, or `spec` of a plugin.
    pub at: At<'a>,
    /// How it is brought in.
    pub how: How,
    /// As the list of filters calls it; of plugins, the object's name.
    pub filter_name: &'a str,
    /// The object, where it is one of Kubernetes.
    pub object: Option<&'a Object>,
    /// Context of the patch, such as `SIDECAR_INBOUND`; empty if not said.
    pub context: &'a str,
    /// The filter's own settings; null if they cannot be read.
    pub settings: Node,
    /// Where they stand; absent if there are none.
    pub settings_at: Option<At<'a>>,
}

impl<'a> Recorder<'a> {
    /// Recorders of a Kubernetes object.
    pub fn all_of_object(object: &'a Object) -> Vec<Self> {
        match object.kind.as_str() {
            "EnvoyFilter" => of_envoy_filter(object),
            "WasmPlugin" => {
                let spec = object.at().get("spec");
                spec.and_then(|spec| of_plugin(object, spec))
                    .into_iter()
                    .collect()
            }
            "TrafficExtension" => {
                let wasm = object.at().find(&["spec", "wasm"]);
                wasm.and_then(|wasm| of_plugin(object, wasm))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Recorders of an Envoy.
    pub fn all_of_envoy(envoy: &'a Envoy) -> Vec<Self> {
        let mut found = Vec::new();
        for chain in envoy.chains() {
            let how = if chain.is_upstream {
                How::InlineUpstream
            } else {
                How::Inline
            };
            for filter in &chain.filters {
                let typed = filter.at.get("typed_config");
                let wasm = typed.and_then(|typed| of_typed(filter.name, typed, how));
                found.extend(wasm.filter(Self::is_ours));
            }
        }
        for (name, typed) in envoy.extensions() {
            let wasm = of_typed(name, typed, How::Extension);
            found.extend(wasm.filter(Self::is_ours));
        }
        found
    }

    /// The one of `recorders` that a filter of the same Envoy is.
    pub fn of_filter<'r>(recorders: &'r [Self], filter: &Filter<'_>) -> Option<&'r Self> {
        let within = format!("{}.typed_config.", filter.at.place().path);
        recorders.iter().find(|recorder| match recorder.how {
            How::Extension => recorder.filter_name == filter.name,
            // A router holds filters of its own.
            _ => {
                let place = recorder.at.place();
                let rest = place.path.strip_prefix(&within);
                rest.is_some_and(|rest| !rest.contains("http_filters"))
            }
        })
    }

    /// `inbound`, `outbound` or `upstream`; empty if it does not say.
    pub fn position(&self) -> &str {
        self.settings
            .get("position")
            .and_then(Node::text)
            .unwrap_or_default()
    }

    /// `primary`, `candidate` or `secondary`; empty if it does not say.
    pub fn role(&self) -> &str {
        let role = self.settings.get("role").and_then(Node::text);
        role.unwrap_or_default()
    }

    /// Does it record, or only stamp?
    pub fn records(&self) -> bool {
        let said = self.settings.get("record").and_then(Node::boolean);
        said.unwrap_or(self.position() != "outbound")
    }

    /// Does it set the pair id?
    pub fn stamps(&self) -> bool {
        let said = self.settings.get("stamp_pair_id").and_then(Node::boolean);
        said.unwrap_or(self.position() == "outbound")
    }

    /// Envoy's name of the collector.
    pub fn collector_cluster(&self) -> Option<&str> {
        self.settings.get("collector_cluster")?.text()
    }

    /// Port and host of the collector, where its name is one that Istio gives.
    pub fn collector(&self) -> Option<(u16, &str)> {
        mesh_cluster(self.collector_cluster()?).map(|(port, _, host)| (port, host))
    }

    /// Labels of the pods it is for; none takes all of its namespace.
    pub fn selector(&self) -> Vec<(String, String)> {
        self.object.map(selector).unwrap_or_default()
    }

    /// Is it for resources that it names one by one, such as a waypoint's service, and for no other pods?
    pub fn has_targets(&self) -> bool {
        let spec = self.object.and_then(|object| object.at().get("spec"));
        spec.is_some_and(|spec| spec.get("targetRefs").or(spec.get("targetRef")).is_some())
    }

    fn is_ours(&self) -> bool {
        let vm = self.at.get("vm_config");
        let code = vm.as_ref().and_then(|vm| vm.get("code"));
        let uri = [&["local", "filename"][..], &["remote", "http_uri", "uri"]];
        let mut names = vec![self.filter_name];
        names.extend(
            ["name", "root_id", "plugin_name", "url"]
                .iter()
                .filter_map(|key| self.at.text(key)),
        );
        names.extend(vm.as_ref().and_then(|vm| vm.text("vm_id")));
        names.extend(
            uri.iter()
                .filter_map(|path| code.as_ref()?.find(path)?.node().text()),
        );
        POSITIONS.contains(&self.position()) || names.iter().any(|name| name.contains(NAME))
    }
}

/// Labels of the pods that an object of Istio's is for; none takes all.
pub fn selector(object: &Object) -> Vec<(String, String)> {
    let of_filter = object.at().find(&["spec", "workloadSelector", "labels"]);
    labels(of_filter.or_else(|| object.at().find(&["spec", "selector", "matchLabels"])))
}

/// Port, subset and host of a cluster that Istio names: `outbound|PORT|SUBSET|HOST`.
pub fn mesh_cluster(name: &str) -> Option<(u16, &str, &str)> {
    let mut parts = name.split('|');
    if parts.next()? != "outbound" {
        return None;
    }
    let port = parts.next()?.parse().ok()?;
    Some((port, parts.next()?, parts.next()?))
}

/// A patch of an EnvoyFilter.
#[derive(Clone, Debug)]
pub struct Patch<'a> {
    /// The entry of `configPatches`.
    pub at: At<'a>,
    /// Such as `HTTP_FILTER`.
    pub apply_to: &'a str,
    /// Such as `SIDECAR_INBOUND`; empty if not said, which means any.
    pub context: &'a str,
    /// Such as `INSERT_BEFORE`.
    pub operation: &'a str,
    /// What is patched in.
    pub value: Option<At<'a>>,
}

impl<'a> Patch<'a> {
    /// The name of the filter beside which the patch goes.
    pub fn beside(&self) -> Option<At<'a>> {
        self.at.find(&[
            "match",
            "listener",
            "filterChain",
            "filter",
            "subFilter",
            "name",
        ])
    }

    /// The name of what it brings.
    pub fn name(&self) -> &'a str {
        let name = self.value.as_ref().and_then(|value| value.text("name"));
        name.unwrap_or_default()
    }

    /// The filters that it brings, and whether they are for an upstream chain.
    pub fn filters(&self) -> Vec<(Filter<'a>, bool)> {
        let Some(value) = &self.value else {
            return Vec::new();
        };
        let mut upstream = Vec::new();
        let mut filters = Vec::new();
        match self.apply_to {
            "HTTP_FILTER" => {
                let own = value.get("typed_config").map(inside);
                upstream.extend(own.map(|own| own.list("upstream_http_filters")));
                filters.push((value.clone(), false));
            }
            "CLUSTER" => {
                let options = http_options(value);
                upstream.extend(options.map(|options| options.list("http_filters")));
            }
            _ => {}
        }
        filters.extend(upstream.into_iter().flatten().map(|at| (at, true)));
        let named = filters.into_iter().map(|(at, is_upstream)| {
            let name = at.text("name").unwrap_or_default();
            (Filter { name, at }, is_upstream)
        });
        named.collect()
    }
}

/// The patches of an EnvoyFilter.
pub fn patches(object: &Object) -> Vec<Patch<'_>> {
    let spec = object.at().get("spec");
    let patches = spec
        .map(|spec| spec.list("configPatches"))
        .unwrap_or_default();
    patches
        .into_iter()
        .map(|at| {
            let patch = at.get("patch");
            Patch {
                apply_to: at.text("applyTo").unwrap_or_default(),
                context: at
                    .get("match")
                    .and_then(|rule| rule.text("context"))
                    .unwrap_or_default(),
                operation: patch
                    .as_ref()
                    .and_then(|patch| patch.text("operation"))
                    .unwrap_or_default(),
                value: patch.and_then(|patch| patch.get("value")),
                at,
            }
        })
        .collect()
}

fn of_envoy_filter(object: &Object) -> Vec<Recorder<'_>> {
    let mut found = Vec::new();
    for patch in patches(object) {
        let Some(value) = patch.value else { continue };
        let name = value.text("name").unwrap_or_default();
        let mut configured = Vec::new();
        let own = value.get("typed_config");
        if patch.apply_to == "EXTENSION_CONFIG" {
            configured.extend(own.and_then(|typed| of_typed(name, typed, How::Extension)));
        } else if patch.apply_to == "CLUSTER" {
            let options = value.get("typed_extension_protocol_options");
            for (_, options) in options.map(|at| at.entries()).unwrap_or_default() {
                configured.extend(upstream(&options, "http_filters"));
            }
        } else {
            if let Some(typed) = &own {
                configured.extend(upstream(&inside(typed.clone()), "upstream_http_filters"));
                configured.extend(of_typed(name, typed.clone(), How::Inline));
            }
        }
        for mut wasm in configured {
            if wasm.is_ours() {
                wasm.object = Some(object);
                wasm.context = patch.context;
                found.push(wasm);
            }
        }
    }
    found
}

fn upstream<'a>(owner: &At<'a>, list: &str) -> Vec<Recorder<'a>> {
    let filters = owner.list(list).into_iter();
    filters
        .filter_map(|filter| {
            let name = filter.text("name").unwrap_or_default();
            of_typed(name, filter.get("typed_config")?, How::InlineUpstream)
        })
        .collect()
}

/// The configuration of a wasm filter, ours or not.
fn of_typed<'a>(filter_name: &'a str, typed: At<'a>, how: How) -> Option<Recorder<'a>> {
    if type_of(&typed) != "Wasm" {
        return None;
    }
    let config = inside(typed).get("config")?;
    let settings_at = config.get("configuration").map(|configuration| {
        let value = configuration.get("value");
        value.unwrap_or(configuration)
    });
    Some(Recorder {
        settings: settings_at.as_ref().map(settings).unwrap_or_default(),
        settings_at,
        at: config,
        how,
        filter_name,
        object: None,
        context: "",
    })
}

/// The filter's settings: text with JSON in it (`StringValue`), or a structure.
fn settings(value: &At<'_>) -> Node {
    match value.node().text() {
        Some(text) => serde_json::from_str::<Plain>(text)
            .map(Node::from)
            .unwrap_or_default(),
        None => value.node().clone(),
    }
}

fn of_plugin<'a>(object: &'a Object, at: At<'a>) -> Option<Recorder<'a>> {
    let settings_at = at.get("pluginConfig");
    let settings = settings_at
        .as_ref()
        .map(|at| at.node().clone())
        .unwrap_or_default();
    let plugin = Recorder {
        at,
        how: How::Plugin,
        filter_name: &object.name,
        object: Some(object),
        context: "",
        settings,
        settings_at,
    };
    plugin.is_ours().then_some(plugin)
}
