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
        } else if self.protocol != Protocol::Http2 && hunt.unread_bytes() > HUNT_BYTES_MAX as u64 {
            self.counters.unread_bytes += hunt.all_unread_bytes();
            self.refuse(way, Protocol::Other);
        }
    }

    /// A frame was found behind lost bytes: header blocks may have been among those.
    fn resume(&mut self, way: Way, found: Found) {
        let lane = self.lanes.of_mut(way);
        lane.decoder.lose(found.lost_bytes);
        lane.state = State::Header;
        lane.is_found = true;
        let found_bytes = found.segments.iter().map(|(_, bytes)| bytes.len());
        lane.found_bytes = found_bytes.sum::<usize>() as u64;
        self.counters.unread_bytes += found.unread_bytes;
        self.joiner.reads(way, Some(found.since));
        self.counters.resyncs += 1;
        self.protocol = Protocol::Http2;
        let lane = self.lanes.of_mut(way);
        if let Some(again) = &mut lane.again {
            // Found in what was found before: it comes next, and nothing recurs.
            for segment in found.segments.into_iter().rev() {
                again.push_front(segment);
            }
            return;
        }
        lane.again = Some(found.segments.into());
        while let Some((at, bytes)) = self.next_again(way) {
            self.take(at, way, &bytes);
        }
        self.lanes.of_mut(way).again = None;
    }

    fn next_again(&mut self, way: Way) -> Option<(u64, Vec<u8>)> {
        self.lanes.of_mut(way).again.as_mut()?.pop_front()
    }

    /// What was found behind lost bytes were no frames. What was taken for some may have been anything, and so may
    /// `rest`, the bytes behind.
    #[cold]
    pub(super) fn lose_faith(&mut self, at: u64, way: Way, rest: usize) {
        let lane = self.lanes.of_mut(way);
        let lost_bytes = std::mem::take(&mut lane.found_bytes);
        self.counters.unread_bytes += rest as u64;
        self.lose_place(at, way, lost_bytes);
    }

    /// `len` bytes were lost of which nothing is known.
    pub(super) fn lose_place(&mut self, at: u64, way: Way, len: u64) {
        self.abandon_block(at, way, 1);
        self.joiner.suspect(way);
        self.joiner.reads(way, None);
        let lane = self.lanes.of_mut(way);
        self.counters.unread_bytes += lane.carry.len() as u64;
        lane.carry.clear();
        lane.state = State::Hunting(Box::new(Hunt::after_loss(at, len)));
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
                    let lane = self.lanes.of_mut(way);
                    lane.found_bytes = lane.found_bytes.saturating_add(len);
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
        if self.protocol == Protocol::Http2 {
            // What is found may be doubted in turn, and hunted through: each time there is less.
            while self.end_hunt(way) {}
            if let State::Hunting(hunt) = &mut self.lanes.of_mut(way).state {
                self.counters.unread_bytes += hunt.take_unread_bytes();
            }
        }
        self.abandon_block(at, way, 1);
    }

    /// Ends a hunt by what it holds, as nothing comes that belongs to it; `false` if it found nothing.
    pub(super) fn end_hunt(&mut self, way: Way) -> bool {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        let rules = lane.plausibility(newest);
        let State::Hunting(hunt) = &mut lane.state else {
            return false;
        };
        let Some(found) = hunt.gap(0, &rules) else {
            return false;
        };
        self.resume(way, found);
        true
    }
}
