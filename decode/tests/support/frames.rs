//! Hand-made HTTP/2 frames, header blocks and gRPC messages.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;

pub(crate) fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length.to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream_id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal that is inserted into the dynamic table, not Huffman-coded.
pub(crate) fn inserted(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0x40];
    for text in [name, value] {
        bytes.extend(integer(0, 7, text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// An HPACK integer behind the high bits of its first byte.
pub(crate) fn integer(high_bits: u8, prefix_bits: u32, value: usize) -> Vec<u8> {
    let mask = (1 << prefix_bits) - 1;
    if value < mask {
        return vec![high_bits | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![high_bits | u8::try_from(mask).unwrap()];
    let mut rest = value - mask;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// `:method: POST`, `:scheme: http`, the path, `te` and the content type, each inserted.
pub(crate) fn request_block(path: &str) -> Vec<u8> {
    [
        vec![0x83, 0x86],
        inserted(":path", path),
        inserted("te", "trailers"),
        inserted("content-type", "application/grpc"),
    ]
    .concat()
}

/// `:status: 200` and the content type, inserted.
pub(crate) fn response_block() -> Vec<u8> {
    [vec![0x88], inserted("content-type", "application/grpc")].concat()
}

pub(crate) fn message(flag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut prefixed = vec![flag];
    prefixed.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    prefixed.extend(bytes);
    prefixed
}

/// What the client sends first.
pub(crate) fn client_opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// One call, as the client sends it.
pub(crate) fn request(stream_id: u32, path: &str, body: &[u8]) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, stream_id, &request_block(path)),
        frame(DATA, END_STREAM, stream_id, &message(0, body)),
    ]
    .concat()
}

/// The answer to one call, status OK.
pub(crate) fn response(stream_id: u32, body: &[u8]) -> Vec<u8> {
    let trailers = inserted("grpc-status", "0");
    [
        frame(HEADERS, END_HEADERS, stream_id, &response_block()),
        frame(DATA, 0, stream_id, &message(0, body)),
        frame(HEADERS, END_HEADERS | END_STREAM, stream_id, &trailers),
    ]
    .concat()
}
