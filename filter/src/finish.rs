//! The end of a stream: read what only Envoy knows, write the record into a batch.
//!
//! Envoy has two last words: `proxy_on_log`, in downstream positions only, and `proxy_on_done`, in
//! all. Nothing is needed that only the first can see, so it is not exported and the VM is entered
//! once less. Properties are a microsecond each, so only those are read that the position can answer
//! and the record can use. Nothing is sent from here (`ship.rs` says why): a batch that is nearly
//! full leaves with the next stream that begins.
//! `source.*` and `destination.*` are never read of a stream without a downstream connection: Envoy 1.40
//! crashes on them.

use crate::begin::ATTEMPT;
use crate::capture::{End, Stream};
use crate::config::Position;
use crate::connections::Connections;
use crate::counters::Dropped;
use crate::engine::Engine;
use crate::host::Host;
use crate::record::{Ending, Record, wants_details};
use crate::root::{Phase, Root};
use crate::wire::Encoder;

/// Field of `Record` and the property that fills it.
type Property = (u32, &'static [u8]);

const CLUSTER: [Property; 1] = [(13, b"xds\0cluster_name")];
const UPSTREAM: [Property; 1] = [(15, b"upstream\0address")];
/// Whoever called: a proxy in front may say so with each call (`x-forwarded-for`).
const CALLER: [Property; 1] = [(16, b"source\0address")];
/// Fixed for the life of a downstream connection.
const CONNECTION: [Property; 3] = [
    (17, b"destination\0address"),
    (18, b"connection\0uri_san_peer_certificate"),
    (19, b"connection\0uri_san_local_certificate"),
];
const CONNECTION_ID: &[u8] = b"connection\0id";
const CODE_DETAILS: [Property; 1] = [(21, b"response\0code_details")];
const FLAGS: &[u8] = b"response\0flags";
/// Longest value kept of a property.
const VALUE_BYTES_MAX: usize = 256;

impl Engine<'_> {
    /// Ends the stream of `context`: into a batch, or counted as dropped.
    pub(crate) fn finish<H: Host>(&mut self, host: &mut H, context: u32) {
        let Some(entry) = self.table.remove(context) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(entry.stream) else {
            return;
        };
        let number = stream.root_number;
        let root = self.roots.get_mut(usize::from(stream.root));
        // The place of a root that is gone may have been taken by another.
        let root = root.filter(|root| root.number == number && root.phase != Phase::Free);
        let written = match root {
            Some(root) => {
                let mut asking = Asking {
                    host,
                    root,
                    value: self.scratch.get_mut(..VALUE_BYTES_MAX).unwrap_or_default(),
                    facts: Encoder::new(self.encoded),
                };
                let ending = asking.ending(stream, &mut self.connections);
                let mut written = self.write(entry.stream, entry.root, ending);
                // One more slot is of no use to a root that may not take it.
                if written == Err(Dropped::BufferFull)
                    && self.slots.held(entry.root) < self.slots_per_root()
                    && self.give_up_one(entry.root)
                {
                    written = self.write(entry.stream, entry.root, ending);
                }
                Some(written)
            }
            None => None,
        };
        if let Some(stream) = self.streams.get_mut(entry.stream) {
            stream.release(&mut self.pages, &mut self.hashers);
        }
        self.streams.end(entry.stream);
        let (Some(written), Some(root)) = (written, self.roots.get_mut(usize::from(entry.root)))
        else {
            return;
        };
        match written {
            Ok(()) => root.counters.record(),
            Err(reason) => root.counters.drop_call(reason),
        }
    }

    /// Writes the record of stream `number` into a batch of its root.
    fn write(&mut self, number: u16, root_index: u8, ending: Ending) -> Result<(), Dropped> {
        let room_for_roots = self.slots_per_root();
        let full = Dropped::BufferFull;
        let root = self.roots.get_mut(usize::from(root_index)).ok_or(full)?;
        let stream = self.streams.get_mut(number).ok_or(full)?;
        let record_number = root.records.saturating_add(1);
        let facts = self.encoded.get(..ending.facts_len).unwrap_or_default();
        let record = Record::new(stream, ending, facts, &self.pages, record_number);
        let len = record.encoded_len();
        if len > self.slots.record_bytes_max(root.identity()) {
            return Err(Dropped::RecordTooLarge);
        }
        let mut slot = self.slots.open(root_index);
        if let Some(open) = slot
            && self.slots.room(open, len).is_none()
        {
            root.batches = root.batches.saturating_add(1);
            root.told = root.counters;
            self.slots.seal(open, root.batches, &root.counters);
            slot = None;
        }
        if slot.is_none() && self.slots.held(root_index) < room_for_roots {
            slot = self.slots.take(root_index, root.identity(), record_number);
        }
        let slot = slot.ok_or(full)?;
        let room = self.slots.room(slot, len).ok_or(full)?;
        let mut encoder = Encoder::new(room.get_mut(..len).ok_or(full)?);
        record.encode(&mut encoder, &mut self.hashers);
        if encoder.finish() != Some(len) {
            return Err(Dropped::RecordTooLarge);
        }
        self.slots.commit(slot, len);
        root.records = record_number;
        Ok(())
    }

    /// Gives up a batch of a root that is ending, for another root; `false` if none waits.
    fn give_up_one(&mut self, for_root: u8) -> bool {
        for (index, root) in (0_u8..).zip(self.roots.iter_mut()) {
            let waits = match root.phase {
                Phase::Closing if index != for_root => self.slots.next_sealed(index),
                _ => None,
            };
            if let Some(slot) = waits {
                let records = u64::from(self.slots.fill(slot).1);
                root.counters.given_up = root.counters.given_up.saturating_add(records);
                self.slots.free(slot);
                return true;
            }
        }
        false
    }

    /// Slots one root may hold: all but one for each other root that records.
    fn slots_per_root(&self) -> usize {
        let recording = self
            .roots
            .iter()
            .filter(|root| root.phase == Phase::Active && root.config.record)
            .count();
        self.slots
            .len()
            .saturating_sub(recording.saturating_sub(1))
            .max(1)
    }
}

/// Asks the host for what is only known at the end of a stream.
struct Asking<'a, H> {
    host: &'a mut H,
    root: &'a mut Root,
    /// Where a property is received.
    value: &'a mut [u8],
    /// Encoded fields of the record.
    facts: Encoder<'a>,
}

impl<H: Host> Asking<'_, H> {
    fn ending(&mut self, stream: &Stream, connections: &mut Connections<'_>) -> Ending {
        let end_ns = self.host.now_ns().saturating_sub(stream.started_ns);
        if self.root.config.position == Position::Upstream {
            self.properties(&CLUSTER);
            if !self.is_one_of_several(stream) {
                self.properties(&UPSTREAM);
            }
        } else {
            self.connection(connections);
        }
        let response_flags = if wants_details(stream) {
            self.properties(&CODE_DETAILS);
            self.number(FLAGS).unwrap_or(0)
        } else {
            0
        };
        Ending {
            end_ns,
            sampled_ppm: self.root.config.sample_ppm,
            response_flags,
            facts_len: self.facts.used(),
        }
    }

    /// Was it cut off, and were there other attempts? Of these together Envoy knows one address, that of the last
    /// to begin or of the one that won.
    fn is_one_of_several(&mut self, stream: &Stream) -> bool {
        stream.end() == End::Aborted && self.number(ATTEMPT).is_some_and(|count| count > 1)
    }

    /// The caller, and the facts of the downstream connection. A stream that has none is a mirrored one, whatever
    /// the position says: on these Envoy crashes.
    fn connection(&mut self, connections: &mut Connections<'_>) {
        let Some(id) = self.number(CONNECTION_ID) else {
            return;
        };
        self.properties(&CALLER);
        if let Some(facts) = connections.facts(id) {
            self.facts.raw(facts);
            return;
        }
        let start = self.facts.used();
        let refused = self.properties(&CONNECTION);
        if !refused {
            connections.learn(id, self.facts.written_from(start));
        }
    }

    /// Encodes what the host knows of `properties`; `true` if it refused one.
    fn properties(&mut self, properties: &[Property]) -> bool {
        let mut refused = false;
        for (field, path) in properties {
            match self.host.property(path, self.value) {
                Ok(Some(len)) => self
                    .facts
                    .bytes(*field, self.value.get(..len).unwrap_or_default()),
                Ok(None) => {}
                Err(_) => {
                    self.root.counters.host_error();
                    refused = true;
                }
            }
        }
        refused
    }

    fn number(&mut self, path: &[u8]) -> Option<u64> {
        match self.host.property(path, self.value) {
            Ok(Some(8)) => self.value.first_chunk().copied().map(u64::from_le_bytes),
            Ok(_) => None,
            Err(_) => {
                self.root.counters.host_error();
                None
            }
        }
    }
}
