//! Header blocks of an ordinary encoder, some of which are lost: what the watcher calls seen is what was sent.
//!
//! The encoder indexes every field and refers to what its table has, as those of most gRPC libraries do. Fields
//! that repeat in groups (a status, its message, the pod that served it) make a table in which wrong counts of lost
//! insertions read well too.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests document themselves, and their helpers stop at the first surprise"
)]

use std::collections::VecDeque;

use twintap_decode::hpack::{Decoder, Expected, HeaderBlock, Ticket, Value};

/// Loss of blocks, in percent.
const LOSS_PERCENT: u64 = 4;
const RUNS: u64 = 2000;
const CALLS_A_RUN: u64 = 40;

type Fields = Vec<(String, String)>;

/// Numbers that follow from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[derive(Default)]
struct Encoder {
    /// Newest first.
    table: VecDeque<(String, String)>,
}

impl Encoder {
    fn encode(&mut self, fields: &Fields) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let fixed = match (&**name, &**value) {
                (":method", "POST") => Some(0x83),
                (":scheme", "http") => Some(0x86),
                (":status", "200") => Some(0x88),
                _ => None,
            };
            let is_field = |entry: &(String, String)| (&entry.0, &entry.1) == (name, value);
            if let Some(byte) = fixed {
                block.push(byte);
                continue;
            }
            if let Some(depth) = self.table.iter().position(is_field) {
                integer(&mut block, 0x80, 7, 62 + depth);
                continue;
            }
            match self.table.iter().position(|entry| entry.0 == *name) {
                Some(depth) => integer(&mut block, 0x40, 6, 62 + depth),
                None => {
                    block.push(0x40);
                    text(&mut block, name);
                }
            }
            text(&mut block, value);
            self.table.push_front((name.clone(), value.clone()));
            let size = |entry: &(String, String)| entry.0.len() + entry.1.len() + 32;
            while self.table.iter().map(size).sum::<usize>() > 4096 {
                self.table.pop_back();
            }
        }
        block
    }
}

fn integer(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        return block.push(first | u8::try_from(value).unwrap());
    }
    block.push(first | u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 128 {
        block.push(u8::try_from(rest & 127).unwrap() | 128);
        rest >>= 7;
    }
    block.push(u8::try_from(rest).unwrap());
}

fn text(block: &mut Vec<u8>, text: &str) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text.as_bytes());
}

fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// One way of a connection, and its watcher.
#[derive(Default)]
struct Way {
    encoder: Encoder,
    watcher: Option<Decoder>,
    /// Blocks that may be read again.
    doubtful: Vec<(Ticket, Fields)>,
    seen: u64,
}

impl Way {
    fn send(&mut self, block: &Fields, expected: Expected, is_lost: bool) {
        let watcher = self.watcher.get_or_insert_with(|| Decoder::new(false));
        let encoded = self.encoder.encode(block);
        if is_lost {
            // With the frames around it.
            return watcher.lose(encoded.len() as u64 + 30);
        }
        let read = watcher.decode(&encoded, 0, expected);
        for (ticket, revised) in watcher.take_revised() {
            let place = self.doubtful.iter().position(|(it, _)| *it == ticket);
            let (_, sent) = self.doubtful.swap_remove(place.unwrap());
            self.seen += judge(&sent, &revised);
        }
        if let Some(ticket) = read.ticket() {
            self.doubtful.push((ticket, block.clone()));
        }
        self.seen += judge(block, &read);
    }
}

/// How many values are called seen, all of which are what was sent.
fn judge(sent: &Fields, read: &HeaderBlock) -> u64 {
    let mut seen = 0;
    for (field, (name, value)) in read.fields().iter().zip(sent) {
        if let (Value::Seen(_), Some(text)) = (field.value, read.value(field)) {
            assert_eq!(text, value.as_bytes(), "{name} of {sent:?}");
            assert!(read.name(field).is_none_or(|read| read == name.as_bytes()));
            seen += 1;
        }
    }
    seen
}

fn run(seed: u64) -> u64 {
    let mut random = Random(seed);
    let (mut requests, mut responses) = (Way::default(), Way::default());
    let (methods, codes, style) = (1 + random.below(5), 1 + random.below(5), random.below(4));
    for call in 0..CALLS_A_RUN {
        let path = format!("/p.S/M{}", random.below(methods));
        let caller = format!("svc{}", random.below(1 + style % 2));
        let mut request = fields(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &path),
            (":authority", &caller),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-go/1.6"),
            ("te", "trailers"),
        ]);
        if style == 3 {
            let id = format!("{:08x}", random.below(1 << 32));
            request.push(("x-request-id".to_owned(), id));
        }
        let code = random.below(2) * random.below(codes);
        let mut headers = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
        if call == 0 {
            let once = fields(&[("server", "s"), ("x-env", "prod"), ("x-region", "eu")]);
            headers.splice(1..1, once);
        }
        let trailers = fields(&[
            ("grpc-status", &code.to_string()),
            ("grpc-message", if code == 0 { "" } else { "failed" }),
            ("x-served-by", &format!("pod{}", code % 3)),
        ]);
        let mut is_lost = || random.below(100) < LOSS_PERCENT;
        requests.send(&request, Expected::Request, is_lost());
        responses.send(&headers, Expected::Response, is_lost());
        responses.send(&trailers, Expected::Trailers, is_lost());
    }
    requests.seen + responses.seen
}

#[test]
fn what_is_called_seen_was_sent() {
    let seen: u64 = (0..RUNS).map(run).sum();
    // And most is: otherwise this would prove nothing.
    let sent = RUNS * CALLS_A_RUN * 12;
    assert!(seen * 10 > sent * 6, "{seen} of {sent}");
    println!("{seen} of {sent} values were seen");
}
