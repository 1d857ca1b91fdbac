//! Cipher suites, as far as they matter to who has the secrets: version, AEAD and hash.

use ring::{aead, hkdf, hmac};

/// TLS 1.2 or 1.3. Earlier versions have no AEAD suites, and HTTP/2 forbids them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// The AEAD that protects records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aead {
    /// AEAD_AES_128_GCM.
    Aes128Gcm,
    /// AEAD_AES_256_GCM.
    Aes256Gcm,
    /// AEAD_CHACHA20_POLY1305.
    ChaCha20Poly1305,
}

/// The hash of HKDF and of the PRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

/// A cipher suite. How keys are exchanged makes no difference: the key log has what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) version: Version,
    pub(super) aead: Aead,
    pub(super) hash: Hash,
}

impl Suite {
    /// By its number in the IANA registry, which the ServerHello has; `None` if it is no AEAD suite
    /// of these three.
    pub(super) fn from_id(id: u16) -> Option<Self> {
        use Aead::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
        use Hash::{Sha256, Sha384};
        use Version::{Tls12, Tls13};
        let (version, aead, hash) = match id {
            0x1301 => (Tls13, Aes128Gcm, Sha256),
            0x1302 => (Tls13, Aes256Gcm, Sha384),
            0x1303 => (Tls13, ChaCha20Poly1305, Sha256),
            // RSA, DHE, DH, anonymous and pre-shared keys (RFC 5288, RFC 5487), in pairs.
            0x009c..=0x00ad if id.is_multiple_of(2) => (Tls12, Aes128Gcm, Sha256),
            0x009c..=0x00ad => (Tls12, Aes256Gcm, Sha384),
            // ECDHE and ECDH (RFC 5289); ECDHE with pre-shared keys (RFC 8442).
            0xc02b | 0xc02d | 0xc02f | 0xc031 | 0xd001 => (Tls12, Aes128Gcm, Sha256),
            0xc02c | 0xc02e | 0xc030 | 0xc032 | 0xd002 => (Tls12, Aes256Gcm, Sha384),
            // RFC 7905.
            0xcca8..=0xccae => (Tls12, ChaCha20Poly1305, Sha256),
            _ => return None,
        };
        Some(Self {
            version,
            aead,
            hash,
        })
    }
}

impl Aead {
    pub(super) fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

impl Hash {
    pub(super) fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    /// Bytes of its output, which a traffic secret has too.
    pub(super) fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}
