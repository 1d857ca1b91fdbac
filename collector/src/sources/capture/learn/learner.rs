//! What all workers have learnt, by server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use twintap_decode::exchange::{Certainty, Exchange, Rule};

use super::descriptors::Descriptors;
use super::encoder::Encoder;
use super::server::Server;
use super::shape::CallShape;

/// Servers that are learnt of.
const SERVERS_MAX: usize = 1024;

/// Learns from all calls, and names those whose method was not seen.
#[derive(Debug)]
pub struct Learner {
    descriptors: Option<Descriptors>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    servers: HashMap<SocketAddr, Server>,
    unlearnt: u64,
}

impl Learner {
    /// Knows nothing yet but the services of `descriptors`.
    pub fn new(descriptors: Option<Descriptors>) -> Self {
        Self {
            descriptors,
            known: Mutex::default(),
        }
    }

    /// Learns from a call. To be told of the calls of a connection in order, of those without a name of
    /// all.
    pub fn learn(&self, exchange: &Exchange) {
        let Some(server) = exchange.server_address() else {
            return;
        };
        let Some(headers) = &exchange.request.headers else {
            return;
        };
        let seen = match &exchange.method {
            Certainty::Seen(path) => Some(path),
            _ => None,
        };
        let class = exchange.method_class.as_ref();
        if seen.is_none() && class.is_none() {
            return;
        }
        let shape = CallShape::of(exchange);
        let encoder = Encoder::of(headers);
        let descriptors = self.descriptors.as_ref();
        let mut known = self.known();
        if known.servers.len() >= SERVERS_MAX && !known.servers.contains_key(&server) {
            known.unlearnt += 1;
            return;
        }
        let server = known.servers.entry(server).or_default();
        let mut learnt = Ok(());
        if let Some(path) = seen {
            if !exchange.has_gap() && !exchange.began_before_capture {
                learnt = server.learn_seen(path, encoder, &shape);
            }
            if exchange.headers_incomplete() {
                learnt = learnt.and(server.learn_name(exchange.connection.id, path));
            }
        } else if let Some(class) = class {
            learnt = server.learn_class(class, encoder, &shape, exchange, descriptors);
        }
        known.unlearnt += u64::from(learnt.is_err());
    }

    /// Names a call, if what is known by now leaves one method, or did so no more than `age_max` lessons
    /// of its server ago.
    pub fn name(&self, exchange: &mut Exchange, age_max: u64) -> Option<Rule> {
        if exchange.method != Certainty::Unknown {
            return None;
        }
        let (server, class) = (exchange.server_address()?, exchange.method_class.as_ref()?);
        let mut known = self.known();
        let server = known.servers.get_mut(&server)?;
        let (path, rule) = server.name(class, self.descriptors.as_ref(), age_max)?;
        drop(known);
        exchange.method = Certainty::Inferred(path, rule);
        Some(rule)
    }

    /// Calls that nothing was learnt from, because there are too many servers, connections or methods.
    pub fn unlearnt(&self) -> u64 {
        self.known().unlearnt
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked did so between two calls: what is there is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
