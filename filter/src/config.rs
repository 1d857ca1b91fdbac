//! The plugin configuration (ARCHITECTURE.md, section 2): one flat JSON object.
//!
//! Parsed once, checked as a whole: an unknown or repeated key, a wrong type or a value out of range
//! refuses all of it, and the filter is inert. Nothing is guessed from a broken configuration.

use crate::copy::Text;
use crate::hmac::Hmac;
use crate::json::{Fault, Number, RawText, Reader, Value};
use crate::methods::{Methods, Names, is_header_name, is_pattern};
use crate::sampling::ALL_PPM;
use crate::wire::Encoder;

/// Bytes of configuration text read; more is an error.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Where in Envoy the filter sits; numbers of `record.proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Position {
    /// Not configured.
    Unspecified = 0,
    /// The listener of the recorded server's sidecar.
    Inbound = 1,
    /// The router's upstream filter chain.
    Upstream = 2,
    /// The caller's downstream chain.
    Outbound = 3,
}

/// A checked configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `position`.
    pub position: Position,
    /// `role` as `record.proto` numbers it; 0 leaves it to the collector.
    pub role: u8,
    /// `collector_cluster`.
    pub collector_cluster: Text<256>,
    /// `collector_authority`.
    pub collector_authority: Text<256>,
    /// `service`.
    pub service: Text<128>,
    /// `stamp_pair_id`.
    pub stamp_pair_id: bool,
    /// `record`.
    pub record: bool,
    /// `sample_rate`, parts per million.
    pub sample_ppm: u32,
    /// `body_bytes_max`.
    pub body_bytes_max: u32,
    /// `include_methods` and `exclude_methods`.
    pub methods: Methods,
    /// `redact_headers`.
    pub redact_headers: Names,
    /// `redaction_key`, ready to use.
    pub redaction_key: Option<Hmac>,
    /// `flush_interval_ms`.
    pub flush_interval_ms: u32,
    /// `send_timeout_ms`.
    pub send_timeout_ms: u32,
}

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not JSON, or not UTF-8.
    Syntax,
    /// Not one object, or text behind it.
    NotAnObject,
    /// A key that no version of this filter knows.
    UnknownKey,
    /// A key that stands there twice.
    RepeatedKey,
    /// The value has another type than the key wants.
    WrongType,
    /// The value is not one the key allows.
    OutOfRange,
    /// The key is needed and absent.
    Missing,
    /// More text than is read.
    TooLong,
}

/// A refused configuration: what, where, which key.
#[derive(Clone, Copy, Debug)]
pub struct ConfigError {
    /// What is wrong.
    pub refusal: Refusal,
    /// Index of the byte where it was noticed.
    pub at: usize,
    /// The key concerned, if any.
    pub key: Text<64>,
}

const KEYS: [&[u8]; 15] = [
    b"position",
    b"collector_cluster",
    b"collector_authority",
    b"role",
    b"service",
    b"stamp_pair_id",
    b"record",
    b"sample_rate",
    b"body_bytes_max",
    b"include_methods",
    b"exclude_methods",
    b"redact_headers",
    b"redaction_key",
    b"flush_interval_ms",
    b"send_timeout_ms",
];

/// Largest `body_bytes_max`: with it both bodies of a record still fit a batch.
const BODY_BYTES_LIMIT: u64 = 448 << 10;
/// Entries of `include_methods` and `exclude_methods` together.
const PATTERNS_MAX: usize = 64;

const EXCLUDED_BY_DEFAULT: [&[u8]; 2] = [b"grpc.health.v1.Health/*", b"grpc.reflection.*"];

/// What the text says, before defaults that depend on other keys.
struct Draft {
    config: Config,
    position: Option<Position>,
    stamp_pair_id: Option<bool>,
    record: Option<bool>,
    excludes_given: bool,
}

impl Config {
    /// Of a root that is not configured; all zero, so that it costs no bytes in the module.
    pub const NONE: Self = Self {
        position: Position::Unspecified,
        sample_ppm: 0,
        body_bytes_max: 0,
        flush_interval_ms: 0,
        send_timeout_ms: 0,
        ..Self::DEFAULT
    };

    /// The defaults, as far as they do not depend on other keys.
    const DEFAULT: Self = Self {
        position: Position::Unspecified,
        role: 0,
        collector_cluster: Text::EMPTY,
        collector_authority: Text::EMPTY,
        service: Text::EMPTY,
        stamp_pair_id: false,
        record: false,
        sample_ppm: ALL_PPM,
        body_bytes_max: 65_536,
        methods: Methods::ALL,
        redact_headers: Names::EMPTY,
        redaction_key: None,
        flush_interval_ms: 50,
        send_timeout_ms: 2000,
    };

    /// Checks `text`.
    pub fn try_from_json(text: &[u8]) -> Result<Self, ConfigError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(error(Refusal::TooLong, TEXT_BYTES_MAX, b""));
        }
        let mut draft = Draft {
            config: Self::DEFAULT,
            position: None,
            stamp_pair_id: None,
            record: None,
            excludes_given: false,
        };
        draft.read(text)?;
        draft.complete()
    }
}

impl Draft {
    fn read(&mut self, text: &[u8]) -> Result<(), ConfigError> {
        let syntax = |fault: Fault| error(Refusal::Syntax, fault.at, b"");
        let mut reader = Reader::try_new(text).map_err(syntax)?;
        if reader.value().map_err(syntax)? != Value::Object {
            return Err(error(Refusal::NotAnObject, 0, b""));
        }
        let mut seen = 0_u32;
        while let Some(raw) = reader.key(seen == 0).map_err(syntax)? {
            let at = reader.position();
            let mut buffer = [0; 64];
            let key = raw.unescaped(&mut buffer).unwrap_or(b"?");
            let Some(bit) = key_bit(key) else {
                return Err(error(Refusal::UnknownKey, at, key));
            };
            if seen & bit != 0 {
                return Err(error(Refusal::RepeatedKey, at, key));
            }
            seen |= bit;
            self.set(key, &mut reader)
                .map_err(|refusal| error(refusal, at, key))?;
        }
        reader
            .end()
            .map_err(|fault| error(Refusal::NotAnObject, fault.at, b""))
    }

    fn set(&mut self, key: &[u8], reader: &mut Reader<'_>) -> Result<(), Refusal> {
        let value = reader.value().map_err(|_| Refusal::Syntax)?;
        let config = &mut self.config;
        match key {
            b"position" => {
                self.position = Some(match word(value, &mut [0; 16])? {
                    b"inbound" => Position::Inbound,
                    b"upstream" => Position::Upstream,
                    b"outbound" => Position::Outbound,
                    _ => return Err(Refusal::OutOfRange),
                });
            }
            b"role" => {
                config.role = match word(value, &mut [0; 16])? {
                    b"primary" => 1,
                    b"candidate" => 2,
                    b"secondary" => 3,
                    _ => return Err(Refusal::OutOfRange),
                };
            }
            b"collector_cluster" => config.collector_cluster = name(value)?,
            b"collector_authority" => config.collector_authority = name(value)?,
            b"service" => config.service = text(value)?,
            b"stamp_pair_id" => self.stamp_pair_id = Some(boolean(value)?),
            b"record" => self.record = Some(boolean(value)?),
            b"sample_rate" => config.sample_ppm = rate(value)?,
            b"body_bytes_max" => config.body_bytes_max = whole(value, 0, BODY_BYTES_LIMIT)?,
            b"flush_interval_ms" => config.flush_interval_ms = whole(value, 10, 10_000)?,
            b"send_timeout_ms" => config.send_timeout_ms = whole(value, 100, 60_000)?,
            b"include_methods" => patterns(value, reader, &mut config.methods.include)?,
            b"exclude_methods" => {
                self.excludes_given = true;
                patterns(value, reader, &mut config.methods.exclude)?;
            }
            b"redact_headers" => {
                strings(value, reader, &mut config.redact_headers, is_header_name)?;
            }
            b"redaction_key" => {
                let key = text::<1024>(value)?;
                config.redaction_key = Some(key.as_bytes())
                    .filter(|key| !key.is_empty())
                    .map(Hmac::new);
            }
            _ => return Err(Refusal::UnknownKey),
        }
        Ok(())
    }

    /// Fills in what depends on other keys and checks what concerns several.
    fn complete(mut self) -> Result<Config, ConfigError> {
        let Some(position) = self.position else {
            return Err(error(Refusal::Missing, 0, b"position"));
        };
        let config = &mut self.config;
        let is_outbound = position == Position::Outbound;
        config.position = position;
        config.stamp_pair_id = self.stamp_pair_id.unwrap_or(is_outbound);
        config.record = self.record.unwrap_or(!is_outbound);
        if config.stamp_pair_id && position == Position::Upstream {
            // There the mirrored copy exists already: each side would get an id of its own.
            return Err(error(Refusal::OutOfRange, 0, b"stamp_pair_id"));
        }
        if config.record && config.collector_cluster.as_bytes().is_empty() {
            return Err(error(Refusal::Missing, 0, b"collector_cluster"));
        }
        if config.collector_authority.as_bytes().is_empty() {
            config.collector_authority = Text::cut(b"twintap-collector");
        }
        if !self.excludes_given {
            for pattern in EXCLUDED_BY_DEFAULT {
                if config.methods.exclude.push(pattern).is_none() {
                    return Err(error(Refusal::OutOfRange, 0, b"exclude_methods"));
                }
            }
        }
        let patterns = config
            .methods
            .include
            .len()
            .saturating_add(config.methods.exclude.len());
        if patterns > PATTERNS_MAX {
            return Err(error(Refusal::OutOfRange, 0, b"include_methods"));
        }
        Ok(self.config)
    }
}

fn key_bit(key: &[u8]) -> Option<u32> {
    let index = KEYS.iter().position(|known| *known == key)?;
    Some(1_u32 << index)
}

fn word<'b>(value: Value<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], Refusal> {
    raw(value)?.unescaped(buffer).ok_or(Refusal::OutOfRange)
}

fn text<const N: usize>(value: Value<'_>) -> Result<Text<N>, Refusal> {
    let mut buffer = [0; N];
    Ok(Text::cut(word(value, &mut buffer)?))
}

/// Text that may stand in a header value.
fn name(value: Value<'_>) -> Result<Text<256>, Refusal> {
    let name = text(value)?;
    let fits = |name: &[u8]| !name.is_empty() && name.iter().all(|b| (0x21..0x7f).contains(b));
    if fits(name.as_bytes()) {
        Ok(name)
    } else {
        Err(Refusal::OutOfRange)
    }
}

fn raw(value: Value<'_>) -> Result<RawText<'_>, Refusal> {
    match value {
        Value::Text(raw) => Ok(raw),
        _ => Err(Refusal::WrongType),
    }
}

fn boolean(value: Value<'_>) -> Result<bool, Refusal> {
    match value {
        Value::Bool(boolean) => Ok(boolean),
        _ => Err(Refusal::WrongType),
    }
}

fn number(value: Value<'_>) -> Result<Number, Refusal> {
    match value {
        Value::Number(number) => Ok(number),
        _ => Err(Refusal::WrongType),
    }
}

fn whole(value: Value<'_>, from: u64, to: u64) -> Result<u32, Refusal> {
    number(value)?
        .whole()
        .filter(|number| (from..=to).contains(number))
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(Refusal::OutOfRange)
}

/// A share in parts per million; one that is not 0 must not become 0.
fn rate(value: Value<'_>) -> Result<u32, Refusal> {
    let number = number(value)?;
    number
        .scaled(6)
        .filter(|ppm| *ppm <= u64::from(ALL_PPM) && (*ppm > 0 || number.is_zero()))
        .and_then(|ppm| u32::try_from(ppm).ok())
        .ok_or(Refusal::OutOfRange)
}

fn patterns(value: Value<'_>, reader: &mut Reader<'_>, into: &mut Names) -> Result<(), Refusal> {
    strings(value, reader, into, is_pattern)
}

fn strings(
    value: Value<'_>,
    reader: &mut Reader<'_>,
    into: &mut Names,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<(), Refusal> {
    if value != Value::Array {
        return Err(Refusal::WrongType);
    }
    let mut first = true;
    while reader.element(first).map_err(|_| Refusal::Syntax)? {
        first = false;
        let mut buffer = [0; 512];
        let element = reader.value().map_err(|_| Refusal::Syntax)?;
        let string = word(element, &mut buffer)?;
        if !fits(string) {
            return Err(Refusal::OutOfRange);
        }
        into.push(string).ok_or(Refusal::OutOfRange)?;
    }
    Ok(())
}

fn error(refusal: Refusal, at: usize, key: &[u8]) -> ConfigError {
    ConfigError {
        refusal,
        at,
        key: Text::cut(key),
    }
}

impl ConfigError {
    /// Writes the log line into `buffer`.
    pub fn message<'b>(&self, buffer: &'b mut [u8]) -> &'b [u8] {
        let reason: &[u8] = match self.refusal {
            Refusal::Syntax => b"not JSON",
            Refusal::NotAnObject => b"not one JSON object",
            Refusal::UnknownKey => b"unknown key",
            Refusal::RepeatedKey => b"repeated key",
            Refusal::WrongType => b"wrong type",
            Refusal::OutOfRange => b"value not allowed",
            Refusal::Missing => b"missing key",
            Refusal::TooLong => b"longer than 65536 bytes",
        };
        let mut line = Encoder::new(buffer);
        line.raw(b"twintap: configuration refused, traffic passes unrecorded: ");
        line.raw(reason);
        if !self.key.as_bytes().is_empty() {
            line.raw(b" `");
            line.raw(self.key.as_bytes());
            line.raw(b"`");
        }
        if self.at > 0 {
            line.raw(b" at byte ");
            decimal(&mut line, self.at);
        }
        let used = line.used();
        buffer.get(..used).unwrap_or_default()
    }
}

/// Writes `value`, below 10^8, in decimal: shift and add three, so that there is no division.
fn decimal(line: &mut Encoder<'_>, value: usize) {
    let mut digits = 0_u64;
    for bit in (0..27).rev() {
        // A decimal digit of 5 or more carries when it is doubled.
        let carries = (digits.wrapping_add(0x3333_3333) & 0x8888_8888) >> 3;
        digits = digits.wrapping_add(carries.wrapping_mul(3));
        digits = digits << 1 | (value >> bit & 1) as u64;
    }
    let mut started = false;
    for place in (0..8).rev() {
        let digit = (digits >> (place << 2) & 0x0f) as u8;
        started |= digit != 0 || place == 0;
        if started {
            line.raw(&[digit.wrapping_add(b'0')]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_in_decimal() {
        for value in [0, 7, 10, 99, 100, 65_536, 1_234_567, 99_999_999] {
            let mut buffer = [0; 16];
            let mut line = Encoder::new(&mut buffer);
            decimal(&mut line, value);
            let used = line.used();
            assert_eq!(
                std::str::from_utf8(&buffer[..used]).unwrap(),
                value.to_string()
            );
        }
    }
}
