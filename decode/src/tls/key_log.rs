//! The key log: what peers write to `SSLKEYLOGFILE`, and pcapng keeps in Decryption Secrets Blocks.
//!
//! One secret a line (RFC 9850): a label, the client random, the secret, both in hexadecimal,
//! between single spaces. `#` begins a comment. Read are the labels of [`Label`]; lines of other
//! labels are counted and passed over. Secrets are overwritten when they are dropped, and never
//! printed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use zeroize::Zeroize;

/// Connections that one key log has secrets of. Later ones are not taken in.
pub const CONNECTIONS_MAX: usize = 1 << 18;

/// Bytes of the longest secret: a TLS 1.2 master secret, or the output of SHA-384.
const SECRET_BYTES_MAX: usize = 48;

/// What names a connection: the random of its ClientHello.
pub type ClientRandom = [u8; 32];

/// Which secret a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    Master,
    /// `CLIENT_EARLY_TRAFFIC_SECRET`.
    ClientEarly,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`.
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`.
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`.
    ClientApplication,
    /// `SERVER_TRAFFIC_SECRET_0`.
    ServerApplication,
}

impl Label {
    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientApplication,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerApplication,
            _ => return None,
        })
    }
}

/// A secret.
#[derive(Clone)]
pub(super) struct Secret {
    bytes: [u8; SECRET_BYTES_MAX],
    len: usize,
}

impl Secret {
    /// `None` if it is longer than any secret is.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self {
            bytes: [0; SECRET_BYTES_MAX],
            len: bytes.len(),
        };
        secret.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(secret)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}

/// The secrets of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Vec<(Label, Secret)>);

impl Secrets {
    pub(super) fn of(&self, label: Label) -> Option<&Secret> {
        let found = self.0.iter().find(|(its, _)| *its == label);
        found.map(|(_, secret)| secret)
    }

    /// What is logged again replaces what was.
    fn put(&mut self, label: Label, secret: Secret) {
        match self.0.iter_mut().find(|(its, _)| *its == label) {
            Some((_, its)) => *its = secret,
            None => self.0.push((label, secret)),
        }
    }
}

/// What became of the lines of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Secrets taken in.
    pub secrets: u64,
    /// Lines of labels that are not needed here, such as exporter secrets.
    pub unknown: u64,
    /// Lines that are no line of a key log.
    pub malformed: u64,
    /// The number of the first malformed line, counted from 1.
    pub malformed_line: Option<u64>,
    /// Secrets beyond [`CONNECTIONS_MAX`] connections.
    pub over_limit: u64,
}

impl Added {
    /// Adds what became of another text.
    pub fn merge(&mut self, other: &Self) {
        self.secrets += other.secrets;
        self.unknown += other.unknown;
        self.malformed += other.malformed;
        self.malformed_line = self.malformed_line.or(other.malformed_line);
        self.over_limit += other.over_limit;
    }
}

/// Secrets of connections, by client random.
#[derive(Debug, Default)]
pub struct KeyLog {
    /// Read before, and shared.
    base: Option<Arc<KeyLog>>,
    connections: HashMap<ClientRandom, Secrets, RandomState>,
}

impl KeyLog {
    /// A key log that has `base` and what is added to it.
    pub fn over(base: Arc<Self>) -> Self {
        Self {
            base: Some(base),
            ..Self::default()
        }
    }

    /// Connections it has secrets of.
    pub fn connections_count(&self) -> usize {
        let base = self.base.as_ref().map_or(0, |it| it.connections_count());
        base + self.connections.len()
    }

    /// Takes in the lines of `text`.
    pub fn add(&mut self, text: &[u8]) -> Added {
        let mut added = Added::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match parse(line) {
                Line::Secret(label, random, secret) => {
                    let is_known = self.connections.contains_key(&random);
                    if !is_known && self.connections.len() >= CONNECTIONS_MAX {
                        added.over_limit += 1;
                        continue;
                    }
                    added.secrets += 1;
                    self.connections
                        .entry(random)
                        .or_default()
                        .put(label, secret);
                }
                Line::Unknown => added.unknown += 1,
                Line::Malformed => {
                    added.malformed += 1;
                    added.malformed_line.get_or_insert(number);
                }
            }
        }
        added
    }

    /// The secret of a connection; what was added last counts.
    pub(super) fn find(&self, random: &ClientRandom, label: Label) -> Option<&Secret> {
        let own = self.connections.get(random);
        let own = own.and_then(|secrets| secrets.of(label));
        own.or_else(|| self.base.as_ref()?.find(random, label))
    }
}

enum Line {
    Secret(Label, ClientRandom, Secret),
    Unknown,
    Malformed,
}

fn parse(line: &[u8]) -> Line {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(name), Some(random), Some(secret), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Line::Malformed;
    };
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if !name.iter().all(is_name) {
        return Line::Malformed;
    }
    let Some(label) = Label::parse(name) else {
        return Line::Unknown;
    };
    let mut client_random = [0; 32];
    let mut bytes = [0; SECRET_BYTES_MAX];
    let is_random = unhex(random, &mut client_random) == Some(32);
    let parsed = match unhex(secret, &mut bytes) {
        // The outputs of SHA-256 and SHA-384, which a master secret is as long as.
        Some(len @ (32 | 48)) if is_random => bytes.get(..len).and_then(Secret::new),
        _ => None,
    };
    bytes.zeroize();
    match parsed {
        Some(secret) if label != Label::Master || secret.len == SECRET_BYTES_MAX => {
            Line::Secret(label, client_random, secret)
        }
        _ => Line::Malformed,
    }
}

/// Reads hexadecimal digits into the front of `bytes`; answers how many bytes they are.
fn unhex(digits: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > bytes.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(pairs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, random: u8, secret: u8, len: usize) -> String {
        let hex = |byte: u8, len: usize| format!("{byte:02x}").repeat(len);
        format!("{label} {} {}\n", hex(random, 32), hex(secret, len))
    }

    #[test]
    fn secrets_are_found_by_client_random_and_label() {
        let mut log = KeyLog::default();
        let text = line("CLIENT_RANDOM", 1, 2, 48) + &line("SERVER_TRAFFIC_SECRET_0", 3, 0xab, 32);
        assert_eq!(log.add(text.as_bytes()).secrets, 2);
        let find = |random: u8, label| log.find(&[random; 32], label).map(Secret::bytes);
        assert_eq!(find(1, Label::Master), Some(&[2; 48][..]));
        assert_eq!(find(3, Label::ServerApplication), Some(&[0xab; 32][..]));
        assert_eq!(find(3, Label::ClientApplication), None);
        assert_eq!(find(2, Label::Master), None);
    }

    #[test]
    fn every_line_that_is_no_comment_is_counted_once() {
        let mut log = KeyLog::default();
        let text = [
            "# made by a browser\r\n\r\n",
            &line("CLIENT_RANDOM", 1, 2, 48).replace('\n', "\r\n"),
            &line("EXPORTER_SECRET", 1, 2, 32),
            "RSA 0011223344556677 00\n",
            &line("CLIENT_RANDOM", 1, 2, 32),
            "CLIENT_RANDOM zz 00\n",
            "what is this\n",
            &line("CLIENT_TRAFFIC_SECRET_0", 1, 2, 47),
        ];
        let added = log.add(text.concat().as_bytes());
        let expected = Added {
            secrets: 1,
            unknown: 2,
            malformed: 4,
            malformed_line: Some(6),
            over_limit: 0,
        };
        assert_eq!(added, expected);
    }

    #[test]
    fn what_is_added_lies_over_the_base() {
        let mut base = KeyLog::default();
        base.add((line("CLIENT_RANDOM", 1, 1, 48) + &line("CLIENT_RANDOM", 2, 2, 48)).as_bytes());
        let mut log = KeyLog::over(Arc::new(base));
        log.add(line("CLIENT_RANDOM", 1, 9, 48).as_bytes());
        let find = |random: u8| log.find(&[random; 32], Label::Master).map(Secret::bytes);
        assert_eq!(find(1), Some(&[9; 48][..]));
        assert_eq!(find(2), Some(&[2; 48][..]));
    }

    #[test]
    fn secrets_are_never_printed() {
        let mut log = KeyLog::default();
        log.add(line("CLIENT_RANDOM", 1, 0xcd, 48).as_bytes());
        let printed = format!("{log:?}");
        assert!(
            !printed.contains("205") && !printed.contains("cd"),
            "{printed}"
        );
    }
}
