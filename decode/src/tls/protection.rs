//! Record protection: opening one record with a key, an IV and a sequence number.

use ring::aead;

use super::record::{HEADER_BYTES, RecordHeader};
use super::suite::Aead;

/// Bytes of the authentication tag of all three AEADs.
pub(super) const TAG_BYTES: usize = 16;

/// Bytes of the nonce that AES-GCM records of TLS 1.2 carry.
const EXPLICIT_NONCE_BYTES: usize = 8;

/// The key and IV of one way in one epoch.
#[derive(Debug)]
pub(super) struct Protection {
    key: aead::LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    form: Form,
}

/// How nonce and additional data are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// RFC 8446: nonce of IV and sequence number, the header is additional data.
    Tls13,
    /// RFC 7905: nonce as in TLS 1.3, additional data as in RFC 5246.
    Tls12,
    /// RFC 5288: the record carries half of the nonce.
    Tls12Explicit,
}

/// What is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) content_type: u8,
    /// Bytes of its content, which is at the front of the scratch buffer.
    pub(super) content_len: usize,
}

impl Protection {
    pub(super) fn tls13(aead: Aead, key: &[u8], iv: [u8; aead::NONCE_LEN]) -> Option<Self> {
        let key = aead::UnboundKey::new(aead.algorithm(), key).ok()?;
        Some(Self {
            key: aead::LessSafeKey::new(key),
            iv,
            form: Form::Tls13,
        })
    }

    /// `iv` is the fixed part: 4 bytes for AES-GCM.
    pub(super) fn tls12(aead: Aead, key: &[u8], fixed_iv: &[u8]) -> Option<Self> {
        let key = aead::UnboundKey::new(aead.algorithm(), key).ok()?;
        let mut iv = [0; aead::NONCE_LEN];
        iv.get_mut(..fixed_iv.len())?.copy_from_slice(fixed_iv);
        let form = match aead {
            Aead::Aes128Gcm | Aead::Aes256Gcm => Form::Tls12Explicit,
            Aead::ChaCha20Poly1305 => Form::Tls12,
        };
        Some(Self {
            key: aead::LessSafeKey::new(key),
            iv,
            form,
        })
    }

    /// Bytes by which a record's body is at least longer than its content.
    pub(super) fn overhead(&self) -> usize {
        match self.form {
            // The content type.
            Form::Tls13 => TAG_BYTES + 1,
            Form::Tls12 => TAG_BYTES,
            Form::Tls12Explicit => TAG_BYTES + EXPLICIT_NONCE_BYTES,
        }
    }

    /// Does the length of a body tell that of its content? TLS 1.3 hides type and padding in it.
    pub(super) fn tells_length(&self) -> bool {
        self.form != Form::Tls13
    }

    /// Opens a record, in `scratch`; `None` if it is not the one with this sequence number.
    pub(super) fn open(
        &self,
        sequence_number: u64,
        header: RecordHeader,
        body: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Option<Opened> {
        let content_len = body.len().checked_sub(self.overhead())?;
        let (nonce, sealed) = match self.form {
            Form::Tls12Explicit => {
                let (explicit, sealed) = body.split_first_chunk::<EXPLICIT_NONCE_BYTES>()?;
                (self.nonce(*explicit), sealed)
            }
            Form::Tls12 | Form::Tls13 => (self.nonce(sequence_number.to_be_bytes()), body),
        };
        scratch.clear();
        scratch.extend_from_slice(sealed);
        let plain = match self.form {
            Form::Tls13 => {
                let aad = aead::Aad::from(header.to_bytes());
                self.key.open_in_place(nonce, aad, scratch)
            }
            Form::Tls12 | Form::Tls12Explicit => {
                let aad = aead::Aad::from(aad12(sequence_number, header, content_len)?);
                self.key.open_in_place(nonce, aad, scratch)
            }
        };
        let plain: &[u8] = plain.ok()?;
        if self.form != Form::Tls13 {
            return Some(Opened {
                content_type: header.content_type,
                content_len: plain.len(),
            });
        }
        // TLSInnerPlaintext: content, type, zeros. Without a type it is malformed, yet authentic.
        let end = plain.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        Some(Opened {
            content_type: plain.get(end).copied().unwrap_or(0),
            content_len: end,
        })
    }

    /// The IV, with these bytes mixed in at its end.
    fn nonce(&self, mixed: [u8; 8]) -> aead::Nonce {
        let mut nonce = self.iv;
        let end = nonce.iter_mut().rev().zip(mixed.iter().rev());
        end.for_each(|(byte, mixed)| *byte ^= mixed);
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

/// Additional data of TLS 1.2: sequence number, type, version, length of the content.
fn aad12(
    sequence_number: u64,
    header: RecordHeader,
    content_len: usize,
) -> Option<[u8; 8 + HEADER_BYTES]> {
    let mut aad = [0; 8 + HEADER_BYTES];
    let (front, back) = aad.split_first_chunk_mut::<8>()?;
    *front = sequence_number.to_be_bytes();
    let length = u16::try_from(content_len).ok()?;
    back.copy_from_slice(&RecordHeader { length, ..header }.to_bytes());
    Some(aad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::record::content_type::APPLICATION_DATA;

    const KEY: [u8; 16] = [1; 16];
    const IV: [u8; 12] = [2; 12];

    /// A record of TLS 1.3 that has this as its TLSInnerPlaintext.
    fn sealed(sequence_number: u64, inner: &[u8]) -> (RecordHeader, Vec<u8>) {
        let header = RecordHeader {
            content_type: APPLICATION_DATA,
            version: [3, 3],
            length: u16::try_from(inner.len() + TAG_BYTES).unwrap(),
        };
        let protection = Protection::tls13(Aead::Aes128Gcm, &KEY, IV).unwrap();
        let nonce = protection.nonce(sequence_number.to_be_bytes());
        let (aad, mut body) = (aead::Aad::from(header.to_bytes()), inner.to_vec());
        let key = &protection.key;
        key.seal_in_place_append_tag(nonce, aad, &mut body).unwrap();
        (header, body)
    }

    fn open(sequence_number: u64, header: RecordHeader, body: &[u8]) -> Option<(u8, Vec<u8>)> {
        let protection = Protection::tls13(Aead::Aes128Gcm, &KEY, IV).unwrap();
        let mut scratch = Vec::new();
        let opened = protection.open(sequence_number, header, body, &mut scratch)?;
        Some((opened.content_type, scratch[..opened.content_len].to_vec()))
    }

    #[test]
    fn padding_is_taken_off_behind_the_content_type() {
        for padding in [0, 1, 300] {
            let inner = [&b"content\0"[..], &[APPLICATION_DATA], &vec![0; padding]].concat();
            let (header, body) = sealed(5, &inner);
            let expected = (APPLICATION_DATA, b"content\0".to_vec());
            assert_eq!(open(5, header, &body), Some(expected));
        }
    }

    #[test]
    fn a_record_of_padding_alone_has_no_type_and_no_content() {
        let (header, body) = sealed(0, &[0; 20]);
        assert_eq!(open(0, header, &body), Some((0, Vec::new())));
    }

    #[test]
    fn whatever_is_changed_nothing_opens() {
        let (header, body) = sealed(7, &[3; 20]);
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert_eq!(open(7, header, &changed), None, "{at}");
        }
        assert_eq!(open(8, header, &body), None);
        let other = RecordHeader {
            version: [3, 1],
            ..header
        };
        assert_eq!(open(7, other, &body), None);
        assert_eq!(open(7, header, &body[..10]), None);
    }
}
