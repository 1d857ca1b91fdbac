//! Header names that are known beforehand, and the static table (RFC 7541, appendix A).
//!
//! A name that is known is one byte, so that looking for `grpc-status` compares numbers.

/// A header name that is known beforehand: a place in the list of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KnownName(u8);

/// The static table in order, from index 1.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""),
    ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

/// Entries of the static table.
pub(super) const STATIC_COUNT: u64 = 61;

/// Names of gRPC and of tracing that the static table lacks.
const OTHERS: [&str; 17] = [
    "te",
    "grpc-status",
    "grpc-message",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-timeout",
    "grpc-status-details-bin",
    "grpc-previous-rpc-attempts",
    "grpc-trace-bin",
    "grpc-tags-bin",
    "x-request-id",
    "x-twintap-pair-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    ":protocol",
];

/// Number of the first of [`OTHERS`].
const OTHERS_BASE: u8 = 61;

impl KnownName {
    /// `:authority`.
    pub const AUTHORITY: Self = Self(0);
    /// `:method`.
    pub const METHOD: Self = Self(1);
    /// `:path`.
    pub const PATH: Self = Self(3);
    /// `:scheme`.
    pub const SCHEME: Self = Self(5);
    /// `:status`.
    pub const STATUS: Self = Self(7);
    /// `content-type`.
    pub const CONTENT_TYPE: Self = Self(30);
    /// `user-agent`.
    pub const USER_AGENT: Self = Self(57);
    /// `te`.
    pub const TE: Self = Self(OTHERS_BASE);
    /// `grpc-status`.
    pub const GRPC_STATUS: Self = Self(OTHERS_BASE + 1);
    /// `grpc-message`.
    pub const GRPC_MESSAGE: Self = Self(OTHERS_BASE + 2);
    /// `grpc-encoding`.
    pub const GRPC_ENCODING: Self = Self(OTHERS_BASE + 3);
    /// `grpc-accept-encoding`.
    pub const GRPC_ACCEPT_ENCODING: Self = Self(OTHERS_BASE + 4);
    /// `grpc-timeout`.
    pub const GRPC_TIMEOUT: Self = Self(OTHERS_BASE + 5);
    /// `:protocol`, of extended CONNECT.
    pub const PROTOCOL: Self = Self(OTHERS_BASE + 16);

    /// The name of `bytes`, if it is known.
    #[inline]
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let slot = slot_of(bytes)?;
        let name = Self(PLACES.get(slot)?.checked_sub(1)?);
        (name.as_str().as_bytes() == bytes).then_some(name)
    }

    /// How it is spelt.
    #[inline]
    pub fn as_str(self) -> &'static str {
        SPELT.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Is it a pseudo-header field of a request or a response?
    pub fn is_pseudo(self) -> bool {
        self.0 < 14 || self == Self::PROTOCOL
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u128 {
        1 << (self.0 & 127)
    }
}

/// Names that are known.
const NAMES: usize = STATIC.len() + OTHERS.len();

/// By number: how the name is spelt.
static SPELT: [&str; NAMES] = spelt();

#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where an index out of range is an error"
)]
const fn spelt() -> [&'static str; NAMES] {
    let mut names = [""; NAMES];
    let mut number = 0;
    while number < NAMES {
        names[number] = if number < STATIC.len() {
            STATIC[number].0
        } else {
            OTHERS[number - STATIC.len()]
        };
        number += 1;
    }
    names
}

/// Places for names, many more than there are names so that each has its own.
const PLACES_COUNT: usize = 512;

/// By place: the number of the name that may be there, plus one; 0 if there is none.
static PLACES: [u8; PLACES_COUNT] = places();

/// Where a name is looked for: told by its length and three of its bytes.
#[inline]
const fn slot_of(name: &[u8]) -> Option<usize> {
    let ([first, ..], [.., last]) = (name, name) else {
        return None;
    };
    let (_, [middle, ..]) = name.split_at(name.len() / 2) else {
        return None;
    };
    let sum = name.len() * 18 + *last as usize * 124 + *middle as usize * 17 + *first as usize * 88;
    Some(sum % PLACES_COUNT)
}

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "evaluated by the compiler, where an index out of range is an error; names are below 256"
)]
const fn places() -> [u8; PLACES_COUNT] {
    let mut places = [0; PLACES_COUNT];
    let mut number = 0;
    while number < NAMES {
        let name = if number < STATIC.len() {
            STATIC[number].0
        } else {
            OTHERS[number - STATIC.len()]
        };
        // Of entries with the same name, the first counts.
        let is_first = !matches!(number, 2 | 4 | 6 | 8..=13);
        if is_first && let Some(slot) = slot_of(name.as_bytes()) {
            assert!(
                places[slot] == 0,
                "two names in one place: choose other factors"
            );
            places[slot] = number as u8 + 1;
        }
        number += 1;
    }
    places
}

impl std::fmt::Debug for KnownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// By static index: the first name that is spelt like it, so that equal names are equal numbers.
static FIRST: [u8; 61] = {
    let mut first = [0_u8; 61];
    let mut index = 0_u8;
    while index < 61 {
        #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            first[index as usize] = match index {
                1 | 2 => 1,
                3 | 4 => 3,
                5 | 6 => 5,
                7..=13 => 7,
                other => other,
            };
        }
        index += 1;
    }
    first
};

/// The entry of the static table with `index`, from 1.
#[inline]
pub(super) fn static_entry(index: u64) -> Option<(KnownName, &'static str)> {
    let at = usize::try_from(index.checked_sub(1)?).ok()?;
    Some((KnownName(*FIRST.get(at)?), STATIC.get(at)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_spelt_as_they_are_called() {
        for (name, spelt) in [
            (KnownName::AUTHORITY, ":authority"),
            (KnownName::METHOD, ":method"),
            (KnownName::PATH, ":path"),
            (KnownName::SCHEME, ":scheme"),
            (KnownName::STATUS, ":status"),
            (KnownName::CONTENT_TYPE, "content-type"),
            (KnownName::USER_AGENT, "user-agent"),
            (KnownName::TE, "te"),
            (KnownName::GRPC_STATUS, "grpc-status"),
            (KnownName::GRPC_MESSAGE, "grpc-message"),
            (KnownName::GRPC_ENCODING, "grpc-encoding"),
            (KnownName::GRPC_ACCEPT_ENCODING, "grpc-accept-encoding"),
            (KnownName::GRPC_TIMEOUT, "grpc-timeout"),
            (KnownName::PROTOCOL, ":protocol"),
        ] {
            assert_eq!(name.as_str(), spelt);
            assert_eq!(KnownName::find(spelt.as_bytes()), Some(name));
            assert_eq!(name.is_pseudo(), spelt.starts_with(':'), "{spelt}");
        }
        assert_eq!(KnownName::find(b"x-other"), None);
    }

    #[test]
    fn entries_of_one_name_have_one_number() {
        for index in 1..=STATIC_COUNT {
            let (name, value) = static_entry(index).unwrap();
            let spelt = STATIC[usize::try_from(index).unwrap() - 1];
            assert_eq!((name.as_str(), value), spelt);
            assert_eq!(KnownName::find(spelt.0.as_bytes()), Some(name));
        }
        assert_eq!((static_entry(0), static_entry(62)), (None, None));
    }
}
