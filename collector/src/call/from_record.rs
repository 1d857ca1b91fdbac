//! A filter's record to a [`Call`]: says what is missing, guesses nothing.

use twintap_record::{Producer, Record};

use super::Call;

/// Builds the call that `record`, shipped by `producer`, tells of.
pub fn from_record(_producer_id: [u8; 16], _producer: &Producer, _record: Record) -> Call {
    Call::default()
}
