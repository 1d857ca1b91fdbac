//! Kubernetes objects: what they are called, where they stand, and the pods they make.

use super::at::{At, Place};
use super::node::{Located, Node, Value};

/// Kinds of objects that make pods.
pub const WORKLOAD_KINDS: &[&str] = &[
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicaSet",
    "Pod",
];

/// Other kinds of objects that some check reads.
const READ_KINDS: &[&str] = &[
    "AuthorizationPolicy",
    "ConfigMap",
    "DestinationRule",
    "EnvoyFilter",
    "GRPCRoute",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    "IstioOperator",
    "Namespace",
    "NetworkPolicy",
    "PeerAuthentication",
    "ProxyConfig",
    "Service",
    "Sidecar",
    "TrafficExtension",
    "VirtualService",
    "WasmPlugin",
];

/// Does any check read objects of this kind?
pub fn is_read(kind: &str) -> bool {
    WORKLOAD_KINDS.contains(&kind) || READ_KINDS.contains(&kind)
}

/// Annotation of a pod with settings of its proxy, as YAML.
const PROXY_CONFIG: &str = "proxy.istio.io/config";
/// Label of a namespace or a pod that asks for a proxy of one revision of the control plane.
pub const REVISION: &str = "istio.io/rev";
/// Label or annotation of a pod that asks for a proxy, or for none.
const INJECT: &str = "sidecar.istio.io/inject";

/// An object of Kubernetes.
#[derive(Clone, Debug)]
pub struct Object {
    /// Such as `VirtualService`.
    pub kind: String,
    /// Empty where it is not said (then whoever applies it says it) or where the kind has none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Where it is.
    pub origin: Place,
    /// All of it.
    pub node: Node,
}

impl Object {
    /// The objects of a document: itself, or the items of a `List`. `None` if it has no `kind`.
    pub fn all_of(node: Node, origin: Place) -> Option<Vec<Self>> {
        let kind = node.get("kind")?.text()?.to_owned();
        node.get("apiVersion")?.text()?;
        let is_list = kind.ends_with("List")
            && matches!(
                node.get("items").map(|items| &items.value),
                Some(Value::List(_))
            );
        if !is_list {
            return Some(vec![Self::of(kind, node, origin)]);
        }
        let item_kind = kind.strip_suffix("List").unwrap_or_default();
        let mut objects = Vec::new();
        for (index, item) in node
            .get("items")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            let own = item.get("kind").and_then(Node::text).unwrap_or(item_kind);
            let place = Place {
                path: format!("items[{index}]"),
                ..origin.clone()
            };
            objects.push(Self::of(own.to_owned(), item.clone(), place));
        }
        Some(objects)
    }

    fn of(kind: String, node: Node, mut origin: Place) -> Self {
        let of_metadata = |key: &str| {
            let text = node
                .get("metadata")
                .and_then(|metadata| metadata.get(key)?.text());
            text.unwrap_or_default().to_owned()
        };
        let (namespace, name) = (of_metadata("namespace"), of_metadata("name"));
        let separator = if namespace.is_empty() { "" } else { "/" };
        origin.object = format!("{kind} {namespace}{separator}{name}");
        origin.line = node.line.or(origin.line);
        Self {
            kind,
            namespace,
            name,
            origin,
            node,
        }
    }

    /// Is it one of Istio's own kinds?
    pub fn is_of_istio(&self) -> bool {
        let version = self.node.get("apiVersion").and_then(Node::text);
        version.is_some_and(|version| version.contains("istio.io/"))
    }

    /// Its root.
    pub fn at(&self) -> At<'_> {
        At::root(&self.node, &self.origin)
    }

    /// Value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        entry(&self.at(), &["metadata", "annotations"], key).and_then(|at| at.node().text())
    }

    /// Is `namespace` its own, or may it be?
    pub fn is_in(&self, namespace: &str) -> bool {
        may_be_same(&self.namespace, namespace)
    }

    /// The pods it makes.
    pub fn workload(&self) -> Option<Workload<'_>> {
        if !WORKLOAD_KINDS.contains(&self.kind.as_str()) {
            return None;
        }
        let root = self.at();
        if root.find(&["metadata", "ownerReferences"]).is_some() {
            // Its owner is the object to change.
            return None;
        }
        let template = match self.kind.as_str() {
            "Pod" => root,
            "CronJob" => root.find(&["spec", "jobTemplate", "spec", "template"])?,
            _ => root.find(&["spec", "template"])?,
        };
        Some(Workload {
            object: self,
            labels: labels(template.find(&["metadata", "labels"])),
            template,
        })
    }
}

/// Are these one namespace, as far as can be told? A manifest may leave it to whoever applies it.
pub fn may_be_same(left: &str, right: &str) -> bool {
    left.is_empty() || right.is_empty() || left == right
}

/// The value of exactly `key` in the map at `path`: keys of labels and annotations are nobody's names.
fn entry<'a>(root: &At<'a>, path: &[&str], key: &str) -> Option<At<'a>> {
    let entries = root.find(path)?.entries();
    entries
        .into_iter()
        .find(|(name, _)| *name == key)
        .map(|(_, at)| at)
}

/// An object that makes pods.
#[derive(Clone, Debug)]
pub struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its pod template.
    pub template: At<'a>,
    /// Labels of its pods.
    pub labels: Vec<(String, String)>,
}

impl<'a> Workload<'a> {
    /// An annotation of its pods.
    pub fn annotation(&self, key: &str) -> Option<At<'a>> {
        entry(&self.template, &["metadata", "annotations"], key)
    }

    /// Where it says that its pods get no sidecar.
    pub fn without_sidecar(&self) -> Option<At<'a>> {
        let says_no = |at: &At<'a>| at.node().boolean() == Some(false);
        let label = entry(&self.template, &["metadata", "labels"], INJECT);
        let marks = [label, self.annotation(INJECT)];
        let host_network = self.template.find(&["spec", "hostNetwork"]);
        let host_network = host_network.filter(|at| at.node().boolean() == Some(true));
        marks.into_iter().flatten().find(says_no).or(host_network)
    }

    /// Is it written here that its pods have a sidecar: asked for, or put in already?
    pub fn has_sidecar(&self) -> bool {
        let asks = |(name, value): &(String, String)| match name.as_str() {
            INJECT => value == "true",
            name => name == REVISION,
        };
        let annotation = self.annotation(INJECT);
        let is_proxy = |container: &At<'a>| container.text("name") == Some("istio-proxy");
        self.labels.iter().any(asks)
            || annotation.is_some_and(|at| at.node().boolean() == Some(true))
            || self.containers().iter().any(is_proxy)
    }

    /// Settings of its proxies, and where they are; `None` if there are none or they are no YAML.
    pub fn proxy_config(&self) -> Option<(Node, At<'a>)> {
        let at = self.annotation(PROXY_CONFIG)?;
        let Located(node) = serde_saphyr::from_str(at.node().text()?).ok()?;
        Some((node, at))
    }

    /// Containers of its pods, those that start first included.
    pub fn containers(&self) -> Vec<At<'a>> {
        let spec = self.template.get("spec");
        let lists = ["initContainers", "containers"];
        lists
            .iter()
            .filter_map(|list| spec.as_ref()?.get(list))
            .flat_map(|list| list.items())
            .collect()
    }
}

/// The entries of a map of labels.
pub fn labels(at: Option<At<'_>>) -> Vec<(String, String)> {
    let entries = at.map(|at| at.entries()).unwrap_or_default();
    entries
        .into_iter()
        .map(|(key, at)| (key.to_owned(), scalar(at.node())))
        .collect()
}

fn scalar(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Does a pod with `labels` have all of `wanted`? Nothing wanted takes all.
pub fn selects(wanted: &[(String, String)], labels: &[(String, String)]) -> bool {
    wanted.iter().all(|label| labels.contains(label))
}

/// The full name of `host` as written in `namespace`: `orders` is `orders.shop.svc.cluster.local`. Of an
/// unknown namespace the name stays short. A name with a dot is taken as it is, as Istio does.
pub fn full_host(host: &str, namespace: &str) -> String {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.contains('.') || namespace.is_empty() || host == "*" {
        host
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

/// Is `host` a Service's name that DNS completes and Istio does not: `orders.shop` or `orders.shop.svc`? The
/// first only of a Service that is `known`: it may be any host.
pub fn is_half_a_name(host: &str, known: Option<&Object>) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        [name, _] => *name != "*" && known.is_some(),
        [name, _, "svc"] => *name != "*",
        _ => false,
    }
}

/// The full name that was meant by half a one.
pub fn whole(half: &str) -> String {
    let name = half.strip_suffix(".svc").unwrap_or(half);
    format!("{name}.svc.cluster.local")
}

/// Is the full host `host` the Service `name` of `namespace`?
pub fn is_service(host: &str, name: &str, namespace: &str) -> bool {
    let mut parts = host.split('.');
    let is_named = parts.next() == Some(name);
    let in_namespace = parts.next().is_none_or(|part| may_be_same(part, namespace));
    is_named && in_namespace && parts.next().is_none_or(|part| part == "svc")
}

#[cfg(test)]
mod tests {
    use super::super::trap::Need;
    use super::*;

    #[test]
    fn every_kind_that_a_check_needs_is_read() {
        for need in Need::ALL {
            for kind in need.kinds() {
                assert!(is_read(kind), "{kind}");
            }
        }
        assert!(!is_read("Kustomization"));
    }

    #[test]
    fn only_a_name_without_a_dot_is_completed() {
        let full = "orders.shop.svc.cluster.local";
        assert_eq!(full_host("orders", "shop"), full);
        for host in [full, "orders.shop", "orders.shop.svc", "*", "10.0.0.1"] {
            assert_eq!(full_host(host, "shop"), host);
        }
        assert_eq!(full_host("orders", ""), "orders");
        assert!(is_half_a_name("orders.shop.svc", None));
        for host in ["orders", full, "orders.shop", "*.shop.svc", "10.0.0.1"] {
            assert!(!is_half_a_name(host, None), "{host}");
        }
    }

    /// As kubectl calls them; those that others own, or that are no resource of a cluster, aside.
    #[test]
    fn the_documentation_fetches_every_kind_that_is_read() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/doctor.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, start) = text.split_once("kubectl get ns,").unwrap();
        let (start, _) = start.split_once("The more it is given").unwrap();
        let words: Vec<&str> = start
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .collect();
        let without = ["IstioOperator", "Namespace", "Pod", "ReplicaSet"];
        let kinds = WORKLOAD_KINDS.iter().chain(READ_KINDS);
        for kind in kinds.filter(|kind| !without.contains(kind)) {
            let short = match *kind {
                "ConfigMap" => "cm",
                "DaemonSet" => "ds",
                "Deployment" => "deploy",
                "DestinationRule" => "dr",
                "HorizontalPodAutoscaler" => "hpa",
                "NetworkPolicy" => "netpol",
                "Service" => "svc",
                "StatefulSet" => "sts",
                "VirtualService" => "vs",
                other => &other.to_ascii_lowercase(),
            };
            assert!(words.contains(&short), "docs/doctor.md fetches no {kind}");
        }
    }
}
