//! How a mirrored call ended beside its primary: cut off by the Envoy that made it, or failed.
//!
//! Envoy resets a copy when the primary is over before its request is (the primary's end is then
//! [`End::ResponseFirst`]); a copy whose request was over runs on to an end of its own. At the new
//! service's proxy, response flags and code details say what happened. In the upstream chain of the caller
//! Envoy fills in neither for copies: there a failure is told from a reset copy by the primary alone.

use crate::call::{Call, End};
use crate::compare::{Incomparable, aborted};

/// Bits of Envoy's response flags (`StreamInfo::CoreResponseFlag`) that tell of a failure upstream.
const FLAGS: [(u64, &str); 7] = [
    (1 << 1, "no healthy host"),
    (1 << 2, "timeout"),
    (1 << 4, "reset by the service"),
    (1 << 5, "no connection"),
    (1 << 6, "connection broke"),
    (1 << 7, "too many requests for its cluster"),
    (1 << 8, "no route"),
];
/// Beginnings of code details that tell the same.
const DETAILS: [(&[u8], &str); 6] = [
    (b"no_healthy_upstream", "no healthy host"),
    (b"cluster_not_found", "no cluster"),
    (b"upstream_response_timeout", "timeout"),
    (b"response_timeout", "timeout"),
    (
        b"upstream_reset_before_response_started",
        "reset before its answer",
    ),
    (
        b"upstream_reset_after_response_started",
        "reset in its answer",
    ),
];
/// The caller's Envoy reset the stream, or its connection ended: bits of the response flags.
const FLAGS_OF_CALLER: u64 = 1 << 14 | 1 << 28;
/// The same in code details.
const DETAILS_OF_CALLER: [&[u8]; 2] = [b"http2.remote_reset", b"downstream_remote_disconnect"];

/// How a mirrored call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorEnd {
    /// With an answer; or the primary fared no better.
    Own,
    /// Envoy reset it because the primary was over first.
    CutOff,
    /// It failed and the primary did not: why, as far as it was told.
    Failed(&'static str),
}

impl MirrorEnd {
    /// How `candidate` ended.
    pub fn of(primary: &Call, candidate: &Call) -> Self {
        if primary.end == End::Aborted || failure(primary).is_some() {
            return Self::Own;
        }
        if let Some(why) = failure(candidate) {
            return Self::Failed(why);
        }
        match (candidate.end, primary.end) {
            (End::Aborted, End::Complete) if is_of_caller(candidate) => {
                Self::Failed("given up by the caller's Envoy, as at a timeout")
            }
            (End::Aborted, End::Complete) => Self::Failed("not told"),
            // By its time, for example: it was over before the primary's answer came.
            (End::Aborted, _) if has_failed(primary, candidate) => Self::Failed("not told"),
            (End::Aborted, _) => Self::CutOff,
            _ => Self::Own,
        }
    }
}

fn has_failed(primary: &Call, candidate: &Call) -> bool {
    aborted(primary, candidate) == Some(Incomparable::CandidateFailed)
}

fn failure(call: &Call) -> Option<&'static str> {
    let mut details = DETAILS.iter();
    let told = details.find(|(start, _)| call.response_code_details.starts_with(start));
    let mut flags = FLAGS.iter();
    let flagged = flags.find(|(flag, _)| call.response_flags & flag != 0);
    // A flag tells more of a reset than its details do.
    flagged.map(|(_, why)| *why).or(told.map(|(_, why)| *why))
}

fn is_of_caller(call: &Call) -> bool {
    call.response_flags & FLAGS_OF_CALLER != 0
        || DETAILS_OF_CALLER.contains(&&call.response_code_details[..])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ended(end: End, response_flags: u64, details: &'static str) -> Call {
        Call {
            end,
            response_flags,
            response_code_details: Bytes::from_static(details.as_bytes()),
            ..Call::default()
        }
    }

    fn beside(primary: End, candidate: &Call) -> MirrorEnd {
        MirrorEnd::of(&ended(primary, 0, "via_upstream"), candidate)
    }

    #[test]
    fn a_copy_is_cut_off_when_the_primary_answers_before_its_request_is_over() {
        let reset = ended(End::Aborted, 1 << 28, "http2.remote_reset");
        assert_eq!(beside(End::ResponseFirst, &reset), MirrorEnd::CutOff);
        let untold = ended(End::Aborted, 0, "");
        assert_eq!(beside(End::ResponseFirst, &untold), MirrorEnd::CutOff);
    }

    #[test]
    fn a_copy_whose_request_was_over_has_failed_by_itself() {
        let untold = ended(End::Aborted, 0, "");
        assert_eq!(
            beside(End::Complete, &untold),
            MirrorEnd::Failed("not told")
        );
        let given_up = ended(End::Aborted, 0, "http2.remote_reset");
        let why = "given up by the caller's Envoy, as at a timeout";
        assert_eq!(beside(End::Complete, &given_up), MirrorEnd::Failed(why));
    }

    #[test]
    fn flags_and_details_tell_of_a_service_that_is_down_whatever_the_primary_did() {
        for primary in [End::Complete, End::ResponseFirst] {
            let details = "upstream_reset_before_response_started{connection_failure}";
            let by_details = ended(End::Complete, 0, details);
            let by_flag = ended(End::Complete, 1 << 5, details);
            let no_host = ended(End::Complete, 1 << 1, "no_healthy_upstream");
            let why = "reset before its answer";
            assert_eq!(beside(primary, &by_details), MirrorEnd::Failed(why));
            assert_eq!(
                beside(primary, &by_flag),
                MirrorEnd::Failed("no connection")
            );
            assert_eq!(
                beside(primary, &no_host),
                MirrorEnd::Failed("no healthy host")
            );
        }
    }

    #[test]
    fn a_copy_that_fares_like_its_primary_says_nothing_of_the_mirror() {
        let down = ended(End::Complete, 1 << 1, "no_healthy_upstream");
        assert_eq!(MirrorEnd::of(&down, &down), MirrorEnd::Own);
        let cut = ended(End::Aborted, 0, "");
        assert_eq!(beside(End::Aborted, &cut), MirrorEnd::Own);
        assert_eq!(
            beside(End::Complete, &ended(End::Complete, 0, "via_upstream")),
            MirrorEnd::Own
        );
    }
}
