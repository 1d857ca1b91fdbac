//! From secrets to keys: HKDF-Expand-Label (RFC 8446, section 7.1) and the PRF of TLS 1.2
//! (RFC 5246, section 5).
//!
//! The key log has the master secret of TLS 1.2 as it came out of its derivation, so it makes no
//! difference here whether that used the extended master secret (RFC 7627), nor how the keys were
//! exchanged, nor whether the session was resumed.

use ring::{aead, hkdf, hmac};
use zeroize::Zeroizing;

use super::hello::Random;
use super::key_log::{ClientRandom, Secret};
use super::protection::Protection;
use super::suite::{Aead, Hash, Suite};

/// Key and IV of one traffic secret of TLS 1.3.
pub(super) fn traffic_keys(suite: Suite, secret: &Secret) -> Option<Protection> {
    let mut key = Zeroizing::new([0; 32]);
    let key = key.get_mut(..suite.aead.algorithm().key_len())?;
    let mut iv = [0; aead::NONCE_LEN];
    expand_label(suite.hash, secret, b"key", key)?;
    expand_label(suite.hash, secret, b"iv", &mut iv)?;
    Protection::tls13(suite.aead, key, iv)
}

/// The traffic secret after a KeyUpdate.
pub(super) fn updated(hash: Hash, secret: &Secret) -> Option<Secret> {
    let mut next = Zeroizing::new([0; 48]);
    let next = next.get_mut(..hash.output_len())?;
    expand_label(hash, secret, b"traffic upd", next)?;
    Secret::new(next)
}

/// The keys of both ways of TLS 1.2: the client's, then the server's.
pub(super) fn key_block(
    suite: Suite,
    master: &Secret,
    client_random: &ClientRandom,
    server_random: &Random,
) -> Option<(Protection, Protection)> {
    // Two keys of at most 32 bytes, two fixed IVs of at most 12.
    let mut block = Zeroizing::new([0; 2 * (32 + 12)]);
    let seed = [&server_random[..], client_random].concat();
    prf(
        suite.hash,
        master.bytes(),
        b"key expansion",
        &seed,
        &mut block[..],
    );
    let iv_len = match suite.aead {
        Aead::Aes128Gcm | Aead::Aes256Gcm => 4,
        Aead::ChaCha20Poly1305 => 12,
    };
    let (client_key, rest) = block.split_at_checked(suite.aead.algorithm().key_len())?;
    let (server_key, rest) = rest.split_at_checked(client_key.len())?;
    let (client_iv, rest) = rest.split_at_checked(iv_len)?;
    let server_iv = rest.get(..iv_len)?;
    Some((
        Protection::tls12(suite.aead, client_key, client_iv)?,
        Protection::tls12(suite.aead, server_key, server_iv)?,
    ))
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label with an empty context, as all that is derived from traffic secrets has.
fn expand_label(hash: Hash, secret: &Secret, label: &[u8], out: &mut [u8]) -> Option<()> {
    let len = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_len = u8::try_from(b"tls13 ".len() + label.len()).ok()?;
    let parts = [&len[..], &[label_len], b"tls13 ", label, &[0]];
    let key = hkdf::Prk::new_less_safe(hash.hkdf(), secret.bytes());
    let expanded = key.expand(&parts, Len(out.len())).ok()?;
    expanded.fill(out).ok()
}

/// `PRF(secret, label, seed)`, as much of it as `out` takes.
fn prf(hash: Hash, secret: &[u8], label: &[u8], seed: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hash.hmac(), secret);
    let sign = |parts: &[&[u8]]| {
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        context.sign()
    };
    let mut a = sign(&[label, seed]);
    for chunk in out.chunks_mut(hash.output_len()) {
        let block = sign(&[a.as_ref(), label, seed]);
        chunk
            .iter_mut()
            .zip(block.as_ref())
            .for_each(|(to, from)| *to = *from);
        a = sign(&[a.as_ref()]);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
