//! Addresses of loopback that nobody else gets, for what listens there again and again, or cannot say where it listens.
//!
//! A port that was found free and let go is anybody's until it is bound again: another listener takes it, or a
//! connection that goes out. These are of this process alone, with a port that no connection goes out from.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that connections go out from.
const FIRST_PORT: u16 = 10_000;
const PORTS_COUNT: u16 = 20_000;
/// Away from 127.0.0.1, with room for every process id.
const OWN_NETWORK: u8 = 64;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// An address that was not given out before.
pub fn own() -> SocketAddr {
    let [_, high, middle, low] = process::id().to_be_bytes();
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    assert!(taken < PORTS_COUNT, "more addresses than one process has");
    let ip = Ipv4Addr::new(127, OWN_NETWORK | high, middle, low);
    SocketAddr::from((ip, FIRST_PORT + taken))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::own;

    #[test]
    fn each_can_be_bound_and_is_another() {
        let first = TcpListener::bind(own()).expect("nobody has it");
        let second = TcpListener::bind(own()).expect("nobody has it");

        let [first, second] = [first, second].map(|bound| bound.local_addr().expect("bound"));
        assert!(first.ip().is_loopback());
        assert_ne!(first, second);
    }
}
