//! Configuration of an Envoy: `/config_dump` (also `?include_eds`), or the file it was started with.

use super::at::{At, Place};
use super::node::Node;

/// Name of the filter that speaks HTTP in a listener, without its prefix.
const HCM: &str = "HttpConnectionManager";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// One Envoy's configuration.
#[derive(Clone, Debug)]
pub struct Envoy {
    /// Where it is from.
    pub origin: Place,
    root: Node,
}

/// An upstream of an Envoy.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its configuration.
    pub at: At<'a>,
}

/// A list of HTTP filters, in the order in which requests pass them.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    /// The list's owner: a connection manager, or a router with its upstream chain.
    pub at: At<'a>,
    /// Is it the chain of the router, or of a cluster, through which mirrored requests pass too?
    pub is_upstream: bool,
    /// The filters.
    pub filters: Vec<Filter<'a>>,
}

/// An HTTP filter.
#[derive(Clone, Debug)]
pub struct Filter<'a> {
    /// As it is called; of dynamic ones, the name of their configuration.
    pub name: &'a str,
    /// Its entry in the list.
    pub at: At<'a>,
}

impl<'a> Filter<'a> {
    /// Last part of the type of its configuration, such as `Router`; empty for dynamic ones.
    pub fn kind(&self) -> &'a str {
        self.at
            .get("typed_config")
            .map(|at| type_of(&at))
            .unwrap_or_default()
    }
}

/// Last part of `@type` (or of `type_url`, of a typed struct), such as `Wasm`.
pub fn type_of<'a>(at: &At<'a>) -> &'a str {
    let url = at.text("@type").unwrap_or_default();
    let url = if url.ends_with("TypedStruct") {
        at.text("type_url").unwrap_or_default()
    } else {
        url
    };
    url.rsplit(['.', '/']).next().unwrap_or_default()
}

/// What is inside a typed configuration, that of a typed struct included.
pub fn inside<'a>(at: At<'a>) -> At<'a> {
    let is_struct = at
        .text("@type")
        .is_some_and(|url| url.ends_with("TypedStruct"));
    if is_struct {
        at.get("value").unwrap_or(at)
    } else {
        at
    }
}

impl Envoy {
    /// Takes `root` for a configuration, if it is one; says which kind.
    pub fn of(root: Node, origin: Place) -> Result<(Self, &'static str), Node> {
        let has = |key: &str| root.get(key).is_some();
        let is_dump = root.get("configs").is_some_and(|configs| {
            let mut types = configs
                .items()
                .iter()
                .filter_map(|config| config.get("@type")?.text());
            types.any(|url| url.contains("envoy.admin."))
        });
        if is_dump {
            Ok((Self { origin, root }, "configuration dump of an Envoy"))
        } else if has("static_resources") || has("dynamic_resources") {
            Ok((Self { origin, root }, "bootstrap configuration of an Envoy"))
        } else {
            Err(root)
        }
    }

    fn root(&self) -> At<'_> {
        At::root(&self.root, &self.origin)
    }

    /// Sections of a dump whose type ends with `name`.
    fn sections(&self, name: &str) -> Vec<At<'_>> {
        let mut sections = self.root().list("configs");
        sections.retain(|section| type_of(section) == name);
        sections
    }

    /// Is its configuration a dump of what is in force?
    pub fn is_dump(&self) -> bool {
        self.root.get("configs").is_some()
    }

    /// The bootstrap configuration.
    fn bootstrap(&self) -> Option<At<'_>> {
        if self.is_dump() {
            self.sections("BootstrapConfigDump")
                .first()?
                .get("bootstrap")
        } else {
            Some(self.root())
        }
    }

    /// A value of the node's metadata, such as `ISTIO_VERSION`.
    pub fn metadata(&self, key: &str) -> Option<At<'_>> {
        self.bootstrap()?.find(&["node", "metadata", key])
    }

    /// Its version, as it tells it to control planes.
    pub fn build_version(&self) -> Option<At<'_>> {
        self.bootstrap()?
            .find(&["node", "user_agent_build_version", "version"])
    }

    /// Does Istio configure it? Then its node has Istio's id and metadata, and its clusters Istio's names.
    pub fn is_of_istio(&self) -> bool {
        let id = self
            .bootstrap()
            .and_then(|bootstrap| bootstrap.find(&["node", "id"]));
        let has_id = id.is_some_and(|id| id.node().text().is_some_and(|id| id.contains('~')));
        let mut clusters = self.clusters().into_iter();
        has_id
            || self.metadata("ISTIO_VERSION").is_some()
            || clusters.any(|cluster| cluster.name.starts_with("outbound|"))
    }

    /// Everything below `lists` of the sections called `name`, then below `wrap` of each entry.
    fn dumped(&self, name: &str, lists: &[&str], wrap: &[&str]) -> Vec<At<'_>> {
        let mut found = Vec::new();
        for section in self.sections(name) {
            for list in lists {
                found.extend(
                    section
                        .list(list)
                        .iter()
                        .filter_map(|entry| entry.find(wrap)),
                );
            }
        }
        found
    }

    /// All upstreams, whether or not they are warming.
    pub fn clusters(&self) -> Vec<Cluster<'_>> {
        let lists = [
            "static_clusters",
            "dynamic_active_clusters",
            "dynamic_warming_clusters",
        ];
        let mut ats = self.dumped("ClustersConfigDump", &lists, &["cluster"]);
        if !self.is_dump() {
            let of_file = self.root().find(&["static_resources", "clusters"]);
            ats.extend(of_file.map(|at| at.items()).unwrap_or_default());
        }
        let named = ats.into_iter().filter_map(|at| {
            Some(Cluster {
                name: at.text("name")?,
                at,
            })
        });
        named.collect()
    }

    /// May there be clusters that are not shown here?
    pub fn clusters_are_complete(&self) -> bool {
        self.is_dump() && !self.sections("ClustersConfigDump").is_empty()
            || !self.is_dump()
                && self
                    .root()
                    .find(&["dynamic_resources", "cds_config"])
                    .is_none()
    }

    /// All listeners.
    pub fn listeners(&self) -> Vec<At<'_>> {
        let mut found = self.dumped("ListenersConfigDump", &["static_listeners"], &["listener"]);
        found.extend(self.dumped(
            "ListenersConfigDump",
            &["dynamic_listeners"],
            &["active_state", "listener"],
        ));
        if !self.is_dump() {
            let of_file = self.root().find(&["static_resources", "listeners"]);
            found.extend(of_file.map(|at| at.items()).unwrap_or_default());
        }
        found
    }

    /// Updates that it refused: what of, and its `UpdateFailureState`. What it had before stays in force.
    pub fn refused(&self) -> Vec<(&'static str, At<'_>)> {
        let of = [
            (
                "listener",
                "ListenersConfigDump",
                &["dynamic_listeners"][..],
            ),
            (
                "cluster",
                "ClustersConfigDump",
                &["dynamic_active_clusters", "dynamic_warming_clusters"],
            ),
            ("route", "RoutesConfigDump", &["dynamic_route_configs"]),
            ("filter", "EcdsConfigDump", &["ecds_filters"]),
        ];
        let found = of.into_iter().flat_map(|(what, section, lists)| {
            let states = self.dumped(section, lists, &["error_state"]).into_iter();
            states.map(move |state| (what, state))
        });
        found.collect()
    }

    /// Listeners that wait for something before they come into force.
    pub fn warming_listeners(&self) -> Vec<At<'_>> {
        self.dumped(
            "ListenersConfigDump",
            &["dynamic_listeners"],
            &["warming_state", "listener"],
        )
    }

    /// All connection managers.
    pub fn managers(&self) -> Vec<At<'_>> {
        let mut managers = Vec::new();
        for listener in self.listeners() {
            let mut chains = listener.list("filter_chains");
            chains.extend(listener.get("default_filter_chain"));
            for filter in chains.iter().flat_map(|chain| chain.list("filters")) {
                managers.extend(
                    filter
                        .get("typed_config")
                        .filter(|at| type_of(at) == HCM)
                        .map(inside),
                );
            }
        }
        managers
    }

    /// All chains of HTTP filters: of listeners, of their routers, of clusters.
    pub fn chains(&self) -> Vec<Chain<'_>> {
        let mut chains = Vec::new();
        for manager in self.managers() {
            let chain = chain(manager, "http_filters", false);
            let routers = chain
                .filters
                .iter()
                .filter(|filter| filter.kind() == "Router");
            let upstream: Vec<Chain<'_>> = routers
                .filter_map(|router| router.at.get("typed_config"))
                .map(|router| self::chain(inside(router), "upstream_http_filters", true))
                .filter(|chain| !chain.filters.is_empty())
                .collect();
            chains.push(chain);
            chains.extend(upstream);
        }
        for cluster in self.clusters() {
            if let Some(options) = cluster.http_options() {
                chains.push(chain(options, "http_filters", true));
            }
        }
        chains.retain(|chain| !chain.filters.is_empty());
        chains
    }

    /// All tables of routes.
    pub fn route_tables(&self) -> Vec<At<'_>> {
        let lists = ["static_route_configs", "dynamic_route_configs"];
        let mut found = self.dumped("RoutesConfigDump", &lists, &["route_config"]);
        if !self.is_dump() {
            found.extend(
                self.managers()
                    .iter()
                    .filter_map(|manager| manager.get("route_config")),
            );
        }
        found
    }

    /// All virtual hosts.
    pub fn virtual_hosts(&self) -> Vec<At<'_>> {
        let tables = self.route_tables();
        tables
            .iter()
            .flat_map(|table| table.list("virtual_hosts"))
            .collect()
    }

    /// Every policy that mirrors, with its route.
    pub fn mirrors(&self) -> Vec<(At<'_>, At<'_>)> {
        let mut found = Vec::new();
        for host in self.virtual_hosts() {
            let of_host = host.list("request_mirror_policies");
            for route in host.list("routes") {
                let own = route
                    .get("route")
                    .map(|action| action.list("request_mirror_policies"))
                    .unwrap_or_default();
                let policies = if own.is_empty() { of_host.clone() } else { own };
                found.extend(policies.into_iter().map(|policy| (policy, route.clone())));
            }
        }
        found
    }

    /// Names of clusters that get mirrored requests.
    pub fn mirror_clusters(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .mirrors()
            .iter()
            .filter_map(|(policy, _)| policy.text("cluster"))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Configurations of dynamic filters that arrived.
    pub fn extensions(&self) -> Vec<(&str, At<'_>)> {
        let found = self.dumped("EcdsConfigDump", &["ecds_filters"], &["ecds_filter"]);
        let named = found
            .into_iter()
            .filter_map(|at| Some((at.text("name")?, at.get("typed_config")?)));
        named.collect()
    }
}

impl<'a> Cluster<'a> {
    /// Options of HTTP.
    pub fn http_options(&self) -> Option<At<'a>> {
        http_options(&self.at)
    }

    /// Does it send requests where callers meant them to go? A request that nobody sent has no such place.
    pub fn is_original_dst(&self) -> bool {
        let by_header = self.at.find(&["original_dst_lb_config", "use_http_header"]);
        self.at.text("type") == Some("ORIGINAL_DST")
            && by_header.is_none_or(|at| at.node().boolean() != Some(true))
    }

    /// What it speaks with its hosts.
    pub fn protocol(&self) -> Protocol {
        if self.at.get("http2_protocol_options").is_some() {
            return Protocol::Http2;
        }
        protocol(self.http_options().as_ref())
    }
}

/// Share of requests, in percent, that a policy of [`Envoy::mirrors`] mirrors.
pub fn mirror_percent(policy: &At<'_>) -> f64 {
    let Some(fraction) = policy.find(&["runtime_fraction", "default_value"]) else {
        return 100.0;
    };
    let denominator = match fraction.text("denominator") {
        Some("TEN_THOUSAND") => 1e4,
        Some("MILLION") => 1e6,
        _ => 100.0,
    };
    100.0 * fraction.number("numerator").unwrap_or(0.0) / denominator
}

/// Options of HTTP of a cluster, or of a patch of one.
pub fn http_options<'a>(cluster: &At<'a>) -> Option<At<'a>> {
    cluster.find(&["typed_extension_protocol_options", HTTP_OPTIONS])
}

/// What a cluster with these options speaks with its hosts.
pub fn protocol(options: Option<&At<'_>>) -> Protocol {
    let has = |path: &[&str]| options.is_some_and(|options| options.find(path).is_some());
    if has(&["use_downstream_protocol_config"]) {
        Protocol::AsDownstream
    } else if has(&["auto_config"]) {
        Protocol::Negotiated
    } else if has(&["explicit_http_config", "http2_protocol_options"])
        || has(&["explicit_http_config", "http3_protocol_options"])
    {
        Protocol::Http2
    } else {
        Protocol::Http1
    }
}

/// What an upstream is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 or better, always.
    Http2,
    /// HTTP/1.1, always.
    Http1,
    /// As the request came in; mirrored requests count as HTTP/1.1.
    AsDownstream,
    /// By ALPN.
    Negotiated,
}

fn chain<'a>(at: At<'a>, list: &str, is_upstream: bool) -> Chain<'a> {
    let filters = at.list(list).into_iter().map(|at| Filter {
        name: at.text("name").unwrap_or_default(),
        at,
    });
    Chain {
        filters: filters.collect(),
        at,
        is_upstream,
    }
}
