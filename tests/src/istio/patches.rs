//! EnvoyFilter patches, applied to a listener as istiod applies them: all insertions first, then all
//! merges, each in the order of the filters. What `istio/` does not use panics.

use serde_json::Value;

use super::Context;

/// One patch of an EnvoyFilter.
#[derive(Clone, Debug)]
pub(super) struct Patch(pub(super) Value);

impl Patch {
    pub(super) fn applies_to(&self, kind: &str) -> bool {
        self.0["applyTo"] == kind
    }

    pub(super) fn value(&self) -> &Value {
        &self.0["patch"]["value"]
    }

    pub(super) fn is_in(&self, context: Context) -> bool {
        self.0["match"]["context"] == context.name()
    }

    fn operation(&self) -> &str {
        self.0["patch"]["operation"].as_str().expect("an operation")
    }

    fn matches(&self, context: Context, port: u16) -> bool {
        let wanted = &self.0["match"]["listener"]["portNumber"];
        self.is_in(context) && (wanted.is_null() || *wanted == port)
    }

    /// The HTTP filter that it is placed by, if there is one; it must be one of a connection manager.
    fn beside(&self) -> Option<&str> {
        let filter = &self.0["match"]["listener"]["filterChain"]["filter"];
        assert_eq!(
            filter["name"],
            "envoy.filters.network.http_connection_manager"
        );
        filter["subFilter"]["name"].as_str()
    }
}

/// Applies patches to the HTTP filters of a listener. Returns how many were applied.
pub(super) fn apply(
    patches: &[Patch],
    context: Context,
    port: u16,
    filters: &mut Vec<Value>,
) -> usize {
    let (mut insertions, mut merges) = (vec![], vec![]);
    for patch in patches
        .iter()
        .filter(|patch| patch.applies_to("HTTP_FILTER"))
    {
        match patch.operation() {
            "INSERT_BEFORE" | "INSERT_FIRST" => insertions.push(patch),
            "MERGE" => merges.push(patch),
            other => panic!("operation {other} is not known here"),
        }
    }
    let mut applied = 0;
    for patch in insertions
        .iter()
        .filter(|patch| patch.matches(context, port))
    {
        let place = match patch.operation() {
            "INSERT_FIRST" => Some(0),
            _ => position(filters, patch.beside()),
        };
        // No such filter: nothing happens, and nothing says so.
        if let Some(index) = place {
            filters.insert(index, patch.value().clone());
            applied += 1;
        }
    }
    for patch in merges.iter().filter(|patch| patch.matches(context, port)) {
        if let Some(index) = position(filters, patch.beside()) {
            let same =
                filters[index]["typed_config"]["@type"] == patch.value()["typed_config"]["@type"];
            assert!(same, "istiod ignores a merge of another type");
            merge(&mut filters[index], patch.value());
            applied += 1;
        }
    }
    applied
}

fn position(filters: &[Value], name: Option<&str>) -> Option<usize> {
    let name = name.expect("the name of a filter");
    filters.iter().position(|filter| filter["name"] == name)
}

/// As protobuf merges messages: fields one by one, lists one after the other.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, field) in from {
                match into.get_mut(name) {
                    Some(there) => merge(there, field),
                    None => drop(into.insert(name.clone(), field.clone())),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}
