//! Two real TLS peers in memory, what they sent as a watcher would see it, and their key log.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, KeyLog, ServerConfig, ServerConnection,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use twintap_decode::stream::Way;

/// What the peers of one test are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) version: &'static SupportedProtocolVersion,
    /// `None`: all of the version.
    pub(crate) suite: Option<SupportedCipherSuite>,
    /// Does the client guess a key exchange that the server does not take?
    pub(crate) hello_retry: bool,
    /// Bytes of the longest record; `None`: as many as TLS allows.
    pub(crate) record_bytes_max: Option<usize>,
}

impl Options {
    pub(crate) fn tls12() -> Self {
        Self {
            version: &rustls::version::TLS12,
            ..Self::tls13()
        }
    }

    pub(crate) fn tls13() -> Self {
        Self {
            version: &rustls::version::TLS13,
            suite: None,
            hello_retry: false,
            record_bytes_max: None,
        }
    }
}

/// What happens once the connection is there.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Application data.
    Send(Way, Vec<u8>),
    /// KeyUpdate.
    Rekey(Way),
}

/// What was seen of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Bytes as they were sent, in order. The client's are forward.
    pub(crate) sent: Vec<(Way, Vec<u8>)>,
    pub(crate) key_log: Vec<u8>,
    /// Application data.
    pub(crate) forward: Vec<u8>,
    pub(crate) reverse: Vec<u8>,
}

impl Seen {
    pub(crate) fn plain(&self, way: Way) -> &[u8] {
        match way {
            Way::Forward => &self.forward,
            Way::Reverse => &self.reverse,
        }
    }

    /// All bytes of one way.
    pub(crate) fn cipher(&self, way: Way) -> Vec<u8> {
        let its = self.sent.iter().filter(|(its, _)| *its == way);
        its.flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

/// A client and a server that know each other from one connection to the next.
pub(crate) struct Peers {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    log: Arc<Log>,
}

impl Peers {
    pub(crate) fn new(options: Options) -> Self {
        let log = Arc::new(Log::default());
        let groups = ring::default_provider().kx_groups;
        let retried = groups.iter().rev().take(1).copied().collect();
        let server_groups = if options.hello_retry {
            retried
        } else {
            groups.clone()
        };
        let builder = ClientConfig::builder_with_provider(provider(options, groups))
            .with_protocol_versions(&[options.version])
            .unwrap();
        let mut client = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny))
            .with_no_client_auth();
        client.key_log = Arc::<Log>::clone(&log);
        client.enable_early_data = true;
        client.max_fragment_size = options.record_bytes_max;
        Self {
            client: Arc::new(client),
            server: Arc::new(server(options, server_groups)),
            log,
        }
    }

    /// The server forgets whom it knew.
    pub(crate) fn restart_server(&mut self, options: Options) {
        self.server = Arc::new(server(options, ring::default_provider().kx_groups));
    }

    /// A connection on which this happens. `early` is sent as early data, if that is possible.
    pub(crate) fn connect(&self, early: &[u8], acts: &[Act]) -> Seen {
        self.log.0.lock().unwrap().clear();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        client.set_buffer_limit(None);
        server.set_buffer_limit(None);
        let mut seen = Seen::default();
        if !early.is_empty() {
            let mut writer = client.early_data().unwrap();
            writer.write_all(early).unwrap();
        }
        pump(&mut client, &mut server, &mut seen);
        assert!(!client.is_handshaking() && !server.is_handshaking());
        if !early.is_empty() && client.is_early_data_accepted() {
            seen.forward = [early, &seen.forward].concat();
        }
        for act in acts {
            match act {
                Act::Send(Way::Forward, bytes) => client.writer().write_all(bytes).unwrap(),
                Act::Send(Way::Reverse, bytes) => server.writer().write_all(bytes).unwrap(),
                Act::Rekey(Way::Forward) => client.refresh_traffic_keys().unwrap(),
                Act::Rekey(Way::Reverse) => server.refresh_traffic_keys().unwrap(),
            }
            pump(&mut client, &mut server, &mut seen);
        }
        seen.key_log.clone_from(&self.log.0.lock().unwrap());
        seen
    }
}

/// One connection of new peers.
pub(crate) fn connect(options: Options, acts: &[Act]) -> Seen {
    Peers::new(options).connect(&[], acts)
}

/// Passes on what there is until nobody has anything to say.
fn pump(client: &mut ClientConnection, server: &mut ServerConnection, seen: &mut Seen) {
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        feed(&up, |bytes| {
            server.read_tls(bytes).unwrap();
            let state = server.process_new_packets().unwrap();
            take(
                &mut server.reader(),
                state.plaintext_bytes_to_read(),
                &mut seen.forward,
            );
        });
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        feed(&down, |bytes| {
            client.read_tls(bytes).unwrap();
            let state = client.process_new_packets().unwrap();
            take(
                &mut client.reader(),
                state.plaintext_bytes_to_read(),
                &mut seen.reverse,
            );
        });
        if up.is_empty() && down.is_empty() {
            return;
        }
        seen.sent.extend([(Way::Forward, up), (Way::Reverse, down)]);
        seen.sent.retain(|(_, bytes)| !bytes.is_empty());
    }
}

fn feed(mut bytes: &[u8], mut to: impl FnMut(&mut &[u8])) {
    while !bytes.is_empty() {
        to(&mut bytes);
    }
}

fn take(reader: &mut impl Read, len: usize, plain: &mut Vec<u8>) {
    let at = plain.len();
    plain.resize(at + len, 0);
    reader.read_exact(&mut plain[at..]).unwrap();
}

fn provider(options: Options, groups: Vec<&'static dyn SupportedKxGroup>) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.kx_groups = groups;
    if let Some(suite) = options.suite {
        provider.cipher_suites = vec![suite];
    }
    Arc::new(provider)
}

fn server(options: Options, groups: Vec<&'static dyn SupportedKxGroup>) -> ServerConfig {
    let certificate = CertificateDer::from(&include_bytes!("../cases/tls/server.crt.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("../cases/tls/server.key.der")[..]);
    let builder = ServerConfig::builder_with_provider(provider(options, groups))
        .with_protocol_versions(&[options.version])
        .unwrap();
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    config.max_early_data_size = 1 << 16;
    config.max_fragment_size = options.record_bytes_max;
    config
}

/// Writes the key log.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<u8>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| -> String {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect()
        };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().unwrap().extend(line.as_bytes());
    }
}

/// Does not care who the server is.
#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
