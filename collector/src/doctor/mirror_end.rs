//! How a mirrored call ended beside its primary: of its own, cut off by the Envoy that made it, failed, or
//! broken off by nobody knows whom.
//!
//! Which of these is for [`aborted`] to say, so that no answer of doctor contradicts one of compare.
//! Response flags and code details, where the new service's proxy recorded them, only name the reason.

use crate::call::Call;
use crate::compare::{Incomparable, aborted, is_envoys_answer, told_by_flags};

/// Beginnings of code details that name a reason where no flag does.
const DETAILS: [(&[u8], &str); 2] = [
    (b"http2.remote_reset", "reset by the caller"),
    (b"downstream_remote_disconnect", "caller disconnected"),
];

/// How a mirrored call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorEnd {
    /// With an answer; or the primary fared no better.
    Own,
    /// Envoy reset it because the primary was over first.
    CutOff,
    /// It failed and the primary did not: why, as far as it was told.
    Failed(String),
    /// It broke off, and nothing tells by whom: what was told of its end.
    NotTold(String),
}

impl MirrorEnd {
    /// How `candidate` ended.
    pub fn of(primary: &Call, candidate: &Call) -> Self {
        if is_envoys_answer(primary) {
            return Self::Own;
        }
        match aborted(primary, candidate) {
            Some(Incomparable::CandidateFailed) => Self::Failed(reason(candidate)),
            Some(Incomparable::CandidateCancelled) => Self::CutOff,
            Some(Incomparable::CandidateAborted) => Self::NotTold(reason(candidate)),
            None if is_envoys_answer(candidate) => Self::Failed(reason(candidate)),
            _ => Self::Own,
        }
    }
}

/// All that was told of the end of `call`.
fn reason(call: &Call) -> String {
    let flagged: Vec<_> = told_by_flags(call).collect();
    if !flagged.is_empty() {
        return flagged.join(" and ");
    }
    let mut details = DETAILS.iter();
    let told = details.find(|(start, _)| call.response_code_details.starts_with(start));
    told.map_or("no reason recorded", |(_, says)| says)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::call::{End, Position};

    const UF: u64 = 1 << 5;
    const UC: u64 = 1 << 6;
    const NR: u64 = 1 << 8;
    const DC: u64 = 1 << 14;
    const UPE: u64 = 1 << 23;
    const DR: u64 = 1 << 28;

    fn ended(end: End, response_flags: u64) -> Call {
        Call {
            end,
            response_flags,
            position: Position::Inbound,
            ..Call::default()
        }
    }

    fn at(position: Position, call: Call) -> Call {
        Call { position, ..call }
    }

    /// Envoy's answer in place of the service's.
    fn made_up(response_flags: u64) -> Call {
        Call {
            trailers_only: true,
            ..ended(End::Complete, response_flags)
        }
    }

    fn beside(primary: End, candidate: &Call) -> MirrorEnd {
        MirrorEnd::of(&at(candidate.position, ended(primary, 0)), candidate)
    }

    fn failed(why: &str) -> MirrorEnd {
        MirrorEnd::Failed(why.to_owned())
    }

    fn not_told(what: &str) -> MirrorEnd {
        MirrorEnd::NotTold(what.to_owned())
    }

    #[test]
    fn what_doctor_says_is_what_compare_says() {
        let positions = [Position::Inbound, Position::Upstream, Position::Wire];
        let ends = [End::Complete, End::ResponseFirst, End::Aborted];
        let flags = [0, UF, UC | DC, DC, DR, NR, UPE];
        let mut judged = 0;
        for position in positions {
            for (end, flags) in ends.iter().flat_map(|end| flags.map(|flags| (*end, flags))) {
                let primary = at(position, ended(end, 0));
                let candidate = at(position, ended(End::Aborted, flags));
                let expected = match aborted(&primary, &candidate) {
                    Some(Incomparable::CandidateFailed) => "Failed",
                    Some(Incomparable::CandidateCancelled) => "CutOff",
                    Some(Incomparable::CandidateAborted) => "NotTold",
                    _ => "Own",
                };
                let said = format!("{:?}", MirrorEnd::of(&primary, &candidate));
                assert!(
                    said.starts_with(expected),
                    "{position:?} {end:?} {flags:x}: {said}"
                );
                judged += 1;
            }
        }
        assert_eq!(judged, positions.len() * ends.len() * flags.len());
    }

    #[test]
    fn every_flag_that_compare_knows_names_its_reason() {
        let of = |flags| beside(End::Complete, &ended(End::Aborted, flags));
        assert_eq!(of(UPE), failed("protocol error of the service"));
        assert_eq!(of(NR), failed("no route"));
        assert_eq!(
            of(UC | DC),
            not_told("connection broke and caller disconnected")
        );
        assert_eq!(of(DR), not_told("reset by the caller"));
    }

    #[test]
    fn a_copy_that_captures_or_two_recorders_saw_break_off_is_nobodys_fault() {
        for primary in [End::Complete, End::ResponseFirst] {
            for position in [Position::Inbound, Position::Wire] {
                let candidate = at(position, ended(End::Aborted, 0));
                assert_eq!(beside(primary, &candidate), not_told("no reason recorded"));
            }
        }
        let given_up = Call {
            response_code_details: Bytes::from_static(b"http2.remote_reset"),
            ..ended(End::Aborted, 0)
        };
        assert_eq!(
            beside(End::Complete, &given_up),
            not_told("reset by the caller")
        );
    }

    #[test]
    fn an_answer_that_envoy_made_up_is_a_failure_whatever_the_primary_did() {
        for primary in [End::Complete, End::ResponseFirst] {
            assert_eq!(beside(primary, &made_up(UF)), failed("no connection"));
            assert_eq!(beside(primary, &made_up(NR)), failed("no route"));
        }
    }

    #[test]
    fn a_copy_that_fares_like_its_primary_says_nothing_of_the_mirror() {
        assert_eq!(MirrorEnd::of(&made_up(UF), &made_up(UF)), MirrorEnd::Own);
        let cut = ended(End::Aborted, 0);
        assert_eq!(beside(End::Aborted, &cut), MirrorEnd::Own);
        assert_eq!(
            beside(End::Complete, &ended(End::Complete, 0)),
            MirrorEnd::Own
        );
    }
}
