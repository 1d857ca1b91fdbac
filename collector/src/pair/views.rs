//! Which place's records of a call are used, when several places recorded it.
//!
//! A view is what one place saw. Caller and gateway are told apart by their Envoy node; servers are
//! not, because an attempt that is repeated may go to another pod.

use crate::call::{Call, Position};

/// A recording place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct View {
    rank: u8,
    node: String,
}

impl View {
    /// The place of `call`. Smaller is preferred where one place saw both sides: one recorder at
    /// the caller has one clock and numbers the attempts.
    pub(super) fn of(call: &Call) -> Self {
        let node = || format!("{}/{}", call.workload.node_id, call.workload.pod_name);
        match call.position {
            Position::Upstream => Self {
                rank: 0,
                node: node(),
            },
            Position::Inbound => Self {
                rank: 1,
                node: String::new(),
            },
            Position::Outbound => Self {
                rank: 2,
                node: node(),
            },
            Position::Unknown | Position::Wire => Self {
                rank: 3,
                node: node(),
            },
        }
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
