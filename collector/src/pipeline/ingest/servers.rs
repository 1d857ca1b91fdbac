//! Which servers answered calls, so that an address that was given and answered none can be told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crate::call::{Role, ServerPattern, ServerRoles};

/// Servers that are named as examples.
const EXAMPLES_MAX: usize = 8;

/// Servers, for all workers.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    roles: ServerRoles,
    /// Of these, those that fitted no server of their role so far.
    unmet: Vec<(ServerPattern, Role)>,
    examples: BTreeSet<SocketAddr>,
    are_there_more: bool,
}

/// What an ingest knows of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServersSeen {
    /// Addresses that were given, of which no call was.
    pub unmet: Vec<(ServerPattern, Role)>,
    /// Servers that answered calls, the first few by address.
    pub examples: Vec<SocketAddr>,
    /// Are there others?
    pub are_there_more: bool,
}

impl Servers {
    /// To be met by those of calls: `roles`.
    pub(super) fn new(roles: &ServerRoles) -> Self {
        Self(Mutex::new(Seen {
            roles: roles.clone(),
            unmet: roles.all().to_vec(),
            ..Seen::default()
        }))
    }

    /// These answered calls.
    pub(super) fn add(&self, servers: BTreeSet<SocketAddr>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for server in servers {
            let met = seen.roles.of(server).map(|(_, role)| role);
            let is_met = |(pattern, role): &(ServerPattern, Role)| {
                pattern.matches(server) && Some(*role) == met
            };
            seen.unmet.retain(|role| !is_met(role));
            if seen.examples.len() < EXAMPLES_MAX {
                seen.examples.insert(server);
            } else {
                seen.are_there_more |= !seen.examples.contains(&server);
            }
        }
    }

    pub(super) fn seen(&self) -> ServersSeen {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ServersSeen {
            unmet: seen.unmet.clone(),
            examples: seen.examples.iter().copied().collect(),
            are_there_more: seen.are_there_more,
        }
    }
}
