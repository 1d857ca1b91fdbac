//! Which side a server is, by its address: what a capture does not say.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Role;

/// Addresses of a server: an IP address, a port, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPattern {
    /// `None` matches every address.
    pub address: Option<IpAddr>,
    /// `None` matches every port.
    pub port: Option<u16>,
}

impl ServerPattern {
    /// Is `server` meant?
    pub fn matches(&self, server: SocketAddr) -> bool {
        self.address.is_none_or(|address| address == server.ip())
            && self.port.is_none_or(|port| port == server.port())
    }

    /// The greater, the fewer servers are meant: a host has many ports, and a port is that of one service on most.
    fn precision(&self) -> (bool, bool) {
        (self.port.is_some(), self.address.is_some())
    }
}

impl fmt::Display for ServerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (Some(address), Some(port)) => SocketAddr::new(address, port).fmt(f),
            (Some(address), None) => address.fmt(f),
            (None, Some(port)) => write!(f, ":{port}"),
            (None, None) => f.write_str("any server"),
        }
    }
}

/// Roles by address. Where several patterns match, `IP:PORT` goes before `:PORT`, and this before `IP`; of equal
/// ones the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerRoles(Vec<(ServerPattern, Role)>);

impl FromIterator<(ServerPattern, Role)> for ServerRoles {
    fn from_iter<I: IntoIterator<Item = (ServerPattern, Role)>>(roles: I) -> Self {
        let mut roles: Vec<_> = roles.into_iter().collect();
        roles.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.precision()));
        Self(roles)
    }
}

impl ServerRoles {
    /// The role of `server`, and the pattern that says so; `None` if no pattern matches.
    pub fn of(&self, server: SocketAddr) -> Option<(ServerPattern, Role)> {
        let mut roles = self.0.iter();
        roles.find(|(it, _)| it.matches(server)).copied()
    }

    /// All of them, those that count first first.
    pub fn all(&self) -> &[(ServerPattern, Role)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(address: Option<&str>, port: Option<u16>) -> ServerPattern {
        ServerPattern {
            address: address.map(|address| address.parse().unwrap()),
            port,
        }
    }

    #[test]
    fn the_more_precise_pattern_says_the_role() {
        let host = (pattern(Some("10.0.0.1"), None), Role::Primary);
        let port = (pattern(None, Some(50_052)), Role::Candidate);
        let both = (pattern(Some("10.0.0.1"), Some(50_053)), Role::Secondary);
        let role = |roles: &ServerRoles, server: &str| {
            let found = roles.of(server.parse().unwrap());
            found.map(|(_, role)| role)
        };
        for given in [[host, port, both], [both, port, host], [port, host, both]] {
            let roles: ServerRoles = given.into_iter().collect();
            let of = |server| role(&roles, server);
            assert_eq!(of("10.0.0.1:50051"), Some(Role::Primary));
            assert_eq!(of("10.0.0.1:50052"), Some(Role::Candidate));
            assert_eq!(of("10.0.0.1:50053"), Some(Role::Secondary));
            assert_eq!(of("10.0.0.2:50052"), Some(Role::Candidate));
            assert_eq!(of("10.0.0.2:50053"), None);
        }
    }
}
