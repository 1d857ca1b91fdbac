//! Clients that drive planned traffic: as fast as the peers allow, or at an even rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::grpc::{Client, Outcome};
use crate::traffic::{Mix, Plan};

/// Calls under way at once when driven at a rate: a machine that stalls for seconds must not turn
/// the rest of the test into a flood.
const UNDER_WAY_MAX: usize = 256;

/// What a drive saw.
#[derive(Clone, Debug, Default)]
pub struct Driven {
    /// Calls made; each has been checked against its plan.
    pub calls: u64,
    /// The slowest.
    pub slowest: Duration,
    /// From the first to the last.
    pub elapsed: Duration,
}

/// Makes the calls with these numbers, `concurrency` at a time, and checks every answer.
pub async fn at_full_speed(
    address: SocketAddr,
    mix: Mix,
    numbers: std::ops::Range<u64>,
    concurrency: usize,
) -> Driven {
    let clients = Client::connect_all(address, concurrency).await;
    at_full_speed_over(clients, mix, numbers).await
}

/// As [`at_full_speed`], over these connections, each making one call after the other.
pub async fn at_full_speed_over(
    clients: Vec<Client>,
    mix: Mix,
    numbers: std::ops::Range<u64>,
) -> Driven {
    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(numbers.start));
    let mut workers = JoinSet::new();
    for client in clients {
        let (next, end) = (next.clone(), numbers.end);
        workers.spawn(async move {
            let mut slowest = Duration::ZERO;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return slowest;
                }
                slowest = slowest.max(checked(&client, mix, number).await.elapsed);
            }
        });
    }
    let mut driven = Driven {
        calls: numbers.end - numbers.start,
        ..Driven::default()
    };
    while let Some(worker) = workers.join_next().await {
        driven.slowest = driven
            .slowest
            .max(worker.expect("every answer is as planned"));
    }
    driven.elapsed = start.elapsed();
    driven
}

/// Makes the calls with these numbers at an even rate, whether or not earlier ones have ended (up
/// to 256 of them), and checks every answer.
pub async fn at_rate(
    address: SocketAddr,
    mix: Mix,
    numbers: std::ops::Range<u64>,
    per_second: u32,
) -> Driven {
    let start = Instant::now();
    let clients = Client::connect_all(address, 4).await;
    let clients: Vec<_> = clients.into_iter().map(Arc::new).collect();
    let mut calls = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut driven = Driven {
        calls: numbers.end - numbers.start,
        ..Driven::default()
    };
    for (number, client) in numbers.zip(clients.iter().cycle()) {
        tick.tick().await;
        let client = client.clone();
        calls.spawn(async move { checked(&client, mix, number).await.elapsed });
        while calls.len() >= UNDER_WAY_MAX
            && let Some(call) = calls.join_next().await
        {
            driven.slowest = driven
                .slowest
                .max(call.expect("every answer is as planned"));
        }
        while let Some(call) = calls.try_join_next() {
            driven.slowest = driven
                .slowest
                .max(call.expect("every answer is as planned"));
        }
    }
    while let Some(call) = calls.join_next().await {
        driven.slowest = driven
            .slowest
            .max(call.expect("every answer is as planned"));
    }
    driven.elapsed = start.elapsed();
    driven
}

/// Makes the call with this number, and checks its answer.
pub async fn checked(client: &Client, mix: Mix, number: u64) -> Outcome {
    let plan = Plan::new(mix, number);
    let outcome = client.call(plan.call()).await;
    plan.assert_answered(&outcome);
    outcome
}
