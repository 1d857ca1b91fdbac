//! `POST /v1/records`, `/healthz`, `/readyz`, `/metrics`: HTTP/1.1 and HTTP/2 (prior knowledge) on one port.
//!
//! | file | what |
//! | --- | --- |
//! | [`limits`] | every bound a client meets |
//! | [`tls`] | certificates |
//! | [`token`] | who may send records |
//! | [`connection`] | one connection from first byte to last |
//! | `turns` | nobody who sends without pause keeps a thread |
//! | [`routes`] | which request goes where |
//! | [`records`] | the POST: checks, body, hand-over, answer |
//! | `page` | the page of `/metrics` |
//! | [`answer`] | the responses and their machine-readable codes |
//!
//! Not supported: `Content-Encoding` other than
//! identity (the filter does not compress), trailers, upgrades.

pub mod answer;
pub mod connection;
pub mod limits;
mod page;
pub mod records;
pub mod routes;
pub mod tls;
pub mod token;
mod turns;

pub use connection::serve_connection;
pub use limits::Limits;
pub use routes::Service;
pub use tls::{Tls, TlsError, TlsFiles};
pub use token::{TokenError, Tokens};
