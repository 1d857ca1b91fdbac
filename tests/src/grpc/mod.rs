//! Byte-precise gRPC peers on raw HTTP/2 streams.
//!
//! Neither side knows gRPC beyond its framing, so that both can send what no gRPC library would:
//! any header bytes, any frame boundary, any order. Behaviour of real libraries is tested with the
//! peers in `tests/python/`.

mod answer;
mod client;
mod server;

pub use answer::{Answer, Step};
pub use client::{Call, Client, Outcome, Send};
pub use server::{RequestHead, Server};

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;

/// Window of one stream on our side: a 1 MiB message needs no round trip.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Window of one connection on our side.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Header lists up to this size are accepted.
const HEADER_LIST_MAX: u32 = 4 * 1024 * 1024;

/// One message with its 5-byte prefix.
pub fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("gRPC messages are below 4 GiB");
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.freeze()
}

/// The messages of a body; the last may be cut.
pub fn messages(mut body: Bytes) -> Vec<Bytes> {
    let mut messages = vec![];
    while body.len() >= 5 {
        let length = u32::from_be_bytes([body[1], body[2], body[3], body[4]]) as usize;
        body = body.split_off(5);
        messages.push(body.split_to(length.min(body.len())));
    }
    messages
}

/// Sends all of `data` as the peer's windows allow.
async fn send_data(
    stream: &mut SendStream<Bytes>,
    mut data: Bytes,
    end: bool,
) -> Result<(), h2::Error> {
    if data.is_empty() {
        return stream.send_data(data, end);
    }
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let granted = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let granted = granted.ok_or(h2::Error::from(h2::Reason::CANCEL))??;
        let chunk = data.split_to(granted.min(data.len()));
        let last = end && data.is_empty();
        stream.send_data(chunk, last)?;
    }
    Ok(())
}
