//! What checks find, and what they could not look at.

use super::at::{At, Place};
use super::trap::{Severity, Trap};

/// Findings of one trap that are kept; more are counted.
pub const FINDINGS_MAX: usize = 200;

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The trap.
    pub trap: &'static Trap,
    /// How much it matters here.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What was found.
    pub what: String,
    /// Is it about an Envoy that is set up by hand, without Istio?
    pub by_hand: bool,
}

impl Finding {
    /// What to do, in the words of what the set-up is made of.
    pub fn remedy(&self) -> &'static str {
        let by_hand = self.trap.remedy_by_hand.filter(|_| self.by_hand);
        by_hand.unwrap_or(self.trap.remedy)
    }
}

/// Something that was not looked at although its input was there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// Id of the trap.
    pub trap: &'static str,
    /// What could not be told, and why.
    pub why: String,
}

/// Where the check of one trap puts what it finds.
#[derive(Debug)]
pub struct Findings {
    trap: &'static Trap,
    pub(super) found: Vec<Finding>,
    pub(super) unseen: Vec<Unseen>,
    pub(super) omitted: u64,
}

impl Findings {
    pub(super) fn of(trap: &'static Trap) -> Self {
        Self {
            trap,
            found: Vec::new(),
            unseen: Vec::new(),
            omitted: 0,
        }
    }

    /// Found, as bad as it gets.
    pub fn error(&mut self, at: &At<'_>, what: impl Into<String>) {
        self.put(Severity::Error, at.place(), what);
    }

    /// Found, and hurts under circumstances.
    pub fn warning(&mut self, at: &At<'_>, what: impl Into<String>) {
        self.put(Severity::Warning, at.place(), what);
    }

    /// Worth knowing.
    pub fn info(&mut self, at: &At<'_>, what: impl Into<String>) {
        self.put(Severity::Info, at.place(), what);
    }

    /// Found at a place that is no node.
    pub fn put(&mut self, severity: Severity, place: Place, what: impl Into<String>) {
        let what = what.into();
        let is_known = |known: &Finding| known.place == place && known.what == what;
        if self.found.iter().any(is_known) {
            return;
        }
        if self.found.len() >= FINDINGS_MAX {
            self.omitted += 1;
            return;
        }
        self.found.push(Finding {
            trap: self.trap,
            severity,
            place,
            what,
            by_hand: false,
        });
    }

    /// Could not be told, although the kind of input is there.
    pub fn unseen(&mut self, why: impl Into<String>) {
        let unseen = Unseen {
            trap: self.trap.id,
            why: why.into(),
        };
        if !self.unseen.contains(&unseen) {
            self.unseen.push(unseen);
        }
    }
}
