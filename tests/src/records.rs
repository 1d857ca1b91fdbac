//! Reading records in assertions.

use bytes::Bytes;
use twintap_record::{HeaderBlock, Record, Role};

/// Shorthands over a [`Record`].
pub trait Recorded {
    /// A request header.
    fn request_header(&self, name: &str) -> Option<&[u8]>;
    /// A response header.
    fn response_header(&self, name: &str) -> Option<&[u8]>;
    /// A trailer; those of a Trailers-Only answer are its headers.
    fn trailer(&self, name: &str) -> Option<&[u8]>;
    /// `grpc-status`.
    fn status(&self) -> Option<u16>;
    /// The captured request body.
    fn request_bytes(&self) -> Bytes;
    /// The captured response body.
    fn response_bytes(&self) -> Bytes;
    /// Which side it is, as far as the filter knows.
    fn side(&self) -> Role;
}

impl Recorded for Record {
    fn request_header(&self, name: &str) -> Option<&[u8]> {
        value(self.request_headers.as_ref(), name)
    }

    fn response_header(&self, name: &str) -> Option<&[u8]> {
        value(self.response_headers.as_ref(), name)
    }

    fn trailer(&self, name: &str) -> Option<&[u8]> {
        value(
            self.response_trailers
                .as_ref()
                .or(self.response_headers.as_ref()),
            name,
        )
    }

    fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.trailer("grpc-status")?)
            .ok()?
            .parse()
            .ok()
    }

    fn request_bytes(&self) -> Bytes {
        self.request_body
            .as_ref()
            .map(|body| body.captured.clone())
            .unwrap_or_default()
    }

    fn response_bytes(&self) -> Bytes {
        self.response_body
            .as_ref()
            .map(|body| body.captured.clone())
            .unwrap_or_default()
    }

    fn side(&self) -> Role {
        if self.shadow {
            Role::Candidate
        } else {
            Role::Primary
        }
    }
}

fn value<'a>(block: Option<&'a HeaderBlock>, name: &str) -> Option<&'a [u8]> {
    let field = block?
        .headers
        .iter()
        .find(|header| header.name == name.as_bytes())?;
    Some(&field.value)
}
