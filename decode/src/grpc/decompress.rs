//! Message decompression by `grpc-encoding`, with a cap on what comes out.
//!
//! Known encodings: `gzip`, `deflate` (zlib), `zstd`, `snappy` (framed, as the gRPC registry's users send
//! it, or raw). Anything else is an error, never a guess; so is none, or `identity`: a message whose prefix
//! says that it is compressed must say how, and receivers refuse it otherwise.

use std::io::Read;

use bytes::Bytes;

/// Why a compressed message could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// There is no `grpc-encoding`, or it is `identity`.
    #[error("message is marked as compressed, and grpc-encoding does not say how")]
    NoEncoding,
    /// `grpc-encoding` names nothing this code knows.
    #[error("unknown grpc-encoding {0:?}")]
    UnknownEncoding(String),
    /// More than the allowed bytes would come out.
    #[error("message is larger than {bytes_max} bytes when decompressed")]
    TooLarge {
        /// The cap.
        bytes_max: usize,
    },
    /// The bytes are not what `grpc-encoding` says.
    #[error("message is not valid {encoding}: {reason}")]
    Corrupt {
        /// The encoding.
        encoding: &'static str,
        /// What the decoder says.
        reason: String,
    },
}

/// Decompresses one message that is marked as compressed, of which at most `bytes_max` bytes may come out.
pub fn decompress(
    encoding: &[u8],
    message: &Bytes,
    bytes_max: usize,
) -> Result<Bytes, DecompressError> {
    match encoding {
        b"" | b"identity" => Err(DecompressError::NoEncoding),
        b"gzip" => read_all(
            "gzip",
            flate2::read::MultiGzDecoder::new(&**message),
            bytes_max,
        ),
        b"deflate" => read_all(
            "deflate",
            flate2::read::ZlibDecoder::new(&**message),
            bytes_max,
        ),
        b"zstd" => match zstd::Decoder::new(&**message) {
            Ok(decoder) => read_all("zstd", decoder, bytes_max),
            Err(error) => Err(corrupt("zstd", &error)),
        },
        b"snappy" => snappy(message, bytes_max),
        other => Err(DecompressError::UnknownEncoding(
            String::from_utf8_lossy(other).into_owned(),
        )),
    }
}

/// The encoding whose mark `message` begins with, where `grpc-encoding` was not captured. Raw snappy
/// and identity have no mark.
pub fn sniff_encoding(message: &[u8]) -> Option<&'static [u8]> {
    match message {
        [0x1f, 0x8b, 8, ..] => Some(b"gzip"),
        // CMF and FLG, which are a multiple of 31 (RFC 1950).
        [0x78, flags, ..] if (0x7800 + u16::from(*flags)).is_multiple_of(31) => Some(b"deflate"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(b"zstd"),
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some(b"snappy"),
        _ => None,
    }
}

fn snappy(message: &Bytes, bytes_max: usize) -> Result<Bytes, DecompressError> {
    /// Stream identifier chunk, with which the framed format begins.
    const FRAMED: &[u8] = b"\xff\x06\x00\x00sNaPpY";
    if message.starts_with(FRAMED) {
        return read_all(
            "snappy",
            snap::read::FrameDecoder::new(&**message),
            bytes_max,
        );
    }
    let length = snap::raw::decompress_len(message).map_err(|error| corrupt("snappy", &error))?;
    if length > bytes_max {
        return Err(DecompressError::TooLarge { bytes_max });
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(message);
    bytes
        .map(Bytes::from)
        .map_err(|error| corrupt("snappy", &error))
}

/// Reads `decoder` to its end, one byte past the cap at most.
fn read_all(
    encoding: &'static str,
    decoder: impl Read,
    bytes_max: usize,
) -> Result<Bytes, DecompressError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| corrupt(encoding, &error))?;
    if bytes.len() > bytes_max {
        return Err(DecompressError::TooLarge { bytes_max });
    }
    Ok(bytes.into())
}

fn corrupt(encoding: &'static str, error: &dyn std::fmt::Display) -> DecompressError {
    DecompressError::Corrupt {
        encoding,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"twice the same, twice the same, twice the same";

    fn compressed(encoding: &str, bytes: &[u8]) -> Bytes {
        let level = flate2::Compression::default();
        match encoding {
            "gzip" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "zstd" => zstd::encode_all(bytes, 1).unwrap(),
            _ => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        }
        .into()
    }

    #[test]
    fn every_known_encoding_decompresses() {
        for encoding in ["gzip", "deflate", "zstd", "snappy"] {
            let message = compressed(encoding, TEXT);
            assert_eq!(
                decompress(encoding.as_bytes(), &message, TEXT.len()).unwrap(),
                TEXT
            );
        }
    }

    #[test]
    fn what_is_compressed_must_say_how() {
        for encoding in [&b""[..], b"identity"] {
            assert_eq!(
                decompress(encoding, &Bytes::from_static(TEXT), TEXT.len()),
                Err(DecompressError::NoEncoding)
            );
        }
    }

    #[test]
    fn marks_tell_encodings() {
        for encoding in ["gzip", "deflate", "zstd"] {
            let message = compressed(encoding, TEXT);
            assert_eq!(sniff_encoding(&message), Some(encoding.as_bytes()));
        }
        assert_eq!(sniff_encoding(TEXT), None);
        assert_eq!(sniff_encoding(b"x\x02"), None);
    }

    #[test]
    fn framed_snappy_is_told_from_raw() {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(TEXT).unwrap();
        let message = Bytes::from(encoder.into_inner().unwrap());
        assert_eq!(decompress(b"snappy", &message, 100).unwrap(), TEXT);
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let zeros = vec![0; 4 * 1024 * 1024];
        for encoding in ["gzip", "deflate", "zstd", "snappy"] {
            let bomb = compressed(encoding, &zeros);
            assert_eq!(
                decompress(encoding.as_bytes(), &bomb, 1000),
                Err(DecompressError::TooLarge { bytes_max: 1000 }),
                "{encoding}"
            );
        }
    }

    #[test]
    fn what_is_cut_or_mislabelled_is_corrupt() {
        for encoding in ["gzip", "deflate", "zstd", "snappy"] {
            let message = compressed(encoding, TEXT);
            let cut = message.slice(..message.len() - 3);
            for broken in [cut, Bytes::from_static(b"\xff\xff\xff\xffplain")] {
                let answer = decompress(encoding.as_bytes(), &broken, 1 << 20);
                assert!(answer.is_err(), "{encoding}: {answer:?}");
            }
        }
    }

    #[test]
    fn a_window_of_2_gib_is_corrupt() {
        // A frame of zstd with that window, and an empty block.
        let message = Bytes::from_static(b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00");
        let answer = decompress(b"zstd", &message, 1 << 20);
        assert!(
            matches!(
                answer,
                Err(DecompressError::Corrupt {
                    encoding: "zstd",
                    ..
                })
            ),
            "{answer:?}"
        );
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let error = decompress(b"br", &Bytes::new(), 10).unwrap_err();
        assert_eq!(error.to_string(), "unknown grpc-encoding \"br\"");
    }
}
