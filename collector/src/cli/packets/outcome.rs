//! What rebuilding calls from packets came to: what is told, the exit code.

use twintap_decode::capture::Problem;

use super::summary;
use crate::call::{Role, ServerPattern};
use crate::cli::{EXIT_INCOMPLETE, EXIT_IO, terminal};
use crate::escape::escape;
use crate::pipeline::ingest::{Ingested, ServersSeen, Swapped};
use crate::report::figures::count;
use crate::sources::capture::Watched;
use crate::sources::live::Told;

/// What it came to.
#[derive(Debug)]
pub(in crate::cli) struct Outcome<'a> {
    pub(in crate::cli) ingested: &'a Ingested,
    /// Were secrets given?
    pub(in crate::cli) is_key_log_given: bool,
    /// Were descriptors given?
    pub(in crate::cli) are_types_given: bool,
    /// Options that would say which calls are of which side, where these go to a dataset and one was not given.
    pub(in crate::cli) missing_roles: Option<&'static str>,
    /// Of a live capture.
    pub(in crate::cli) live: Option<Live>,
}

/// What else there is to a live capture.
#[derive(Debug)]
pub(in crate::cli) struct Live {
    pub(in crate::cli) told: Told,
    /// Why it ended before it was asked to.
    pub(in crate::cli) broken: Option<String>,
}

impl Outcome<'_> {
    /// Places in the captures where calls may have been that nobody saw.
    pub(in crate::cli) fn damaged_stretches(&self) -> u64 {
        let live = self.live.as_ref();
        let live = live.map_or(0, |live| {
            live.told.loss_bursts + u64::from(live.broken.is_some())
        });
        self.ingested.losses()
            + self.ingested.link.broken.total()
            + self.ingested.fragments.lost_datagrams
            + self.ingested.watched.gaps
            + self.ingested.watched.tcp.outlived
            + self.ingested.watched.tls.wanted_unseen
            + live
    }

    /// Warnings and the summary, on standard error.
    pub(in crate::cli) fn tell(&self, seconds: f64, quiet: bool) {
        let ingested = self.ingested;
        let mut text = String::new();
        for error in &ingested.input_errors {
            text += &format!("twintap: {error}\n");
        }
        for (input, damage) in &ingested.damages {
            text += &match damage.problem {
                Problem::Empty => format!("twintap: {input} is empty\n"),
                _ => format!("twintap: {input}: {damage}\n"),
            };
        }
        let told = ingested.damages.len() as u64;
        if let Some(more @ 1..) = ingested.reader.damages.checked_sub(told) {
            text += &format!("twintap: and {more} more damaged records\n");
        }
        if let Some(live) = &self.live {
            text += &live.warnings();
        }
        for nothing in self.nothing() {
            text += &format!("twintap: {nothing}\n");
        }
        if let Some(options) = self.missing_roles.filter(|_| ingested.calls.written > 0) {
            text += &format!(
                "twintap: without {options} `twintap compare` has nothing to pair these calls with, unless another \
                 ingest into this directory gives it\n"
            );
        }
        for Swapped { newer, older } in &ingested.out_of_order.told {
            text += &format!(
                "twintap: all packets of {older} are older than those of {newer}, which was read before: files of \
                 one capture that rotates are to be given in the order of their packets, or calls are cut\n"
            );
        }
        if let more @ 1.. = ingested.out_of_order.untold {
            text += &format!("twintap: and {more} more inputs that are out of order\n");
        }
        if let repeated @ 1.. = ingested.watched.tcp.repeated {
            text += &format!(
                "twintap: {} began exactly as one before did: the same packets were captured twice, as at two places, \
                 and their calls are there twice: ingest one of the captures\n",
                count(repeated, "connection")
            );
        }
        if let timeless @ 1.. = ingested.reader.timeless {
            text += &format!(
                "twintap: {timeless} of {} packets say no time (Simple Packet Blocks): times, durations and latencies \
                 of their calls mean nothing\n",
                ingested.reader.packets
            );
        }
        if let Some(midway) = self.midway() {
            text += &format!("twintap: {midway}\n");
        }
        if !quiet {
            if let Some(live) = &self.live {
                text += &summary::captured(&live.told.stats);
            }
            text += &summary::summary(ingested, seconds);
        }
        terminal::tell_lines(&text);
    }

    /// Why calls have no names, and what to do.
    fn midway(&self) -> Option<String> {
        let (watched, names) = (&self.ingested.watched, &self.ingested.names);
        let incomplete = self.ingested.calls.incomplete;
        if watched.midway_connections == 0 || names.total() == 0 && incomplete == 0 {
            return None;
        }
        let more = match names.unnamed == 0 || self.are_types_given {
            true => "",
            false => {
                "; --descriptors, --proto or --reflect infer more, those of calls that fit one method alone"
            }
        };
        let what = match names.total() {
            // Others are incomplete because bytes were lost.
            0 => format!(
                "metadata was not seen, which may be why calls are incomplete ({} in all)",
                count(incomplete, "call")
            ),
            total => format!(
                "{} came without their method ({} inferred)",
                count(total, "call"),
                total - names.unnamed
            ),
        };
        Some(format!(
            "{} of {} HTTP/2 connections began before the capture, and their header tables with them: {what} \
             and are not judged. To see it, begin the capture, then restart the client (or drain the proxy's \
             connections); give all files of a capture that rotates at once{more}",
            watched.midway_connections, watched.http2_connections,
        ))
    }

    /// What was asked for and did not come to anything, and why that may be.
    fn nothing(&self) -> Vec<String> {
        let (watched, tls) = (&self.ingested.watched, &self.ingested.watched.tls);
        let mut nothing = Vec::new();
        // Where nothing could be read, why is told.
        let is_read = self.ingested.reader.packets > 0 || self.ingested.refusals == 0;
        if watched.streams.calls == 0 && is_read {
            let of_other_ports = self.ingested.unwanted_segments;
            let hint = match watched {
                Watched { tcp, .. } if tcp.opened == 0 && tcp.segments > 0 => {
                    "no TCP connection carried a byte"
                }
                Watched { tcp, .. } if tcp.opened == 0 && of_other_ports > 0 => {
                    "all TCP segments are of other ports than --port names"
                }
                Watched { tcp, .. } if tcp.opened == 0 => {
                    "no TCP connection was seen, look at --port and the filter"
                }
                Watched {
                    encrypted_connections: 1..,
                    ..
                } if !self.is_key_log_given => "TLS needs --tls-keylog",
                Watched {
                    encrypted_connections: 1..,
                    ..
                } => "TLS connections were not decrypted",
                _ => "none of the connections spoke gRPC, as far as was seen",
            };
            nothing.push(format!("no call was found: {hint}"));
        }
        let calls = &self.ingested.calls;
        if let (0, Some(method)) = (calls.written, &self.ingested.excluded_method) {
            nothing.push(format!(
                "no call was written: those that were found are of methods that are excluded, such as {}; look at \
                 --include-method and --exclude-method",
                escape(method)
            ));
        }
        let servers = &self.ingested.servers;
        if watched.streams.calls > 0 {
            nothing.extend(servers.unmet.iter().map(|unmet| no_call_of(unmet, servers)));
        }
        if self.is_key_log_given && tls.decrypted == 0 {
            let hint = match tls.connections {
                0 => "there is no TLS connection",
                _ => {
                    "it has no secret of any of the TLS connections, or they began before the capture"
                }
            };
            nothing.push(format!("--tls-keylog opened nothing: {hint}"));
        }
        nothing
    }

    /// What the summary says, in one number; signals are the caller's to tell.
    pub(in crate::cli) fn exit_code(&self, strict: bool) -> u8 {
        let (watched, calls) = (&self.ingested.watched, &self.ingested.calls);
        let is_broken = self.live.as_ref().is_some_and(|live| live.broken.is_some());
        let failed = is_broken
            || !self.ingested.input_errors.is_empty()
            || self.ingested.unreadable_inputs > 0;
        let lacks = self.damaged_stretches() > 0
            || watched.unread_bytes > 0
            || watched.streams.given_up > 0
            || calls.incomplete > 0
            || !self.nothing().is_empty();
        if failed {
            EXIT_IO
        } else if strict && lacks {
            EXIT_INCOMPLETE
        } else {
            0
        }
    }
}

/// That an address was given of which no call is, and of which there are.
fn no_call_of((pattern, role): &(ServerPattern, Role), servers: &ServersSeen) -> String {
    let found = servers.examples.iter().map(ToString::to_string);
    let found = found.collect::<Vec<_>>().join(", ");
    let more = if servers.are_there_more {
        " and others"
    } else {
        ""
    };
    format!(
        "--{} {pattern} answered no call: those found were answered by {found}{more}",
        role.as_str()
    )
}

impl Live {
    fn warnings(&self) -> String {
        let mut text = String::new();
        if let Some(broken) = &self.broken {
            text += &format!(
                "twintap: {broken}; what came before is kept, what was dropped at the end is not known\n"
            );
        }
        let stats = &self.told.stats;
        if stats.kernel_dropped + stats.own_dropped > 0 {
            text += &format!(
                "twintap: {} packets were dropped because nobody took them in time: use a larger \
                 --buffer-bytes, a narrower filter, or more --threads\n",
                stats.kernel_dropped + stats.own_dropped
            );
        }
        if stats.interface_dropped > 0 {
            text += &format!(
                "twintap: the interface dropped {} packets, perhaps of other traffic\n",
                stats.interface_dropped
            );
        }
        text
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people, of two digits")]
pub(in crate::cli) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
