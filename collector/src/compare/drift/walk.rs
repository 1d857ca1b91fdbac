//! Walks the types of two schemas side by side.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor,
};

use super::super::member::Member;
use super::super::schema::ANY;
use super::{
    CHANGES_MAX, Change, ChangeKind, Drift, Effect, NumberNames, Renaming, Touched,
    members_by_number, number_names, of_kinds, renaming,
};

pub(super) fn between(primary: &DescriptorPool, candidate: &DescriptorPool) -> Drift {
    let mut walk = Walk::default();
    let mut by_method = HashMap::new();
    for service in primary.services() {
        let Some(other) = candidate.get_service_by_name(service.full_name()) else {
            for method in service.methods() {
                walk.method_on_one_side(ChangeKind::MethodRemoved, &method);
            }
            continue;
        };
        for method in service.methods() {
            match other.methods().find(|other| other.name() == method.name()) {
                None => walk.method_on_one_side(ChangeKind::MethodRemoved, &method),
                Some(other) => {
                    let touched = walk.method(&method, &other);
                    if touched != [Touched::default(); 2] {
                        by_method.insert(method_name(&method), touched);
                    }
                }
            }
        }
        let is_known = |name: &str| service.methods().any(|known| known.name() == name);
        for added in other.methods().filter(|other| !is_known(other.name())) {
            walk.method_on_one_side(ChangeKind::MethodAdded, &added);
        }
    }
    let found = walk.changes.len();
    let mut counts = BTreeMap::new();
    for change in &walk.changes {
        *counts.entry(change.effect).or_default() += 1;
    }
    Drift {
        counts,
        changes: walk.changes.into_iter().take(CHANGES_MAX).collect(),
        omitted: u64::try_from(found.saturating_sub(CHANGES_MAX)).unwrap_or(u64::MAX),
        by_method,
    }
}

/// Two types that were looked at side by side: both full names.
type TypePair = (String, String);

#[derive(Default)]
struct Walk {
    /// What differs in types that an `Any` may hold, once it is known.
    in_any: Option<Touched>,
    /// In order of name; each once, however many methods it reaches.
    changes: BTreeSet<Change>,
    /// What differs in two types themselves, and which pairs of types are inside.
    known: HashMap<TypePair, (Touched, Vec<TypePair>)>,
}

impl Walk {
    fn change(
        &mut self,
        kind: ChangeKind,
        name: impl Into<String>,
        number: Option<i32>,
        (primary, candidate): (Option<String>, Option<String>),
        effect: Effect,
    ) -> Touched {
        self.changes.insert(Change {
            name: name.into(),
            number,
            kind,
            primary,
            candidate,
            effect,
        });
        Touched {
            touches: true,
            rereads: kind.rereads(effect),
        }
    }

    fn method_on_one_side(&mut self, kind: ChangeKind, method: &MethodDescriptor) {
        let effect = match kind {
            ChangeKind::MethodRemoved => Effect::Breaking,
            _ => Effect::None,
        };
        self.change(kind, method_name(method), None, (None, None), effect);
    }

    fn method(&mut self, a: &MethodDescriptor, b: &MethodDescriptor) -> [Touched; 2] {
        let streams = |method: &MethodDescriptor| match (
            method.is_client_streaming(),
            method.is_server_streaming(),
        ) {
            (false, false) => "unary",
            (true, false) => "client streaming",
            (false, true) => "server streaming",
            (true, true) => "bidirectional streaming",
        };
        if streams(a) != streams(b) {
            let texts = (Some(streams(a).to_owned()), Some(streams(b).to_owned()));
            // One message is the same on the wire, streamed or not.
            self.change(
                ChangeKind::MethodStreaming,
                method_name(a),
                None,
                texts,
                Effect::Lossy,
            );
        }
        [
            self.reaching(&a.input(), &b.input()),
            self.reaching(&a.output(), &b.output()),
        ]
    }

    /// What differs in two types or anywhere inside.
    fn reaching(&mut self, a: &MessageDescriptor, b: &MessageDescriptor) -> Touched {
        let mut all = Touched::default();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(a.clone(), b.clone())];
        while let Some((a, b)) = waiting.pop() {
            let pair = (a.full_name().to_owned(), b.full_name().to_owned());
            if !seen.insert(pair.clone()) {
                continue;
            }
            if !self.known.contains_key(&pair) {
                let (touched, inside) = self.messages(&a, &b);
                self.known.insert(pair.clone(), (touched, inside));
            }
            let Some((touched, inside)) = self.known.get(&pair) else {
                continue;
            };
            all = all.or(*touched);
            let pools = (a.parent_pool(), b.parent_pool());
            if a.full_name() == ANY && b.full_name() == ANY {
                let touched = *self.in_any.get_or_insert_with(|| in_any(pools.0, pools.1));
                all = all.or(touched);
            }
            for (x, y) in inside {
                let types = (
                    pools.0.get_message_by_name(x),
                    pools.1.get_message_by_name(y),
                );
                if let (Some(x), Some(y)) = types {
                    waiting.push((x, y));
                }
            }
        }
        all
    }

    fn messages(
        &mut self,
        a: &MessageDescriptor,
        b: &MessageDescriptor,
    ) -> (Touched, Vec<TypePair>) {
        let mut touched = Touched::default();
        let mut inside = Vec::new();
        if a.full_name() != b.full_name() {
            let names = (
                Some(a.full_name().to_owned()),
                Some(b.full_name().to_owned()),
            );
            // The type's name is on the wire only inside an Any.
            touched = self.change(
                ChangeKind::MessageRenamed,
                a.full_name(),
                None,
                names,
                Effect::None,
            );
        }
        for (number, fields) in members_by_number(a, b) {
            let number = i32::try_from(number).ok();
            touched = touched.or(match fields {
                (Some(x), Some(y)) => {
                    if let (Kind::Message(x), Kind::Message(y)) = (x.kind(), y.kind()) {
                        inside.push((x.full_name().to_owned(), y.full_name().to_owned()));
                    }
                    self.members(&x, &y, number)
                }
                (Some(x), None) => match namesake(&x, b) {
                    Some(moved) => self.renumbered(&x, &moved, number),
                    None => {
                        let text = (Some(describe(&x)), None);
                        self.change(
                            ChangeKind::FieldRemoved,
                            x.full_name(),
                            number,
                            text,
                            Effect::Lossy,
                        )
                    }
                },
                // The other number was said to be renumbered.
                (None, Some(y)) if namesake(&y, a).is_some() => Touched {
                    touches: true,
                    rereads: false,
                },
                (None, Some(y)) => {
                    let text = (None, Some(describe(&y)));
                    self.change(
                        ChangeKind::FieldAdded,
                        y.full_name(),
                        number,
                        text,
                        Effect::Lossy,
                    )
                }
                (None, None) => Touched::default(),
            });
        }
        (touched, inside)
    }

    /// A field of the primary whose name has another number at the candidate.
    fn renumbered(
        &mut self,
        field: &Member,
        moved: &FieldDescriptor,
        number: Option<i32>,
    ) -> Touched {
        let numbers = (
            Some(field.number().to_string()),
            Some(moved.number().to_string()),
        );
        self.change(
            ChangeKind::FieldRenumbered,
            field.full_name(),
            number,
            numbers,
            Effect::Breaking,
        )
    }

    fn members(&mut self, a: &Member, b: &Member, number: Option<i32>) -> Touched {
        let mut touched = Touched::default();
        let (kind_a, kind_b) = (a.kind(), b.kind());
        let both = |x: &str, y: &str| (Some(x.to_owned()), Some(y.to_owned()));
        match renaming(a, b) {
            None => {}
            Some(Renaming::Same) => {
                let names = both(&name(a), &name(b));
                let change = ChangeKind::FieldRenamed;
                touched =
                    touched.or(self.change(change, a.full_name(), number, names, Effect::None));
            }
            Some(Renaming::Moved(moved)) => {
                touched = touched.or(self.renumbered(a, &moved, number));
            }
            Some(Renaming::Taken) => {
                let names = both(&name(a), &name(b));
                let change = ChangeKind::FieldRenumbered;
                let effect = Effect::Breaking;
                touched = touched.or(self.change(change, a.full_name(), number, names, effect));
            }
        }
        let arm = |member: &Member| {
            let oneof = member.oneof();
            oneof.map_or_else(|| "no oneof".to_owned(), |oneof| oneof.name().to_owned())
        };
        let shapes = (shape(a), shape(b));
        let effect = if a.is_group() == b.is_group() {
            of_kinds(&kind_a, &kind_b)
        } else {
            Effect::Breaking
        };
        if effect != Effect::None {
            let texts = (Some(describe(a)), Some(describe(b)));
            let change = ChangeKind::FieldType;
            touched = touched.or(self.change(change, a.full_name(), number, texts, effect));
        } else if shapes.0 != shapes.1 {
            let texts = (Some(describe(a)), Some(describe(b)));
            let change = ChangeKind::FieldCardinality;
            touched = touched.or(self.change(change, a.full_name(), number, texts, Effect::Lossy));
        } else if presence(a) != presence(b) && arm(a) == arm(b) {
            let texts = both(presence(a), presence(b));
            let change = ChangeKind::FieldPresence;
            touched = touched.or(self.change(change, a.full_name(), number, texts, Effect::None));
        }
        if arm(a) != arm(b) {
            let texts = both(&arm(a), &arm(b));
            let change = ChangeKind::OneofMoved;
            touched = touched.or(self.change(change, a.full_name(), number, texts, Effect::Lossy));
        }
        if let (Kind::Enum(a), Kind::Enum(b)) = (kind_a, kind_b) {
            touched = touched.or(self.enums(&a, &b));
        }
        touched
    }

    fn enums(&mut self, a: &EnumDescriptor, b: &EnumDescriptor) -> Touched {
        let mut touched = Touched::default();
        let (values_a, values_b) = (names_by_number(a), names_by_number(b));
        let open = |closed: bool| Some(if closed { "closed" } else { "open" }.to_owned());
        let is_closed = |descriptor: &EnumDescriptor| {
            descriptor.parent_file().syntax() == prost_reflect::Syntax::Proto2
        };
        if is_closed(a) != is_closed(b) {
            let texts = (open(is_closed(a)), open(is_closed(b)));
            let change = ChangeKind::EnumOpenness;
            touched = touched.or(self.change(change, a.full_name(), None, texts, Effect::Lossy));
        }
        let numbers: BTreeSet<i32> = values_a.keys().chain(values_b.keys()).copied().collect();
        for number in numbers {
            let (x, y) = (values_a.get(&number), values_b.get(&number));
            let (kind, effect) = match (x, y) {
                // Names that were swapped are another meaning, names that are new perhaps not.
                (Some(_), Some(_)) => match number_names(a, b, number) {
                    Some(NumberNames::Moved) => (ChangeKind::EnumValueRenumbered, Effect::Breaking),
                    Some(NumberNames::Renamed) => (ChangeKind::EnumValueRenamed, Effect::None),
                    Some(NumberNames::Same) | None => continue,
                },
                (Some(x), None) if values_b.values().flatten().any(|it| x.contains(it)) => {
                    (ChangeKind::EnumValueRenumbered, Effect::Breaking)
                }
                (Some(_), None) => (ChangeKind::EnumValueRemoved, Effect::Lossy),
                (None, Some(_)) => (ChangeKind::EnumValueAdded, Effect::Lossy),
                (None, None) => continue,
            };
            let name = x
                .or(y)
                .and_then(|names| names.first())
                .cloned()
                .unwrap_or_default();
            let name = format!("{}.{name}", a.full_name());
            let first =
                |names: Option<&Vec<String>>| names.and_then(|names| names.first()).cloned();
            touched =
                touched.or(self.change(kind, name, Some(number), (first(x), first(y)), effect));
        }
        touched
    }
}

/// What differs in types that both sides know: an `Any` may hold each of them.
fn in_any(primary: &DescriptorPool, candidate: &DescriptorPool) -> Touched {
    let mut walk = Walk::default();
    primary
        .all_messages()
        .filter_map(|a| Some((candidate.get_message_by_name(a.full_name())?, a)))
        .map(|(b, a)| walk.messages(&a, &b).0)
        .fold(Touched::default(), Touched::or)
}

impl Touched {
    fn or(self, other: Self) -> Self {
        Self {
            touches: self.touches || other.touches,
            rereads: self.rereads || other.rereads,
        }
    }
}

/// The field of `other` that is called as `member` is.
fn namesake(member: &Member, other: &MessageDescriptor) -> Option<FieldDescriptor> {
    other.get_field_by_name(member.field()?.name())
}

/// As the report has it.
fn name(member: &Member) -> String {
    match member {
        Member::Field(field) => field.name().to_owned(),
        Member::Extension(extension) => extension.full_name().to_owned(),
    }
}

fn method_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// Names by number: aliases share one.
fn names_by_number(descriptor: &EnumDescriptor) -> BTreeMap<i32, Vec<String>> {
    let mut names: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for value in descriptor.values() {
        names
            .entry(value.number())
            .or_default()
            .push(value.name().to_owned());
    }
    names
}

#[derive(PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
}

fn shape(field: &Member) -> Shape {
    if field.is_map() {
        Shape::Map
    } else if field.is_list() {
        Shape::List
    } else {
        Shape::One
    }
}

fn presence(field: &Member) -> &'static str {
    if field.cardinality() == Cardinality::Required {
        "required"
    } else if field.supports_presence() {
        "with presence"
    } else {
        "without presence"
    }
}

/// The type as a `.proto` file has it, without the package.
fn describe(field: &Member) -> String {
    let kind = |kind: Kind| match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(descriptor) => descriptor.name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{}, {}>", kind(key.kind()), kind(value.kind()))
        }
        Kind::Message(group) if field.is_group() => format!("group {}", group.name()),
        other if field.is_list() => format!("repeated {}", kind(other)),
        other => kind(other),
    }
}
