//! The lines of standard error: a word, then `key=value`, values without spaces; `message`, always last, takes the
//! rest of its line.
//!
//! ```text
//! started version=1 link_type=1 buffer_bytes=67108864
//! stats received=12 kernel_dropped=0 interface_dropped=0 own_dropped=0 written=12
//! ended reason=signal received=20 kernel_dropped=0 interface_dropped=0 own_dropped=0 written=20
//! error kind=permission message=eth0: Operation not permitted
//! ```

use std::fmt;
use std::str::FromStr;

use crate::Stats;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The interface is open, privileges are gone, packets that match are being kept.
    Started(Started),
    /// So far.
    Stats(Stats),
    /// The capture ended; these counts are final.
    Ended(Ending, Stats),
    /// The capture did not start, or broke off.
    Error(ErrorKind, String),
}

/// How a capture started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Version of this contract.
    pub version: u32,
    /// LINKTYPE of the packets, as in the header of the pcap.
    pub link_type: u32,
    /// Bytes of the kernel's buffer that were asked for.
    pub buffer_bytes: u32,
}

/// Why a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM, SIGINT or SIGHUP.
    Signal,
    /// `--duration-ms` is over.
    Duration,
    /// `--packets-max` were captured.
    PacketsMax,
    /// Nobody reads standard output any more.
    PipeClosed,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// CAP_NET_RAW is missing.
    Permission,
    /// There is no such interface.
    Interface,
    /// The filter expression is not one, or not one for this interface.
    Filter,
    /// Anything else.
    Other,
}

/// Text that is not a line of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLine(pub String);

impl Ending {
    const ALL: [Self; 4] = [
        Self::Signal,
        Self::Duration,
        Self::PacketsMax,
        Self::PipeClosed,
    ];

    /// Its word on the line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Duration => "duration",
            Self::PacketsMax => "packets_max",
            Self::PipeClosed => "pipe_closed",
        }
    }
}

impl ErrorKind {
    const ALL: [Self; 4] = [Self::Permission, Self::Interface, Self::Filter, Self::Other];

    /// Its word on the line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Interface => "interface",
            Self::Filter => "filter",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(started) => write!(
                f,
                "started version={} link_type={} buffer_bytes={}",
                started.version, started.link_type, started.buffer_bytes
            ),
            Self::Stats(stats) => write!(f, "stats{}", Keys(stats)),
            Self::Ended(ending, stats) => {
                write!(f, "ended reason={}{}", ending.code(), Keys(stats))
            }
            Self::Error(kind, message) => {
                let message = message.replace(['\n', '\r'], " ");
                write!(f, "error kind={} message={message}", kind.code())
            }
        }
    }
}

struct Keys<'a>(&'a Stats);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = self.0.keys().into_iter();
        keys.try_for_each(|(key, count)| write!(f, " {key}={count}"))
    }
}

impl FromStr for Line {
    type Err = UnknownLine;

    fn from_str(text: &str) -> Result<Self, UnknownLine> {
        parse(text).ok_or_else(|| UnknownLine(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Line> {
    let (word, rest) = text.split_once(' ')?;
    let keys = rest.split(' ').filter_map(|pair| pair.split_once('='));
    let value = |wanted: &str| {
        let found = keys.clone().find(|(key, _)| *key == wanted);
        found.map(|(_, value)| value)
    };
    let number = |key| value(key)?.parse::<u32>().ok();
    match word {
        "started" => Some(Line::Started(Started {
            version: number("version")?,
            link_type: number("link_type")?,
            buffer_bytes: number("buffer_bytes")?,
        })),
        "stats" => Some(Line::Stats(stats(keys)?)),
        "ended" => {
            let reason = value("reason")?;
            let mut all = Ending::ALL.into_iter();
            let ending = all.find(|ending| ending.code() == reason)?;
            Some(Line::Ended(ending, stats(keys)?))
        }
        "error" => {
            let kind = value("kind")?;
            let mut all = ErrorKind::ALL.into_iter();
            // A kind that a newer program knows is an error all the same.
            let kind = all.find(|known| known.code() == kind);
            let (_, message) = rest.split_once("message=")?;
            Some(Line::Error(
                kind.unwrap_or(ErrorKind::Other),
                message.to_owned(),
            ))
        }
        _ => None,
    }
}

fn stats<'a>(keys: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Stats> {
    let mut stats = Stats::default();
    for (key, value) in keys.filter(|(key, _)| *key != "reason") {
        stats.set(key, value.parse().ok()?);
    }
    Some(stats)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: Stats = Stats {
        received: 20,
        kernel_dropped: 3,
        interface_dropped: 4,
        own_dropped: 5,
        written: u64::MAX,
    };

    #[test]
    fn every_line_reads_as_it_was_written() {
        let started = Started {
            version: 1,
            link_type: 276,
            buffer_bytes: 64 << 20,
        };
        let mut lines = vec![Line::Started(started), Line::Stats(STATS)];
        lines.extend(Ending::ALL.map(|ending| Line::Ended(ending, STATS)));
        lines.extend(ErrorKind::ALL.map(|kind| Line::Error(kind, "a = b, c".to_owned())));
        for line in lines {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
    }

    #[test]
    fn keys_and_kinds_of_a_newer_program_are_no_trouble() {
        let line = "stats received=1 flavour=7".parse();
        let stats = Stats {
            received: 1,
            ..Stats::default()
        };
        assert_eq!(line, Ok(Line::Stats(stats)));
        let line = "error kind=weather message=it rains".parse();
        assert_eq!(line, Ok(Line::Error(ErrorKind::Other, "it rains".into())));
    }

    #[test]
    fn an_error_is_one_line_whatever_it_says() {
        let line = Line::Error(ErrorKind::Other, "one\ntwo".to_owned());
        assert_eq!(line.to_string().lines().count(), 1);
    }

    #[test]
    fn other_text_is_no_line() {
        for text in [
            "",
            "stats",
            "started now",
            "tcpdump: listening on lo",
            "stats received=x",
        ] {
            assert!(text.parse::<Line>().is_err(), "{text:?}");
        }
    }
}
