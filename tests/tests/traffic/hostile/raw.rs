//! Bytes that are nearly HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use twintap_e2e::random::Random;

/// Envoy waits for more of most of these.
const PATIENCE: Duration = Duration::from_millis(100);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const REQUESTS: [&[u8]; 8] = [
    b"POST /shop.v1.Orders/Get HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n\
      content-length: 7\r\n\r\n\0\0\0\0\x02ab",
    b"POST /shop.v1.Orders/Get HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n\
      transfer-encoding: chunked\r\n\r\n3\r\n\0\0\0\r\n4\r\n\0\x02ab\r\n0\r\nx-last: \xff\r\n\r\n",
    b"POST /shop.v1.Orders/Get HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n\
      content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nx-odd: \x80\xff\r\ncontent-type: application/grpc\r\n\r\n",
    b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
];

/// A request of HTTP/1, or frames of HTTP/2, some of them with a byte changed.
pub(super) fn request(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(2) {
        0 => random.pick(&REQUESTS).to_vec(),
        _ => frames(random),
    };
    if random.once_in(2) {
        let at = random.length(bytes.len());
        bytes[at] = bytes[at].wrapping_add(u8::try_from(random.below(256)).expect("a byte"));
    }
    bytes
}

fn frames(random: &mut Random) -> Vec<u8> {
    let mut bytes = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    // POST, http, /, authority x, content-type application/grpc: a call, of which the rest is random.
    let mut block = vec![0x83, 0x86, 0x84, 0x41, 1, b'x', 0x5f, 16];
    block.extend(b"application/grpc");
    frame(&mut bytes, 1, 4, &block);
    for _ in 0..random.below(6) {
        let kind = u8::try_from(random.below(12)).expect("small");
        let flags = u8::try_from(random.below(256)).expect("a byte");
        let length = random.length(64);
        frame(&mut bytes, kind, flags, &random.bytes(length));
    }
    bytes
}

/// On stream 1.
fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).expect("a short frame");
    bytes.extend([0, 0, length, kind, flags, 0, 0, 0, 1]);
    bytes.extend(payload);
}

/// Sends it, and waits for whatever comes until the other side closes or patience ends.
pub(super) async fn send(address: SocketAddr, bytes: Vec<u8>) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let exchange = async {
        stream.write_all(&bytes).await?;
        stream.read_to_end(&mut vec![]).await
    };
    drop(timeout(PATIENCE, exchange).await);
}
