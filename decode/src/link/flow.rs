//! The name of a flow: both endpoints and the tunnel, the same for both directions.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv6 address, or IPv4 mapped into it.
    address: u128,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint with an IPv4 address.
    #[inline]
    pub fn v4(address: [u8; 4], port: u16) -> Self {
        Self {
            address: 0xffff_0000_0000 | u128::from(u32::from_be_bytes(address)),
            port,
        }
    }

    /// An endpoint with an IPv6 address.
    #[inline]
    pub fn v6(address: [u8; 16], port: u16) -> Self {
        Self {
            address: u128::from_be_bytes(address),
            port,
        }
    }

    /// An endpoint with an address as [`Self::bits`] gives it.
    #[inline]
    pub(crate) fn new(address: u128, port: u16) -> Self {
        Self { address, port }
    }

    /// The address as a number, IPv4 mapped into IPv6.
    #[inline]
    pub(crate) fn bits(&self) -> u128 {
        self.address
    }

    /// The address. IPv4 addresses mapped into IPv6 are IPv4 addresses.
    pub fn address(&self) -> IpAddr {
        Ipv6Addr::from_bits(self.address).to_canonical()
    }

    /// Address and port.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address(), self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.socket_address(), f)
    }
}

/// One of the two ends of a [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end with the lower address, or port where the addresses are equal.
    Low,
    /// The other.
    High,
}

impl Side {
    /// The other side.
    #[inline]
    pub fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// Both endpoints of a flow, in an order that does not depend on the direction, and its tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low_address: u128,
    high_address: u128,
    tunnel: u64,
    low_port: u16,
    high_port: u16,
}

impl FlowKey {
    /// The flow of a packet from `source` to `destination`, and which side sent it. `tunnel` is 0
    /// outside tunnels.
    #[inline]
    pub fn new(source: Endpoint, destination: Endpoint, tunnel: u64) -> (Self, Side) {
        let (low, high, sender) = if source <= destination {
            (source, destination, Side::Low)
        } else {
            (destination, source, Side::High)
        };
        let key = Self {
            low_address: low.address,
            high_address: high.address,
            tunnel,
            low_port: low.port,
            high_port: high.port,
        };
        (key, sender)
    }

    /// The endpoint at a side.
    #[inline]
    pub fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Low => Endpoint::new(self.low_address, self.low_port),
            Side::High => Endpoint::new(self.high_address, self.high_port),
        }
    }

    /// Identifies the tunnel (its kind and id, with those around it); 0 outside tunnels.
    pub fn tunnel(&self) -> u64 {
        self.tunnel
    }

    /// Does one of the endpoints have this port?
    #[inline]
    pub fn has_port(&self, port: u16) -> bool {
        self.low_port == port || self.high_port == port
    }

    /// A hash that is the same for both directions, from run to run and from machine to machine:
    /// for tables and for sharding. `seed` keeps senders of hostile traffic from choosing
    /// collisions; sharding may use 0.
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let (low, high) = (fold(self.low_address), fold(self.high_address));
        let ports = u64::from(self.low_port) << 16 | u64::from(self.high_port);
        let first = multiply(
            low ^ seed ^ 0x9e37_79b9_7f4a_7c15,
            high ^ 0xd1b5_4a32_d192_ed03,
        );
        multiply(
            first ^ ports,
            self.tunnel ^ seed.rotate_left(32) ^ 0x8cb9_2ba7_2f3d_8dd7,
        )
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.endpoint(Side::Low), self.endpoint(Side::High));
        write!(f, "{low:?} <> {high:?}")?;
        match self.tunnel {
            0 => Ok(()),
            tunnel => write!(f, " in tunnel {tunnel:#x}"),
        }
    }
}

/// Both halves of an address in one word; the multiplication keeps the halves from cancelling.
#[inline]
fn fold(address: u128) -> u64 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.to_be_bytes();
    let upper = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let lower = u64::from_be_bytes([i, j, k, l, m, n, o, p]);
    upper.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29) ^ lower
}

/// The product's two halves folded: every bit of the result depends on every bit of both.
#[inline]
fn multiply(a: u64, b: u64) -> u64 {
    let (low, high) = a.carrying_mul(b, 0);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key_and_one_hash() {
        let client = Endpoint::v4([10, 0, 0, 1], 40_000);
        let server = Endpoint::v4([10, 0, 0, 2], 50_051);
        let (there, from_client) = FlowKey::new(client, server, 7);
        let (back, from_server) = FlowKey::new(server, client, 7);
        assert_eq!(there, back);
        assert_eq!(there.hash(3), back.hash(3));
        assert_eq!(from_client, from_server.other());
        assert_eq!(there.endpoint(from_client), client);
        assert_eq!(client.address().to_string(), "10.0.0.1");
    }

    #[test]
    fn hashes_of_neighbouring_flows_spread_over_shards() {
        let mut shards = [0_u32; 8];
        for client_port in 32_768..36_768 {
            let (key, _) = FlowKey::new(
                Endpoint::v4([127, 0, 0, 1], client_port),
                Endpoint::v4([127, 0, 0, 1], 50_051),
                0,
            );
            shards[usize::try_from(key.hash(0) % 8).unwrap()] += 1;
        }
        assert!(
            shards.iter().all(|count| (400..600).contains(count)),
            "{shards:?}"
        );
    }
}
