//! Is this a header block that a gRPC peer would send?
//!
//! What the shift search asks of each reading of a block: pseudo-header fields first, each once,
//! the right set (RFC 9113, section 8.3); fields that gRPC sends once, once, with values they can
//! have. Unknown names and values may be anything, so they refuse nothing. Only a block that makes
//! sense as one of gRPC proves anything: on the web, one set of fields makes as much sense as another.

use super::KnownName;
use super::table::NameRef;

/// What a block should be, by where it is in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Opens a request.
    Request,
    /// Opens a response that goes on, or is a 1xx interim response.
    Response,
    /// Closes either.
    Trailers,
    /// Ends a response, of which no header block was seen: Trailers-Only or trailers.
    LastOfResponse,
    /// Anything.
    Any,
}

/// Fields of which a gRPC block has at most one.
const ONCE: u128 = KnownName::AUTHORITY.bit()
    | KnownName::METHOD.bit()
    | KnownName::PATH.bit()
    | KnownName::SCHEME.bit()
    | KnownName::STATUS.bit()
    | KnownName::PROTOCOL.bit()
    | KnownName::CONTENT_TYPE.bit()
    | KnownName::USER_AGENT.bit()
    | KnownName::TE.bit()
    | KnownName::GRPC_STATUS.bit()
    | KnownName::GRPC_MESSAGE.bit()
    | KnownName::GRPC_ENCODING.bit()
    | KnownName::GRPC_ACCEPT_ENCODING.bit()
    | KnownName::GRPC_TIMEOUT.bit();

const REQUEST: u128 = KnownName::METHOD.bit() | KnownName::SCHEME.bit() | KnownName::PATH.bit();

/// Fields that only requests carry.
const REQUEST_ONLY: u128 = REQUEST
    | KnownName::AUTHORITY.bit()
    | KnownName::PROTOCOL.bit()
    | KnownName::TE.bit()
    | KnownName::USER_AGENT.bit()
    | KnownName::GRPC_TIMEOUT.bit();

/// Fields that only responses carry.
const RESPONSE_ONLY: u128 =
    KnownName::STATUS.bit() | KnownName::GRPC_STATUS.bit() | KnownName::GRPC_MESSAGE.bit();

/// Fields that only the last block of a response carries.
const LAST_ONLY: u128 = KnownName::GRPC_STATUS.bit() | KnownName::GRPC_MESSAGE.bit();

/// Reads a block field by field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Legality {
    /// Is `:status` 200? Other responses need no type of content.
    is_status_200: bool,
    seen: u128,
    has_regular: bool,
    has_unknown: bool,
    /// Unknown names before any regular field, which may be of pseudo-header fields.
    early_unknown_count: u32,
    /// Do its pseudo-header fields break a rule that every sender keeps?
    is_impossible: bool,
    /// Is there a field, or a value, that a gRPC peer would not send?
    is_odd: bool,
    is_grpc: bool,
}

/// What blocks of one way there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    request: bool,
    /// Opens a response.
    opening: bool,
    /// Closes one.
    closing: bool,
}

impl Kinds {
    pub(super) fn add(&mut self, other: Self) {
        self.request |= other.request;
        self.opening |= other.opening;
        self.closing |= other.closing;
    }

    /// Is there one of each kind that the way has?
    pub(super) fn are_enough(self) -> bool {
        self.request || self.opening && self.closing
    }
}

/// What a block is, read in some way; the more sense, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Nobody sends this.
    Impossible,
    /// Not what a gRPC peer sends here; perhaps not a gRPC peer's.
    Odd,
    /// It makes sense, and perhaps many other blocks would.
    Plausible,
    /// It makes sense as one of gRPC.
    Grpc,
}

impl Legality {
    /// The next field; `None` for a value that is not known.
    pub(super) fn field(&mut self, name: NameRef<'_>, value: Option<&[u8]>) {
        match name {
            NameRef::Known(name) => {
                let bit = name.bit();
                let is_repeated = self.seen & bit & ONCE != 0;
                self.is_impossible |= name.is_pseudo() && (is_repeated || self.has_regular);
                self.is_odd |= is_repeated;
                self.is_odd |= value.is_some_and(|value| !is_possible(name, value));
                self.is_grpc |= name == KnownName::GRPC_STATUS;
                self.is_grpc |= name == KnownName::CONTENT_TYPE
                    && value.is_some_and(|value| value.starts_with(b"application/grpc"));
                self.seen |= bit;
                self.is_status_200 |= name == KnownName::STATUS && value == Some(b"200");
                self.has_regular |= !name.is_pseudo();
            }
            NameRef::Text(text) => {
                // Pseudo-header fields are known names, all of them.
                let illegal = |byte: &u8| byte.is_ascii_uppercase() || *byte <= b' ';
                self.is_impossible |= text.starts_with(b":") || text.iter().any(illegal);
                self.has_regular = true;
            }
            NameRef::Unknown => {
                self.has_unknown = true;
                self.early_unknown_count += u32::from(!self.has_regular);
            }
        }
    }

    /// The verdict, at the end of the block or where it was cut.
    pub(super) fn verdict(&self, expected: Expected, is_cut: bool) -> Verdict {
        match self.is_expected(expected, is_cut) {
            _ if self.is_impossible => Verdict::Impossible,
            true if self.is_odd => Verdict::Odd,
            true if self.is_grpc => Verdict::Grpc,
            true => Verdict::Plausible,
            false => Verdict::Odd,
        }
    }

    /// What the block has fields of; one that opens a response and closes it is both.
    pub(super) fn kinds(&self) -> Kinds {
        let has = |name: KnownName| self.seen & name.bit() != 0;
        Kinds {
            request: has(KnownName::PATH) || has(KnownName::METHOD),
            opening: has(KnownName::STATUS) && has(KnownName::CONTENT_TYPE),
            closing: has(KnownName::GRPC_STATUS),
        }
    }

    fn is_expected(&self, expected: Expected, is_cut: bool) -> bool {
        let (seen, any) = (self.seen, self.has_unknown || is_cut);
        let has = |name: KnownName| seen & name.bit() != 0;
        // Where the block was cut before a regular field, pseudo-header fields may be missing.
        let is_pseudo_cut = is_cut && !self.has_regular;
        let has_all = |wanted: u128| {
            is_pseudo_cut || (wanted & !seen).count_ones() <= self.early_unknown_count
        };
        // gRPC requires it of every request.
        let has_te = any || !self.is_grpc || has(KnownName::TE);
        let is_request = has_all(REQUEST) && seen & RESPONSE_ONLY == 0 && has_te;
        let is_response = has_all(KnownName::STATUS.bit()) && seen & REQUEST_ONLY == 0;
        let is_typed = any || !self.is_status_200 || has(KnownName::CONTENT_TYPE);
        let is_opening = is_response && is_typed && seen & LAST_ONLY == 0;
        let is_last = is_response && is_typed && (any || has(KnownName::GRPC_STATUS));
        let pseudo = REQUEST | KnownName::STATUS.bit() | KnownName::AUTHORITY.bit();
        let is_trailers =
            (any || has(KnownName::GRPC_STATUS)) && seen & (pseudo | REQUEST_ONLY) == 0;
        match expected {
            Expected::Request => is_request,
            Expected::Response => is_opening,
            Expected::Trailers => is_trailers,
            Expected::LastOfResponse => is_last || is_trailers,
            Expected::Any => is_request || is_response || is_trailers,
        }
    }
}

/// Has a gRPC block at most one field called `name`?
pub(super) fn is_once(name: KnownName) -> bool {
    name.bit() & ONCE != 0
}

/// Can `name` have this value?
fn is_possible(name: KnownName, value: &[u8]) -> bool {
    let digits = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    match name {
        KnownName::PATH => value.starts_with(b"/") || value == b"*",
        KnownName::METHOD => !value.is_empty() && value.iter().all(u8::is_ascii_uppercase),
        KnownName::SCHEME => matches!(value, b"http" | b"https"),
        KnownName::STATUS => value.len() == 3 && digits(value),
        KnownName::GRPC_STATUS => value.len() <= 10 && digits(value),
        KnownName::TE => value == b"trailers",
        KnownName::CONTENT_TYPE => value.contains(&b'/'),
        _ => !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_legal(fields: &[(&str, &str)], expected: Expected) -> bool {
        let mut legality = Legality::default();
        for (name, value) in fields {
            let known = KnownName::find(name.as_bytes());
            let name = known.map_or(NameRef::Text(name.as_bytes()), NameRef::Known);
            legality.field(name, Some(value.as_bytes()));
        }
        matches!(
            legality.verdict(expected, false),
            Verdict::Plausible | Verdict::Grpc
        )
    }

    const REQUEST: [(&str, &str); 4] = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a.A/B"),
        ("te", "trailers"),
    ];

    #[test]
    fn a_request_has_its_pseudo_headers_once_and_first() {
        assert!(is_legal(&REQUEST, Expected::Request));
        assert!(!is_legal(&REQUEST, Expected::Response));
        assert!(!is_legal(&REQUEST[..2], Expected::Request));
        let twice = [&REQUEST[..3], &[(":path", "/a.A/C")]].concat();
        assert!(!is_legal(&twice, Expected::Request));
        let late = [&REQUEST[..2], &REQUEST[3..], &REQUEST[2..3]].concat();
        assert!(!is_legal(&late, Expected::Request));
        let unknown = [&REQUEST[..3], &[(":odd", "b")], &REQUEST[3..]].concat();
        assert!(!is_legal(&unknown, Expected::Request));
        let pathless = [&REQUEST[..2], &REQUEST[3..]].concat();
        assert!(!is_legal(&pathless, Expected::Request));
    }

    #[test]
    fn values_must_be_possible() {
        for (name, value) in [
            (":path", "a.A/B"),
            (":status", "20"),
            ("grpc-status", "x"),
            ("te", "gzip"),
            ("content-type", "grpc"),
            ("user-agent", "a\nb"),
        ] {
            assert!(!is_possible(
                KnownName::find(name.as_bytes()).unwrap(),
                value.as_bytes()
            ));
        }
    }

    #[test]
    fn trailers_have_a_grpc_status_and_no_pseudo_header() {
        assert!(is_legal(&[("grpc-status", "0")], Expected::Trailers));
        assert!(!is_legal(&[("x-a", "0")], Expected::Trailers));
        assert!(!is_legal(
            &[(":status", "200"), ("grpc-status", "0")],
            Expected::Trailers
        ));
    }

    #[test]
    fn an_unknown_name_may_be_what_is_missing() {
        let mut legality = Legality::default();
        legality.field(NameRef::Unknown, None);
        assert_eq!(
            legality.verdict(Expected::Response, false),
            Verdict::Plausible
        );
        assert_eq!(
            legality.verdict(Expected::Trailers, false),
            Verdict::Plausible
        );
        // A request lacks three pseudo-header fields, one of which may be the unknown one.
        assert_eq!(legality.verdict(Expected::Request, false), Verdict::Odd);
        assert_eq!(
            legality.verdict(Expected::Request, true),
            Verdict::Plausible
        );
    }

    #[test]
    fn an_unknown_name_behind_regular_ones_is_no_pseudo_header() {
        let mut legality = Legality::default();
        legality.field(NameRef::Known(KnownName::TE), Some(b"trailers"));
        for _ in 0..4 {
            legality.field(NameRef::Unknown, None);
        }
        assert_eq!(legality.verdict(Expected::Request, false), Verdict::Odd);
    }
}
