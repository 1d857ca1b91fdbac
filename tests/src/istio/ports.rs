//! What istiod takes a Service's port for, and so what an Envoy speaks to the cluster that it makes of it.

use serde_json::Value;

/// What is spoken to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/2: of gRPC.
    Http2,
    /// HTTP/1.1: of a port that is said to speak HTTP.
    Http1,
    /// What the caller speaks: of a port that does not say.
    AsCaller,
}

impl Spoken {
    /// Of a port of a Service: `appProtocol` first, then the name up to its first hyphen.
    pub(super) fn of(port: &Value) -> Self {
        let name = port["name"].as_str().unwrap_or_default();
        let name = name.split('-').next().unwrap_or_default();
        match port["appProtocol"].as_str().unwrap_or(name) {
            "grpc" | "http2" | "kubernetes.io/h2c" => Self::Http2,
            "http" => Self::Http1,
            other => {
                let is_unknown =
                    !["https", "tcp", "tls", "udp", "mongo", "mysql", "redis"].contains(&other);
                assert!(is_unknown, "{other} is no HTTP, and not known here");
                Self::AsCaller
            }
        }
    }
}
