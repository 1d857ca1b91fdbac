//! The read state of one way: which keys and which sequence number the next record has.
//!
//! ```text
//! TLS 1.2:  Plain ──ChangeCipherSpec──▶ Application(0)
//! TLS 1.3:  Early ──EndOfEarlyData──▶ Handshake ──Finished──▶ Application(0) ──KeyUpdate──▶ (1) ...
//! ```
//!
//! A record that does not open with the keys at hand is tried with those that come next: the tag
//! proves it, so neither Finished nor KeyUpdate need be read, and it makes no difference if they were
//! lost. After a loss the next few sequence numbers are tried, as many as records can have been lost.

use std::collections::VecDeque;

use super::key_log::Secret;
use super::protection::{Opened, Protection};
use super::record::RecordHeader;
use super::schedule::{traffic_keys, updated};
use super::suite::{Suite, Version};

/// Bytes that are decrypted in vain at most before a record opens again: what is lost is rarely more
/// than a few records, and whoever made the capture must not make this slow.
const TRIAL_BYTES_MAX: usize = 16 << 20;

/// Epochs ahead that are tried where records may be missing: between two that are seen, peers rarely
/// change keys more often.
const EPOCHS_AHEAD: usize = 3;

/// What trying costs beside decrypting, in bytes.
const TRIAL_BYTES: usize = 256;

/// Which keys protect records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epoch {
    /// None, or ones that are not in the key log.
    Plain,
    /// Those of early data, 0-RTT.
    Early,
    /// Those of the handshake.
    Handshake,
    /// Those of application data, after so many updates.
    Application(u32),
}

/// The secrets of one way of TLS 1.3.
#[derive(Clone, Debug)]
pub(super) struct TrafficSecrets {
    /// Only the client's.
    pub(super) early: Option<Secret>,
    /// Without them, records of the handshake are passed over.
    pub(super) handshake: Option<Secret>,
    pub(super) application: Secret,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct ReadState {
    suite: Suite,
    epoch: Epoch,
    /// `None` in [`Epoch::Plain`].
    protection: Option<Box<Protection>>,
    sequence_number: u64,
    /// Records that may have come since, and were not opened.
    missing_records_max: u64,
    /// Bytes decrypted in vain since.
    trial_bytes: usize,
    /// The keys that come next, as far as they were needed.
    following: VecDeque<(Epoch, Box<Protection>)>,
    handshake: Option<Secret>,
    /// Of the newest generation that keys were made of.
    application: Option<Secret>,
}

/// A record that was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) opened: Opened,
    /// Records of the same epoch that are missing before it.
    pub(super) missing_records: u64,
    /// Is it the first of its epoch that was opened?
    pub(super) is_new_epoch: bool,
}

impl ReadState {
    /// Before the ChangeCipherSpec of TLS 1.2.
    pub(super) fn tls12(suite: Suite, protection: Protection) -> Self {
        let mut state = Self::new(suite);
        let keys = (Epoch::Application(0), Box::new(protection));
        state.following.push_back(keys);
        state
    }

    /// Behind the hellos of TLS 1.3.
    pub(super) fn tls13(suite: Suite, secrets: TrafficSecrets) -> Self {
        let mut state = Self::new(suite);
        state.application = Some(secrets.application);
        state.handshake = secrets.handshake;
        if let Some(secret) = &secrets.early
            && let Some(protection) = traffic_keys(suite, secret)
        {
            state.epoch = Epoch::Early;
            state.protection = Some(Box::new(protection));
        } else if state.handshake.is_some() {
            state.advance();
        }
        state
    }

    fn new(suite: Suite) -> Self {
        Self {
            suite,
            epoch: Epoch::Plain,
            protection: None,
            sequence_number: 0,
            missing_records_max: 0,
            trial_bytes: 0,
            following: VecDeque::new(),
            handshake: None,
            application: None,
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn version(&self) -> Version {
        self.suite.version
    }

    /// The keys at hand.
    pub(super) fn protection(&self) -> Option<&Protection> {
        self.protection.as_deref()
    }

    /// Up to so many more records were not opened.
    pub(super) fn miss(&mut self, records: u64) {
        self.missing_records_max = self.missing_records_max.saturating_add(records);
    }

    /// May records have been missed?
    pub(super) fn has_missed(&self) -> bool {
        self.missing_records_max > 0
    }

    /// Goes on to the keys that come next, if there are any.
    pub(super) fn advance(&mut self) {
        self.make_following(1);
        if let Some((epoch, protection)) = self.following.pop_front() {
            self.epoch = epoch;
            self.protection = Some(protection);
            self.sequence_number = 0;
        }
    }

    /// Opens a record, in `scratch`; `None` if it belongs to no place that is thought of.
    pub(super) fn open(
        &mut self,
        header: RecordHeader,
        body: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Option<Read> {
        let ahead = if self.has_missed() { EPOCHS_AHEAD } else { 1 };
        for missing_records in 0..=self.missing_records_max {
            if let Some(protection) = &self.protection
                && let Some(number) = self.sequence_number.checked_add(missing_records)
                && let Some(opened) = protection.open(number, header, body, scratch)
            {
                return Some(self.found(opened, number, missing_records, false));
            }
            self.make_following(ahead);
            let following = self.following.iter().take(ahead);
            let opened = following.enumerate().find_map(|(index, (_, protection))| {
                let opened = protection.open(missing_records, header, body, scratch)?;
                Some((index, opened))
            });
            if let Some((index, opened)) = opened {
                (0..=index).for_each(|_| self.advance());
                return Some(self.found(opened, missing_records, missing_records, true));
            }
            self.trial_bytes += (1 + ahead) * (body.len() + TRIAL_BYTES);
            if self.trial_bytes > TRIAL_BYTES_MAX {
                return None;
            }
        }
        None
    }

    fn found(
        &mut self,
        opened: Opened,
        sequence_number: u64,
        missing_records: u64,
        is_new_epoch: bool,
    ) -> Read {
        self.sequence_number = sequence_number.saturating_add(1);
        self.missing_records_max = 0;
        self.trial_bytes = 0;
        Read {
            opened,
            missing_records,
            is_new_epoch,
        }
    }

    /// Makes keys until there are those of `count` epochs, or no more.
    fn make_following(&mut self, count: usize) {
        while self.following.len() < count {
            let Some(next) = self.make_next() else {
                return;
            };
            self.following.push_back(next);
        }
    }

    /// `None` if there are no more keys.
    fn make_next(&mut self) -> Option<(Epoch, Box<Protection>)> {
        let suite = self.suite;
        if suite.version == Version::Tls12 {
            return None;
        }
        if let Some(secret) = self.handshake.take() {
            return Some((Epoch::Handshake, Box::new(traffic_keys(suite, &secret)?)));
        }
        let secret = self.application.take()?;
        let last = self
            .following
            .back()
            .map_or(self.epoch, |(epoch, _)| *epoch);
        let generation = match last {
            Epoch::Application(generation) => generation.checked_add(1)?,
            Epoch::Plain | Epoch::Early | Epoch::Handshake => 0,
        };
        let secret = match generation {
            0 => secret,
            _ => updated(suite.hash, &secret)?,
        };
        let protection = Box::new(traffic_keys(suite, &secret)?);
        self.application = Some(secret);
        Some((Epoch::Application(generation), protection))
    }
}
