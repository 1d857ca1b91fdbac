//! Hand-made conversations of an encoder that refers to what it sent before.

use std::collections::VecDeque;

/// Where the server listens.
pub(crate) const SERVER_PORT: u16 = 50_051;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

/// A dynamic table that never has to evict (RFC 7541, section 2.3.2).
#[derive(Default)]
struct Encoder {
    entries: VecDeque<(String, String)>,
}

impl Encoder {
    /// An entry of the dynamic table, or a literal that becomes one.
    fn field(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        const STATIC_COUNT: usize = 61;
        let found = |(n, v): &(String, String)| n == name && v == value;
        if let Some(place) = self.entries.iter().position(found) {
            let index = STATIC_COUNT + 1 + place;
            assert!(index < 127, "the encoder is a simple one");
            return out.push(0x80 | u8::try_from(index).unwrap());
        }
        out.push(0x40);
        for text in [name, value] {
            assert!(text.len() < 127, "the encoder is a simple one");
            out.push(u8::try_from(text.len()).unwrap());
            out.extend(text.as_bytes());
        }
        self.entries.push_front((name.to_owned(), value.to_owned()));
    }
}

/// One connection, a packet for each half of a call.
pub(crate) struct Client {
    port: u16,
    ways: [Sender; 2],
    stream_id: u32,
    /// Are `:path` and `:authority` sent before `:method` and `:scheme`?
    is_path_first: bool,
    packets: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Sender {
    encoder: Encoder,
    seq: u32,
}

impl Client {
    /// A connection from `port`, with its handshake and preface.
    pub(crate) fn new(port: u16) -> Self {
        let mut client = Self {
            port,
            ways: [Sender::default(), Sender::default()],
            stream_id: 1,
            is_path_first: false,
            packets: Vec::new(),
        };
        client.packet(0, 0x02, b"");
        client.packet(1, 0x12, b"");
        for way in &mut client.ways {
            way.seq = 1;
        }
        let settings = frame(SETTINGS, 0, 0, b"");
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
        client.packet(0, 0x10, &preface);
        client.packet(1, 0x10, &settings);
        client
    }

    /// Another kind of client: it sends other pseudo-header fields first.
    pub(crate) fn path_first(port: u16) -> Self {
        Self {
            is_path_first: true,
            ..Self::new(port)
        }
    }

    /// One unary call.
    pub(crate) fn call(&mut self, path: &str, request: &[u8], response: &[u8]) {
        let stream_id = self.stream_id;
        self.stream_id += 2;
        let encoder = &mut self.ways[0].encoder;
        let mut block = Vec::new();
        if !self.is_path_first {
            block.extend([0x83, 0x86]);
        }
        encoder.field(":path", path, &mut block);
        encoder.field(":authority", "shop:50051", &mut block);
        if self.is_path_first {
            block.extend([0x83, 0x86]);
        }
        encoder.field("te", "trailers", &mut block);
        encoder.field("content-type", "application/grpc", &mut block);
        let headers = frame(HEADERS, END_HEADERS, stream_id, &block);
        let data = frame(DATA, END_STREAM, stream_id, &message(request));
        self.packet(0, 0x18, &[headers, data].concat());

        let encoder = &mut self.ways[1].encoder;
        let (mut block, mut trailers) = (vec![0x88], Vec::new());
        encoder.field("content-type", "application/grpc", &mut block);
        encoder.field("grpc-status", "0", &mut trailers);
        let headers = frame(HEADERS, END_HEADERS, stream_id, &block);
        let data = frame(DATA, 0, stream_id, &message(response));
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream_id, &trailers);
        self.packet(1, 0x18, &[headers, data, trailers].concat());
    }

    /// The packets, from the first.
    pub(crate) fn whole(self) -> Vec<Vec<u8>> {
        self.packets
    }

    /// The packets but the handshake, the preface, and the first `calls`.
    pub(crate) fn without_first(mut self, calls: usize) -> Vec<Vec<u8>> {
        self.packets.split_off(4 + 2 * calls)
    }

    fn packet(&mut self, way: usize, flags: u8, payload: &[u8]) {
        let ports = match way {
            0 => (self.port, SERVER_PORT),
            _ => (SERVER_PORT, self.port),
        };
        let (seq, ack) = (self.ways[way].seq, self.ways[1 - way].seq);
        self.ways[way].seq += u32::try_from(payload.len()).unwrap();
        self.packets.push(packet(ports, (seq, ack), flags, payload));
    }
}

/// A classic capture of these packets, Ethernet.
pub(crate) fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0]);
    for number in [0, 0, 65_535, 1_u32] {
        bytes.extend(number.to_le_bytes());
    }
    for (index, packet) in packets.iter().enumerate() {
        let length = u32::try_from(packet.len()).unwrap();
        let micros = u32::try_from(index).unwrap() * 50;
        let (second, micro) = (1_700_000_000 + micros / 1_000_000, micros % 1_000_000);
        for number in [second, micro, length, length] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(packet);
    }
    bytes
}

fn packet(ports: (u16, u16), (seq, ack): (u32, u32), flags: u8, payload: &[u8]) -> Vec<u8> {
    const SERVER: [u8; 4] = [10, 0, 0, 2];
    const CLIENT: [u8; 4] = [10, 0, 0, 1];
    let mut bytes = vec![2; 12];
    bytes.extend([0x08, 0x00, 0x45, 0]);
    bytes.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    bytes.extend([0, 7, 0x40, 0, 64, 6, 0, 0]);
    let is_sent = ports.1 == SERVER_PORT;
    let addresses = if is_sent {
        [CLIENT, SERVER]
    } else {
        [SERVER, CLIENT]
    };
    bytes.extend(addresses.concat());
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length.to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream_id.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn message(bytes: &[u8]) -> Vec<u8> {
    let mut prefixed = vec![0];
    prefixed.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    prefixed.extend(bytes);
    prefixed
}

/// A protobuf field of text.
pub(crate) fn text(number: u8, text: &str) -> Vec<u8> {
    assert!(text.len() < 128, "the encoder is a simple one");
    let mut bytes = vec![number << 3 | 2, u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// A protobuf field of a small number.
pub(crate) fn number(number: u8, value: u8) -> Vec<u8> {
    assert!(value < 128, "the encoder is a simple one");
    vec![number << 3, value]
}
