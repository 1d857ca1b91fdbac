//! Coverage as the report shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::shape::{Item, ItemKind};
use super::{DirectionSums, MethodSums};

/// What was seen, of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Seen at least once.
    pub seen: u64,
    /// That there is.
    pub of: u64,
}

/// What the descriptors know and the traffic showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Methods of the descriptors that were asked for; seen are those that were called.
    pub methods: Seen,
    /// Fields by path, of requests and responses of the methods with a judged pair.
    pub fields: Seen,
    /// Values of their enums.
    pub enum_values: Seen,
    /// Those of the fields that are arms of a oneof.
    pub oneof_arms: Seen,
    /// Methods that were never called, in order of name.
    pub methods_never_seen: Vec<String>,
    /// Methods that were called and of which no pair was judged, in order of name.
    pub methods_never_judged: Vec<String>,
    /// The methods with a judged pair, in order of name.
    pub by_method: Vec<MethodCoverage>,
}

/// Coverage of one method.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MethodCoverage {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Fields by path, of requests and responses.
    pub fields: Seen,
    /// Values of their enums.
    pub enum_values: Seen,
    /// Those of the fields that are arms of a oneof.
    pub oneof_arms: Seen,
    /// In requests.
    pub request_never_seen: NeverSeen,
    /// In responses.
    pub response_never_seen: NeverSeen,
    /// Fields and enum values beyond the limits on paths: not counted at all.
    pub not_counted: u64,
}

/// Paths that no message had, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NeverSeen {
    /// Fields, arms of oneofs included.
    pub fields: Vec<String>,
    /// `path = VALUE`.
    pub enum_values: Vec<String>,
    /// Arms of oneofs.
    pub oneof_arms: Vec<String>,
}

impl Seen {
    fn add(&mut self, is_seen: bool) {
        self.seen += u64::from(is_seen);
        self.of += 1;
    }

    fn and(self, other: Self) -> Self {
        Self {
            seen: self.seen + other.seen,
            of: self.of + other.of,
        }
    }
}

impl Coverage {
    /// The coverage of `package.Service/Method`.
    pub fn of_method(&self, rpc_method: &str) -> Option<&MethodCoverage> {
        let by_name = |method: &MethodCoverage| method.rpc_method.as_str().cmp(rpc_method);
        let index = self.by_method.binary_search_by(by_name).ok()?;
        self.by_method.get(index)
    }
}

impl NeverSeen {
    /// The fields and values whose outer field was seen: those inside one that was not follow from
    /// it.
    pub fn outermost(&self) -> impl Iterator<Item = &str> {
        let unseen: std::collections::BTreeSet<&str> =
            self.fields.iter().map(String::as_str).collect();
        let all = self.fields.iter().chain(&self.enum_values);
        all.map(String::as_str)
            .filter(move |path| !outer_paths(path).any(|outer| unseen.contains(outer)))
    }
}

/// `a`, `a.b` of `a.b[*].c`; `a.b` of `a.b = X`.
fn outer_paths(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices(['.', '[', ' ']).map(|(end, _)| end);
    ends.filter_map(|end| path.get(..end))
}

/// Of the methods `called`, of which those without sums have no judged pair, and of the others.
pub(super) fn coverage(
    called: &BTreeMap<String, Option<MethodSums>>,
    never_called: Vec<String>,
) -> Coverage {
    let mut all = Coverage::default();
    never_called.iter().for_each(|_| all.methods.add(false));
    all.methods_never_seen = never_called;
    for (name, sums) in called {
        all.methods.add(true);
        let Some(sums) = sums else {
            all.methods_never_judged.push(name.clone());
            continue;
        };
        let mut method = MethodCoverage {
            rpc_method: name.clone(),
            not_counted: sums.request.shape.cut + sums.response.shape.cut,
            ..MethodCoverage::default()
        };
        method.request_never_seen = method.add(&sums.request);
        method.response_never_seen = method.add(&sums.response);
        all.fields = all.fields.and(method.fields);
        all.enum_values = all.enum_values.and(method.enum_values);
        all.oneof_arms = all.oneof_arms.and(method.oneof_arms);
        all.by_method.push(method);
    }
    all
}

impl MethodCoverage {
    fn add(&mut self, sums: &DirectionSums) -> NeverSeen {
        let mut never = NeverSeen::default();
        for (Item { path, kind }, seen) in sums.shape.items.iter().zip(&sums.seen) {
            let path = (!seen).then(|| path.clone());
            if *kind == ItemKind::EnumValue {
                self.enum_values.add(*seen);
                never.enum_values.extend(path);
                continue;
            }
            self.fields.add(*seen);
            if *kind == ItemKind::OneofArm {
                self.oneof_arms.add(*seen);
                never.oneof_arms.extend(path.clone());
            }
            never.fields.extend(path);
        }
        never
    }
}
