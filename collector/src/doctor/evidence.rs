//! Everything that was given to look at, and what follows from it for several checks.

use super::at::At;
use super::envoy::Envoy;
use super::kube::{Object, Workload, is_service, may_be_same, selects};
use super::methods::Methods;
use super::node::Node;
use super::recorder::Recorder;
use super::recording::Recording;
use super::routes::MirroredRoute;
use super::server::Server;
use super::stats::Stats;
use super::trap::Need;

/// In names of the collector, where nothing else tells.
const COLLECTOR: &str = "twintap-collector";

/// What was given.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Objects of Kubernetes.
    pub objects: Vec<Object>,
    /// Configurations of Envoys.
    pub envoys: Vec<Envoy>,
    /// What Envoys say of themselves.
    pub servers: Vec<Server>,
    /// Statistics of Envoys and of Istio's agents.
    pub stats: Vec<Stats>,
    /// What calls in data directories tell.
    pub recordings: Vec<Recording>,
    /// The services' methods.
    pub methods: Option<Methods>,
}

impl Evidence {
    /// Is there anything of what is needed?
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Envoy => !self.envoys.is_empty(),
            Need::Stats => !self.stats.is_empty(),
            Need::Recording => !self.recordings.is_empty(),
            Need::Descriptors => self.methods.is_some(),
            kinds => self
                .objects
                .iter()
                .any(|object| kinds.kinds().contains(&object.kind.as_str())),
        }
    }

    /// Objects of one kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind == kind)
    }

    /// All that make pods.
    pub fn workloads(&self) -> Vec<Workload<'_>> {
        self.objects.iter().filter_map(Object::workload).collect()
    }

    /// All rules that mirror.
    pub fn mirrored_routes(&self) -> Vec<MirroredRoute<'_>> {
        self.objects
            .iter()
            .flat_map(MirroredRoute::all_of)
            .collect()
    }

    /// Recorders that objects of Kubernetes install.
    pub fn installed(&self) -> Vec<Recorder<'_>> {
        self.objects
            .iter()
            .flat_map(Recorder::all_of_object)
            .collect()
    }

    /// Recorders that objects install or Envoys have.
    pub fn recorders(&self) -> Vec<Recorder<'_>> {
        let mut found = self.installed();
        found.extend(self.envoys.iter().flat_map(Recorder::all_of_envoy));
        found
    }

    /// The Service of a full host name.
    pub fn service(&self, host: &str) -> Option<&Object> {
        self.of_kind("Service")
            .find(|service| is_service(host, &service.name, &service.namespace))
    }

    /// Clusters that get mirrored requests: of Envoys, and those that Istio makes of routes.
    pub fn mirror_clusters(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for envoy in &self.envoys {
            names.extend(envoy.mirror_clusters().into_iter().map(str::to_owned));
        }
        for mirror in self
            .mirrored_routes()
            .iter()
            .flat_map(|route| &route.mirrors)
        {
            let to = &mirror.destination;
            if let Some(port) = to.port {
                names.push(format!(
                    "outbound|{port}|{}|{}",
                    to.subset.unwrap_or_default(),
                    to.host
                ));
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Clusters of the collector, by the settings of recorders.
    pub fn collector_clusters(&self) -> Vec<String> {
        let recorders = self.recorders();
        let mut names: Vec<String> = recorders
            .iter()
            .filter_map(|recorder| recorder.collector_cluster().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Hosts of the collector, as full names.
    pub fn collector_hosts(&self) -> Vec<String> {
        let recorders = self.recorders();
        let mut hosts: Vec<String> = recorders
            .iter()
            .filter_map(|recorder| Some(recorder.collector()?.1.to_owned()))
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Services of the collector.
    pub fn collector_services(&self) -> Vec<&Object> {
        let hosts = self.collector_hosts();
        let is_one = |service: &&Object| {
            hosts
                .iter()
                .any(|host| is_service(host, &service.name, &service.namespace))
                || hosts.is_empty() && service.name.contains(COLLECTOR)
        };
        self.of_kind("Service").filter(is_one).collect()
    }

    /// Workloads of the collector: behind its Services, or called so.
    pub fn collector_workloads(&self) -> Vec<Workload<'_>> {
        let services = self.collector_services();
        let mut found = self.workloads();
        found.retain(|workload| {
            let behind = |service: &&Object| {
                let wanted = super::kube::labels(service.at().find(&["spec", "selector"]));
                !wanted.is_empty()
                    && service.is_in(&workload.object.namespace)
                    && selects(&wanted, &workload.labels())
            };
            workload.object.name.contains(COLLECTOR) || services.iter().any(behind)
        });
        found
    }

    /// Namespaces of the collector, of those that are known.
    pub fn collector_namespaces(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .collector_workloads()
            .iter()
            .map(|workload| workload.object.namespace.clone())
            .collect();
        found.extend(
            self.collector_services()
                .iter()
                .map(|service| service.namespace.clone()),
        );
        for host in self.collector_hosts() {
            found.extend(host.split('.').nth(1).map(str::to_owned));
        }
        found.retain(|namespace| !namespace.is_empty());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Workloads whose Envoys get `recorder`.
    pub fn recorded_by(&self, recorder: &Recorder<'_>) -> Vec<Workload<'_>> {
        let Some(object) = recorder.object.filter(|_| !recorder.has_targets()) else {
            return Vec::new();
        };
        let wanted = recorder.selector();
        let everywhere = self.is_root_namespace(&object.namespace);
        let mut found = self.workloads();
        found.retain(|workload| {
            let in_reach = everywhere || may_be_same(&object.namespace, &workload.object.namespace);
            in_reach && selects(&wanted, &workload.labels())
        });
        found
    }

    /// Is `namespace` that of the mesh itself, whose settings hold everywhere?
    pub fn is_root_namespace(&self, namespace: &str) -> bool {
        let said = self
            .mesh_configs()
            .into_iter()
            .find_map(|(config, _)| config.get("rootNamespace")?.text().map(str::to_owned));
        namespace == said.as_deref().unwrap_or("istio-system")
    }

    /// Settings of the mesh: of an IstioOperator, or of the ConfigMap that istiod reads.
    pub fn mesh_configs(&self) -> Vec<(Node, At<'_>)> {
        let mut found = Vec::new();
        for object in &self.objects {
            match object.kind.as_str() {
                "IstioOperator" => {
                    let at = object.at().find(&["spec", "meshConfig"]);
                    found.extend(at.map(|at| (at.node().clone(), at)));
                }
                "ConfigMap" if object.name.starts_with("istio") => {
                    let at = object.at().find(&["data", "mesh"]);
                    let parsed = at.and_then(|at| {
                        let super::node::Located(mut node) =
                            serde_saphyr::from_str(at.node().text()?).ok()?;
                        node.shift(at.node().line.unwrap_or(0));
                        Some((node, at))
                    });
                    found.extend(parsed);
                }
                _ => {}
            }
        }
        found
    }

    /// Every setting of proxies: of the mesh, of pods, of ProxyConfigs. With where it stands.
    pub fn proxy_configs(&self) -> Vec<(Node, At<'_>)> {
        let mut found = Vec::new();
        for (mesh, at) in self.mesh_configs() {
            found.extend(mesh.get("defaultConfig").map(|config| (config.clone(), at)));
        }
        found.extend(self.workloads().iter().filter_map(Workload::proxy_config));
        for object in self.of_kind("ProxyConfig") {
            found.extend(object.at().get("spec").map(|at| (at.node().clone(), at)));
        }
        found
    }
}
