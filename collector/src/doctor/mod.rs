//! Looks at a set-up that mirrors gRPC calls, and says what will hurt before it does.
//!
//! [`input`] takes manifests, configuration and statistics of Envoys; [`recording`] sums up recorded
//! calls; all of it is the [`evidence::Evidence`], in the [`view::View`] on which [`examine`] runs the checks of [`traps`], one a
//! module. Each finding says where, what, why it hurts and what to do; each check that could not be made
//! says for want of what. Pure: no I/O, no clock.
//!
//! Not supported: rules of admission (`istioctl analyze` has them), delegates of VirtualServices, and
//! anything that only a running control plane knows, but for what its Envoys tell.

pub mod at;
pub mod authorization_policy;
pub mod behind;
pub mod crowds;
pub mod envoy;
pub mod evidence;
pub mod finding;
pub mod form;
pub mod input;
pub mod kube;
pub mod methods;
pub mod mirror_end;
pub mod namesake;
pub mod network_policy;
pub mod node;
pub mod recorder;
pub mod recording;
pub mod routes;
pub mod server;
pub mod stats;
pub mod trap;
pub mod traps;
pub mod view;

use evidence::Evidence;
use finding::{Finding, Findings, Unseen};
use trap::{Need, Severity, Trap};
use view::View;

/// What was found, and what was not looked at.
#[derive(Debug, Default)]
pub struct Examination {
    /// Worst first, then in order of trap and place.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit of a trap.
    pub omitted: u64,
    /// What could not be looked at for want of an input.
    pub not_looked_at: Vec<NotLookedAt>,
    /// What could not be told although its kind of input was there.
    pub unseen: Vec<Unseen>,
    /// Was there anything that a check reads? Else no word about a trap means nothing at all.
    pub is_known: bool,
}

/// A part of a check for which there was no input.
#[derive(Clone, Copy, Debug)]
pub struct NotLookedAt {
    /// The trap.
    pub trap: &'static Trap,
    /// What there was none of.
    pub need: Need,
    /// What would have been looked at.
    pub at: &'static str,
}

impl Examination {
    /// Findings at least as bad as `severity`.
    pub fn count_at_least(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity >= severity)
            .count()
    }
}

/// Runs all checks but those of the traps whose ids are in `ignored`.
pub fn examine(evidence: &Evidence, ignored: &[&str]) -> Examination {
    let mut examination = Examination {
        is_known: evidence.is_known(),
        ..Examination::default()
    };
    let view = View::of(evidence);
    for trap in traps::ALL.iter().filter(|trap| !ignored.contains(&trap.id)) {
        let mut findings = Findings::of(trap);
        (trap.check)(&view, &mut findings);
        for finding in &mut findings.found {
            finding.by_hand = evidence.is_by_hand(&finding.place);
        }
        examination.findings.append(&mut findings.found);
        examination.unseen.append(&mut findings.unseen);
        examination.omitted += findings.omitted;
        let missing = trap.looks.iter().filter(|look| !evidence.has(look.need));
        examination
            .not_looked_at
            .extend(missing.map(|look| NotLookedAt {
                trap,
                need: look.need,
                at: look.at,
            }));
    }
    examination.findings.sort_by(|left, right| {
        let key = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.trap.number);
        key(left)
            .cmp(&key(right))
            .then_with(|| left.place.cmp(&right.place))
    });
    examination
}
