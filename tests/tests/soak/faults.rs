//! What happens in between. Each ends well: the collector runs again, or never stopped.

use std::fmt;
use std::time::Duration;

use twintap_e2e::random::Random;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL of the collector, which is away for this long.
    Killed(Duration),
    /// SIGTERM, the same.
    Ended(Duration),
    /// SIGSTOP of the collector for this long: connections stay, and nobody answers.
    Stopped(Duration),
    /// Envoy gets its listener anew, with another plugin configuration: filters begin and end.
    Updated,
}

impl Fault {
    /// All kinds.
    pub(crate) const ALL: [Self; 4] = [
        Self::Killed(Duration::ZERO),
        Self::Ended(Duration::ZERO),
        Self::Stopped(Duration::ZERO),
        Self::Updated,
    ];

    /// Those that the collector's process survives.
    pub(crate) const OF_A_LASTING_COLLECTOR: [Self; 2] =
        [Self::Stopped(Duration::ZERO), Self::Updated];

    /// The same kind, of any length below `away_max`.
    pub(crate) fn drawn(self, random: &mut Random, away_max: Duration) -> Self {
        let longest = u64::try_from(away_max.as_millis()).expect("not that long");
        let mut length = || Duration::from_millis(random.below(longest));
        match self {
            Self::Killed(_) => Self::Killed(length()),
            Self::Ended(_) => Self::Ended(length()),
            Self::Stopped(_) => Self::Stopped(length()),
            Self::Updated => Self::Updated,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(away) => write!(formatter, "SIGKILL, away for {away:?}"),
            Self::Ended(away) => write!(formatter, "SIGTERM, away for {away:?}"),
            Self::Stopped(length) => write!(formatter, "SIGSTOP for {length:?}"),
            Self::Updated => formatter.write_str("listener update"),
        }
    }
}
