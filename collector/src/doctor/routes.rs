//! Routes, whoever wrote them: VirtualService, GRPCRoute, HTTPRoute. Which of their rules mirror, and where to.

use super::at::At;
use super::kube::{Object, full_host, is_service};

/// A rule of a route.
#[derive(Clone, Debug)]
pub struct RouteRule<'a> {
    /// The rule.
    pub at: At<'a>,
    /// What it is part of.
    pub object: &'a Object,
    /// Hosts it is for, as full names.
    pub hosts: Vec<String>,
    /// Gateways it is bound to, `mesh` not among them.
    pub gateways: Vec<String>,
    /// Does it hold for callers with a sidecar?
    pub in_mesh: bool,
    /// Requests it takes.
    pub matches: Vec<PathMatch>,
    /// Where requests go.
    pub primaries: Vec<Destination<'a>>,
    /// Where copies go.
    pub mirrors: Vec<Mirror<'a>>,
}

/// A service and port.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// Where it is named.
    pub at: At<'a>,
    /// Full name of the host.
    pub host: String,
    /// Port of the service; `None` if not said.
    pub port: Option<u16>,
    /// Subset of a DestinationRule.
    pub subset: Option<&'a str>,
}

/// Where copies of requests go.
#[derive(Clone, Debug)]
pub struct Mirror<'a> {
    /// The service.
    pub destination: Destination<'a>,
    /// Share of requests in percent; `None` if not said, which means all.
    pub percent: Option<f64>,
}

/// Which requests a rule takes, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// All.
    All,
    /// Paths that begin so.
    Prefix(String),
    /// This path.
    Exact(String),
    /// Paths that match all of this regular expression.
    Regex(String),
}

impl PathMatch {
    /// Does it take calls of `package.Service/Method`? `None` if that cannot be told.
    pub fn takes(&self, rpc_method: &str) -> Option<bool> {
        let path = format!("/{rpc_method}");
        match self {
            Self::All => Some(true),
            Self::Prefix(prefix) => Some(path.starts_with(prefix.as_str())),
            Self::Exact(exact) => Some(path == *exact),
            Self::Regex(regex) => {
                let whole = regex::Regex::new(&format!("^(?:{regex})$")).ok()?;
                Some(whole.is_match(&path))
            }
        }
    }

    /// Does it say which methods, not only which service?
    pub fn names_methods(&self) -> bool {
        let method = |path: &str| {
            path.trim_start_matches('/')
                .split_once('/')
                .map(|(_, method)| method.to_owned())
        };
        match self {
            Self::All => false,
            Self::Prefix(path) | Self::Exact(path) => {
                method(path).is_some_and(|method| !method.is_empty())
            }
            Self::Regex(regex) => method(regex).is_some_and(|method| {
                !matches!(method.as_str(), "" | ".*" | ".+" | "[^/]+" | "[^/]*")
            }),
        }
    }
}

impl std::fmt::Display for PathMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all paths"),
            Self::Prefix(path) => write!(f, "prefix {path}"),
            Self::Exact(path) => write!(f, "path {path}"),
            Self::Regex(regex) => write!(f, "regex {regex}"),
        }
    }
}

impl<'a> RouteRule<'a> {
    /// The rules of `object`.
    pub fn all_of(object: &'a Object) -> Vec<Self> {
        match object.kind.as_str() {
            "VirtualService" => virtual_service(object),
            "GRPCRoute" | "HTTPRoute" => gateway_route(object),
            _ => Vec::new(),
        }
    }

    /// Does it leave to another VirtualService, which has no hosts of its own, what becomes of requests?
    pub fn delegates(&self) -> bool {
        self.at.get("delegate").is_some()
    }

    /// Is it for calls of the Service `name` in `namespace`, under its own name or under another?
    pub fn is_for(&self, name: &str, namespace: &str) -> bool {
        let destinations = self.primaries.iter().map(|primary| &primary.host);
        let mut hosts = self.hosts.iter().chain(destinations);
        hosts.any(|host| is_service(host, name, namespace))
    }
}

fn texts(at: &At<'_>, key: &str) -> Vec<String> {
    let items = at.list(key);
    items
        .iter()
        .filter_map(|item| item.node().text().map(str::to_owned))
        .collect()
}

fn virtual_service(object: &Object) -> Vec<RouteRule<'_>> {
    let Some(spec) = object.at().get("spec") else {
        return Vec::new();
    };
    let hosts: Vec<String> = texts(&spec, "hosts")
        .iter()
        .map(|host| full_host(host, &object.namespace))
        .collect();
    let named = texts(&spec, "gateways");
    let in_mesh = named.is_empty() || named.iter().any(|gateway| gateway == "mesh");
    let gateways: Vec<String> = named
        .into_iter()
        .filter(|gateway| gateway != "mesh")
        .collect();
    let rules = spec.list("http").into_iter();
    rules
        .map(|at| RouteRule {
            object,
            hosts: hosts.clone(),
            gateways: gateways.clone(),
            in_mesh,
            matches: or_all(at.list("match").iter().map(uri_match).collect()),
            primaries: at
                .list("route")
                .iter()
                .filter_map(|route| istio_destination(&route.get("destination")?, object))
                .collect(),
            mirrors: istio_mirrors(&at, object),
            at,
        })
        .collect()
}

fn or_all(matches: Vec<PathMatch>) -> Vec<PathMatch> {
    if matches.is_empty() {
        vec![PathMatch::All]
    } else {
        matches
    }
}

fn uri_match(at: &At<'_>) -> PathMatch {
    let Some(uri) = at.get("uri") else {
        return PathMatch::All;
    };
    let of = |key: &str| uri.text(key).map(str::to_owned);
    if let Some(path) = of("exact") {
        PathMatch::Exact(path)
    } else if let Some(path) = of("prefix") {
        PathMatch::Prefix(path)
    } else {
        of("regex").map_or(PathMatch::All, PathMatch::Regex)
    }
}

fn istio_destination<'a>(at: &At<'a>, object: &Object) -> Option<Destination<'a>> {
    Some(Destination {
        host: full_host(at.text("host")?, &object.namespace),
        port: at
            .get("port")
            .and_then(|port| as_port(port.number("number")?)),
        subset: at.text("subset"),
        at: at.clone(),
    })
}

fn as_port(number: f64) -> Option<u16> {
    (0.0..=65_535.0)
        .contains(&number)
        .then(|| format!("{number:.0}").parse().ok())?
}

fn istio_mirrors<'a>(rule: &At<'a>, object: &Object) -> Vec<Mirror<'a>> {
    let single = rule.get("mirror").into_iter().filter_map(|at| {
        let written = rule.find(&["mirrorPercentage", "value"]);
        // An empty percentage is 0, as protobuf has it.
        let empty = rule.get("mirrorPercentage").map(|_| 0.0);
        let percent = written
            .and_then(|at| at.node().number())
            .or(empty)
            .or_else(|| rule.number("mirrorPercent"));
        Some(Mirror {
            destination: istio_destination(&at, object)?,
            percent,
        })
    });
    let several = rule.list("mirrors").into_iter().filter_map(|at| {
        let percentage = at.get("percentage");
        let percent = percentage.map(|percentage| percentage.number("value").unwrap_or(0.0));
        Some(Mirror {
            destination: istio_destination(&at.get("destination")?, object)?,
            percent,
        })
    });
    single.chain(several).collect()
}

fn gateway_route(object: &Object) -> Vec<RouteRule<'_>> {
    let Some(spec) = object.at().get("spec") else {
        return Vec::new();
    };
    let parents = spec.list("parentRefs");
    let is_service = |at: &At<'_>| at.text("kind") == Some("Service");
    let hosts = parents
        .iter()
        .filter(|at| is_service(at))
        .filter_map(|at| backend_host(at, object));
    let mut hosts: Vec<String> = hosts.collect();
    hosts.extend(texts(&spec, "hostnames"));
    let in_mesh = parents.iter().any(is_service);
    let gateways = parents
        .iter()
        .filter(|at| !is_service(at))
        .filter_map(|at| at.text("name").map(str::to_owned));
    let gateways: Vec<String> = gateways.collect();
    let rules = spec.list("rules").into_iter();
    rules
        .map(|at| RouteRule {
            object,
            hosts: hosts.clone(),
            gateways: gateways.clone(),
            in_mesh,
            matches: or_all(at.list("matches").iter().map(gateway_match).collect()),
            primaries: at
                .list("backendRefs")
                .iter()
                .filter_map(|at| backend(at, object))
                .collect(),
            mirrors: at
                .list("filters")
                .iter()
                .filter_map(|filter| gateway_mirror(&filter.get("requestMirror")?, object))
                .collect(),
            at,
        })
        .collect()
}

fn gateway_match(at: &At<'_>) -> PathMatch {
    if let Some(path) = at.get("path") {
        let value = path.text("value").unwrap_or("/").to_owned();
        return match path.text("type") {
            Some("Exact") => PathMatch::Exact(value),
            Some("RegularExpression") => PathMatch::Regex(value),
            _ => PathMatch::Prefix(value),
        };
    }
    let Some(method) = at.get("method") else {
        return PathMatch::All;
    };
    let is_regex = method.text("type") == Some("RegularExpression");
    match (method.text("service"), method.text("method")) {
        (Some(service), Some(method)) if is_regex => {
            PathMatch::Regex(format!("/{service}/{method}"))
        }
        (Some(service), Some(method)) => PathMatch::Exact(format!("/{service}/{method}")),
        (Some(service), None) if is_regex => PathMatch::Regex(format!("/{service}/.*")),
        (Some(service), None) => PathMatch::Prefix(format!("/{service}/")),
        (None, Some(method)) => PathMatch::Regex(format!("/[^/]+/{method}")),
        (None, None) => PathMatch::All,
    }
}

fn backend_host(at: &At<'_>, object: &Object) -> Option<String> {
    let namespace = at.text("namespace").unwrap_or(&object.namespace);
    Some(full_host(at.text("name")?, namespace))
}

fn backend<'a>(at: &At<'a>, object: &Object) -> Option<Destination<'a>> {
    Some(Destination {
        host: backend_host(at, object)?,
        port: at.number("port").and_then(as_port),
        subset: None,
        at: at.clone(),
    })
}

fn gateway_mirror<'a>(at: &At<'a>, object: &Object) -> Option<Mirror<'a>> {
    let fraction = at.get("fraction").and_then(|fraction| {
        let denominator = fraction.number("denominator").unwrap_or(100.0);
        Some(100.0 * fraction.number("numerator")? / denominator)
    });
    Some(Mirror {
        destination: backend(&at.get("backendRef")?, object)?,
        percent: at.number("percent").or(fraction),
    })
}
