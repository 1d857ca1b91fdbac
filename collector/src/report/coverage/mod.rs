//! Coverage: what the descriptors know and the traffic compared never showed.
//!
//! A difference in a field that no recorded call ever set cannot be found, however many calls were
//! compared. So of each method with a judged pair, the fields, enum values and oneof arms of its request
//! and response types are counted as seen or never seen.
//!
//! - A method was called if any call of it was recorded, by whatever side, in a pair or not.
//! - Looked at: the requests and both responses of judged pairs, messages captured whole. What only the
//!   candidate sets was compared with nothing, and is a difference.
//! - A field is seen when it is on the wire. Without presence, a default value is not; the zero of an
//!   enum counts as seen in a message that leaves the field out.
//! - Fields are told apart by path (`billing.zip`, `items[*].price`), not by type. A type inside
//!   itself is not unrolled: what is seen deeper counts for the outer one.
//! - Methods never called, and those of which no pair was judged, are counted as methods; their fields are not
//!   counted.
//!
//! Sums are bits: they merge by `or`, in any order. Memory: a [`Shape`] of at most
//! [`PATHS_MAX`] paths a message type, and as many bits a method and direction.
//!
//! Not supported: extensions, what is inside `google.protobuf.Any`, bodies that are not protobuf.

mod found;
mod shape;
mod walk;

#[cfg(test)]
mod tests;

pub use found::{Coverage, MethodCoverage, NeverSeen, Seen};
pub use shape::{DEPTH_MAX, PATHS_MAX};

use std::collections::BTreeMap;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use twintap_decode::grpc::decompress;

use crate::call::{Call, Direction, Message};
use crate::compare::rules::matches_glob;
use crate::pair::Pair;
use shape::Shape;

/// Bodies remembered a method and direction, so that an equal one is not walked again.
const BODIES_REMEMBERED: usize = 256;

/// Bytes of one message after decompression: gRPC's default receive limit.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was seen, by method.
#[derive(Debug, Default)]
pub struct CoverageSums {
    pool: DescriptorPool,
    /// Pattern of the methods that were asked for.
    wanted: Option<String>,
    shapes: BTreeMap<String, Arc<Shape>>,
    /// Those that were called; without sums, none of their pairs was judged.
    methods: BTreeMap<String, Option<MethodSums>>,
}

#[derive(Debug)]
struct MethodSums {
    request: DirectionSums,
    response: DirectionSums,
}

/// What was seen in one direction of a method.
#[derive(Debug)]
struct DirectionSums {
    shape: Arc<Shape>,
    /// By item of the shape.
    seen: Vec<bool>,
    /// Items not seen yet.
    left: usize,
    /// Digests of bodies walked, each at the place that its value gives.
    walked: Vec<Option<u64>>,
}

impl CoverageSums {
    /// Of the methods in `pool` that match `wanted`.
    pub fn new(pool: DescriptorPool, wanted: Option<String>) -> Self {
        Self {
            pool,
            wanted,
            ..Self::default()
        }
    }

    /// Notes that the call's method was called; what it carried is not looked at.
    pub(super) fn add_call(&mut self, call: &Call) {
        let rpc_method = &call.rpc_method;
        if !self.methods.contains_key(rpc_method) && self.types(rpc_method).is_some() {
            self.methods.insert(rpc_method.clone(), None);
        }
    }

    /// Adds the messages of a judged pair.
    pub(super) fn add(&mut self, pair: &Pair) {
        let rpc_method = &pair.primary.rpc_method;
        if !matches!(self.methods.get(rpc_method), Some(Some(_))) {
            let Some(types) = self.types(rpc_method) else {
                return;
            };
            let sums = MethodSums {
                request: DirectionSums::new(self.shape(&types.0)),
                response: DirectionSums::new(self.shape(&types.1)),
            };
            self.methods.insert(rpc_method.clone(), Some(sums));
        }
        if let Some(Some(sums)) = self.methods.get_mut(rpc_method) {
            sums.request.add(&pair.primary.request);
            sums.response.add(&pair.primary.response);
            sums.response.add(&pair.candidate.response);
        }
    }

    /// What there is to see, and what was seen.
    pub(super) fn into_coverage(mut self) -> Coverage {
        let wanted = self.wanted.take();
        let mut never_called = Vec::new();
        for service in self.pool.services() {
            for method in service.methods() {
                let name = format!("{}/{}", service.full_name(), method.name());
                let is_wanted = wanted.as_ref().is_none_or(|glob| matches_glob(glob, &name));
                if is_wanted && !self.methods.contains_key(&name) {
                    never_called.push(name);
                }
            }
        }
        never_called.sort_unstable();
        found::coverage(&self.methods, never_called)
    }

    /// The types of a method's requests and responses. Bounded: only names in the descriptors.
    fn types(&self, rpc_method: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
        let (service, method) = rpc_method.split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        let method = service.methods().find(|known| known.name() == method)?;
        Some((method.input(), method.output()))
    }

    fn shape(&mut self, message: &MessageDescriptor) -> Arc<Shape> {
        let shape = self.shapes.entry(message.full_name().to_owned());
        shape
            .or_insert_with(|| Arc::new(Shape::of(message)))
            .clone()
    }
}

impl DirectionSums {
    fn new(shape: Arc<Shape>) -> Self {
        Self {
            seen: vec![false; shape.items.len()],
            left: shape.items.len(),
            walked: Vec::new(),
            shape,
        }
    }

    fn add(&mut self, direction: &Direction) {
        if self.left == 0 || self.was_walked(direction) {
            return;
        }
        for message in &direction.messages {
            if let Some(bytes) = plain(message, &direction.encoding) {
                walk::walk(&self.shape, &bytes, &mut self.seen);
            }
        }
        self.left = self.seen.iter().filter(|seen| !**seen).count();
    }

    /// Was an equal body walked? A hint that saves work: to forget one costs a walk, no more.
    fn was_walked(&mut self, direction: &Direction) -> bool {
        // The digest is that of the whole body, of which not everything was walked.
        let Some(digest) = direction.body_digest.filter(|_| !direction.truncated) else {
            return false;
        };
        if self.walked.is_empty() {
            self.walked = vec![None; BODIES_REMEMBERED];
        }
        let place = usize::try_from(digest).unwrap_or_default() % BODIES_REMEMBERED;
        let kept = self.walked.get_mut(place);
        kept.is_some_and(|kept| kept.replace(digest) == Some(digest))
    }
}

/// The message as it was before compression; `None` if it is not whole.
fn plain(message: &Message, encoding: &[u8]) -> Option<bytes::Bytes> {
    let is_whole =
        usize::try_from(message.declared_bytes).is_ok_and(|size| size == message.bytes.len());
    match (is_whole, message.compressed) {
        (false, _) => None,
        (true, false) => Some(message.bytes.clone()),
        (true, true) => decompress(encoding, &message.bytes, MESSAGE_BYTES_MAX).ok(),
    }
}
