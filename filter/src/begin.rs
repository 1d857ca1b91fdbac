//! Request headers: stamp the pair id, decide whether the call is recorded, keep its headers.
//!
//! Cheapest question first. What is not recorded is settled here, once, and its context forgotten,
//! so that all later callbacks of the stream are one failed look-up. With a sampling rate below 1
//! the identity is fetched alone; the whole header map only for calls that are chosen.

use crate::config::{Config, Position};
use crate::correlation::{self, IDENTITY_HEADERS, PAIR_ID_BYTES_MAX, REPLAY_HEADER};
use crate::counters::{Dropped, Skipped};
use crate::engine::{Engine, keep_block};
use crate::headers::Pairs;
use crate::host::{Host, Map};
use crate::random::ID_BYTES;
use crate::root::{Phase, Root};
use crate::sampling::{self, ALL_PPM};
use crate::tape::Kind;

/// Property: which attempt at the upstream this is.
pub(crate) const ATTEMPT: &[u8] = b"upstream\0request_attempt_count";
/// Property: id of the downstream connection, which a mirrored stream does not have.
const CONNECTION: &[u8] = b"connection\0id";

/// What the headers say, as far as it decides something.
struct Request<'h> {
    path: &'h [u8],
    content_type: &'h [u8],
    pair_id: &'h [u8],
    is_replay: bool,
}

impl<'h> Request<'h> {
    fn of(map: &'h [u8]) -> Self {
        let mut request = Self {
            path: b"",
            content_type: b"",
            pair_id: b"",
            is_replay: false,
        };
        for pair in Pairs::new(map) {
            match pair.name {
                b":path" => request.path = pair.value,
                b"content-type" => request.content_type = pair.value,
                correlation::PAIR_ID_HEADER => request.pair_id = pair.value,
                REPLAY_HEADER => request.is_replay = true,
                _ => {}
            }
        }
        request
    }

    /// Why the call is not recorded, if it is not.
    fn skipped(&self, config: &Config) -> Option<Skipped> {
        if self.is_replay {
            return Some(Skipped::Replay);
        }
        if !is_grpc(self.content_type) {
            return Some(Skipped::NotGrpc);
        }
        let path = self
            .path
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let method = path.strip_prefix(b"/").unwrap_or(path);
        if config.methods.recorded(method) {
            None
        } else {
            Some(Skipped::MethodExcluded)
        }
    }
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc;...`, not `application/grpc-web`.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type
        .split_at_checked(GRPC.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
        })
}

impl Engine<'_> {
    /// Handles request headers of `context`; `false` if the stream is not recorded.
    pub(crate) fn begin<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        root_index: u8,
        end_stream: bool,
    ) -> bool {
        let Some(root) = self.roots.get_mut(usize::from(root_index)) else {
            return false;
        };
        if !matches!(root.phase, Phase::Active | Phase::Closing) {
            return false;
        }
        let stamp = root.config.stamp_pair_id.then(|| self.random.id());
        let outcome = if !root.config.record {
            Err(Outcome::Skip(Skipped::StampOnly))
        } else if !is_chosen(host, root, stamp.as_ref(), &mut self.random, self.scratch) {
            Err(Outcome::Skip(Skipped::NotSampled))
        } else {
            // Before the stamp: what the record shows of the client is what the client sent.
            self.take_headers(host, context, root_index, stamp.as_ref(), end_stream)
        };
        let Some(root) = self.roots.get_mut(usize::from(root_index)) else {
            return false;
        };
        if let Some(id) = &stamp
            && host
                .set_request_header(correlation::PAIR_ID_HEADER, id)
                .is_err()
        {
            root.counters.host_error();
        }
        match outcome {
            Ok(()) => root.counters.begin(),
            Err(Outcome::Skip(reason)) => root.counters.skip(reason),
            Err(Outcome::Drop(reason)) => root.counters.drop_at_once(reason),
        }
        outcome.is_ok()
    }

    fn take_headers<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        root_index: u8,
        stamp: Option<&[u8; ID_BYTES]>,
        end_stream: bool,
    ) -> Result<(), Outcome> {
        let started_ns = host.now_ns();
        let read = host.map(Map::RequestHeaders, self.scratch);
        let root = self
            .roots
            .get_mut(usize::from(root_index))
            .ok_or(Outcome::Drop(Dropped::HostError))?;
        let map = read.ok().and_then(|len| self.scratch.get(..len));
        let Some(map) = map else {
            root.counters.host_error();
            return Err(Outcome::Drop(Dropped::HostError));
        };
        let request = Request::of(map);
        if let Some(reason) = request.skipped(&root.config) {
            return Err(Outcome::Skip(reason));
        }
        let shadow = if root.config.position == Position::Upstream {
            match host.property(CONNECTION, &mut [0; 8]) {
                Ok(id) => id.is_none(),
                // A call whose side is unknown must not pass for a primary.
                Err(_) => {
                    root.counters.host_error();
                    return Err(Outcome::Drop(Dropped::HostError));
                }
            }
        } else {
            false
        };
        let no_memory = Outcome::Drop(Dropped::StreamMemory);
        let number = self.streams.begin().ok_or(no_memory)?;
        let stream = self.streams.get_mut(number).ok_or(no_memory)?;
        stream.context = context;
        stream.root = root_index;
        stream.root_number = root.number;
        stream.started_ns = started_ns;
        let block = keep_block(
            stream,
            &mut self.pages,
            &root.config,
            Map::RequestHeaders,
            map,
            stamp.is_some(),
            self.encoded,
        );
        let pair_id = stamp.map_or(request.pair_id, |id| &id[..]);
        // A part of an id is that of others, too; the header has the whole.
        let pair_id = match pair_id.len() {
            0..=PAIR_ID_BYTES_MAX => pair_id,
            _ => b"",
        };
        let kept = block.len > 0
            && stream.tape.append(&mut self.pages, Kind::PairId, pair_id)
            && self.table.insert(context, root_index, number);
        if !kept {
            stream.release(&mut self.pages, &mut self.hashers);
            self.streams.end(number);
            return Err(no_memory);
        }
        stream.set_block(
            Map::RequestHeaders,
            crate::capture::Block {
                end_stream,
                ..block
            },
            0,
        );
        if root.config.position == Position::Upstream {
            let mut value = [0; 8];
            stream.attempt = match host.property(ATTEMPT, &mut value) {
                Ok(Some(8)) => u32::try_from(u64::from_le_bytes(value)).unwrap_or(0),
                Ok(_) => 0,
                Err(_) => {
                    root.counters.host_error();
                    0
                }
            };
            stream.shadow = shadow;
        }
        Ok(())
    }
}

/// Why a stream is not recorded.
#[derive(Clone, Copy)]
enum Outcome {
    Skip(Skipped),
    Drop(Dropped),
}

/// Is the call chosen by the sampling rate?
fn is_chosen<H: Host>(
    host: &mut H,
    root: &mut Root,
    stamp: Option<&[u8; ID_BYTES]>,
    random: &mut crate::random::Random,
    scratch: &mut [u8],
) -> bool {
    let rate_ppm = root.config.sample_ppm;
    if rate_ppm >= ALL_PPM {
        return true;
    }
    if rate_ppm == 0 {
        return false;
    }
    if let Some(id) = stamp {
        return sampling::chosen(id, rate_ppm);
    }
    for name in IDENTITY_HEADERS {
        match host.request_header(name, scratch) {
            Ok(Some(len)) => {
                let value = scratch.get(..len).unwrap_or_default();
                if let Some(id) = correlation::identity(name, value, &mut [0; 36]) {
                    return sampling::chosen(id, rate_ppm);
                }
            }
            Ok(None) => {}
            Err(_) => root.counters.host_error(),
        }
    }
    sampling::chosen_by_hash(random.next_u64(), rate_ppm)
}

#[cfg(test)]
mod tests {
    use super::is_grpc;

    #[test]
    fn grpc_web_and_other_types_are_not_grpc() {
        for grpc in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC;x=y",
        ] {
            assert!(is_grpc(grpc.as_bytes()), "{grpc}");
        }
        for other in [
            "",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grp",
            "application/grpcx",
            "application/json",
        ] {
            assert!(!is_grpc(other.as_bytes()), "{other}");
        }
    }
}
