//! Files in editions, as files in proto2 or proto3 that are read alike.
//!
//! Where proto2 and proto3 say by the syntax how a field is read, editions say it by features, which a file hands
//! down to its messages and these to their fields. Here they are resolved, and written as protoc writes the older
//! syntaxes.
//!
//! Those say of a whole file whether enums are closed. In a file where not all are, or where fields have no
//! presence, which proto2 cannot say, all are taken as open; or as closed, where one does not begin with 0, which
//! proto3 cannot say. It matters where the types of old and new service are held against each other.
//!
//! `utf8_validation` is not read: where names of methods are inferred, text is UTF-8 in what becomes proto3.

mod features;

use std::collections::HashSet;

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, OneofDescriptorProto,
};

use super::is_map_entry;
use features::{EnumType, Features, FieldPresence, MessageEncoding, RepeatedFieldEncoding};

/// `Edition` of `descriptor.proto`.
const EDITION_2023: i32 = 1000;
const EDITION_2024: i32 = 1001;

/// `set` without editions; `None` if it has none. What is wrong, if one cannot be read.
pub(super) fn lowered(
    encoded: &[u8],
    set: &FileDescriptorSet,
) -> Result<Option<FileDescriptorSet>, String> {
    if set.file.iter().all(|file| file.syntax() != "editions") {
        return Ok(None);
    }
    let said = features::Files::decode(encoded).map_err(|error| error.to_string())?;
    let mut set = set.clone();
    for (file, said) in set.file.iter_mut().zip(&said.file) {
        if file.syntax() == "editions" {
            lower(file, said).map_err(|problem| format!("file {:?}: {problem}", file.name()))?;
        }
    }
    Ok(Some(set))
}

fn lower(file: &mut FileDescriptorProto, said: &features::File) -> Result<(), String> {
    if !matches!(said.edition, EDITION_2023 | EDITION_2024) {
        let edition = said.edition;
        return Err(format!(
            "edition {edition} is not known, only {EDITION_2023} (2023) and {EDITION_2024} (2024) are"
        ));
    }
    let features = Features::DEFAULT.with(said.features())?;
    let scope = match file.package() {
        "" => String::new(),
        package => format!(".{package}"),
    };
    let mut found = Found::default();
    found.enums(features, &file.enum_type, &said.enum_type)?;
    found.fields(features, &mut file.extension, &said.extension)?;
    for (message, said) in file.message_type.iter_mut().zip(&said.message_type) {
        found.message(&scope, features, message, said)?;
    }
    let is_proto2 = found.is_proto2()?;
    let syntax = if is_proto2 { "proto2" } else { "proto3" };
    file.syntax = Some(syntax.to_owned());
    for message in &mut file.message_type {
        write_presence(message, !is_proto2);
    }
    for extension in &mut file.extension {
        // proto2's have presence anyway.
        extension.proto3_optional = extension.proto3_optional.filter(|_| !is_proto2);
    }
    Ok(())
}

/// What a file was found to have.
#[derive(Debug, Default)]
struct Found {
    open_enums: bool,
    implicit_fields: bool,
    /// An enum whose first value is not 0.
    enum_without_zero: Option<String>,
}

impl Found {
    /// Does proto2 say it best?
    fn is_proto2(&self) -> Result<bool, String> {
        match &self.enum_without_zero {
            Some(name) if self.implicit_fields => Err(format!(
                "enum {name:?} does not begin with 0, beside fields without presence: not supported"
            )),
            Some(_) => Ok(true),
            None => Ok(!self.implicit_fields && !self.open_enums),
        }
    }

    /// Lowers a message within `scope`, and what is in it.
    fn message(
        &mut self,
        scope: &str,
        inherited: Features,
        message: &mut DescriptorProto,
        said: &features::Message,
    ) -> Result<(), String> {
        let features = inherited.with(said.features())?;
        let scope = format!("{scope}.{}", message.name());
        self.enums(features, &message.enum_type, &said.enum_type)?;
        self.fields(features, &mut message.extension, &said.extension)?;
        let mut maps = Vec::new();
        for (nested, said) in message.nested_type.iter_mut().zip(&said.nested_type) {
            // What is in an entry follows from what a map is.
            match is_map_entry(nested) {
                true => maps.push(format!("{scope}.{}", nested.name())),
                false => self.message(&scope, features, nested, said)?,
            }
        }
        for (field, said_of_field) in message.field.iter_mut().zip(&said.field) {
            let oneof = field
                .oneof_index
                .and_then(|index| usize::try_from(index).ok());
            let oneof = oneof.and_then(|index| said.oneof_decl.get(index)?.features());
            let of_field = features.with(oneof)?.with(said_of_field.features())?;
            if !maps.iter().any(|map| map == field.type_name()) {
                self.field(of_field, field);
            }
        }
        Ok(())
    }

    /// Lowers extensions.
    fn fields(
        &mut self,
        inherited: Features,
        fields: &mut [FieldDescriptorProto],
        said: &[features::Field],
    ) -> Result<(), String> {
        for (field, said) in fields.iter_mut().zip(said) {
            self.field(inherited.with(said.features())?, field);
        }
        Ok(())
    }

    fn field(&mut self, features: Features, field: &mut FieldDescriptorProto) {
        let is_message = field.r#type() == Type::Message;
        if is_message && features.messages == MessageEncoding::Delimited {
            field.set_type(Type::Group);
        }
        if field.label() == Label::Repeated {
            if is_packable(field) {
                let is_packed = features.lists == RepeatedFieldEncoding::Packed;
                field.options.get_or_insert_default().packed = Some(is_packed);
            }
        } else if features.presence == FieldPresence::Implicit {
            // Messages, arms of a oneof and extensions have presence whatever is said above them.
            let is_plain = field.oneof_index.is_none() && field.extendee.is_none();
            self.implicit_fields |= !is_message && is_plain;
        } else {
            if features.presence == FieldPresence::LegacyRequired {
                field.set_label(Label::Required);
            }
            field.proto3_optional = field.oneof_index.is_none().then_some(true);
        }
    }

    fn enums(
        &mut self,
        inherited: Features,
        enums: &[EnumDescriptorProto],
        said: &[features::Enum],
    ) -> Result<(), String> {
        for (descriptor, said) in enums.iter().zip(said) {
            let features = inherited.with(said.features())?;
            self.open_enums |= features.enums != EnumType::Closed;
            if descriptor
                .value
                .first()
                .is_some_and(|value| value.number() != 0)
            {
                self.enum_without_zero = Some(descriptor.name().to_owned());
            }
        }
        Ok(())
    }
}

fn is_packable(field: &FieldDescriptorProto) -> bool {
    !matches!(
        field.r#type(),
        Type::String | Type::Bytes | Type::Message | Type::Group
    )
}

/// As protoc does: in proto3 each field with presence is alone in a oneof of its own; in proto2 all have it.
fn write_presence(message: &mut DescriptorProto, is_proto3: bool) {
    let mut taken = names_in(message);
    for field in &mut message.field {
        if !is_proto3 {
            field.proto3_optional = None;
        } else if field.proto3_optional() {
            let mut name = format!("_{}", field.name());
            while !taken.insert(name.clone()) {
                name.insert(0, 'X');
            }
            field.oneof_index = i32::try_from(message.oneof_decl.len()).ok();
            message.oneof_decl.push(OneofDescriptorProto {
                name: Some(name),
                ..OneofDescriptorProto::default()
            });
        }
    }
    for extension in &mut message.extension {
        extension.proto3_optional = extension.proto3_optional.filter(|_| is_proto3);
    }
    for nested in &mut message.nested_type {
        write_presence(nested, is_proto3);
    }
}

/// What is called something in the scope of `message`.
fn names_in(message: &DescriptorProto) -> HashSet<String> {
    let fields = message.field.iter().chain(&message.extension);
    let fields = fields.map(FieldDescriptorProto::name);
    let oneofs = message.oneof_decl.iter().map(OneofDescriptorProto::name);
    let nested = message.nested_type.iter().map(DescriptorProto::name);
    let enums = message.enum_type.iter().map(EnumDescriptorProto::name);
    // Values of an enum are named beside it.
    let values = message.enum_type.iter().flat_map(|it| &it.value);
    let values = values.map(EnumValueDescriptorProto::name);
    let all = fields
        .chain(oneofs)
        .chain(nested)
        .chain(enums)
        .chain(values);
    all.map(str::to_owned).collect()
}
