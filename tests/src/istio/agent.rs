//! The Istio agent beside a proxy: it answers the proxy's requests for extension configurations (ECDS),
//! with the module as a file where istiod named an address.
//!
//! Files stand for the connection to istiod: `ads: {}` becomes a `path_config_source`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

const TYPED_EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// What becomes of the module.
#[derive(Clone, Debug)]
pub enum Module {
    /// It is this file.
    File(PathBuf),
    /// istiod has no configuration of this name, or never answers.
    NeverConfigured,
    /// The agent cannot fetch it, and sends an RBAC filter that allows everything.
    NotFetched,
}

/// An agent; its files live as long as it does.
#[derive(Debug)]
pub struct Agent {
    module: Module,
    directory: TempDir,
}

impl Agent {
    /// An agent that has this module.
    pub fn with(module: Module) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        Self { module, directory }
    }

    /// An agent whose module is this file.
    pub fn with_file(file: &Path) -> Self {
        Self::with(Module::File(file.to_path_buf()))
    }

    /// Answers for one EXTENSION_CONFIG of istiod's.
    pub(super) fn serve(&self, extension: &Value) {
        let name = extension["name"].as_str().expect("a name");
        let resources = match &self.module {
            Module::NeverConfigured => json!([]),
            Module::NotFetched => {
                json!([{"@type": TYPED_EXTENSION, "name": name, "typed_config": {
                    "@type": RBAC, "rules_stat_prefix": "wasm-default-allow",
                }}])
            }
            Module::File(file) => {
                let mut resource = extension.clone();
                resource["@type"] = TYPED_EXTENSION.into();
                let machine = &mut resource["typed_config"]["config"]["vm_config"];
                machine["code"] = json!({"local": {"filename": file}});
                json!([resource])
            }
        };
        let response = json!({"version_info": "1", "resources": resources}).to_string();
        fs::write(self.file(name), response).expect("written");
    }

    /// Points every request for an extension configuration in `value` to this agent. Returns how
    /// many there are.
    pub(super) fn connect(&self, value: &mut Value) -> usize {
        match value {
            Value::Object(fields) => {
                let name = fields
                    .get("name")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
                let mut count = 0;
                if let Some(source) = fields.get_mut("config_discovery") {
                    let source = &mut source["config_source"];
                    assert_eq!(source["ads"], json!({}), "asked of istiod");
                    let file = self.file(&name.expect("what is discovered has a name"));
                    source.as_object_mut().expect("an object").remove("ads");
                    source["resource_api_version"] = "V3".into();
                    source["path_config_source"] = json!({"path": file});
                    assert!(file.exists(), "no EXTENSION_CONFIG for {}", file.display());
                    count += 1;
                }
                count
                    + fields
                        .values_mut()
                        .map(|field| self.connect(field))
                        .sum::<usize>()
            }
            Value::Array(items) => items.iter_mut().map(|item| self.connect(item)).sum(),
            _ => 0,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.json"))
    }
}
