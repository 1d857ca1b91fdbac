//! Every value of a message, with the path that comparing gives it, and how to get at it.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value,
};

/// One step towards a value.
#[derive(Clone, Debug)]
pub enum Step {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
    Index(usize),
    Key(MapKey),
}

/// A value in a message.
#[derive(Clone, Debug)]
pub struct Spot {
    pub steps: Vec<Step>,
    pub path: String,
    /// Kind of the field that holds it.
    pub kind: Kind,
    /// Is it an element of a list or an entry of a map?
    pub is_inside: bool,
}

impl Spot {
    /// The field, if the value is the whole of one.
    pub fn field(&self) -> Option<&FieldDescriptor> {
        match self.steps.last() {
            Some(Step::Field(field)) => Some(field),
            _ => None,
        }
    }

    fn below(&self, step: Step, text: &str, kind: Kind, is_inside: bool) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        let path = format!("{}{text}", self.path);
        Self {
            steps,
            path: path.trim_start_matches('.').to_owned(),
            kind,
            is_inside,
        }
    }
}

/// All values of `message`: fields, lists, their elements, and what is in them. Times and `Any` are
/// values of their own.
pub fn spots(message: &DynamicMessage) -> Vec<Spot> {
    let root = Spot {
        steps: Vec::new(),
        path: String::new(),
        kind: Kind::Message(message.descriptor()),
        is_inside: false,
    };
    let mut found = Vec::new();
    fields(&root, message, &mut found);
    found
}

fn fields(at: &Spot, message: &DynamicMessage, found: &mut Vec<Spot>) {
    for (field, value) in message.fields() {
        let text = format!(".{}", field.name());
        let spot = at.below(Step::Field(field.clone()), &text, field.kind(), false);
        descend(spot, value, found);
    }
    for (extension, value) in message.extensions() {
        let text = format!(".({})", extension.full_name());
        let kind = extension.kind();
        let spot = at.below(Step::Extension(extension), &text, kind, false);
        descend(spot, value, found);
    }
}

fn descend(spot: Spot, value: &Value, found: &mut Vec<Spot>) {
    found.push(spot.clone());
    match value {
        Value::Message(inner) if !is_atom(inner) => fields(&spot, inner, found),
        Value::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let text = format!("[{index}]");
                let kind = spot.kind.clone();
                descend(
                    spot.below(Step::Index(index), &text, kind, true),
                    element,
                    found,
                );
            }
        }
        Value::Map(entries) => {
            let Kind::Message(entry) = &spot.kind else {
                return;
            };
            let kind = entry.map_entry_value_field().kind();
            let mut keys: Vec<_> = entries.keys().collect();
            keys.sort_unstable();
            for key in keys {
                let text = match key {
                    MapKey::String(key) => format!("[\"{key}\"]"),
                    MapKey::Bool(key) => format!("[{key}]"),
                    MapKey::I32(key) => format!("[{key}]"),
                    MapKey::I64(key) => format!("[{key}]"),
                    MapKey::U32(key) => format!("[{key}]"),
                    MapKey::U64(key) => format!("[{key}]"),
                };
                let step = Step::Key(key.clone());
                descend(
                    spot.below(step, &text, kind.clone(), true),
                    &entries[key],
                    found,
                );
            }
        }
        _ => {}
    }
}

/// Is it one value to a reader, though a message to the wire?
pub fn is_atom(message: &DynamicMessage) -> bool {
    matches!(
        message.descriptor().full_name(),
        "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.Any"
    )
}

/// The value at `steps`.
pub fn get(message: &DynamicMessage, steps: &[Step]) -> Value {
    let (first, rest) = steps.split_first().unwrap();
    match first {
        Step::Field(field) => down(&message.get_field(field), rest),
        Step::Extension(extension) => down(&message.get_extension(extension), rest),
        step => panic!("{step:?} in a message"),
    }
}

fn down(value: &Value, steps: &[Step]) -> Value {
    let Some((first, rest)) = steps.split_first() else {
        return value.clone();
    };
    match (first, value) {
        (Step::Index(index), Value::List(elements)) => down(&elements[*index], rest),
        (Step::Key(key), Value::Map(entries)) => down(&entries[key], rest),
        (_, Value::Message(inner)) => get(inner, steps),
        (step, value) => panic!("{step:?} in {value:?}"),
    }
}

/// Changes the value at `steps`.
pub fn edit(message: &mut DynamicMessage, steps: &[Step], change: &mut dyn FnMut(&mut Value)) {
    let (first, rest) = steps.split_first().unwrap();
    match first {
        Step::Field(field) => within(message.get_field_mut(field), rest, change),
        Step::Extension(extension) => within(message.get_extension_mut(extension), rest, change),
        step => panic!("{step:?} in a message"),
    }
}

fn within(value: &mut Value, steps: &[Step], change: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = steps.split_first() else {
        return change(value);
    };
    match (first, value) {
        (Step::Index(index), Value::List(elements)) => within(&mut elements[*index], rest, change),
        (Step::Key(key), Value::Map(entries)) => {
            within(entries.get_mut(key).unwrap(), rest, change);
        }
        (_, Value::Message(inner)) => edit(inner, steps, change),
        (step, value) => panic!("{step:?} in {value:?}"),
    }
}

/// Takes a field out.
pub fn clear(message: &mut DynamicMessage, steps: &[Step]) {
    let (last, parents) = steps.split_last().unwrap();
    let take = |inner: &mut DynamicMessage| match last {
        Step::Field(field) => inner.clear_field(field),
        Step::Extension(extension) => inner.clear_extension(extension),
        step => panic!("{step:?} is no field"),
    };
    if parents.is_empty() {
        return take(message);
    }
    edit(message, parents, &mut |value| match value {
        Value::Message(inner) => take(inner),
        other => panic!("{other:?} has no fields"),
    });
}
