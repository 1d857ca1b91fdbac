//! What is wrong with a descriptor set that the library takes, ignores, or breaks on.
//!
//! `prost-reflect` 0.16 resolves names and checks numbers. It keeps the first of two files of one name without a
//! word, takes fields without name or type, and relies on map entries being what protoc makes of them. All that is
//! refused here, before it gets there.

use std::collections::{HashMap, HashSet};

use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::field_descriptor_proto::Type;
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

use super::{is_map_entry, same};

/// Says what is wrong with `set`, given what was taken before.
pub(super) fn problem(set: &FileDescriptorSet, taken: &DescriptorPool) -> Option<String> {
    let mut files: HashMap<&str, &FileDescriptorProto> = HashMap::new();
    for file in &set.file {
        let name = file.name();
        if let Some(problem) = problem_of_file(file) {
            return Some(format!("file {name:?}: {problem}"));
        }
        if files
            .insert(name, file)
            .is_some_and(|before| before != file)
        {
            return Some(format!("two different files are called {name:?}"));
        }
        let before = taken.get_file_by_name(name);
        if before.is_some_and(|before| !same::says_the_same(before.file_descriptor_proto(), file)) {
            return Some(format!(
                "another file {name:?} was taken before, which says something else"
            ));
        }
    }
    circle(&files)
}

fn problem_of_file(file: &FileDescriptorProto) -> Option<String> {
    match file.syntax() {
        "" | "proto2" | "proto3" => {}
        other => return Some(format!("syntax {other:?} is not proto2 or proto3")),
    }
    let messages = file.message_type.iter().find_map(problem_of_message);
    let services = || file.service.iter().find_map(problem_of_service);
    messages
        .or_else(|| file.extension.iter().find_map(problem_of_field))
        .or_else(services)
}

fn problem_of_service(service: &ServiceDescriptorProto) -> Option<String> {
    let mut names = std::iter::once(service.name()).chain(service.method.iter().map(|m| m.name()));
    names.any(str::is_empty).then(|| {
        format!(
            "service {:?} or one of its methods has no name",
            service.name()
        )
    })
}

fn problem_of_message(outermost: &DescriptorProto) -> Option<String> {
    let mut waiting = vec![outermost];
    while let Some(message) = waiting.pop() {
        let name = message.name();
        if name.is_empty() {
            return Some("a message has no name".to_owned());
        }
        let mut fields = message.field.iter().chain(&message.extension);
        if let Some(problem) = fields.find_map(problem_of_field) {
            return Some(format!("message {name:?}: {problem}"));
        }
        if is_map_entry(message) && !has_key_and_value(message) {
            return Some(format!(
                "message {name:?} is no map entry: key = 1 and value = 2 are"
            ));
        }
        waiting.extend(&message.nested_type);
    }
    None
}

fn problem_of_field(field: &FieldDescriptorProto) -> Option<String> {
    if field.name().is_empty() {
        return Some(format!("field {} has no name", field.number()));
    }
    let is_known = match field.r#type {
        Some(number) => Type::try_from(number).is_ok(),
        // Left to whoever resolves names.
        None => !field.type_name().is_empty(),
    };
    (!is_known).then(|| format!("field {:?} has no type that exists", field.name()))
}

fn has_key_and_value(message: &DescriptorProto) -> bool {
    let mut numbers: Vec<i32> = message.field.iter().map(|field| field.number()).collect();
    numbers.sort_unstable();
    let key = message.field.iter().find(|field| field.number() == 1);
    let is_key = |field: &FieldDescriptorProto| {
        !matches!(
            field.r#type(),
            Type::Float | Type::Double | Type::Bytes | Type::Message | Type::Group | Type::Enum
        )
    };
    numbers == [1, 2] && key.is_some_and(is_key)
}

/// Imports that lead back to where they began.
fn circle(files: &HashMap<&str, &FileDescriptorProto>) -> Option<String> {
    let mut done: HashSet<&str> = HashSet::new();
    let mut names: Vec<&str> = files.keys().copied().collect();
    names.sort_unstable();
    for name in names {
        // The way from `name` down, each with the import to look at next.
        let mut way = vec![(name, 0)];
        while let Some((file, next)) = way.pop() {
            if done.contains(file) {
                continue;
            }
            let import = files.get(file).and_then(|it| it.dependency.get(next));
            let Some(import) = import else {
                done.insert(file);
                continue;
            };
            way.push((file, next + 1));
            if way.iter().any(|(above, _)| above == import) {
                return Some(format!("imports go round in a circle at {import:?}"));
            }
            way.push((import, 0));
        }
    }
    None
}
