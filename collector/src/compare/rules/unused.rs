//! Of a rule that took nothing: could it have?
//!
//! Told after the fact, from the differences that were found and from the types. Where that cannot be told (what
//! is inside an `Any`, extensions, texts that may hold JSON, fields without a name), the answer is yes.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::glob::matches_glob;
use super::path::{Part, Pattern, Step, is_type};
use super::{Place, Rule};
use crate::compare::drift::Half;
use crate::compare::schema::{ANY, Schema};

/// Where something differs, as reports write it: with any element as `[*]`.
#[derive(Clone, Debug)]
pub struct Written {
    place: Place,
    path: Pattern,
}

impl Written {
    /// `path` of `place`; `None` if no report writes that.
    pub fn parse(place: &str, path: &str) -> Option<Self> {
        let place = Place::ALL.into_iter().find(|it| it.name() == place)?;
        let path = match (path, place.is_metadata()) {
            ("", _) => Pattern { parts: Vec::new() },
            (name, true) => Pattern::of_name(name),
            (path, false) => Pattern::parse(path).ok()?,
        };
        Some(Self { place, path })
    }
}

impl Rule {
    /// The same for all elements of lists and all keys of maps.
    #[must_use]
    pub fn of_any_element(&self) -> Self {
        Self {
            patterns: self.patterns.iter().map(Pattern::of_any_element).collect(),
            ..self.clone()
        }
    }

    /// Is it, [of any element](Self::of_any_element), about differences that are `written` there?
    pub fn looks_at(&self, written: &Written) -> bool {
        let steps = written.path.parts.iter().filter_map(|part| match part {
            Part::Field(name) => Some(Step::Field(name)),
            Part::Element(inside) => Some(Step::Element(inside)),
            Part::Any => None,
        });
        self.covers(written.place, steps)
    }

    /// Do the types of `rpc_method` have a field that one of its paths names?
    pub fn names_a_field(&self, schema: &Schema, rpc_method: &str) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| self.finds(pattern, schema, rpc_method))
    }

    /// Those of its paths that name no field of the types of any of its methods in `schema`; `None` if it is for
    /// none of these methods.
    pub fn unknown_paths(&self, schema: &Schema) -> Option<Vec<String>> {
        let methods: Vec<String> = schema.methods().collect();
        let methods: Vec<_> = methods
            .iter()
            .filter(|method| self.is_for(method))
            .collect();
        let is_unknown = |pattern: &&Pattern| {
            let mut methods = methods.iter();
            !methods.any(|method| self.finds(pattern, schema, method))
        };
        let unknown = self.patterns.iter().filter(is_unknown);
        (!methods.is_empty()).then(|| unknown.map(Pattern::to_string).collect())
    }

    /// Do the types of `rpc_method` have a field that `pattern` names, in one of the rule's places?
    fn finds(&self, pattern: &Pattern, schema: &Schema, rpc_method: &str) -> bool {
        let is_named = |place: &Place| {
            let half = match place {
                Place::RequestMessage => Half::Request,
                Place::ResponseMessage => Half::Response,
                _ => return true,
            };
            let Some(types) = schema.types_of(rpc_method, half) else {
                return true;
            };
            pattern.names_a_field(&types.primary) || pattern.names_a_field(&types.candidate)
        };
        self.places.iter().any(is_named)
    }
}

impl Pattern {
    /// The same for all elements of a list and all keys of a map.
    fn of_any_element(&self) -> Self {
        let any = |part: &Part| match part {
            Part::Element(inside) if !is_type(inside) => Part::Element("*".to_owned()),
            part => part.clone(),
        };
        Self {
            parts: self.parts.iter().map(any).collect(),
        }
    }

    /// Could a path in `message` be covered?
    fn names_a_field(&self, message: &MessageDescriptor) -> bool {
        // By name, so that types inside themselves are looked at once a step.
        let mut reached = BTreeMap::from([(message.full_name().to_owned(), message.clone())]);
        let mut parts = self.parts.iter();
        while let Some(part) = parts.next() {
            let name = match part {
                Part::Any => return true,
                Part::Element(_) => continue,
                Part::Field(name) => name,
            };
            let is_unnamed = name.starts_with('(') || name.bytes().all(|b| b.is_ascii_digit());
            if is_unnamed || reached.contains_key(ANY) {
                return true;
            }
            let is_last = !parts.clone().any(|part| !matches!(part, Part::Element(_)));
            let mut next = BTreeMap::new();
            for message in reached.values() {
                let is_oneof = |name: &str| {
                    message
                        .oneofs()
                        .any(|oneof| matches_glob(name, oneof.name()))
                };
                if is_last && is_oneof(name) {
                    return true;
                }
                for field in message.fields().filter(|field| is_called(field, name)) {
                    match inside(&field) {
                        _ if is_last => return true,
                        Inside::Message(inner) => {
                            next.insert(inner.full_name().to_owned(), inner);
                        }
                        Inside::MayBeJson => return true,
                        Inside::Nothing => {}
                    }
                }
            }
            reached = next;
        }
        !reached.is_empty()
    }
}

/// What a path may lead into.
enum Inside {
    Message(MessageDescriptor),
    MayBeJson,
    Nothing,
}

/// By its name, or by that in JSON.
fn is_called(field: &FieldDescriptor, glob: &str) -> bool {
    matches_glob(glob, field.name()) || matches_glob(glob, field.json_name())
}

fn inside(field: &FieldDescriptor) -> Inside {
    let kind = match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    match kind {
        Kind::Message(message) => Inside::Message(message),
        Kind::String | Kind::Bytes => Inside::MayBeJson,
        _ => Inside::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Message as _;

    use super::*;
    use crate::compare::rules::file;

    const PROTO: &str = r#"
        syntax = "proto3";
        package t;
        import "google/protobuf/any.proto";
        service S { rpc Get(Query) returns (Item); }
        message Query { string id = 1; }
        message Item {
          repeated Part parts = 1;
          map<string, Part> named = 2;
          string note = 3;
          int32 stock = 4;
          google.protobuf.Any detail = 5;
          oneof shipping { string parcel = 6; }
          Item next = 7;
        }
        message Part { int32 unit_price = 1; }
    "#;

    fn schema() -> Schema {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.proto");
        std::fs::write(&file, PROTO).unwrap();
        let set = protox::compile([&file], [folder.path()]).unwrap();
        let mut schema = Schema::default();
        schema.add_descriptor_set(&set.encode_to_vec()).unwrap();
        schema
    }

    fn rule(keys: &str) -> Rule {
        let yaml = format!("version: 1\nrules:\n  - {{ name: a, {keys} }}\n");
        file::parse(&yaml, "r.yaml").unwrap().remove(0)
    }

    #[test]
    fn paths_that_no_method_of_a_rule_knows_are_told_as_they_are_written() {
        let schema = schema();
        let unknown = |keys: &str| rule(keys).unknown_paths(&schema);
        let paths = "path: [parts.unit_price, 'parts[2].price', 'named[\"a\"].*.gone', '**.x']";
        assert_eq!(
            unknown(&format!("{paths}, ignore: true")),
            Some(vec![
                "parts[2].price".to_owned(),
                "named[\"a\"].*.gone".to_owned()
            ])
        );
        assert_eq!(
            unknown("path: id, place: request_message, ignore: true"),
            Some(Vec::new())
        );
        assert_eq!(unknown("ignore: true"), Some(Vec::new()));
        assert_eq!(unknown("method: t.S/Put, path: parts, ignore: true"), None);
    }

    #[test]
    fn a_path_is_looked_for_in_the_types() {
        let schema = schema();
        for (path, is_named) in [
            ("parts.unit_price", true),
            ("parts[2].unitPrice", true),
            ("named[\"a.b\"].unit_price", true),
            ("next.next.*.unit_price", true),
            ("shipping", true),
            ("note.inner", true),
            ("detail.anything", true),
            ("detail[a.B].anything", true),
            ("9.1", true),
            ("(t.extension)", true),
            ("**.gone", true),
            ("partz", false),
            ("parts.price", false),
            ("stock.inner", false),
            ("next.next.partz", false),
            ("id", false),
        ] {
            let rule = rule(&format!("path: '{path}', ignore: true"));
            assert_eq!(rule.names_a_field(&schema, "t.S/Get"), is_named, "{path}");
        }
        let request = rule("place: request_message, path: id, ignore: true");
        assert!(request.names_a_field(&schema, "t.S/Get"));
        assert!(rule("path: partz, ignore: true").names_a_field(&schema, "t.S/Unknown"));
        assert!(rule("place: trailers, path: x, ignore: true").names_a_field(&schema, "t.S/Get"));
    }

    #[test]
    fn a_rule_looks_at_paths_as_reports_write_them() {
        for (keys, place, path, looks) in [
            (
                "path: items.price",
                "response_message",
                "items[*].price",
                true,
            ),
            (
                "path: 'items[2].price'",
                "response_message",
                "items[*].price",
                true,
            ),
            ("path: items", "response_message", "items[*].price", true),
            ("path: items", "response_message", "item", false),
            ("path: items", "request_message", "items", false),
            ("place: status", "status", "", true),
            ("place: trailers, path: 'x.a*'", "trailers", "x.abc", true),
            ("place: all", "trailers", "x.abc", true),
        ] {
            let rule = rule(&format!("{keys}, ignore: true")).of_any_element();
            let written = Written::parse(place, path).unwrap();
            assert_eq!(rule.looks_at(&written), looks, "{keys} {place} {path}");
        }
        let element = Written::parse("response_message", "items[*].a").unwrap();
        assert!(!rule("path: items, unordered: true").looks_at(&element));
    }
}
