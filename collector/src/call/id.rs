//! Who recorded a call, and its number there: `01a208d2-0b48-7426-ada1-632e617cb699:17` as text.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Who recorded a call, and its number there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    /// Random id of the recorder.
    pub producer_id: [u8; 16],
    /// Number of the record at that recorder, from 1.
    pub record_number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let producer_id = Uuid::from_bytes(self.producer_id);
        write!(f, "{producer_id}:{}", self.record_number)
    }
}

/// The text is no id of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not UUID:NUMBER")]
pub struct NoCallId;

impl FromStr for CallId {
    type Err = NoCallId;

    fn from_str(text: &str) -> Result<Self, NoCallId> {
        let (producer_id, number) = text.rsplit_once(':').ok_or(NoCallId)?;
        Ok(Self {
            producer_id: *Uuid::parse_str(producer_id)
                .map_err(|_| NoCallId)?
                .as_bytes(),
            record_number: number.parse().map_err(|_| NoCallId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back() {
        let id = CallId {
            producer_id: *b"0123456789abcdef",
            record_number: u64::MAX,
        };
        let text = "30313233-3435-3637-3839-616263646566:18446744073709551615";
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn other_text_is_no_id() {
        let uuid = "30313233-3435-3637-3839-616263646566";
        for text in [
            "",
            ":",
            uuid,
            &format!("{uuid}:"),
            &format!("{uuid}:-1"),
            "a:1",
        ] {
            assert_eq!(text.parse::<CallId>(), Err(NoCallId), "{text}");
        }
    }
}
