//! The load: unary echo with about ten headers each way, a fixed number of requests in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;
use twintap_e2e::grpc::{Answer, Call, Client};

/// What a load did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
}

/// The server's side.
pub(crate) fn answer() -> Answer {
    Answer::echo()
        .header("grpc-accept-encoding", "identity,deflate,gzip")
        .header("x-served-by", "orders-7d4b9c-x2x8k")
        .header("x-cache", "miss")
        .trailer("x-cost-units", "17")
}

/// Keeps `concurrency` requests in flight over `connections` until `duration` is over.
pub(crate) async fn run(
    address: SocketAddr,
    message_bytes: usize,
    (connections, concurrency): (usize, usize),
    duration: Duration,
) -> anyhow::Result<Done> {
    let call = call(message_bytes);
    let number = Arc::new(AtomicU64::new(0));
    let mut clients = vec![];
    for _ in 0..connections {
        clients.push(Arc::new(Client::connect(address).await));
    }
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for client in clients.iter().cycle().take(concurrency) {
        let (client, call, number) = (client.clone(), call.clone(), number.clone());
        workers.spawn(async move {
            let mut requests = 0_u64;
            while start.elapsed() < duration {
                let number = number.fetch_add(1, Ordering::Relaxed);
                let id = format!("00000000-0000-4000-8000-{number:012x}");
                let call = call
                    .clone()
                    .header("x-request-id", &id)
                    .header(twintap_record::PAIR_ID_HEADER, &id);
                let outcome = client.call(call).await;
                ensure!(outcome.ok(), "a call failed: {outcome:?}");
                requests += 1;
            }
            Ok(requests)
        });
    }
    let mut requests = 0;
    while let Some(worker) = workers.join_next().await {
        requests += worker??;
    }
    Ok(Done {
        requests,
        elapsed: start.elapsed(),
    })
}

fn call(message_bytes: usize) -> Call {
    let message: Vec<u8> = (0..message_bytes)
        .map(|index| (index % 251) as u8)
        .collect();
    Call::unary("shop.v1.Orders/Get", message)
        .header("user-agent", "grpc-rust/1.0 bench")
        .header("grpc-timeout", "5S")
        .header("grpc-accept-encoding", "identity,deflate,gzip")
        .header(
            "authorization",
            "Bearer 0123456789abcdef0123456789abcdef0123456789",
        )
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .header("x-tenant", "acme")
        .header("x-region", "eu-central-1")
}
