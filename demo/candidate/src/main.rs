//! The demo's new service: a port of `demo/primary` to tonic, with planted differences.
//!
//! Usage: `twintap-demo-candidate [ADDRESS]`, default `127.0.0.1:50052`; port 0 picks a free one.
//! Prints `listening on HOST:PORT` when it is ready, and serves until SIGTERM or SIGINT.

mod availability;
mod catalog;
mod failure;
mod invoice;
mod service;
mod shipping;
mod stock;

/// Generated from `demo/proto` by `build.rs`.
#[allow(
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod pb {
    tonic::include_proto!("shop.orders.v1");
}

use anyhow::Context as _;
use std::io::Write as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:50052".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("failed to bind {address}"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;

    Server::builder()
        .add_service(pb::order_service_server::OrderServiceServer::new(
            service::OrderService,
        ))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            },
        )
        .await
        .context("failed to serve")
}
