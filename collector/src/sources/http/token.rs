//! Bearer tokens (RFC 6750) that may send records.
//!
//! A file of tokens, one a line, so that one can be replaced by another without a gap. Only their digests are
//! kept, and digests are compared, so that how long it takes tells nothing of a token. Never logged.

use std::fs;
use std::path::{Path, PathBuf};

use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};

/// Shortest token: what can be guessed protects nothing.
const TOKEN_BYTES_MIN: usize = 16;
/// Largest file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why the tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("failed to read tokens from {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no token.
    #[error(
        "{}:{line}: a token has at least {TOKEN_BYTES_MIN} letters, digits or -._~+/=, for example \
         what `openssl rand -hex 32` prints", path.display()
    )]
    NoToken {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// There is none.
    #[error("{} has no token", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl TokenError {
    /// Can the file be read, and is not one of tokens?
    pub fn is_invalid(&self) -> bool {
        !matches!(self, Self::Unreadable { .. })
    }
}

/// Who may send records.
#[derive(Clone)]
pub struct Tokens {
    digests: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.digests.len())
    }
}

impl Tokens {
    /// Reads a file of tokens, one a line; empty lines do not count.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |source| TokenError::Unreadable {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            let problem = format!("larger than {FILE_BYTES_MAX} bytes");
            return Err(unreadable(std::io::Error::other(problem)));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut digests = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let token = line.trim();
            if token.is_empty() {
                continue;
            }
            if !is_token(token) {
                let path = path.to_owned();
                return Err(TokenError::NoToken {
                    path,
                    line: index + 1,
                });
            }
            digests.push(Sha256::digest(token).into());
        }
        match digests.is_empty() {
            true => Err(TokenError::Empty {
                path: path.to_owned(),
            }),
            false => Ok(Self { digests }),
        }
    }

    /// Does a request carry one of them?
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some(token) = value.to_str().ok().and_then(bearer) else {
            return false;
        };
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.digests.contains(&digest)
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    text.len() >= TOKEN_BYTES_MIN && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn read(text: &str) -> Result<Tokens, TokenError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        fs::write(&path, text).unwrap();
        Tokens::read(&path)
    }

    fn allow(tokens: &Tokens, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        tokens.allow(&headers)
    }

    #[test]
    fn each_line_is_a_token() {
        let tokens = read(&format!("{TOKEN}\n\n  another-token-of-mine \n")).unwrap();
        assert!(allow(&tokens, &[&format!("Bearer {TOKEN}")]));
        assert!(allow(&tokens, &["bearer another-token-of-mine"]));
    }

    #[test]
    fn anything_else_is_refused() {
        let tokens = read(TOKEN).unwrap();
        let right = format!("Bearer {TOKEN}");
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &[TOKEN],
            &["Basic 0123456789abcdef"],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdef0"],
            &[&right, &right],
        ] {
            assert!(!allow(&tokens, values), "{values:?}");
        }
    }

    #[test]
    fn a_file_without_good_tokens_is_refused_by_line() {
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert!(error("\n \n").ends_with("has no token"));
        assert!(error(&format!("{TOKEN}\nshort")).contains("tokens:2: a token has at least 16"));
        assert!(error("two words of a token").contains(":1: "));
    }

    #[test]
    fn tokens_are_not_shown() {
        let tokens = read(TOKEN).unwrap();
        assert_eq!(format!("{tokens:?}"), "Tokens(1)");
    }
}
