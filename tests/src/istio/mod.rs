//! Istio without a cluster: what its control plane and its agent make of the YAML in `istio/`.
//!
//! [`Manifests`] renders the folder, [`Sidecar`] is what istiod sends to one proxy (listener, routes of
//! a VirtualService, EnvoyFilters applied in istiod's order), [`Spoken`] what its clusters speak, [`Agent`]
//! stands for the agent beside that proxy, which turns a module's address into a file. Envoy itself is real.
//!
//! Not here: injection, iptables, mTLS, the network, and the fetch itself.

mod agent;
mod manifests;
mod patches;
mod ports;
mod routes;
mod sidecar;

pub use agent::{Agent, Module};
pub use manifests::Manifests;
pub use ports::Spoken;
pub use routes::routes;
pub use sidecar::{Context, Sidecar};
