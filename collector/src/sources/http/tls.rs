//! TLS of the HTTP port: certificate, key and clients' authority from PEM files, read again when they change.
//!
//! A certificate that is renewed in place (cert-manager does so) is picked up without a restart: with each
//! connection, but at most once in [`RELOAD_INTERVAL`], the files' times are looked at. What cannot be read
//! then is logged and changes nothing: connections go on with what was good before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::clock::Clock;

/// How often the files are looked at, if there are connections.
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
        source: rustls::pki_types::pem::Error,
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

/// Accepts TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    looked_at: Duration,
    modified: Vec<Option<SystemTime>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads `files`.
    pub fn open(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        // Before they are read: what changes in between is read again.
        let modified = files.modified();
        let current = Current {
            acceptor: files.acceptor()?,
            looked_at: clock.monotonic(),
            modified,
        };
        Ok(Self {
            files,
            clock,
            current: Mutex::new(current),
        })
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if now.saturating_sub(current.looked_at) >= RELOAD_INTERVAL {
            current.looked_at = now;
            self.reload(&mut current);
        }
        current.acceptor.clone()
    }

    fn reload(&self, current: &mut Current) {
        let modified = self.files.modified();
        if modified == current.modified {
            return;
        }
        current.modified = modified;
        match self.files.acceptor() {
            Ok(acceptor) => {
                current.acceptor = acceptor;
                info!(certificate = %self.files.certificate.display(), "read the renewed certificate");
            }
            Err(error) => {
                warn!(%error, "the renewed certificate cannot be used, keeping the one before")
            }
        }
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
        none if none.is_empty() => Err(fail(rustls::pki_types::pem::Error::NoItemsFound)),
        some => Ok(some),
    }
}

fn unreadable(what: &'static str, path: &Path, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Clock(AtomicU64);

    impl crate::clock::Clock for Clock {
        fn unix_ns(&self) -> u64 {
            0
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

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
        let clock = Arc::new(Clock::default());
        let tls = Tls::open(files.clone(), Arc::clone(&clock) as _).unwrap();
        let later = || {
            clock
                .0
                .fetch_add(RELOAD_INTERVAL.as_secs(), Ordering::Relaxed)
        };

        let first = tls.acceptor();
        write(&files, 2);
        assert!(same(&first, &tls.acceptor()), "too early to look again");
        later();
        let second = tls.acceptor();
        assert!(!same(&first, &second));
        later();
        assert!(same(&second, &tls.acceptor()), "nothing has changed");

        fs::write(&files.certificate, "none").unwrap();
        touch(&files.certificate, 3);
        later();
        assert!(same(&second, &tls.acceptor()), "the last good one stays");
        write(&files, 4);
        later();
        assert!(!same(&second, &tls.acceptor()));
    }
}
