//! Is what is written still where a start would look for it?
//!
//! Asked before each acknowledgement and each write beside the journal, and with each look at the disk: somebody
//! may remove or move the directory or its lock, and another collector may make a new one of its name.

use tracing::{debug, error};

use super::Writer;
use crate::store::journal::Failure;

impl Writer {
    /// Returns whether it is; else the journal has failed.
    pub(super) fn ensure_in_place(&self) -> bool {
        match self.disk.is_in_place(&self.segment.id.file_name()) {
            Ok(true) => self.health.failure() != Some(Failure::Removed),
            Ok(false) => {
                if self.health.failure().is_none() {
                    error!(
                        data_dir = %self.settings.data_dir.display(), segment = %self.segment.id.id,
                        "the data directory or its journal was removed or moved, accepting nothing more"
                    );
                }
                self.health.poison(Failure::Removed);
                false
            }
            // Nothing says that it is gone; what is in the way hinders the publisher too, which tells.
            Err(error) => {
                debug!(%error, "failed to look for the open segment");
                true
            }
        }
    }
}
