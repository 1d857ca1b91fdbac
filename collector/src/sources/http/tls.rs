//! TLS of the HTTP port: certificate, key and clients' authority from PEM files, read again when they change.
//!
//! A certificate that is renewed in place (cert-manager does so) is picked up without a restart: every
//! [`RELOAD_INTERVAL`] whoever serves calls [`Tls::reload`], which looks at the files' times. What cannot be
//! read then is logged and changes nothing: connections go on with what was good before. A connection never
//! waits for a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// How often the files are looked at.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// The protocols we speak, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificate and key are. All in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// If given, clients must have a certificate that one of these signed.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of the kind.
    #[error("failed to read {what} from {}: {source}", path.display())]
    Unreadable {
        /// What should be in it.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("certificate {} and its key cannot be used: {source}", path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Nothing to check clients by.
    #[error("client certificates cannot be checked by {}: {source}", path.display())]
    ClientCa {
        /// The file of authorities.
        path: PathBuf,
        /// What is wrong.
        source: rustls::server::VerifierBuilderError,
    },
}

impl TlsError {
    /// Can the files be read, and are not what they should be?
    pub fn is_invalid(&self) -> bool {
        !matches!(
            self,
            Self::Unreadable {
                source: pem::Error::Io(_),
                ..
            }
        )
    }
}

/// Accepts TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    modified: Vec<Option<SystemTime>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads `files`.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        // Before they are read: what changes in between is read again.
        let modified = files.modified();
        let current = Current {
            acceptor: files.acceptor()?,
            modified,
        };
        Ok(Self {
            files,
            current: Mutex::new(current),
        })
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current().acceptor.clone()
    }

    /// Reads the files again if they have changed. Blocks on them, but no [`Self::acceptor`] meanwhile.
    pub fn reload(&self) {
        let modified = self.files.modified();
        if modified == self.current().modified {
            return;
        }
        let renewed = self.files.acceptor();
        let mut current = self.current();
        current.modified = modified;
        match renewed {
            Ok(acceptor) => {
                current.acceptor = acceptor;
                info!(certificate = %self.files.certificate.display(), "read the renewed certificate");
            }
            Err(error) => {
                warn!(%error, "the renewed certificate cannot be used, keeping the one before")
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsFiles {
    fn modified(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.certificate, &self.private_key];
        let files = files.into_iter().chain(&self.client_ca);
        let modified = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        files.map(modified).collect()
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |source| TlsError::Unusable {
            path: self.certificate.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(unusable)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.build().map_err(|source| TlsError::ClientCa {
                    path: path.clone(),
                    source,
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let private_key = PrivateKeyDer::from_pem_file(&self.private_key)
            .map_err(|source| unreadable("a private key", &self.private_key, source))?;
        let mut config = builder
            .with_single_cert(certificates(&self.certificate)?, private_key)
            .map_err(unusable)?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |source| unreadable("certificates", path, source);
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(fail)?.collect();
    match all.map_err(fail)? {
        none if none.is_empty() => Err(fail(pem::Error::NoItemsFound)),
        some => Ok(some),
    }
}

fn unreadable(what: &'static str, path: &Path, source: pem::Error) -> TlsError {
    TlsError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles, seconds: u64) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, signed.cert.pem()).unwrap();
        fs::write(&files.private_key, signed.signing_key.serialize_pem()).unwrap();
        touch(&files.certificate, seconds);
    }

    /// Times of files may be as coarse as the test is fast.
    fn touch(path: &Path, seconds: u64) {
        let file = fs::File::options().write(true).open(path).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    }

    fn same(one: &TlsAcceptor, other: &TlsAcceptor) -> bool {
        Arc::ptr_eq(one.config(), other.config())
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: directory.path().join("crt"),
            private_key: directory.path().join("key"),
            client_ca: None,
        };
        write(&files, 1);
        let tls = Tls::open(files.clone()).unwrap();
        let first = tls.acceptor();
        write(&files, 2);
        assert!(same(&first, &tls.acceptor()), "a connection reads no file");
        tls.reload();
        let second = tls.acceptor();
        assert!(!same(&first, &second));
        tls.reload();
        assert!(same(&second, &tls.acceptor()), "nothing has changed");

        fs::write(&files.certificate, "none").unwrap();
        touch(&files.certificate, 3);
        tls.reload();
        assert!(same(&second, &tls.acceptor()), "the last good one stays");
        write(&files, 4);
        tls.reload();
        assert!(!same(&second, &tls.acceptor()));
    }
}
