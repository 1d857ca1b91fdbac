//! GOAWAY: streams that the server will not serve.

use super::{GO_AWAYS_MAX, Joiner};
use crate::exchange::CallSink;
use crate::stream::Way;

impl<S: CallSink> Joiner<S> {
    /// GOAWAY of `way`: streams above `last_id` will not be served.
    pub(crate) fn go_away(&mut self, at: u64, way: Way, last_id: u32) {
        let (served, lowered_count) = self.served;
        if self.client == Some(way) || last_id >= served || lowered_count >= GO_AWAYS_MAX {
            return;
        }
        self.served = (last_id, lowered_count + 1);
        self.tally.steps += self.live.len() as u64;
        let mut refused: Vec<_> = self
            .live
            .keys()
            .copied()
            .filter(|id| *id > last_id)
            .collect();
        refused.sort_unstable();
        for id in refused {
            if let Some(stream) = self.live.get_mut(&id) {
                stream.life.is_refused = true;
            }
            self.close_later(at, id);
        }
    }
}
