//! Text to sizes, durations, counts, addresses. Errors say what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::LogFormat;

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];
const DURATION_UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A size of at least one byte.
pub(crate) fn size<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    match size_or_zero(text)? {
        0 => Err("must not be 0".to_owned()),
        bytes => bytes.try_into().map_err(|_| "too large".to_owned()),
    }
}

/// A size, 0 allowed.
pub(super) fn size_or_zero(text: &str) -> Result<u64, String> {
    scaled(text, SIZE_UNITS).ok_or_else(|| "expected a size such as \"64MiB\"".to_owned())
}

/// The longest duration: no clock comes to its end.
const DURATION_MS_MAX: u64 = 100 * 365 * 86_400_000;

/// A duration of at least a millisecond, and at most a hundred years.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match scaled(text, DURATION_UNITS) {
        Some(0) => Err("must not be 0".to_owned()),
        Some(DURATION_MS_MAX..) => Err("must be less than 36500d".to_owned()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("expected a duration such as \"30s\" or \"500ms\"".to_owned()),
    }
}

/// A number of at least 1 that fits its type.
pub(super) fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number: u64 = text
        .trim()
        .parse()
        .map_err(|_| "expected a whole number of at least 1".to_owned())?;
    if number == 0 {
        return Err("must not be 0".to_owned());
    }
    T::try_from(number).map_err(|_| "too large".to_owned())
}

/// A number from 1 to `max`, for what takes memory, or a handle of the system, for each.
pub(super) fn count_up_to(max: usize) -> impl FnOnce(&str) -> Result<usize, String> {
    move |text| match count(text)? {
        number if number > max => Err(format!("must not be more than {max}")),
        number => Ok(number),
    }
}

/// `ip:port`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        "expected an IP address and a port such as \"127.0.0.1:9090\" or \"[::1]:9090\"".to_owned()
    })
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(text.into())
    }
}

/// A path, or nothing.
pub(super) fn path_or_none(text: &str) -> Result<Option<PathBuf>, String> {
    Ok((!text.is_empty()).then(|| text.into()))
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    let expected = |_| "expected true or false".to_owned();
    text.trim().parse().map_err(expected)
}

/// A tracing filter. A word alone is a level: else what is mistyped would pass for the name of a target,
/// of which all is logged, and nothing of all others.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
    let mut words = text.split(',').filter(|word| !word.contains('='));
    if let Some(word) = words.find(|word| !is_level(word)) {
        return Err(format!(
            "{word:?} is no level; expected error, warn, info, debug or trace"
        ));
    }
    text.parse::<Targets>()
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; expected error, warn, info, debug or trace"))
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json".to_owned()),
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}
