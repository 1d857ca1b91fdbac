//! Objects as `kubectl apply -k` would send them, rendered by `tests/python/istio/kustomize.py`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Spoken;
use crate::artifacts;

/// Rendered objects.
#[derive(Clone, Debug)]
pub struct Manifests(Vec<Value>);

impl Manifests {
    /// An overlay of `istio/overlays/`.
    pub fn overlay(name: &str) -> Self {
        Self::render(&folder().join("overlays").join(name))
    }

    /// The collector's objects.
    pub fn collector() -> Self {
        Self::render(&folder().join("base/collector"))
    }

    /// Files of `istio/` and components of `istio/components/`, in the namespace `shop`.
    pub fn of(resources: &[&str], components: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let list = |entries: Vec<String>| format!("[{}]", entries.join(", "));
        let path = |part: &str, entry: &&str| folder().join(part).join(entry).display().to_string();
        let resources = resources.iter().map(|entry| path("", entry)).collect();
        let components = components.iter().map(|entry| path("components", entry));
        let kustomization = format!(
            "kind: Kustomization\nnamespace: shop\nresources: {}\ncomponents: {}\n",
            list(resources),
            list(components.collect()),
        );
        fs::write(directory.path().join("kustomization.yaml"), kustomization).expect("written");
        Self::render(directory.path())
    }

    fn render(kustomization: &Path) -> Self {
        let output = Command::new(artifacts::python())
            .arg(artifacts::script("istio/kustomize.py"))
            .arg(kustomization)
            .output()
            .expect("python starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kustomize.py: {errors}");
        Self(serde_json::from_slice(&output.stdout).expect("objects are JSON"))
    }

    /// All objects of this kind.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The object of this kind and name.
    pub fn named(&self, kind: &str, name: &str) -> &Value {
        let mut objects = self.all(kind);
        objects
            .find(|object| object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// Without the other objects of this kind.
    #[must_use]
    pub fn with_only(mut self, kind: &str, name: &str) -> Self {
        let is_kept = |object: &Value| object["kind"] != kind || object["metadata"]["name"] == name;
        self.0.retain(is_kept);
        self
    }

    /// Changes the object of this kind and name.
    #[must_use]
    pub fn changed(mut self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let is_it =
            |object: &&mut Value| object["kind"] == kind && object["metadata"]["name"] == name;
        change(self.0.iter_mut().find(is_it).expect("such an object"));
        self
    }

    /// All objects as documents of one YAML file.
    pub fn documents(&self) -> String {
        let document = |object: &Value| format!("---\n{object}\n");
        self.0.iter().map(document).collect()
    }

    /// The cluster that istiod makes of the first port of a Service.
    pub fn cluster(&self, service: &str) -> String {
        let service = self.named("Service", service);
        let (metadata, port) = (&service["metadata"], &service["spec"]["ports"][0]["port"]);
        let text = |field: &str| metadata[field].as_str().expect("a name").to_owned();
        let (name, namespace) = (text("name"), text("namespace"));
        format!("outbound|{port}||{name}.{namespace}.svc.cluster.local")
    }

    /// What is spoken to that cluster.
    pub fn spoken(&self, service: &str) -> Spoken {
        Spoken::of(&self.named("Service", service)["spec"]["ports"][0])
    }

    /// The labels of a Deployment's pods.
    pub fn labels(&self, deployment: &str) -> Value {
        self.named("Deployment", deployment)["spec"]["template"]["metadata"]["labels"].clone()
    }
}

fn folder() -> std::path::PathBuf {
    artifacts::workspace().join("istio")
}
