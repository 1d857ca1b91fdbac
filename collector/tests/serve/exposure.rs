//! Who may send records: TLS, client certificates, bearer tokens, and the refusal to do without.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::batches::Sender;
use super::client::{Answer, Client, post_head};
use super::collector::{Collector, stored};

const TOKEN: &str = "a-token-that-nobody-guesses";

fn check_config(keys: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.arg("check-config");
    for key in keys {
        command.args(["--set", key]);
    }
    command.output().unwrap()
}

#[test]
fn a_variable_that_is_not_text_is_refused_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let value = std::ffi::OsStr::from_bytes(b"/a/token\xff");
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let output = command.arg("check-config").env("TWINTAP_TOKEN_FILE", value);
    let output = output.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("TWINTAP_TOKEN_FILE: its value is not UTF-8"),
        "{told}"
    );
}

#[test]
fn beyond_loopback_it_says_what_protects_and_does_not_start() {
    for address in ["0.0.0.0:9090", "[::]:9090", "10.1.2.3:9090"] {
        let listen = format!("listen={address}");
        let output = check_config(&[&listen]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        for word in [
            "is not loopback",
            "tls_certificate_file",
            "token_file",
            "allow_unauthenticated",
        ] {
            assert!(told.contains(word), "{word} in {told}");
        }
        for (protection, missing) in [
            (&["token_file=/absent/token"][..], Some("/absent/token")),
            (
                &[
                    "tls_certificate_file=/absent/crt",
                    "tls_private_key_file=/absent/key",
                    "tls_client_ca_file=/absent/ca",
                ],
                Some("/absent/"),
            ),
            (&["allow_unauthenticated=true"], None),
        ] {
            let keys = [&[listen.as_str()][..], protection].concat();
            let output = check_config(&keys);
            let told = String::from_utf8(output.stderr).unwrap();
            let expected = if missing.is_some() { 3 } else { 0 };
            assert_eq!(output.status.code(), Some(expected), "{keys:?}: {told}");
            if let Some(missing) = missing {
                assert!(told.contains("serve would not start"), "{told}");
                assert!(told.contains(missing), "{told}");
            }
            let is_told = String::from_utf8(output.stdout)
                .unwrap()
                .contains("whoever reaches the port");
            assert_eq!(
                is_told,
                protection == ["allow_unauthenticated=true"],
                "{keys:?}"
            );
        }
    }
}

#[test]
fn files_of_tokens_are_read_to_check_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    for (tokens, expected) in [("", 2), ("too short\n", 2), (TOKEN, 0)] {
        fs::write(&file, tokens).unwrap();
        let output = check_config(&[&format!("token_file={}", file.display())]);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{tokens:?}: {output:?}"
        );
    }
}

#[test]
fn files_that_hold_no_certificate_are_a_wrong_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crt");
    for (pem, expected) in [("", 2), ("-----BEGIN CERTIFICATE-----\n", 2)] {
        fs::write(&file, pem).unwrap();
        let keys = ["tls_certificate_file", "tls_private_key_file"]
            .map(|key| format!("{key}={}", file.display()));
        let output = check_config(&[&keys[0], &keys[1]]);
        assert_eq!(output.status.code(), Some(expected), "{pem:?}: {output:?}");
    }
}

#[test]
fn half_of_a_tls_configuration_is_refused() {
    for (key, needed) in [
        ("tls_certificate_file", "tls_private_key_file"),
        ("tls_private_key_file", "tls_certificate_file"),
        ("tls_client_ca_file", "tls_certificate_file"),
    ] {
        let output = check_config(&[&format!("{key}=/x")]);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        let expected = format!("{key} is of no use without {needed}");
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn with_a_token_file_only_its_tokens_may_send() {
    let data = tempfile::tempdir().unwrap();
    let tokens = data.path().join("tokens");
    fs::write(&tokens, format!("another-token-of-mine\n{TOKEN}\n")).unwrap();
    let directory = data.path().join("data");
    let collector = Collector::start(&directory, &[&format!("token_file={}", tokens.display())]);
    let batch = Sender::new(7).encoded(3);

    let refused = collector.post(&batch);
    assert_eq!(refused.status, 401);
    assert!(
        refused.head.contains("www-authenticate: bearer"),
        "{}",
        refused.head
    );
    assert!(
        refused.body.contains(r#""code":"unauthorized""#),
        "{}",
        refused.body
    );
    let wrong = post_with(
        &collector,
        &batch,
        "authorization: Bearer a-token-that-somebody-guesses\r\n",
    );
    assert_eq!(wrong.status, 401);
    let taken = post_with(
        &collector,
        &batch,
        &format!("authorization: Bearer {TOKEN}\r\n"),
    );
    assert_eq!(taken.status, 200);
    // Probes have no token.
    assert_eq!(collector.client().get("/readyz").unwrap().status, 200);
    let metrics = collector.metrics();
    assert!(metrics.contains("unauthorized"), "{metrics}");
    assert!(collector.stop().success());
    assert_eq!(stored(&directory).len(), 3);
}

fn post_with(collector: &Collector, batch: &[u8], headers: &str) -> Answer {
    let mut client = collector.client();
    client.send(&request(batch, headers)).unwrap();
    client.answer().unwrap()
}

fn request(batch: &[u8], headers: &str) -> Vec<u8> {
    let head =
        post_head(batch.len()).replace("host: test\r\n", &format!("host: test\r\n{headers}"));
    [head.as_bytes(), batch].concat()
}

#[test]
fn a_token_file_that_is_none_stops_it_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let tokens = data.path().join("tokens");
    fs::write(&tokens, "short\n").unwrap();
    let told = refuses_to_start(data.path(), &[("token_file", &tokens)]);
    assert!(told.contains("tokens:1: a token has at least 16"), "{told}");
    let told = refuses_to_start(data.path(), &[("token_file", &data.path().join("none"))]);
    assert!(told.contains("failed to read tokens from"), "{told}");
}

fn refuses_to_start(data_dir: &Path, files: &[(&str, &Path)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data_dir.join("data"));
    for (key, path) in files {
        command.args(["--set", &format!("{key}={}", path.display())]);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// An authority, and what it signs, in files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Authority {
    fn new(directory: &Path) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("ca.crt"), issuer.pem()).unwrap();
        Self {
            issuer,
            directory: directory.to_owned(),
        }
    }

    fn ca(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// Files of a certificate for `name`, and of its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // Else it has the name of its issuer, which would make it its own.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        fs::write(file("crt"), certificate.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        (file("crt"), file("key"))
    }

    fn keys(&self) -> Vec<String> {
        let (certificate, key) = self.sign("localhost");
        vec![
            format!("tls_certificate_file={}", certificate.display()),
            format!("tls_private_key_file={}", key.display()),
        ]
    }

    /// A client that trusts this authority.
    fn client(&self, identity: Option<&(PathBuf, PathBuf)>) -> ClientConfig {
        use rustls::pki_types::pem::PemObject;
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(key).unwrap(),
                )
                .unwrap(),
        }
    }
}

/// The status of a POST over TLS.
fn post_over_tls(
    collector: &Collector,
    config: ClientConfig,
    batch: &[u8],
) -> std::io::Result<String> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection =
        ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(collector.address)?);
    stream.write_all(&request(batch, "connection: close\r\n"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn start(data_dir: &Path, keys: &[String]) -> Collector {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    Collector::start(data_dir, &keys)
}

#[test]
fn records_come_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let data_dir = directory.path().join("data");
    let collector = start(&data_dir, &authority.keys());
    let batch = Sender::new(7).encoded(3);
    let answer = post_over_tls(&collector, authority.client(None), &batch).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let stranger = Authority::new(&directory.path().join("stranger"));
    let error = post_over_tls(&collector, stranger.client(None), &batch).unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
    // Nor does it speak in the clear.
    let mut clear = Client::connect(collector.address).unwrap();
    assert!(clear.post(&batch).is_err());
    assert!(collector.stop().success());
    assert_eq!(stored(&data_dir).len(), 3);
}

#[test]
fn with_an_authority_of_clients_only_their_certificates_may_connect() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let data_dir = directory.path().join("data");
    let mut keys = authority.keys();
    keys.push(format!("tls_client_ca_file={}", authority.ca().display()));
    let collector = start(&data_dir, &keys);
    let batch = Sender::new(7).encoded(3);
    let filter = authority.sign("filter");
    let answer = post_over_tls(&collector, authority.client(Some(&filter)), &batch).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    assert!(post_over_tls(&collector, authority.client(None), &batch).is_err());
    let stranger = Authority::new(&directory.path().join("stranger")).sign("filter");
    assert!(post_over_tls(&collector, authority.client(Some(&stranger)), &batch).is_err());
    assert!(collector.stop().success());
    assert_eq!(stored(&data_dir).len(), 3);
}

#[test]
fn files_that_are_no_certificates_stop_it_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let (certificate, key) = authority.sign("localhost");
    let (_, other_key) = authority.sign("other");
    let none = directory.path().join("none");
    for (certificate, key, expected) in [
        (&none, &key, "failed to read certificates from"),
        (&key, &key, "failed to read certificates from"),
        (&certificate, &none, "failed to read a private key from"),
        (
            &certificate,
            &certificate,
            "failed to read a private key from",
        ),
        (&certificate, &other_key, "cannot be used"),
    ] {
        let files: [(&str, &Path); 2] = [
            ("tls_certificate_file", certificate),
            ("tls_private_key_file", key),
        ];
        let told = refuses_to_start(directory.path(), &files);
        assert!(told.contains(expected), "{told}");
    }
}
