//! Attackers: connections that send one thing over and over, each followed by the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::attacks::Attack;
use super::frames::Answers;

/// Sent at once.
const BURST_BYTES: usize = 16 << 10;
/// Connections of one attacker that have done their part and stay.
const HELD_MAX: usize = 16;
/// What the collector has said last is there within this, once the connection is closed.
const SAID_WITHIN: Duration = Duration::from_secs(10);

/// What attackers have done, and what was done to them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Bytes sent.
    pub(super) sent: AtomicU64,
    pub(super) connections: AtomicU64,
    /// Of one attacker, open at the same time.
    pub(super) held: AtomicU64,
    /// Of them, closed while the flood went on.
    pub(super) closed: AtomicU64,
    /// Of the closed, how many were told why, as the attack expects.
    pub(super) sent_away: AtomicU64,
}

impl Tally {
    pub(super) fn figure(figure: &AtomicU64) -> u64 {
        figure.load(Ordering::Relaxed)
    }
}

/// Reads until the collector closes.
async fn read(mut from: OwnedReadHalf, is_http2: bool) -> Answers {
    let (mut answers, mut buffer) = (Answers::default(), vec![0; 64 << 10]);
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        if is_http2 {
            answers.push(&buffer[..len]);
        }
    }
    answers
}

/// A connection whose answers are not taken, until dropped.
struct Held {
    _to: OwnedWriteHalf,
    reading: Option<JoinHandle<Answers>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// Floods until `end`.
pub(super) async fn flood(attack: Attack, address: SocketAddr, end: Instant, tally: Arc<Tally>) {
    let mut held = vec![];
    while Instant::now() < end {
        // Refused while there are too many.
        let Ok(stream) = TcpStream::connect(address).await else {
            continue;
        };
        tally.connections.fetch_add(1, Ordering::Relaxed);
        held.extend(over_one_connection(attack, stream, end, &tally).await);
        tally.held.fetch_max(held.len() as u64, Ordering::Relaxed);
        if held.len() >= HELD_MAX {
            tokio::time::sleep_until(end).await;
        }
    }
}

/// Floods until `end`, or until the connection is closed, or has done its part and stays.
async fn over_one_connection(
    attack: Attack,
    stream: TcpStream,
    end: Instant,
    tally: &Tally,
) -> Option<Held> {
    let (from, mut to) = stream.into_split();
    let (mut burst, mut n) = ((attack.first)(), 0);
    let is_http2 = burst.starts_with(b"PRI");
    let (reading, _kept) = if attack.reads {
        (Some(tokio::spawn(read(from, is_http2))), None)
    } else {
        (None, Some(from))
    };
    loop {
        let one = (attack.again)(n);
        n += 1;
        let is_done = one.is_empty();
        burst.extend(one);
        if !is_done && burst.len() < BURST_BYTES {
            continue;
        }
        match timeout_at(end, to.write_all(&burst)).await {
            Ok(Ok(())) => tally.sent.fetch_add(burst.len() as u64, Ordering::Relaxed),
            Ok(Err(_)) => break,
            // Held up until the flood is over.
            Err(_) => return drop_with(to, reading),
        };
        burst.clear();
        if is_done {
            return Some(Held { _to: to, reading });
        }
        if Instant::now() >= end {
            return drop_with(to, reading);
        }
    }
    tally.closed.fetch_add(1, Ordering::Relaxed);
    let reading = reading?;
    let answers = timeout(SAID_WITHIN, reading).await;
    let answers = answers.expect("what is said is there").expect("no panic");
    if answers.goaway.is_some() && answers.goaway == attack.sent_away {
        tally.sent_away.fetch_add(1, Ordering::Relaxed);
    }
    None
}

fn drop_with(to: OwnedWriteHalf, reading: Option<JoinHandle<Answers>>) -> Option<Held> {
    drop(Held { _to: to, reading });
    None
}
