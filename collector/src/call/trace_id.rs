//! Trace ids from request metadata: W3C `traceparent`, B3 single `b3`, B3 multi `x-b3-traceid`.
//!
//! Only the trace id is taken: span ids differ between the two sides of a pair.

/// A trace id; 8-byte B3 ids are left-padded with zeros.
pub(super) type TraceId = [u8; 16];

/// `00-<32 hex>-<16 hex>-<2 hex>`, of which version `ff` and the zero id are invalid. Versions
/// after `00` may append fields.
pub(super) fn from_traceparent(value: &[u8]) -> Option<TraceId> {
    let mut fields = value.split(|byte| *byte == b'-');
    let (version, id, span) = (fields.next()?, fields.next()?, fields.next()?);
    let is_version = version.len() == 2 && version != b"ff" && version.iter().all(is_lower_hex);
    if !is_version || id.len() != 32 || !id.iter().all(is_lower_hex) || span.len() != 16 {
        return None;
    }
    from_hex(id)
}

/// `<16 or 32 hex>-<span>[-...]`; a lone `0`, `1` or `d` carries no id.
pub(super) fn from_b3(value: &[u8]) -> Option<TraceId> {
    let (id, _) = value.split_at_checked(value.iter().position(|byte| *byte == b'-')?)?;
    from_b3_trace_id(id)
}

/// `<16 or 32 hex>`.
pub(super) fn from_b3_trace_id(value: &[u8]) -> Option<TraceId> {
    matches!(value.len(), 16 | 32).then(|| from_hex(value))?
}

fn is_lower_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// At most 32 digits, right-aligned; `None` for the zero id.
fn from_hex(digits: &[u8]) -> Option<TraceId> {
    let number = digits.iter().try_fold(0_u128, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((number << 4) | u128::from(digit))
    })?;
    (number != 0).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TraceId = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();

    #[test]
    fn a_traceparent_gives_its_trace_id() {
        let value = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(from_traceparent(value), Some(ID));
        let later = b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new";
        assert_eq!(from_traceparent(later), Some(ID));
    }

    #[test]
    fn an_invalid_traceparent_gives_none() {
        let cases = [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01",
        ];
        for value in cases {
            assert_eq!(from_traceparent(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn b3_ids_may_be_short_and_upper_case() {
        let short = 0xa3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert_eq!(from_b3(b"a3ce929d0e0e4736-00f067aa0ba902b7-1"), Some(short));
        assert_eq!(
            from_b3(b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
            Some(ID)
        );
        assert_eq!(from_b3_trace_id(b"A3CE929D0E0E4736"), Some(short));
        for value in ["0", "1", "d", "", "-", "a3ce-00f067aa0ba902b7-1"] {
            assert_eq!(from_b3(value.as_bytes()), None, "{value}");
        }
        for value in [
            "",
            "a3ce929d0e0e473",
            "a3ce929d0e0e473g",
            "0000000000000000",
        ] {
            assert_eq!(from_b3_trace_id(value.as_bytes()), None, "{value}");
        }
    }
}
