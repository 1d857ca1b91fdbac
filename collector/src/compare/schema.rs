//! Message types by method, from descriptor sets: the primary's, and the candidate's where they are
//! others.

mod editions;
mod layout;
mod same;
mod validate;

use std::borrow::Cow;
use std::sync::Arc;

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorSet, MessageOptions};
use prost_reflect::{
    DescriptorError, DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

pub(super) use layout::{Field, Layout, Layouts};

use super::drift::{Drift, Half};
use crate::call::Role;

/// The type that holds a message of any type.
pub(super) const ANY: &str = "google.protobuf.Any";

/// What the services of one or more `FileDescriptorSet`s send and receive.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pool: DescriptorPool,
    /// Of `pool`.
    layouts: Arc<Layouts>,
    candidate: Option<Candidate>,
}

/// The candidate's own types.
#[derive(Clone, Debug)]
struct Candidate {
    pool: DescriptorPool,
    layouts: Arc<Layouts>,
    drift: Arc<Drift>,
}

/// The type of the messages of one direction of a method, as each side knows it.
#[derive(Clone, Debug)]
pub(super) struct Types {
    pub(super) primary: MessageDescriptor,
    pub(super) candidate: MessageDescriptor,
    /// Of the types that `primary` is one of.
    pub(super) layouts: Arc<Layouts>,
}

impl Types {
    /// As the side of that role knows it.
    pub(super) fn of(&self, role: Role) -> &MessageDescriptor {
        match role {
            Role::Candidate => &self.candidate,
            _ => &self.primary,
        }
    }
}

/// Why a descriptor set was refused. Sets taken before stay.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not a `FileDescriptorSet`, imports missing, names twice, ...
    #[error("not a usable FileDescriptorSet: {0} (made with `protoc --include_imports -o FILE`?)")]
    Invalid(#[from] DescriptorError),
    /// Not what protoc writes, or at odds with a set taken before.
    #[error("not a usable FileDescriptorSet: {0}")]
    Malformed(String),
    /// It has no service, so it cannot tell the type of any message.
    #[error("the FileDescriptorSet has no service")]
    NoService,
}

impl Schema {
    /// Adds an encoded `google.protobuf.FileDescriptorSet` with its imports.
    pub fn add_descriptor_set(&mut self, encoded: &[u8]) -> Result<(), SchemaError> {
        // What is no set at all, the library says best.
        let encoded = match FileDescriptorSet::decode(encoded) {
            Ok(set) => self.checked(encoded, &set)?,
            Err(_) => Cow::Borrowed(encoded),
        };
        let mut pool = self.pool.clone();
        pool.decode_file_descriptor_set(&*encoded)?;
        if pool.services().len() == 0 {
            return Err(SchemaError::NoService);
        }
        self.layouts = Arc::new(Layouts::of(&pool));
        self.pool = pool;
        Ok(())
    }

    /// The bytes to give the library: `encoded` itself, or `set` without editions, and then without options that
    /// are nobody's but the user's. Refuses what the library would take unseen.
    fn checked<'e>(
        &self,
        encoded: &'e [u8],
        set: &FileDescriptorSet,
    ) -> Result<Cow<'e, [u8]>, SchemaError> {
        let lowered = editions::lowered(encoded, set).map_err(SchemaError::Malformed)?;
        if let Some(problem) = validate::problem(lowered.as_ref().unwrap_or(set), &self.pool) {
            return Err(SchemaError::Malformed(problem));
        }
        let lowered = lowered.map(|lowered| Cow::Owned(lowered.encode_to_vec()));
        Ok(lowered.unwrap_or(Cow::Borrowed(encoded)))
    }

    /// The same, with the candidate's types as `candidate` knows them.
    #[must_use]
    pub fn with_candidate(self, candidate: &Self) -> Self {
        let drift = Arc::new(Drift::between(&self.pool, &candidate.pool));
        let pool = candidate.pool.clone();
        let layouts = Arc::clone(&candidate.layouts);
        Self {
            candidate: Some(Candidate {
                pool,
                layouts,
                drift,
            }),
            ..self
        }
    }

    /// All types of the primary.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// How the candidate's types differ from the primary's; `None` if they are the same descriptors.
    pub fn drift(&self) -> Option<&Drift> {
        Some(&*self.candidate.as_ref()?.drift)
    }

    /// The primary's types as an encoded `FileDescriptorSet`, files in editions as proto2 or proto3.
    pub fn to_descriptor_set(&self) -> Vec<u8> {
        self.pool.encode_to_vec()
    }

    /// Type of the messages of one half of `package.Service/Method`. A side that does not know the
    /// method is read as the other.
    pub(super) fn types_of(&self, rpc_method: &str, half: Half) -> Option<Types> {
        let of = |method: MethodDescriptor| match half {
            Half::Request => method.input(),
            Half::Response => method.output(),
        };
        let primary = find(&self.pool, rpc_method).map(of);
        let other = self.candidate.as_ref();
        // Types that are alike may as well be one: that is faster.
        let other =
            other.filter(|other| other.drift.touches(rpc_method, half) || primary.is_none());
        let candidate = other.and_then(|other| find(&other.pool, rpc_method).map(of));
        let layouts = match &primary {
            Some(_) => &self.layouts,
            None => &other?.layouts,
        };
        let primary = primary.or_else(|| candidate.clone())?;
        Some(Types {
            candidate: candidate.unwrap_or_else(|| primary.clone()),
            primary,
            layouts: Arc::clone(layouts),
        })
    }

    /// May equal bytes of that half mean different things to the two sides?
    pub(super) fn rereads(&self, rpc_method: &str, half: Half) -> bool {
        let drift = self.drift();
        drift.is_some_and(|drift| drift.rereads(rpc_method, half))
    }

    /// The type of that full name.
    pub(super) fn message(&self, full_name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(full_name)
    }

    /// The same, for both sides.
    pub(super) fn types_by_name(&self, full_name: &str) -> Option<Types> {
        let descriptor = self.message(full_name)?;
        Some(Types {
            primary: descriptor.clone(),
            candidate: descriptor,
            layouts: Arc::clone(&self.layouts),
        })
    }

    /// All methods of the primary's services, as `package.Service/Method`.
    pub fn methods(&self) -> impl Iterator<Item = String> {
        let names = |service: ServiceDescriptor| {
            let methods = service.methods().map(|method| method.name().to_owned());
            let methods: Vec<_> = methods.collect();
            let of_service = move |method| format!("{}/{method}", service.full_name());
            methods.into_iter().map(of_service)
        };
        self.pool.services().flat_map(names)
    }

    /// Does it know `package.Service/Method`?
    pub fn knows(&self, rpc_method: &str) -> bool {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.pool);
        let mut pools = std::iter::once(&self.pool).chain(candidate);
        pools.any(|pool| find(pool, rpc_method).is_some())
    }
}

/// Is it what a compiler makes of a map?
fn is_map_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(MessageOptions::map_entry)
}

fn find(pool: &DescriptorPool, rpc_method: &str) -> Option<MethodDescriptor> {
    let (service, method) = rpc_method.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    service.methods().find(|known| known.name() == method)
}
