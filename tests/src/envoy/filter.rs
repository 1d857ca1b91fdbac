//! A wasm filter with its plugin configuration.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::artifacts;

/// A wasm filter in a listener's chain or in the router's upstream chain.
#[derive(Clone, Debug)]
pub struct Filter {
    name: String,
    vm: String,
    module: PathBuf,
    configuration: String,
    keys: Map<String, Value>,
    pub(super) is_upstream: bool,
}

impl Filter {
    /// The recorder at the recorded server's sidecar.
    pub fn inbound() -> Self {
        Self::recorder("inbound")
    }

    /// The recorder in the router's upstream chain: sees primary, mirror and retries.
    pub fn upstream() -> Self {
        Self::recorder("upstream")
    }

    /// The caller's downstream chain: stamps the pair id.
    pub fn outbound() -> Self {
        Self::recorder("outbound")
    }

    /// The module that does nothing.
    pub fn noop() -> Self {
        Self::module(artifacts::noop_wasm(), false)
    }

    fn recorder(position: &str) -> Self {
        Self::module(artifacts::filter_wasm(), position == "upstream")
            .with("position", position)
            .with("collector_cluster", "collector")
    }

    fn module(module: PathBuf, is_upstream: bool) -> Self {
        Self {
            name: "twintap".to_owned(),
            vm: "twintap".to_owned(),
            module,
            configuration: String::new(),
            keys: Map::new(),
            is_upstream,
        }
    }

    /// The same module in the router's upstream chain, whatever its configuration says.
    #[must_use]
    pub fn in_upstream_chain(mut self) -> Self {
        self.is_upstream = true;
        self
    }

    /// Another plugin name and root id: it is in front of the filter's lines in Envoy's log.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// A VM of its own, shared with filters that say the same.
    #[must_use]
    pub fn in_vm(mut self, vm: &str) -> Self {
        self.vm = vm.to_owned();
        self
    }

    /// Sets one key of the configuration.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.to_owned(), value.into());
        self
    }

    /// The configuration as this text, whatever it is.
    #[must_use]
    pub fn raw(mut self, configuration: impl Into<String>) -> Self {
        self.configuration = configuration.into();
        self.keys.clear();
        self
    }

    pub(super) fn json(&self) -> Value {
        let configuration = match self.keys.is_empty() {
            true => self.configuration.clone(),
            false => Value::Object(self.keys.clone()).to_string(),
        };
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": self.name,
                    "root_id": self.name,
                    "failure_policy": "FAIL_OPEN",
                    "vm_config": {
                        "vm_id": self.vm,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": self.module}},
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": configuration,
                    },
                },
            },
        })
    }
}
