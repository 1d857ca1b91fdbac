//! What became of everything in an ingested capture, as lines for people. Every sum adds up.

use std::fmt::Write;

use twintap_capture::Stats;
use twintap_decode::link::{BreakReason, Reason, Tally};
use twintap_decode::tcp::TcpCounters;

use crate::pipeline::ingest::Ingested;
use crate::report::figures::count;

/// The closing summary of an ingest that took `seconds`; ends with a line feed.
pub(super) fn summary(ingested: &Ingested, seconds: f64) -> String {
    let mut text = String::new();
    for (name, value) in lines(ingested, seconds) {
        // Writing into memory cannot fail.
        writeln!(text, "{name:<12} {value}").ok();
    }
    text
}

/// What became of the packets of a live capture; ends with a line feed.
pub(super) fn captured(stats: &Stats) -> String {
    format!(
        "{:<12} {} packets past the filter = {} read + {} dropped by the kernel + {} dropped at the end + {} \
         others (too late, or second copies on the loopback); {} dropped by the interface\n",
        "captured",
        stats.received,
        stats.written,
        stats.kernel_dropped,
        stats.own_dropped,
        stats.others(),
        stats.interface_dropped,
    )
}

fn lines(it: &Ingested, seconds: f64) -> Vec<(&'static str, String)> {
    let (reader, link, watched) = (&it.reader, &it.link, &it.watched);
    let (tcp, streams, calls) = (&watched.tcp, &watched.streams, &it.calls);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate for people, of three digits"
    )]
    let rate = reader.packet_bytes as f64 / 1e6 / seconds.max(1e-9);
    let mut lines = vec![
        (
            "read",
            format!(
                "{} packets, {} bytes in {seconds:.2} s ({rate:.0} MB/s), {} damaged records",
                reader.packets, reader.packet_bytes, reader.damages
            ),
        ),
        (
            "packets",
            format!(
                "{} = {} segments ({} of other ports) + {} fragments + {} skipped{} + {} malformed{}",
                link.packets,
                link.segments,
                it.unwanted_segments,
                link.fragments,
                link.skipped.total(),
                reasons(&link.skipped),
                link.broken.total(),
                reasons(&link.broken),
            ),
        ),
        (
            "bytes",
            format!(
                "{} = {} delivered + {} duplicate + {} differing + {} dropped{}",
                tcp.payload_bytes,
                tcp.delivered_bytes,
                tcp.duplicate_bytes,
                tcp.differing_bytes,
                tcp.discarded_bytes.total(),
                reasons(&tcp.discarded_bytes),
            ),
        ),
        (
            "lost",
            format!(
                "{} bytes in {} gaps{}",
                tcp.gap_bytes.total(),
                tcp.gaps.total(),
                reasons(&tcp.gaps)
            ),
        ),
        (
            "connections",
            format!(
                "{} = {} HTTP/2 ({} begun before the capture) + {} TLS (not decrypted) + {} others + {} of which too \
                 little was seen{}",
                tcp.opened,
                watched.http2_connections,
                watched.midway_connections,
                watched.encrypted_connections,
                watched.other_connections,
                watched.unknown_connections,
                closings(tcp),
            ),
        ),
        (
            "http/2",
            format!(
                "{} gaps of {} bytes, {} damaged header blocks, {} malformed frames, {} bytes of unknown meaning",
                watched.gaps,
                watched.gap_bytes,
                watched.damaged_header_blocks,
                watched.malformed_frames,
                watched.unread_bytes
            ),
        ),
        (
            "streams",
            format!(
                "{} = {} calls + {} not gRPC + {} of which too little was seen",
                streams.streams, streams.calls, streams.not_grpc, streams.given_up
            ),
        ),
        (
            "calls",
            format!(
                "{} = {} written + {} of excluded methods",
                streams.calls, calls.written, calls.excluded
            ),
        ),
    ];
    lines.extend(fragments_line(it));
    if calls.incomplete > 0 {
        lines.push((
            "flagged",
            format!(
                "{} calls incomplete, {} of them with lost bytes",
                calls.incomplete, calls.with_gap
            ),
        ));
    }
    let names = &it.names;
    if names.total() > 0 {
        lines.push((
            "names",
            format!(
                "{} not captured = {} inferred from other connections + {} from descriptors + {} \
                 unknown ({} of them given up early)",
                names.total(),
                names.by_sister,
                names.by_descriptors,
                names.unnamed,
                names.given_up,
            ),
        ));
    }
    if it.unlearnt > 0 {
        lines.push((
            "names",
            format!("{} calls not learnt from: too many methods", it.unlearnt),
        ));
    }
    lines.extend(tls_lines(it));
    lines
}

/// Of fragments, if there were any.
fn fragments_line(it: &Ingested) -> Option<(&'static str, String)> {
    let fragments = &it.fragments;
    if fragments.held == 0 {
        return None;
    }
    let text = format!(
        "{} held = {} joined + {} dropped{} + {} of which the rest never came; {} datagrams whole, {} of them with \
         a wrong checksum, {} lost that may be of these connections",
        fragments.held,
        fragments.joined,
        fragments.dropped.total(),
        reasons(&fragments.dropped),
        fragments.waiting(),
        fragments.datagrams,
        it.link.broken.of(BreakReason::Checksum),
        fragments.lost_datagrams,
    );
    Some(("fragments", text))
}

/// How connections ended, where that is worth a word.
fn closings(tcp: &TcpCounters) -> String {
    let told = [
        (
            tcp.evicted,
            "connection",
            "given up, as too many were open at a time",
        ),
        (
            tcp.idle,
            "connection",
            "given up, as nothing came for 3 hours: what comes later counts as begun before the capture",
        ),
        (tcp.ignored_resets, "reset", "that no receiver takes"),
        (
            tcp.outlived,
            "way",
            "of a connection with bytes behind its end, which are lost",
        ),
    ];
    told.into_iter()
        .filter(|(times, ..)| *times > 0)
        .map(|(times, what, became)| format!("; {} {became}", count(times, what)))
        .collect()
}

/// Of TLS, if there was any.
fn tls_lines(it: &Ingested) -> Vec<(&'static str, String)> {
    let (tls, records) = (&it.watched.tls, &it.watched.tls.records);
    let mut lines = Vec::new();
    if tls.connections > 0 {
        lines.push((
            "tls",
            format!(
                "{} connections = {} decrypted + {} not{}",
                tls.connections,
                tls.decrypted,
                tls.undecrypted.total(),
                reasons(&tls.undecrypted),
            ),
        ));
        lines.push((
            "tls records",
            format!(
                "{} = {} opened + {} plain + {} failed{}; {} never seen",
                records.records,
                records.opened,
                records.plain,
                records.failed.total(),
                reasons(&records.failed),
                records.missing_records,
            ),
        ));
    }
    if it.secrets + it.foreign_secrets > 0 {
        lines.push((
            "secrets",
            format!(
                "{} blocks of TLS with {} secrets, {} other and {} malformed lines, {} over the limit; \
                 {} blocks of other protocols",
                it.secrets,
                tls.key_log.secrets,
                tls.key_log.unknown,
                tls.key_log.malformed,
                tls.key_log.over_limit,
                it.foreign_secrets,
            ),
        ));
    }
    lines
}

/// ` (reason 3, other 4)`, or nothing.
fn reasons<R: Reason>(tally: &Tally<R>) -> String {
    let counted = R::ALL
        .iter()
        .map(|reason| (reason.code(), tally.of(*reason)));
    let texts: Vec<_> = counted
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| format!("{code} {count}"))
        .collect();
    if texts.is_empty() {
        String::new()
    } else {
        format!(" ({})", texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use twintap_decode::ip::DropReason;

    use super::*;

    #[test]
    fn what_became_of_fragments_is_told_where_there_were_any() {
        let mut ingested = Ingested::default();
        assert!(!summary(&ingested, 1.0).contains("\nfragments"));
        let fragments = &mut ingested.fragments;
        (fragments.held, fragments.joined, fragments.datagrams) = (9, 4, 2);
        fragments.lost_datagrams = 1;
        fragments.dropped.count(DropReason::Duplicate);
        fragments.dropped.count(DropReason::Timeout);
        ingested.link.broken.count(BreakReason::Checksum);
        let text = summary(&ingested, 1.0);
        let line = "fragments    9 held = 4 joined + 2 dropped (timeout 1, duplicate 1) + 3 of which the rest never \
                    came; 2 datagrams whole, 1 of them with a wrong checksum, 1 lost that may be of these connections";
        assert!(text.lines().any(|it| it == line), "{text}");
    }
}
