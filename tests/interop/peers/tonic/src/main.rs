//! Peer of the interop captures: tonic, which is h2.
//!
//! Usage: `twintap-interop-tonic server ADDRESS PLAN LOG`, or `client` in its place.

mod bytes_codec;
mod client;
mod plan;
mod server;

use std::error::Error;
use std::sync::Arc;

use plan::{Log, Plan};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [role, address, plan, log] = arguments.as_slice() else {
        return Err("usage: (server|client) ADDRESS PLAN LOG".into());
    };
    let plan: Arc<Plan> = Arc::new(serde_json::from_slice(&std::fs::read(plan)?)?);
    let log = Arc::new(Log::create(log)?);
    match &**role {
        "server" => server::run(address, plan, log).await,
        _ => client::run(address, plan, log).await,
    }
}
