//! What follows from the evidence for several checks, worked out once.

use std::ops::Deref;

use super::at::At;
use super::envoy::{Envoy, mirror_percent};
use super::evidence::Evidence;
use super::kube::{Object, Workload, is_service, labels, may_be_same, selects};
use super::node::Node;
use super::recorder::{Recorder, selector};
use super::routes::RouteRule;

/// In names of the collector, where nothing else tells.
const COLLECTOR: &str = "twintap-collector";
/// The namespace whose settings hold everywhere, where the mesh does not say another.
const ROOT_NAMESPACE: &str = "istio-system";

/// The evidence, and what follows from it.
#[derive(Debug)]
pub struct View<'a> {
    evidence: &'a Evidence,
    root_namespace: String,
    /// All that make pods.
    pub workloads: Vec<Workload<'a>>,
    /// All rules of routes.
    pub routes: Vec<RouteRule<'a>>,
    /// Those that mirror.
    pub mirrored_routes: Vec<RouteRule<'a>>,
    /// Recorders that objects of Kubernetes install.
    pub installed: Vec<Recorder<'a>>,
    /// Those, and the ones that Envoys have.
    pub recorders: Vec<Recorder<'a>>,
    /// Clusters that get mirrored requests: of Envoys, and those that Istio makes of routes.
    pub mirror_clusters: Vec<String>,
    /// Clusters of the collector, by the settings of recorders.
    pub collector_clusters: Vec<String>,
    /// Hosts of the collector, as full names.
    pub collector_hosts: Vec<String>,
    /// Services of the collector.
    pub collector_services: Vec<&'a Object>,
    /// Workloads of the collector: behind its Services, or called so.
    pub collector_workloads: Vec<Workload<'a>>,
    /// Namespaces of the collector, of those that are known.
    pub collector_namespaces: Vec<String>,
}

impl Deref for View<'_> {
    type Target = Evidence;

    fn deref(&self) -> &Evidence {
        self.evidence
    }
}

impl<'a> View<'a> {
    /// Works it all out.
    pub fn of(evidence: &'a Evidence) -> Self {
        let objects = &evidence.objects;
        let workloads: Vec<Workload<'a>> = objects.iter().filter_map(Object::workload).collect();
        let routes: Vec<_> = objects.iter().flat_map(RouteRule::all_of).collect();
        let mut mirrored_routes = routes.clone();
        mirrored_routes.retain(|route| !route.mirrors.is_empty());
        let installed: Vec<_> = objects.iter().flat_map(Recorder::all_of_object).collect();
        let mut recorders = installed.clone();
        recorders.extend(evidence.envoys.iter().flat_map(Recorder::all_of_envoy));
        let clusters = recorders.iter().filter_map(Recorder::collector_cluster);
        let collector_clusters = distinct(clusters.map(str::to_owned));
        let hosts = recorders.iter().filter_map(Recorder::collector);
        let collector_hosts = distinct(hosts.map(|(_, host)| host.to_owned()));
        let collector_services = collector_services(evidence, &collector_hosts);
        let collector_workloads = collector_workloads(&workloads, &collector_services);
        let namespaces = collector_workloads
            .iter()
            .map(|workload| workload.object.namespace.clone())
            .chain(
                collector_services
                    .iter()
                    .map(|service| service.namespace.clone()),
            )
            .chain(
                collector_hosts
                    .iter()
                    .filter_map(|host| host.split('.').nth(1).map(str::to_owned)),
            )
            .filter(|namespace| !namespace.is_empty());
        Self {
            evidence,
            root_namespace: root_namespace(evidence),
            collector_namespaces: distinct(namespaces),
            mirror_clusters: mirror_clusters(evidence, &mirrored_routes),
            workloads,
            routes,
            mirrored_routes,
            installed,
            recorders,
            collector_clusters,
            collector_hosts,
            collector_services,
            collector_workloads,
        }
    }

    /// Workloads whose Envoys get `recorder`.
    pub fn recorded_by(&self, recorder: &Recorder<'_>) -> Vec<&Workload<'a>> {
        let Some(object) = recorder.object.filter(|_| !recorder.has_targets()) else {
            return Vec::new();
        };
        let wanted = recorder.selector();
        let everywhere = self.is_root_namespace(&object.namespace);
        let is_meant = |workload: &&Workload<'_>| {
            let in_reach = everywhere || may_be_same(&object.namespace, &workload.object.namespace);
            in_reach && selects(&wanted, &workload.labels)
        };
        self.workloads.iter().filter(is_meant).collect()
    }

    /// Are there pods that two objects of Istio's are both for, as far as can be told by namespaces, selectors and
    /// the workloads given?
    pub fn may_share_pods(&self, left: &Object, right: &Object) -> bool {
        let is_reached =
            |from: &str, to: &str| self.is_root_namespace(from) || may_be_same(from, to);
        if !is_reached(&left.namespace, &right.namespace)
            && !self.is_root_namespace(&right.namespace)
        {
            return false;
        }
        let (wanted, other) = (selector(left), selector(right));
        let mut workloads = self.workloads.iter();
        selects(&wanted, &other)
            || selects(&other, &wanted)
            || workloads.any(|workload| {
                let namespace = &workload.object.namespace;
                is_reached(&left.namespace, namespace)
                    && is_reached(&right.namespace, namespace)
                    && selects(&wanted, &workload.labels)
                    && selects(&other, &workload.labels)
            })
    }

    /// The smallest share of requests, in percent, that a route given here mirrors; `None` if none mirrors.
    pub fn mirror_percent_min(&self) -> Option<f64> {
        let mirrors = self.mirrored_routes.iter().flat_map(|route| &route.mirrors);
        let of_routes = mirrors.map(|mirror| mirror.percent.unwrap_or(100.0));
        let policies = self.evidence.envoys.iter().flat_map(Envoy::mirrors);
        let of_envoys = policies.map(|(policy, _)| mirror_percent(&policy));
        of_routes.chain(of_envoys).reduce(f64::min)
    }

    /// Is `namespace` that of the mesh itself, whose settings hold everywhere?
    pub fn is_root_namespace(&self, namespace: &str) -> bool {
        namespace == self.root_namespace
    }

    /// Every setting of proxies: of the mesh, of pods, of ProxyConfigs. With where it stands.
    pub fn proxy_configs(&self) -> Vec<(Node, At<'a>)> {
        let mut found = Vec::new();
        for (mesh, at) in self.evidence.mesh_configs() {
            found.extend(mesh.get("defaultConfig").map(|config| (config.clone(), at)));
        }
        found.extend(self.workloads.iter().filter_map(Workload::proxy_config));
        for object in self.evidence.of_kind("ProxyConfig") {
            found.extend(object.at().get("spec").map(|at| (at.node().clone(), at)));
        }
        found
    }
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn root_namespace(evidence: &Evidence) -> String {
    let configs = evidence.mesh_configs();
    let mut said = configs
        .iter()
        .filter_map(|(config, _)| config.get("rootNamespace")?.text());
    said.next().unwrap_or(ROOT_NAMESPACE).to_owned()
}

fn mirror_clusters(evidence: &Evidence, routes: &[RouteRule<'_>]) -> Vec<String> {
    let of_envoys = evidence
        .envoys
        .iter()
        .flat_map(|envoy| envoy.mirror_clusters());
    let of_routes = routes
        .iter()
        .flat_map(|route| &route.mirrors)
        .filter_map(|mirror| {
            let to = &mirror.destination;
            let subset = to.subset.unwrap_or_default();
            Some(format!("outbound|{}|{subset}|{}", to.port?, to.host))
        });
    distinct(of_envoys.map(str::to_owned).chain(of_routes))
}

fn collector_services<'a>(evidence: &'a Evidence, hosts: &[String]) -> Vec<&'a Object> {
    let is_one = |service: &&Object| {
        hosts
            .iter()
            .any(|host| is_service(host, &service.name, &service.namespace))
            || hosts.is_empty() && service.name.contains(COLLECTOR)
    };
    evidence.of_kind("Service").filter(is_one).collect()
}

fn collector_workloads<'a>(workloads: &[Workload<'a>], services: &[&Object]) -> Vec<Workload<'a>> {
    let selectors: Vec<_> = services
        .iter()
        .map(|service| (service, labels(service.at().find(&["spec", "selector"]))))
        .filter(|(_, wanted)| !wanted.is_empty())
        .collect();
    let is_one = |workload: &&Workload<'_>| {
        let object = workload.object;
        let mut behind = selectors
            .iter()
            .filter(|(service, _)| service.is_in(&object.namespace));
        object.name.contains(COLLECTOR)
            || behind.any(|(_, wanted)| selects(wanted, &workload.labels))
    };
    workloads.iter().filter(is_one).cloned().collect()
}
