//! One change of a class, and the differences that follow from it.

mod calls;
mod encoding;
mod structure;
mod values;

use prost_reflect::{DynamicMessage, MethodDescriptor};

use crate::generate::{self, Random};
use crate::sample::{Class, Sample};
use crate::types::METHODS;

/// A sample of `class`, of a type chosen at random; `None` if that type has nothing to change so.
pub fn sample(class: Class, random: &mut Random) -> Option<Sample> {
    let method = random.pick(&METHODS)?;
    let base = generate::message(&method.output(), random, 0);
    let name = rpc_method(method);
    match class {
        Class::Nothing | Class::FieldsReordered | Class::MapReordered | Class::Unpacked => {
            encoding::sample(class, &name, &base)
        }
        Class::Missing
        | Class::Extra
        | Class::DefaultVsAbsent
        | Class::UnknownField
        | Class::ListReordered
        | Class::ElementMissing
        | Class::ElementExtra
        | Class::EntryMissing
        | Class::OneofArm
        | Class::SwappedFields => structure::sample(class, &name, &base, random),
        Class::Status
        | Class::StatusMessage
        | Class::StatusDetail
        | Class::TrailerMissing
        | Class::TrailerValue
        | Class::MetadataValue => calls::sample(class, &name, &base, random),
        Class::StreamMessageLost | Class::StreamMessageRepeated | Class::StreamTailLost => {
            let others: Vec<DynamicMessage> = (0..6)
                .map(|_| generate::message(&method.output(), random, 0))
                .collect();
            method
                .is_server_streaming()
                .then(|| calls::stream(class, &name, &others, random))
        }
        _ => values::sample(class, &name, &base, random),
    }
}

fn rpc_method(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}
