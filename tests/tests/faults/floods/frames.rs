//! HTTP/2 frames (RFC 9113) and header blocks (RFC 7541) byte by byte, also wrong ones.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// Of no specification.
pub(crate) const UNKNOWN: u8 = 0xfa;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// SETTINGS_INITIAL_WINDOW_SIZE of 0: no answer's body may be sent.
pub(crate) const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];
/// SETTINGS_HEADER_TABLE_SIZE, as it is by default.
pub(crate) const SAME_TABLE: &[u8] = &[0, 1, 0, 0, 0x10, 0];

/// `content-type` with a value that is added to the table.
const CONTENT_TYPE: u8 = 0x5f;

/// Bytes before a frame's payload.
const HEADER_BYTES: usize = 9;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The client's preface, with these settings.
pub(crate) fn preface(settings: &[u8]) -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    [preface, frame(SETTINGS, 0, 0, settings)].concat()
}

/// Streams of a client: 1, 3, 5, ...
pub(crate) fn stream(index: u32) -> u32 {
    index * 2 + 1
}

/// The header block of a POST of records.
pub(crate) fn post(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04];
    block.extend(string(path));
    block.push(0x01);
    block.extend(string("harness"));
    block.extend([0x0f, 0x10]);
    block.extend(string("application/x-protobuf"));
    block
}

/// The header block of a GET, in as few bytes as there can be: all of it is in the table from the second
/// time on.
pub(crate) fn get(path: &str, index: u32) -> Vec<u8> {
    if index > 0 {
        // Added last first: the authority, and before it the path.
        return vec![0x82, 0x86, 0xbf, 0xbe];
    }
    let mut block = vec![0x82, 0x86, 0x44];
    block.extend(string(path));
    block.push(0x41);
    block.extend(string("harness"));
    block
}

/// The header block of a gRPC request, in as few bytes as there can be, as [`get`] is.
pub(crate) fn call(path: &str, index: u32) -> Vec<u8> {
    if index > 0 {
        // The path, the authority, the content type: added last first.
        return vec![0x83, 0x86, 0xc0, 0xbf, 0xbe];
    }
    let mut block = vec![0x83, 0x86, 0x44];
    block.extend(string(path));
    block.push(0x41);
    block.extend(string("harness"));
    block.push(CONTENT_TYPE);
    block.extend(string("application/grpc"));
    block
}

/// The header block of its answer, and of the trailers after that. Each adds a field to the table the first time.
pub(crate) fn answer(index: u32) -> [Vec<u8>; 2] {
    if index > 0 {
        return [vec![0x88, 0xbf], vec![0xbe]];
    }
    let mut head = vec![0x88, CONTENT_TYPE];
    head.extend(string("application/grpc"));
    [head, indexed("grpc-status", "0")]
}

/// A field that is not indexed.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0x00], string(name), string(value)].concat()
}

/// A field that is added to the table.
pub(crate) fn indexed(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// A string of less than 127 bytes, without Huffman code.
fn string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short string");
    assert!(length < 127, "a short string");
    [&[length], text.as_bytes()].concat()
}

/// What a server's frames say, as they come.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    unread: Vec<u8>,
    /// Error code of its GOAWAY.
    pub(crate) goaway: Option<u32>,
}

impl Answers {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
        let mut at = 0;
        while let Some(head) = self.unread.get(at..at + HEADER_BYTES) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let kind = head[3];
            let payload = at + HEADER_BYTES;
            let Some(payload) = self.unread.get(payload..payload + length) else {
                break;
            };
            if let (GOAWAY, Some(code)) = (kind, payload.get(4..8)) {
                self.goaway = code.try_into().ok().map(u32::from_be_bytes);
            }
            at += HEADER_BYTES + length;
        }
        self.unread.drain(..at);
    }
}
