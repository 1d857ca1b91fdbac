//! What is known of a pair before it was answered: request fields, request metadata, who and where.

use std::fmt::Write as _;

use crate::call::{Call, Workload};
use crate::compare::Schema;
use crate::compare::request_fields::request_fields;
use crate::pair::Pair;

/// Features kept of one pair.
pub(crate) const FEATURES_MAX: usize = 48;

/// Characters of a value; longer ones are no categories and are left out.
pub(crate) const VALUE_CHARS_MAX: usize = 64;

/// Characters of a name, likewise.
const NAME_CHARS_MAX: usize = 128;

/// Names and values of one pair, in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Features {
    text: String,
    /// Where each name, and then its value, ends.
    ends: Vec<(usize, usize)>,
    /// Are there more than are kept, or are those of the request not known?
    is_cut: bool,
}

impl Features {
    pub(super) fn of(pair: &Pair, schema: Option<&Schema>) -> Self {
        let mut features = Self::default();
        for (side, call) in [("primary", &pair.primary), ("candidate", &pair.candidate)] {
            features.whereabouts(side, call);
        }
        let call = &pair.primary;
        features.add("client.address", &quoted(host(&call.client_address)));
        features.add("client.identity", &quoted(&call.peer_identity));
        if let Some(messages) = call.request.messages_count {
            features.add("count(request)", &messages.to_string());
        }
        features.metadata(call);
        let mut path = String::new();
        let is_known = request_fields(call, schema, &mut |name, value| {
            path.clear();
            let _infallible = match name.strip_prefix("count(") {
                Some(name) => write!(path, "count(request.{name}"),
                None => write!(path, "request.{name}"),
            };
            features.add(&path, &value);
            !features.is_cut
        });
        features.is_cut |= !is_known;
        features
    }

    fn whereabouts(&mut self, side: &str, call: &Call) {
        let Workload {
            service,
            pod_name,
            pod_namespace,
            workload_name,
            app_version,
            ..
        } = &*call.workload;
        for (name, value) in [
            ("workload", workload_name),
            ("pod", pod_name),
            ("namespace", pod_namespace),
            ("service", service),
            ("version", app_version),
        ] {
            self.add(&format!("{side}.{name}"), &quoted(value.as_bytes()));
        }
        for (name, value) in [
            ("address", host(&call.server_address)),
            ("cluster", &call.cluster_name),
            ("route", &call.route_name),
        ] {
            self.add(&format!("{side}.{name}"), &quoted(value));
        }
    }

    fn metadata(&mut self, call: &Call) {
        for header in &call.request_metadata {
            let is_known =
                header.redacted || header.name.starts_with(b":") && &*header.name != b":authority";
            if !is_known {
                let name = String::from_utf8_lossy(&header.name);
                self.add(&format!("metadata.{name}"), &quoted(&header.value));
            }
        }
    }

    /// Adds one, if it is there, short enough, and the first of its name.
    fn add(&mut self, name: &str, value: &str) {
        let is_short = |text: &str, most| text.chars().nth(most).is_none();
        if value.is_empty()
            || !is_short(name, NAME_CHARS_MAX)
            || !is_short(value, VALUE_CHARS_MAX)
            || self.iter().any(|(known, _)| known == name)
        {
            return;
        }
        if self.ends.len() >= FEATURES_MAX {
            self.is_cut = true;
            return;
        }
        self.text.push_str(name);
        let end = self.text.len();
        self.text.push_str(value);
        self.ends.push((end, self.text.len()));
    }

    /// May the pair have features that are not here?
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().filter_map(move |(name_end, end)| {
            let name = self.text.get(start..*name_end)?;
            let value = self.text.get(*name_end..*end)?;
            start = *end;
            Some((name, value))
        })
    }
}

/// A text in quotes, so that it can be told from a number; empty if there is none.
fn quoted(value: &[u8]) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("\"{}\"", String::from_utf8_lossy(value))
}

/// An address without its port: ports of clients are made anew for each connection.
fn host(address: &[u8]) -> &[u8] {
    match address.iter().rposition(|byte| *byte == b':') {
        Some(end) => address.get(..end).unwrap_or(address),
        None => address,
    }
}
