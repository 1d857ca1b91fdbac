//! Lost bytes: going on where the frame at hand tells how, else hunting for the next one.

use super::connection::{Connection, Protocol};
use super::hunt::{Found, HUNT_BYTES_MAX, Hunt};
use super::lane::{DataFrame, State};
use crate::exchange::CallSink;
use crate::stream::Way;

impl<S: CallSink> Connection<S> {
    pub(super) fn hunt(&mut self, at: u64, way: Way, bytes: &[u8]) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        let rules = lane.plausibility(newest);
        let State::Hunting(hunt) = &mut lane.state else {
            return;
        };
        if let Some(found) = hunt.push(at, bytes, &rules) {
            self.resume(way, found);
        } else if self.protocol != Protocol::Http2 && hunt.lost_bytes() > HUNT_BYTES_MAX as u64 {
            self.counters.unread_bytes += hunt.lost_bytes();
            self.refuse(way, Protocol::Other);
        }
    }

    /// A frame was found behind lost bytes: header blocks may have been among those.
    fn resume(&mut self, way: Way, found: Found) {
        let lane = self.lanes.of_mut(way);
        lane.decoder.lose(found.lost_bytes);
        lane.state = State::Header;
        self.counters.resyncs += 1;
        self.protocol = Protocol::Http2;
        for (at, bytes) in found.segments {
            self.take(at, way, &bytes);
        }
    }

    /// `len` bytes were lost of which nothing is known.
    fn lose_place(&mut self, at: u64, way: Way, len: u64) {
        self.abandon_block(at, way, 1);
        self.joiner.suspect(way);
        let lane = self.lanes.of_mut(way);
        self.counters.unread_bytes += lane.carry.len() as u64;
        lane.carry.clear();
        lane.state = State::Hunting(Box::new(Hunt::after_loss(len)));
    }

    pub(super) fn lose(&mut self, at: u64, way: Way, len: u64) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        match &mut lane.state {
            State::Refused => {}
            State::Opening | State::Header => {
                let carried = lane.carry.len() as u64;
                self.lose_place(at, way, len.saturating_add(carried));
            }
            State::Skip { left } => match u32::try_from(len).ok().filter(|len| len <= left) {
                Some(len) => {
                    *left -= len;
                    if *left == 0 {
                        lane.state = State::Header;
                    }
                }
                None => {
                    let rest = len.saturating_sub(u64::from(*left));
                    self.lose_place(at, way, rest);
                }
            },
            State::Data(frame) => {
                let frame = *frame;
                self.lose_data(at, way, frame, len);
            }
            State::Control { header, left } => {
                let (header, left) = (*header, *left);
                lane.state = State::Skip { left };
                let payload = std::mem::take(&mut lane.carry);
                self.payload(at, way, header, &payload, u64::from(left));
                self.lose(at, way, len);
            }
            State::Hunting(_) => {
                let rules = lane.plausibility(newest);
                let State::Hunting(hunt) = &mut lane.state else {
                    return;
                };
                if let Some(found) = hunt.gap(len, &rules) {
                    self.resume(way, found);
                    self.lose(at, way, len);
                } else {
                    self.joiner.suspect(way);
                }
            }
        }
    }

    fn lose_data(&mut self, at: u64, way: Way, mut frame: DataFrame, len: u64) {
        let within = u32::try_from(len).unwrap_or(u32::MAX).min(frame.left);
        // Without the byte that says how much padding there is, the frame may be all data.
        let data_left = frame.left.saturating_sub(frame.padding.unwrap_or(0));
        let data = if frame.padding.is_some() {
            within.min(data_left)
        } else {
            u32::MAX
        };
        if frame.stream_id & 1 == 1 {
            self.joiner
                .data_gap(at, way, frame.stream_id, u64::from(data));
        }
        frame.padding.get_or_insert(0);
        frame.left -= within;
        if frame.left > 0 {
            self.lanes.of_mut(way).state = State::Data(frame);
            return;
        }
        if frame.end_stream {
            self.joiner.end_stream(at, way, frame.stream_id);
        }
        self.lanes.of_mut(way).state = State::Header;
        let rest = len.saturating_sub(u64::from(within));
        if rest > 0 {
            self.lose_place(at, way, rest);
        }
    }

    /// No more will come of `way`: decides what waits for more.
    pub(super) fn lose_at_end(&mut self, at: u64, way: Way) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        let rules = lane.plausibility(newest);
        if let State::Hunting(hunt) = &mut lane.state
            && self.protocol == Protocol::Http2
            && let Some(found) = hunt.gap(0, &rules)
        {
            self.resume(way, found);
        }
        self.abandon_block(at, way, 1);
    }
}
