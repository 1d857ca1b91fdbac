//! Fields, elements and entries that come, go or move.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use twintap::compare::{Kind, LooksLike};

use crate::generate::{self, Random};
use crate::locate::{Spot, Step, clear, edit, get, spots};
use crate::sample::{Class, Expected, Sample};

pub fn sample(
    class: Class,
    method: &str,
    base: &DynamicMessage,
    random: &mut Random,
) -> Option<Sample> {
    let found = spots(base);
    let (first, second, expected) = match class {
        Class::Missing | Class::Extra => absent(class, base, &found, random)?,
        Class::DefaultVsAbsent => default_vs_absent(base, &found, random)?,
        Class::UnknownField => unknown_field(base),
        Class::OneofArm => other_arm(base, &found, random)?,
        Class::SwappedFields => swapped(base, &found, random)?,
        _ => lists(class, base, &found, random)?,
    };
    Some(Sample::of_messages(
        class,
        method,
        (&first, &second),
        expected,
    ))
}

type Change = (DynamicMessage, DynamicMessage, Vec<Expected>);

fn absent(
    class: Class,
    base: &DynamicMessage,
    found: &[Spot],
    random: &mut Random,
) -> Option<Change> {
    let may_go = |spot: &&Spot| {
        let is_needed = spot.field().is_some_and(generate::is_required);
        let value = get(base, &spot.steps);
        let is_default = match &value {
            Value::Message(inner) => inner.fields().next().is_none(),
            value => spot
                .field()
                .is_some_and(|field| field.default_value() == *value),
        };
        // Without presence, a number that is absent is zero.
        let is_seen = match value {
            Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => true,
            _ => spot.field().is_none_or(|field| field.supports_presence()),
        };
        !spot.is_inside && !is_needed && !is_default && is_seen
    };
    let fit: Vec<&Spot> = found.iter().filter(may_go).collect();
    let spot = random.pick(&fit)?;
    let mut other = base.clone();
    clear(&mut other, &spot.steps);
    Some(if class == Class::Missing {
        let expected = Expected::in_message(&spot.path, Kind::Missing, None);
        (base.clone(), other, vec![expected])
    } else {
        let expected = Expected::in_message(&spot.path, Kind::Extra, None);
        (other, base.clone(), vec![expected])
    })
}

fn default_vs_absent(base: &DynamicMessage, found: &[Spot], random: &mut Random) -> Option<Change> {
    let has_default = |spot: &&Spot| {
        spot.field().is_some_and(|field| {
            field.supports_presence()
                && !generate::is_required(field)
                && field
                    .containing_oneof()
                    .is_none_or(|oneof| oneof.is_synthetic())
                && field.kind().as_message().is_none()
        })
    };
    let fit: Vec<&Spot> = found.iter().filter(has_default).collect();
    let spot = random.pick(&fit)?;
    let default = spot.field()?.default_value();
    let (mut with, mut without) = (base.clone(), base.clone());
    edit(&mut with, &spot.steps, &mut |value| {
        *value = default.clone()
    });
    clear(&mut without, &spot.steps);
    let expected = Expected::in_message(&spot.path, Kind::DefaultVsAbsent, None);
    Some((with, without, vec![expected]))
}

fn unknown_field(base: &DynamicMessage) -> Change {
    use prost::Message as _;
    let mut bytes = base.encode_to_vec();
    prost::encoding::uint64::encode(20_001, &777, &mut bytes);
    let other = DynamicMessage::decode(base.descriptor(), bytes.as_slice()).unwrap();
    let expected = Expected::in_message("20001", Kind::Extra, None);
    (base.clone(), other, vec![expected])
}

fn other_arm(base: &DynamicMessage, found: &[Spot], random: &mut Random) -> Option<Change> {
    let arms: Vec<(&Spot, _)> = found
        .iter()
        .filter_map(|spot| {
            let field = spot.field()?;
            let oneof = field
                .containing_oneof()
                .filter(|oneof| !oneof.is_synthetic())?;
            // A type of the language's own, such as a JSON value, has as many arms.
            let is_ours = oneof.full_name().starts_with("corpus.");
            let other = oneof.fields().find(|arm| arm.number() != field.number())?;
            is_ours.then_some((spot, (oneof, other)))
        })
        .collect();
    let (spot, (oneof, arm)) = random.pick(&arms)?;
    let value = match arm.kind() {
        prost_reflect::Kind::Message(inner) => Value::Message(generate::message(&inner, random, 3)),
        prost_reflect::Kind::String => Value::String(random.words()),
        prost_reflect::Kind::Int32 => Value::I32(1988),
        _ => Value::I64(1988),
    };
    let mut other = base.clone();
    let parents = &spot.steps[..spot.steps.len() - 1];
    let set = |inner: &mut DynamicMessage| inner.set_field(arm, value.clone());
    if parents.is_empty() {
        set(&mut other);
    } else {
        edit(&mut other, parents, &mut |parent| {
            set(parent.as_message_mut().unwrap());
        });
    }
    let parent = spot
        .path
        .rsplit_once('.')
        .map_or(String::new(), |(parent, _)| format!("{parent}."));
    let path = format!("{parent}{}", oneof.name());
    let expected = Expected::in_message(&path, Kind::OneofArm, None);
    Some((base.clone(), other, vec![expected]))
}

fn swapped(base: &DynamicMessage, found: &[Spot], random: &mut Random) -> Option<Change> {
    let is_whole = |spot: &&Spot| {
        spot.field()
            .is_some_and(|field| !field.is_list() && !field.is_map())
            && matches!(get(base, &spot.steps), Value::String(_) | Value::F64(_))
    };
    let parent = |spot: &Spot| {
        let parent = spot.path.rsplit_once('.').map_or("", |(parent, _)| parent);
        parent.to_owned()
    };
    let fit: Vec<&Spot> = found.iter().filter(is_whole).collect();
    let mut twos = Vec::new();
    for (index, a) in fit.iter().enumerate() {
        let above = parent(a);
        let same = |b: &&&Spot| parent(b) == above && a.kind == b.kind;
        twos.extend(fit[index + 1..].iter().filter(same).map(|b| (*a, *b)));
    }
    let (a, b) = random.pick(&twos)?;
    let (x, y) = (get(base, &a.steps), get(base, &b.steps));
    let mut other = base.clone();
    edit(&mut other, &a.steps, &mut |value| *value = y.clone());
    edit(&mut other, &b.steps, &mut |value| *value = x.clone());
    let looks_like = Some(LooksLike::SwappedFields);
    let expected = [a, b].map(|spot| Expected::in_message(&spot.path, Kind::Value, looks_like));
    Some((base.clone(), other, expected.to_vec()))
}

fn lists(
    class: Class,
    base: &DynamicMessage,
    found: &[Spot],
    random: &mut Random,
) -> Option<Change> {
    let is_fit = |spot: &&Spot| match (class, get(base, &spot.steps)) {
        (Class::EntryMissing, Value::Map(entries)) => entries.len() > 1,
        (Class::EntryMissing, _) => false,
        (_, Value::List(elements)) => {
            // Elements that are alike have no order.
            elements.len() > 2
                && elements
                    .iter()
                    .enumerate()
                    .all(|(index, element)| !elements[..index].contains(element))
        }
        _ => false,
    };
    let fit: Vec<&Spot> = found.iter().filter(is_fit).collect();
    let spot = *random.pick(&fit)?;
    let mut other = base.clone();
    let mut at = String::new();
    edit(&mut other, &spot.steps, &mut |value| match value {
        Value::List(elements) if class == Class::ListReordered => elements.reverse(),
        Value::List(elements) => {
            let index = random.below(elements.len());
            elements.remove(index);
            at = format!("[{index}]");
        }
        Value::Map(entries) => {
            let mut keys: Vec<_> = entries.keys().cloned().collect();
            keys.sort_unstable();
            let key = keys[random.below(keys.len())].clone();
            entries.remove(&key);
            let gone = found.iter().find(|other| {
                other.steps.len() == spot.steps.len() + 1
                    && other.path.starts_with(&spot.path)
                    && matches!(other.steps.last(), Some(Step::Key(found)) if *found == key)
            });
            at = gone.unwrap().path[spot.path.len()..].to_owned();
        }
        other => panic!("{other:?} is no list"),
    });
    let path = format!("{}{at}", spot.path);
    let base = base.clone();
    Some(match class {
        Class::ListReordered => {
            let expected = Expected::in_message(&spot.path, Kind::ListOrder, None);
            (base, other, vec![expected])
        }
        Class::ElementExtra => (
            other,
            base,
            vec![Expected::in_message(&path, Kind::Extra, None)],
        ),
        _ => (
            base,
            other,
            vec![Expected::in_message(&path, Kind::Missing, None)],
        ),
    })
}
