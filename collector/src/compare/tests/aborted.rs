//! Mirrored calls that broke off: by whom, as far as their records tell.

use super::shop::{answer, item};
use super::{by_wire, only};
use crate::call::{Call, End, Header, Position, Status};
use crate::compare::{Incomparable, LooksLike, Outcome};

/// Envoy response flags, by their names in its access log.
const UF: u64 = 0x20;
const UC: u64 = 0x40;
const DC: u64 = 0x4000;
const DR: u64 = 0x1000_0000;

const STARTED_UNIX_NS: u64 = 1_000_000_000;

/// The primary's call, answered after 300 ms: before or after its request was over.
fn primary(end: End) -> Call {
    let mut call = answer(&item());
    call.position = Position::Upstream;
    call.started_unix_ns = STARTED_UNIX_NS;
    call.end = end;
    call.request.end_stream = end == End::Complete;
    call.timing.response_end_ns = Some(300_000_000);
    call
}

/// Its mirror, that broke off after `lasted_ms` without an answer.
fn mirror(of: &Call, lasted_ms: u64) -> Call {
    let mut call = Call {
        end: End::Aborted,
        response: super::shop::direction([]),
        status: None,
        http_status: None,
        ..of.clone()
    };
    call.response.end_stream = false;
    call.timing.response_end_ns = None;
    call.timing.duration_ns = Some(lasted_ms * 1_000_000);
    call
}

/// The mirror, as the recorder of the new service saw it.
fn inbound(of: &Call, response_flags: u64) -> Call {
    let mut call = mirror(of, 300);
    call.position = Position::Inbound;
    call.id.producer_id = [9; 16];
    call.response_flags = response_flags;
    call
}

#[track_caller]
fn expect(primary: &Call, candidate: &Call, reason: Incomparable) {
    let verdict = by_wire(primary, candidate);
    assert_eq!(verdict.outcome, Outcome::Incomparable(reason));
    assert!(verdict.differences.is_empty());
}

#[test]
fn a_mirror_whose_request_was_whole_was_not_cancelled() {
    // Refused at once, or reset at the route's timeout: Envoy keeps mirrors of answered calls.
    let old = primary(End::Complete);
    expect(&old, &mirror(&old, 1), Incomparable::CandidateFailed);
    expect(&old, &mirror(&old, 15_000), Incomparable::CandidateFailed);
    // The primary ended whole: what stopped the mirror in mid-request was not that.
    let mut new = mirror(&old, 1);
    new.request.end_stream = false;
    expect(&old, &new, Incomparable::CandidateFailed);
}

#[test]
fn a_mirror_that_ended_with_an_early_answer_was_cancelled() {
    let old = primary(End::ResponseFirst);
    expect(&old, &mirror(&old, 300), Incomparable::CandidateCancelled);
    expect(&old, &mirror(&old, 301), Incomparable::CandidateCancelled);
    // Before that there was no reason to.
    expect(&old, &mirror(&old, 2), Incomparable::CandidateFailed);
}

#[test]
fn two_recorders_have_two_clocks() {
    let old = primary(End::ResponseFirst);
    let mut new = mirror(&old, 2);
    new.id.producer_id = [9; 16];
    expect(&old, &new, Incomparable::CandidateAborted);
    let old = primary(End::Complete);
    expect(&old, &inbound(&old, 0), Incomparable::CandidateAborted);
}

#[test]
fn flags_of_the_new_services_envoy_say_which_side_failed() {
    for end in [End::Complete, End::ResponseFirst] {
        let old = primary(end);
        expect(&old, &inbound(&old, UF), Incomparable::CandidateFailed);
        expect(&old, &inbound(&old, UC), Incomparable::CandidateFailed);
        // Both: which came first is not told.
        expect(
            &old,
            &inbound(&old, UC | DC),
            Incomparable::CandidateAborted,
        );
    }
    let early = primary(End::ResponseFirst);
    expect(
        &early,
        &inbound(&early, DR),
        Incomparable::CandidateCancelled,
    );
    // A timeout of the mirror, or the caller's end.
    let whole = primary(End::Complete);
    expect(&whole, &inbound(&whole, DR), Incomparable::CandidateAborted);
}

#[test]
fn captures_do_not_tell_who_reset_a_call() {
    for end in [End::Complete, End::ResponseFirst] {
        let mut old = primary(end);
        old.position = Position::Wire;
        expect(&old, &mirror(&old, 2), Incomparable::CandidateAborted);
    }
}

#[test]
fn an_error_that_envoy_made_up_is_told_from_one_of_the_new_service() {
    let old = primary(End::Complete);
    let unavailable = |response_flags| {
        let mut call = inbound(&old, response_flags);
        call.end = End::Complete;
        call.trailers_only = true;
        call.status = Some(Status(14));
        call.http_status = Some(200);
        call
    };
    for (flags, expected) in [
        (UF, LooksLike::NoAnswer),
        (0, LooksLike::ErrorInsteadOfAnswer),
        (DC, LooksLike::ErrorInsteadOfAnswer),
    ] {
        let verdict = by_wire(&old, &unavailable(flags));
        assert_eq!(only(&verdict).0, "status");
        assert_eq!(verdict.differences[0].looks_like, Some(expected));
    }
}

/// A stream of so many messages that ended with `DEADLINE_EXCEEDED` after so long; the caller gave 200 ms.
fn timed_out(messages: usize, lasted_ms: u64) -> Call {
    let mut call = primary(End::Complete);
    call.request_metadata.push(Header {
        name: "grpc-timeout".into(),
        value: "200m".into(),
        redacted: false,
    });
    call.response = super::shop::direction(vec![b"\x0a\x01x".to_vec(); messages]);
    call.status = Some(Status::DEADLINE_EXCEEDED);
    call.timing.response_end_ns = Some(lasted_ms * 1_000_000);
    call
}

#[test]
fn streams_that_both_ended_at_the_callers_deadline_are_as_long_as_they_have_come() {
    let (old, new) = (timed_out(3, 199), timed_out(4, 180));
    expect(&old, &new, Incomparable::DeadlineExceeded);
    // As many on both sides: nothing speaks against comparing them.
    assert_eq!(by_wire(&old, &timed_out(3, 190)).outcome, Outcome::Matched);
    // Long before the deadline it was the service that said so.
    assert_ne!(by_wire(&old, &timed_out(4, 20)).outcome, Outcome::Matched);
    assert!(!by_wire(&old, &timed_out(4, 20)).differences.is_empty());
}

#[test]
fn what_both_had_sent_at_the_callers_deadline_is_compared() {
    let old = timed_out(3, 199);
    // One message more, and another value in what both sent.
    let mut new = timed_out(4, 190);
    new.response.messages[2].bytes = b"\x0a\x01y".as_slice().into();
    let verdict = by_wire(&old, &new);
    assert_eq!(only(&verdict), ("response_message", "1", "value"));
    assert_eq!(verdict.differences[0].message_index, Some(2));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let mut new = timed_out(4, 190);
    new.trailers.push(super::shop::header("x-region", "eu"));
    assert_eq!(
        only(&by_wire(&old, &new)),
        ("trailers", "x-region", "extra")
    );
}

#[test]
fn of_a_cut_body_the_number_of_messages_at_the_deadline_may_not_be_known() {
    let cut = |messages, lasted_ms, count| {
        let mut call = timed_out(messages, lasted_ms);
        call.response.truncated = true;
        call.response.messages_count = count;
        call.response.messages.truncate(1);
        call
    };
    let old = cut(3, 199, None);
    expect(&old, &cut(4, 199, None), Incomparable::Truncated);
    expect(&old, &cut(4, 199, Some(4)), Incomparable::Truncated);
    expect(
        &cut(3, 199, Some(3)),
        &cut(4, 199, Some(4)),
        Incomparable::DeadlineExceeded,
    );
    // It was not the deadline: the bodies are of different lengths.
    let verdict = by_wire(&old, &cut(4, 20, None));
    assert_eq!(only(&verdict).2, "beyond_capture");
}
