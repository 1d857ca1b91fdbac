//! What Envoy says about itself on its admin port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::http1;

/// Counters and gauges by name; counters of the filter are named `wasmcustom.twintap_*`.
#[derive(Clone, Debug, Default)]
pub struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// A counter or gauge; 0 if there is none.
    pub fn counter(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All whose name begins with `prefix`.
    pub fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, u64)> {
        let named = self
            .0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix));
        named.map(|(name, value)| (name.as_str(), *value))
    }
}

pub(super) async fn stats(admin: SocketAddr) -> Stats {
    let (_, body) = http1::get(admin, "/stats").await.expect("admin answers");
    let text = String::from_utf8_lossy(&body).into_owned();
    let numbers = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Stats(numbers.collect())
}

pub(super) async fn listener_address(admin: SocketAddr, name: &str) -> SocketAddr {
    let (_, body) = http1::get(admin, "/listeners?format=json")
        .await
        .expect("admin answers");
    let listeners: Value = serde_json::from_slice(&body).expect("listeners are JSON");
    let listeners = listeners["listener_statuses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let named = listeners.iter().find(|listener| listener["name"] == name);
    let socket = &named.unwrap_or_else(|| panic!("no listener {name}"))["local_address"];
    let port = socket["socket_address"]["port_value"]
        .as_u64()
        .expect("a port");
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).expect("a port")))
}
