//! How sure a value is.

/// A value that packets tell of, and how sure it is. Nothing is ever guessed silently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Certainty<T> {
    /// It crossed the wire in the captured bytes.
    Seen(T),
    /// It follows from what was captured by a rule that could be wrong.
    Inferred(T, Rule),
    /// It is one of these.
    Ambiguous(Vec<T>),
    /// It was not captured, or there was none.
    #[default]
    Unknown,
}

/// By which rule a value was inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Header blocks were lost before; this is the only entry of the dynamic table that makes a
    /// legal block.
    OnlyLegalEntry,
    /// The capture began midway; the trailers are the one unknown entry that nearly all calls of
    /// the connection end with, calls with response messages among them: OK.
    UsualTrailers,
    /// The capture began midway; calls that look like those of one method alone, on a connection to the
    /// same server whose methods were seen.
    SisterConnection,
    /// The capture began midway; of the methods of known services, one alone accepts the messages.
    Descriptors,
}

impl<T> Certainty<T> {
    /// The value, if there is one that was seen or inferred.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Seen(value) | Self::Inferred(value, _) => Some(value),
            Self::Ambiguous(_) | Self::Unknown => None,
        }
    }

    /// Was the value seen?
    pub fn is_seen(&self) -> bool {
        matches!(self, Self::Seen(_))
    }

    /// `"seen"`, `"inferred"`, `"ambiguous"` or `"unknown"`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Seen(_) => "seen",
            Self::Inferred(..) => "inferred",
            Self::Ambiguous(_) => "ambiguous",
            Self::Unknown => "unknown",
        }
    }

    /// The same certainty of what `convert` makes of the value; unknown where it makes nothing.
    pub(super) fn and_then<U>(self, convert: impl Fn(T) -> Option<U>) -> Certainty<U> {
        match self {
            Self::Seen(value) => convert(value).map_or(Certainty::Unknown, Certainty::Seen),
            Self::Inferred(value, rule) => {
                convert(value).map_or(Certainty::Unknown, |value| Certainty::Inferred(value, rule))
            }
            Self::Ambiguous(values) => {
                Certainty::Ambiguous(values.into_iter().filter_map(convert).collect())
            }
            Self::Unknown => Certainty::Unknown,
        }
    }
}
