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

use super::key_log::Secret;
use super::protection::{Opened, Protection};
use super::record::RecordHeader;
use super::schedule::{traffic_keys, updated};
use super::suite::{Suite, Version};

/// Bytes that are decrypted at most to find the sequence number of one record.
const TRIAL_BYTES_MAX: usize = 8 << 20;

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
    following: Following,
    handshake: Option<Secret>,
    /// Of the newest generation that keys were made of.
    application: Option<Secret>,
}

/// The keys after those at hand.
#[derive(Debug)]
enum Following {
    /// Not made yet.
    Unknown,
    /// There are none.
    None,
    Known(Epoch, Box<Protection>),
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
        let following = Following::Known(Epoch::Application(0), Box::new(protection));
        Self::new(suite, following)
    }

    /// Behind the hellos of TLS 1.3.
    pub(super) fn tls13(suite: Suite, secrets: TrafficSecrets) -> Self {
        let mut state = Self::new(suite, Following::Unknown);
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

    fn new(suite: Suite, following: Following) -> Self {
        Self {
            suite,
            epoch: Epoch::Plain,
            protection: None,
            sequence_number: 0,
            missing_records_max: 0,
            following,
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
        self.make_following();
        if let Following::Known(epoch, protection) =
            std::mem::replace(&mut self.following, Following::Unknown)
        {
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
        let tries = TRIAL_BYTES_MAX / body.len().max(1);
        let missing_max = self.missing_records_max.min(tries as u64);
        let mut find = |protection: &Protection, first: u64| {
            (0..=missing_max).find_map(|missing| {
                let number = first.checked_add(missing)?;
                let opened = protection.open(number, header, body, scratch)?;
                Some((missing, opened))
            })
        };
        let found = self.protection.as_deref();
        let found = found.and_then(|protection| find(protection, self.sequence_number));
        if let Some((missing_records, opened)) = found {
            self.sequence_number += missing_records + 1;
            self.missing_records_max = 0;
            return Some(Read {
                opened,
                missing_records,
                is_new_epoch: false,
            });
        }
        self.make_following();
        let Following::Known(_, protection) = &self.following else {
            return None;
        };
        let (missing_records, opened) = find(protection, 0)?;
        self.advance();
        self.sequence_number = missing_records + 1;
        self.missing_records_max = 0;
        Some(Read {
            opened,
            missing_records,
            is_new_epoch: true,
        })
    }

    fn make_following(&mut self) {
        if !matches!(self.following, Following::Unknown) {
            return;
        }
        self.following = self.make_next().unwrap_or(Following::None);
    }

    /// `None` if there are no keys after those at hand.
    fn make_next(&mut self) -> Option<Following> {
        let suite = self.suite;
        if suite.version == Version::Tls12 {
            return None;
        }
        if let Some(secret) = self.handshake.take() {
            return Some(Following::Known(
                Epoch::Handshake,
                Box::new(traffic_keys(suite, &secret)?),
            ));
        }
        let secret = self.application.take()?;
        let generation = match self.epoch {
            Epoch::Application(generation) => generation.checked_add(1)?,
            _ => 0,
        };
        let secret = match generation {
            0 => secret,
            _ => updated(suite.hash, &secret)?,
        };
        let protection = Box::new(traffic_keys(suite, &secret)?);
        self.application = Some(secret);
        Some(Following::Known(Epoch::Application(generation), protection))
    }
}
