//! How the candidate's types differ from the primary's, before any message is looked at.
//!
//! Types are those that the methods known to both sides send and receive. Fields and enum values
//! correspond by number, as they do on the wire; methods by name. What a [`Change`] means for bytes
//! that one side wrote and the other reads, its [`Effect`] says, after protobuf's rules for updating
//! a message type.

mod effect;
mod walk;

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor};

use super::member::Member;
pub use effect::Effect;
pub(super) use effect::of_kinds;

/// Changes kept; more are only counted.
pub const CHANGES_MAX: usize = 2_000;

/// All that differs between two sets of descriptors.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    changes: Vec<Change>,
    omitted: u64,
    /// All changes by what they do, those that are not kept included.
    counts: BTreeMap<Effect, u64>,
    /// What of it reaches the messages of a method; absent where nothing does.
    by_method: HashMap<String, [Touched; 2]>,
}

/// What reaches the messages of one half of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    /// Does anything differ?
    touches: bool,
    /// May equal bytes mean different things?
    rereads: bool,
}

/// Requests or responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Request,
    Response,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Full name in the primary's descriptors, in the candidate's if only they have it:
    /// `shop.v1.Order.status`, `shop.v1.Shop/GetOrder`.
    pub name: String,
    /// Number of the field or enum value.
    pub number: Option<i32>,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What the primary's descriptors say.
    pub primary: Option<String>,
    /// What the candidate's say.
    pub candidate: Option<String>,
    /// What it does to messages.
    pub effect: Effect,
}

/// What happened to a part of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Only the primary has the method.
    MethodRemoved,
    /// Only the candidate has it, in a service that both have.
    MethodAdded,
    /// One side streams where the other does not.
    MethodStreaming,
    /// A message type has another full name.
    MessageRenamed,
    /// Only the primary has the field.
    FieldRemoved,
    /// Only the candidate has it.
    FieldAdded,
    /// The same number, another name that the other side has nowhere.
    FieldRenamed,
    /// The same name, another number; or the number has another field's name.
    FieldRenumbered,
    /// Another type.
    FieldType,
    /// Once, or repeated, or a map.
    FieldCardinality,
    /// Whether a default value can be told from none; whether it is required.
    FieldPresence,
    /// In a oneof, in another one, or in none.
    OneofMoved,
    /// Only the primary has the enum value.
    EnumValueRemoved,
    /// Only the candidate has it.
    EnumValueAdded,
    /// The same number, another name.
    EnumValueRenamed,
    /// The same name, another number.
    EnumValueRenumbered,
    /// Whether numbers without a name are kept as values (open) or as unknown fields (closed).
    EnumOpenness,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::MethodRemoved,
        Self::MethodAdded,
        Self::MethodStreaming,
        Self::MessageRenamed,
        Self::FieldRemoved,
        Self::FieldAdded,
        Self::FieldRenamed,
        Self::FieldRenumbered,
        Self::FieldType,
        Self::FieldCardinality,
        Self::FieldPresence,
        Self::OneofMoved,
        Self::EnumValueRemoved,
        Self::EnumValueAdded,
        Self::EnumValueRenamed,
        Self::EnumValueRenumbered,
        Self::EnumOpenness,
    ];

    /// Stable name, as in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::MethodRemoved => "method_removed",
            Self::MethodAdded => "method_added",
            Self::MethodStreaming => "method_streaming",
            Self::MessageRenamed => "message_renamed",
            Self::FieldRemoved => "field_removed",
            Self::FieldAdded => "field_added",
            Self::FieldRenamed => "field_renamed",
            Self::FieldRenumbered => "field_renumbered",
            Self::FieldType => "field_type",
            Self::FieldCardinality => "field_cardinality",
            Self::FieldPresence => "field_presence",
            Self::OneofMoved => "oneof_moved",
            Self::EnumValueRemoved => "enum_value_removed",
            Self::EnumValueAdded => "enum_value_added",
            Self::EnumValueRenamed => "enum_value_renamed",
            Self::EnumValueRenumbered => "enum_value_renumbered",
            Self::EnumOpenness => "enum_openness",
        }
    }

    /// May equal bytes mean different things to the two sides?
    fn rereads(self, effect: Effect) -> bool {
        match self {
            Self::FieldRenumbered
            | Self::EnumValueRenamed
            | Self::EnumValueRenumbered
            | Self::OneofMoved => true,
            Self::FieldType | Self::FieldCardinality => effect != Effect::None,
            _ => false,
        }
    }
}

impl Drift {
    /// How `candidate` differs from `primary`.
    pub(super) fn between(primary: &DescriptorPool, candidate: &DescriptorPool) -> Self {
        walk::between(primary, candidate)
    }

    /// What differs, in order of name; at most [`CHANGES_MAX`].
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many changes do that, those beyond that number included.
    pub fn count(&self, effect: Effect) -> u64 {
        self.counts.get(&effect).copied().unwrap_or_default()
    }

    /// Changes beyond that number.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Does anything of it reach the messages of that half of a method?
    pub(super) fn touches(&self, rpc_method: &str, half: Half) -> bool {
        self.touched(rpc_method, half).touches
    }

    /// May equal bytes of them mean different things to the two sides?
    pub(super) fn rereads(&self, rpc_method: &str, half: Half) -> bool {
        self.touched(rpc_method, half).rereads
    }

    fn touched(&self, rpc_method: &str, half: Half) -> Touched {
        let [request, response] = self.by_method.get(rpc_method).copied().unwrap_or_default();
        match half {
            Half::Request => request,
            Half::Response => response,
        }
    }
}

/// What has one number, as each side knows it.
pub(super) type Known = (Option<Member>, Option<Member>);

/// The fields and extensions of both types, in order of number.
pub(super) fn members_by_number(
    primary: &MessageDescriptor,
    candidate: &MessageDescriptor,
) -> BTreeMap<u32, Known> {
    let mut numbers: BTreeMap<u32, Known> = BTreeMap::new();
    for member in Member::all_of(primary) {
        let number = member.number();
        numbers.entry(number).or_default().0 = Some(member);
    }
    for member in Member::all_of(candidate) {
        let number = member.number();
        numbers.entry(number).or_default().1 = Some(member);
    }
    numbers
}

/// What another name means for two fields of one number.
pub(super) enum Renaming {
    /// Neither name is known to the other side: the same field.
    Same,
    /// The primary's field has this other number at the candidate.
    Moved(FieldDescriptor),
    /// The primary's name is gone, and a field of another number took its number.
    Taken,
}

/// What the names say of two fields of one number; `None` if they are the same.
pub(super) fn renaming(primary: &Member, candidate: &Member) -> Option<Renaming> {
    let (Member::Field(primary), Member::Field(candidate)) = (primary, candidate) else {
        return (primary.full_name() != candidate.full_name()).then_some(Renaming::Same);
    };
    if primary.name() == candidate.name() {
        return None;
    }
    let moved = candidate.parent_message().get_field_by_name(primary.name());
    let taken = || primary.parent_message().get_field_by_name(candidate.name());
    Some(match moved {
        Some(moved) => Renaming::Moved(moved),
        None if taken().is_some() => Renaming::Taken,
        None => Renaming::Same,
    })
}

/// What the names of one number of an enum say, as each side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberNames {
    /// They share a name.
    Same,
    /// One of them is known to the other side for another number.
    Moved,
    /// None is.
    Renamed,
}

/// How the names of `number` differ; `None` if a side has no name for it. Aliases share a number.
pub(super) fn number_names(
    primary: &EnumDescriptor,
    candidate: &EnumDescriptor,
    number: i32,
) -> Option<NumberNames> {
    let (a, b) = (primary.get_value(number)?, candidate.get_value(number)?);
    if a.name() == b.name() {
        return Some(NumberNames::Same);
    }
    let names = |descriptor: &EnumDescriptor| -> Vec<String> {
        let values = descriptor.values();
        let named = values.filter(|value| value.number() == number);
        named.map(|value| value.name().to_owned()).collect()
    };
    let (of_primary, of_candidate) = (names(primary), names(candidate));
    let knows = |descriptor: &EnumDescriptor, names: &[String]| {
        let mut names = names.iter();
        names.any(|name| descriptor.get_value_by_name(name).is_some())
    };
    Some(
        match of_primary.iter().any(|name| of_candidate.contains(name)) {
            true => NumberNames::Same,
            false if knows(candidate, &of_primary) || knows(primary, &of_candidate) => {
                NumberNames::Moved
            }
            false => NumberNames::Renamed,
        },
    )
}
