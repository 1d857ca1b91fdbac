//! Methods of services, from descriptors: which of them stream, which are declared free of effects.

use prost_reflect::DescriptorPool;

/// Number of `idempotency_level` in `google.protobuf.MethodOptions`.
const NO_SIDE_EFFECTS: i32 = 1;

/// A method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Does the client send a stream?
    pub client_streaming: bool,
    /// Is it declared to have no side effects (`idempotency_level = NO_SIDE_EFFECTS`)?
    pub is_declared_safe: bool,
}

/// All methods of the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Of all services in `pool`.
    pub fn of(pool: &DescriptorPool) -> Self {
        let methods = pool.services().flat_map(|service| {
            let methods: Vec<Method> = service
                .methods()
                .map(|method| {
                    let options = method.method_descriptor_proto().options.as_ref();
                    Method {
                        rpc_method: format!("{}/{}", service.full_name(), method.name()),
                        client_streaming: method.is_client_streaming(),
                        is_declared_safe: options.and_then(|options| options.idempotency_level)
                            == Some(NO_SIDE_EFFECTS),
                    }
                })
                .collect();
            methods
        });
        Self(methods.collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.0.iter()
    }
}
