//! Everything that was given to look at.

use super::at::{At, Place};
use super::envoy::Envoy;
use super::kube::{Object, is_read, is_service};
use super::methods::Methods;
use super::node::Node;
use super::recording::Recording;
use super::server::Server;
use super::stats::Stats;
use super::trap::Need;

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

    /// Is there anything at all that a check reads? Descriptors alone say nothing of a set-up.
    pub fn is_known(&self) -> bool {
        let has_others = [Need::Envoy, Need::Stats, Need::Recording]
            .into_iter()
            .any(|need| self.has(need));
        has_others
            || !self.servers.is_empty()
            || self.objects.iter().any(|object| is_read(&object.kind))
    }

    /// Is what stands at `place` set up by hand, in an Envoy without Istio? Statistics and recorded calls
    /// do not tell; they are taken for what all else that was given is.
    pub fn is_by_hand(&self, place: &Place) -> bool {
        if !place.object.is_empty() {
            return false;
        }
        let is_there = |envoy: &&Envoy| {
            envoy.origin.input == place.input && envoy.origin.document == place.document
        };
        match self.envoys.iter().find(is_there) {
            Some(envoy) => !envoy.is_of_istio(),
            None => {
                !self.envoys.is_empty()
                    && !self.envoys.iter().any(Envoy::is_of_istio)
                    && !self.objects.iter().any(Object::is_of_istio)
            }
        }
    }

    /// Objects of one kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind == kind)
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

    /// The Service of a full host name.
    pub fn service(&self, host: &str) -> Option<&Object> {
        self.of_kind("Service")
            .find(|service| is_service(host, &service.name, &service.namespace))
    }
}
