//! Message types by method, from descriptor sets.

use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor, MethodDescriptor};

/// What the services of one or more `FileDescriptorSet`s send and receive.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pool: DescriptorPool,
}

/// Why a descriptor set was refused. Sets taken before stay.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not a `FileDescriptorSet`, imports missing, names twice, ...
    #[error("not a usable FileDescriptorSet: {0} (made with `protoc --include_imports -o FILE`?)")]
    Invalid(#[from] DescriptorError),
    /// It has no service, so it cannot tell the type of any message.
    #[error("the FileDescriptorSet has no service")]
    NoService,
}

impl Schema {
    /// Adds an encoded `google.protobuf.FileDescriptorSet` with its imports.
    pub fn add_descriptor_set(&mut self, encoded: &[u8]) -> Result<(), SchemaError> {
        let mut pool = self.pool.clone();
        pool.decode_file_descriptor_set(encoded)?;
        if pool.services().len() == 0 {
            return Err(SchemaError::NoService);
        }
        self.pool = pool;
        Ok(())
    }

    /// All types.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// Type of the request messages of `package.Service/Method`.
    pub(super) fn request_of(&self, rpc_method: &str) -> Option<MessageDescriptor> {
        Some(self.method(rpc_method)?.input())
    }

    /// Type of its response messages.
    pub(super) fn response_of(&self, rpc_method: &str) -> Option<MessageDescriptor> {
        Some(self.method(rpc_method)?.output())
    }

    /// The type of that full name.
    pub(super) fn message(&self, full_name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(full_name)
    }

    /// Does it know `package.Service/Method`?
    pub fn knows(&self, rpc_method: &str) -> bool {
        self.method(rpc_method).is_some()
    }

    fn method(&self, rpc_method: &str) -> Option<MethodDescriptor> {
        let (service, method) = rpc_method.split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        service.methods().find(|known| known.name() == method)
    }
}
