//! Which place's records of a call are used, when several places recorded it.
//!
//! A view is what one place saw. Caller and gateway are told apart by their Envoy node; servers are
//! not, because an attempt that is repeated may go to another pod.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::call::{Call, Position, Workload};

/// A recording place.
#[derive(Clone, Debug)]
pub(super) struct View {
    rank: u8,
    /// Who recorded, where that tells places apart.
    recorder: Option<Arc<Workload>>,
}

impl View {
    /// The place of `call`. Smaller is preferred where one place saw both sides: one recorder at
    /// the caller has one clock and numbers the attempts.
    pub(super) fn of(call: &Call) -> Self {
        let rank = match call.position {
            Position::Upstream => 0,
            Position::Inbound => 1,
            Position::Outbound => 2,
            Position::Unknown | Position::Wire => 3,
        };
        let is_at_server = call.position == Position::Inbound;
        Self {
            rank,
            recorder: (!is_at_server).then(|| Arc::clone(&call.workload)),
        }
    }

    fn node(&self) -> Option<(&str, &str)> {
        let recorder = self.recorder.as_ref()?;
        Some((&recorder.node_id, &recorder.pod_name))
    }

    /// Is it where calls are sent and mirrored?
    pub(super) fn is_at_caller(&self) -> bool {
        self.rank == 0
    }

    /// Equal for places at the same position.
    pub(super) fn rank(&self) -> u8 {
        self.rank
    }

    /// Preference where no place saw both sides: the server knows best what it answered.
    pub(super) fn alone_rank(&self) -> u8 {
        match self.rank {
            1 => 0,
            0 => 1,
            other => other,
        }
    }
}

impl Ord for View {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_same = |(a, b): (&Arc<Workload>, &Arc<Workload>)| Arc::ptr_eq(a, b);
        let recorders = self.recorder.as_ref().zip(other.recorder.as_ref());
        self.rank.cmp(&other.rank).then_with(|| {
            if recorders.is_some_and(is_same) {
                Ordering::Equal
            } else {
                self.node().cmp(&other.node())
            }
        })
    }
}

impl PartialOrd for View {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for View {}
