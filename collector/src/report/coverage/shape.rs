//! What can be seen in a message: its fields by path, the values of its enums, its oneof arms.
//!
//! Built from the descriptor, breadth first, so that a limit cuts what lies deepest.

use std::collections::VecDeque;

use prost::encoding::WireType;
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

/// Names in a path; deeper fields are not counted.
pub const DEPTH_MAX: usize = 16;

/// Fields and enum values of one message type that are told apart; more are not counted.
pub const PATHS_MAX: usize = 4_096;

/// Enums without presence of one message whose zero is noticed when they are left out.
const IMPLICIT_ENUMS_MAX: usize = 64;

/// Everything that can be seen in one message type.
#[derive(Debug)]
pub(super) struct Shape {
    /// In order of depth, then of the descriptor.
    pub(super) items: Vec<Item>,
    /// The message itself comes first.
    pub(super) nodes: Vec<Node>,
    /// Fields and values beyond the limits.
    pub(super) cut: u64,
}

/// Something that can be seen.
#[derive(Debug)]
pub(super) struct Item {
    /// `items[*].price`, `status = SHIPPED`.
    pub(super) path: String,
    pub(super) kind: ItemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemKind {
    Field,
    /// A field of a oneof.
    OneofArm,
    EnumValue,
}

/// A message at one path.
#[derive(Debug)]
pub(super) struct Node {
    /// By number.
    fields: Vec<Slot>,
    /// Items of the zeros of enums without presence.
    pub(super) implicit_zeros: Vec<usize>,
    full_name: String,
    parent: Option<usize>,
}

/// A field of a [`Node`].
#[derive(Debug)]
pub(super) struct Slot {
    number: u32,
    /// Its item; `None` for the key and value that a map field wraps.
    pub(super) item: Option<usize>,
    /// Where its messages continue.
    pub(super) child: Option<usize>,
    /// Number and item of its enum's values, by number.
    enum_values: Vec<(i32, usize)>,
    /// Bit of [`Node::implicit_zeros`].
    pub(super) implicit_zero: Option<usize>,
    /// How one value is written.
    wire_type: WireType,
    /// May several be written as one?
    is_packable: bool,
}

impl Node {
    pub(super) fn field(&self, number: u32) -> Option<&Slot> {
        // Most messages number their fields from 1 without a gap.
        let dense = usize::try_from(number).ok()?.checked_sub(1)?;
        if let Some(slot) = self.fields.get(dense).filter(|slot| slot.number == number) {
            return Some(slot);
        }
        let index = self
            .fields
            .binary_search_by_key(&number, |slot| slot.number);
        self.fields.get(index.ok()?)
    }
}

impl Slot {
    /// Is a field written so what its descriptor says?
    pub(super) fn is_written_as(&self, wire_type: WireType) -> bool {
        let is_packed = self.is_packable && wire_type == WireType::LengthDelimited;
        wire_type == self.wire_type || is_packed
    }

    pub(super) fn is_enum(&self) -> bool {
        !self.enum_values.is_empty()
    }

    pub(super) fn enum_value(&self, number: i32) -> Option<usize> {
        let values = &self.enum_values;
        let index = values.binary_search_by_key(&number, |(known, _)| *known);
        values.get(index.ok()?).map(|(_, item)| *item)
    }
}

fn wire_type(field: &FieldDescriptor) -> WireType {
    if field.is_group() {
        WireType::StartGroup
    } else {
        field.kind().wire_type()
    }
}

/// A message whose fields are to be added.
struct Pending {
    node: usize,
    message: MessageDescriptor,
    path: String,
    depth: usize,
}

impl Shape {
    pub(super) fn of(message: &MessageDescriptor) -> Self {
        let mut shape = Self {
            items: Vec::new(),
            nodes: vec![Node::new(message, None)],
            cut: 0,
        };
        let mut pending = VecDeque::from([Pending {
            node: 0,
            message: message.clone(),
            path: String::new(),
            depth: 1,
        }]);
        while let Some(next) = pending.pop_front() {
            shape.add_fields(&next, &mut pending);
        }
        shape
    }

    fn add_fields(&mut self, at: &Pending, pending: &mut VecDeque<Pending>) {
        let mut fields = Vec::new();
        let mut implicit_zeros = Vec::new();
        // A map's entries are not seen by themselves: the map is.
        let is_entry = at.message.is_map_entry();
        for field in at.message.fields() {
            if is_entry && field.number() == 1 {
                continue;
            }
            let name = if is_entry { "" } else { field.name() };
            let dot = if at.path.is_empty() || is_entry {
                ""
            } else {
                "."
            };
            let path = format!("{}{dot}{name}", at.path);
            let kind = match field.containing_oneof() {
                Some(oneof) if !oneof.is_synthetic() => ItemKind::OneofArm,
                _ => ItemKind::Field,
            };
            let item = if is_entry {
                None
            } else {
                self.add(&path, kind)
            };
            let inside = if field.is_list() || field.is_map() {
                format!("{path}[*]")
            } else {
                path
            };
            let mut slot = Slot {
                number: field.number(),
                item,
                child: None,
                enum_values: Vec::new(),
                implicit_zero: None,
                wire_type: wire_type(&field),
                is_packable: field.is_list(),
            };
            match field.kind() {
                Kind::Message(message) => {
                    slot.child = self.child(at, message, inside, pending);
                }
                Kind::Enum(values) => {
                    slot.enum_values = self.add_values(&values, &inside);
                    let zero = slot.enum_value(0).filter(|_| is_implicit(&field));
                    if let Some(zero) = zero
                        && implicit_zeros.len() < IMPLICIT_ENUMS_MAX
                    {
                        slot.implicit_zero = Some(implicit_zeros.len());
                        implicit_zeros.push(zero);
                    }
                }
                _ => {}
            }
            fields.push(slot);
        }
        fields.sort_by_key(|slot| slot.number);
        if let Some(node) = self.nodes.get_mut(at.node) {
            node.fields = fields;
            node.implicit_zeros = implicit_zeros;
        }
    }

    /// The node of a message field: that of an outer message of the same type, else a new one.
    fn child(
        &mut self,
        at: &Pending,
        message: MessageDescriptor,
        path: String,
        pending: &mut VecDeque<Pending>,
    ) -> Option<usize> {
        let mut outer = Some(at.node);
        while let Some((index, node)) =
            outer.and_then(|index| Some((index, self.nodes.get(index)?)))
        {
            if node.full_name == message.full_name() {
                return Some(index);
            }
            outer = node.parent;
        }
        if at.depth >= DEPTH_MAX || self.items.len() >= PATHS_MAX {
            self.cut += u64::try_from(message.fields().len()).unwrap_or(u64::MAX);
            return None;
        }
        let node = self.nodes.len();
        self.nodes.push(Node::new(&message, Some(at.node)));
        pending.push_back(Pending {
            node,
            // A map's entry is no name in a path.
            depth: at.depth + usize::from(!message.is_map_entry()),
            message,
            path,
        });
        Some(node)
    }

    fn add_values(&mut self, values: &EnumDescriptor, path: &str) -> Vec<(i32, usize)> {
        let mut added: Vec<(i32, usize)> = Vec::new();
        // As declared: of aliases, the first name stands for the value.
        for value in &values.enum_descriptor_proto().value {
            if added.iter().any(|(number, _)| *number == value.number()) {
                continue;
            }
            let item = self.add(&format!("{path} = {}", value.name()), ItemKind::EnumValue);
            added.extend(item.map(|item| (value.number(), item)));
        }
        added.sort_unstable();
        added
    }

    fn add(&mut self, path: &str, kind: ItemKind) -> Option<usize> {
        if self.items.len() >= PATHS_MAX {
            self.cut += 1;
            return None;
        }
        self.items.push(Item {
            path: path.to_owned(),
            kind,
        });
        Some(self.items.len() - 1)
    }
}

impl Node {
    fn new(message: &MessageDescriptor, parent: Option<usize>) -> Self {
        Self {
            fields: Vec::new(),
            implicit_zeros: Vec::new(),
            full_name: message.full_name().to_owned(),
            parent,
        }
    }
}

/// Is the field's default the same as its absence?
fn is_implicit(field: &FieldDescriptor) -> bool {
    field.cardinality() != Cardinality::Repeated && !field.supports_presence()
}
