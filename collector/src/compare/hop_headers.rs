//! Metadata that proxies and transport libraries set: not part of a service's answer.
//!
//! Each entry says on which side it applies and who sets it. Kept as a table, so that what is
//! ignored by default can be read in one place. `--no-default-ignores` turns it off.

/// Which side of a call a header block belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

/// One line of the table.
struct Entry {
    /// A name; a trailing `*` matches any rest.
    pattern: &'static str,
    request: bool,
    response: bool,
}

const fn both(pattern: &'static str) -> Entry {
    Entry {
        pattern,
        request: true,
        response: true,
    }
}

const fn request(pattern: &'static str) -> Entry {
    Entry {
        pattern,
        request: true,
        response: false,
    }
}

const fn response(pattern: &'static str) -> Entry {
    Entry {
        pattern,
        request: false,
        response: true,
    }
}

const TABLE: &[Entry] = &[
    // The hop itself. `:authority` is compared, but for the `-shadow` of mirrored calls.
    request(":scheme"),
    both("via"),
    request("forwarded"),
    // Also x-forwarded-client-cert.
    request("x-forwarded-*"),
    request("x-real-ip"),
    // Tracing: every hop makes a span of its own, and mirrors may have another sampling flag.
    both("traceparent"),
    both("tracestate"),
    both("b3"),
    both("x-b3-*"),
    both("x-ot-span-context"),
    both("x-datadog-*"),
    both("x-cloud-trace-context"),
    both("uber-trace-id"),
    both("grpc-trace-bin"),
    // Envoy and Istio, peer metadata exchange included.
    both("x-envoy-*"),
    both("x-twintap-*"),
    // What is left of the deadline: the caller's Envoy may count it down between attempts.
    request("grpc-timeout"),
    // Set by the server or its HTTP library, not by the service.
    response("date"),
    response("server"),
    // What the library could read and how it wrote: messages are compared decompressed.
    response("grpc-accept-encoding"),
    response("accept-encoding"),
    both("grpc-encoding"),
    both("content-length"),
];

/// The pattern of the table that covers `name`.
pub(super) fn pattern_of(name: &[u8], side: Side) -> Option<&'static str> {
    TABLE
        .iter()
        .filter(|entry| {
            if side == Side::Request {
                entry.request
            } else {
                entry.response
            }
        })
        .map(|entry| entry.pattern)
        .find(|pattern| matches(pattern, name))
}

/// Is `name` request metadata that proxies and transport libraries set, and that is not compared?
pub fn is_hop_header(name: &[u8]) -> bool {
    pattern_of(name, Side::Request).is_some()
}

/// Is `name` matched by `pattern`, a name with an optional `*` at its end?
pub(super) fn matches(pattern: &str, name: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == pattern.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_metadata_is_never_a_hop_header() {
        for name in [
            ":authority",
            ":path",
            "x-request-id",
            "content-type",
            "user-agent",
            "x-cost",
        ] {
            assert_eq!(pattern_of(name.as_bytes(), Side::Request), None, "{name}");
            assert_eq!(pattern_of(name.as_bytes(), Side::Response), None, "{name}");
        }
    }

    #[test]
    fn a_date_is_ignored_in_answers_only() {
        assert_eq!(pattern_of(b"date", Side::Response), Some("date"));
        assert_eq!(pattern_of(b"date", Side::Request), None);
    }

    #[test]
    fn the_documentation_has_every_pattern_and_no_other() {
        let page = include_str!("../../../docs/rules.md");
        let sides = ["both", "request", "response"];
        let documented = page.lines().filter_map(|line| {
            let (pattern, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            let (of, _) = rest.split_once(" |")?;
            sides.contains(&of).then_some((pattern, of))
        });
        let known = TABLE
            .iter()
            .map(|entry| match (entry.request, entry.response) {
                (true, true) => (entry.pattern, "both"),
                (true, false) => (entry.pattern, "request"),
                (false, true) => (entry.pattern, "response"),
                (false, false) => (entry.pattern, "neither"),
            });
        assert_eq!(documented.collect::<Vec<_>>(), known.collect::<Vec<_>>());
    }
}
