//! A TCP relay that keeps what passed through it as a capture, as if packets had been sniffed in
//! front of the server.
//!
//! Bytes are the real peers' bytes; packets around them are made here, each byte once and in order:
//! raw IPv4, SYN and FIN included. Loss and disorder are for whoever uses [`Relay::packets`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Payload of a packet at most, as on Ethernet.
const SEGMENT_BYTES_MAX: usize = 1448;
/// Link type of raw IP.
const LINKTYPE_RAW: u32 = 101;
const FIN: u8 = 1;
/// A flag of TCP.
pub const SYN: u8 = 2;
/// A flag of TCP.
pub const ACK: u8 = 16;

/// One captured packet: when, and its bytes.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Nanoseconds since the Unix epoch.
    pub unix_ns: u64,
    /// From the IP header on.
    pub bytes: Vec<u8>,
}

/// A running relay; stops when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    packets: Arc<Mutex<Vec<Packet>>>,
    accepting: AbortHandle,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Relay {
    /// Relays to `server`. In the capture, clients talk to `server` itself.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let packets = Arc::<Mutex<Vec<Packet>>>::default();
        let kept = Arc::clone(&packets);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, peer)) = listener.accept().await {
                connections.spawn(connection(client, peer, server, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            packets,
            accepting: accepting.abort_handle(),
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The packets so far, in order.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().expect("no panic").clone()
    }
}

/// A capture file (pcap, nanoseconds) of `packets`.
pub fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_3c4d_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(4_u16.to_le_bytes());
    for word in [0, 0, 262_144, LINKTYPE_RAW] {
        file.extend(word.to_le_bytes());
    }
    for Packet { unix_ns, bytes } in packets {
        let seconds = u32::try_from(unix_ns / 1_000_000_000).expect("before 2106");
        let rest = u32::try_from(unix_ns % 1_000_000_000).expect("below a billion");
        let len = u32::try_from(bytes.len()).expect("a packet");
        for word in [seconds, rest, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    }
    file
}

/// An IPv4 packet with a TCP segment; `numbers` are those of sequence and acknowledgement.
pub fn segment(
    source: SocketAddr,
    destination: SocketAddr,
    numbers: [u32; 2],
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let v4 = |end: SocketAddr| match end {
        SocketAddr::V4(end) => *end.ip(),
        SocketAddr::V6(_) => Ipv4Addr::LOCALHOST,
    };
    let total = u16::try_from(40 + payload.len()).expect("a packet");
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend(v4(source).octets());
    bytes.extend(v4(destination).octets());
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(destination.port().to_be_bytes());
    bytes.extend(numbers[0].to_be_bytes());
    bytes.extend(numbers[1].to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

async fn connection(
    client: TcpStream,
    peer: SocketAddr,
    server: SocketAddr,
    kept: Arc<Mutex<Vec<Packet>>>,
) {
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    drop(client.set_nodelay(true));
    drop(upstream.set_nodelay(true));
    let flow = Arc::new(Mutex::new(Flow {
        ends: [peer, server],
        sent: [1, 1],
        kept,
    }));
    {
        let mut flow = flow.lock().expect("no panic");
        flow.handshake();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    tokio::join!(
        pump(from_client, to_server, 0, Arc::clone(&flow)),
        pump(from_server, to_client, 1, flow),
    );
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: usize, flow: Arc<Mutex<Flow>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        // Kept before it is passed on, so that no answer is captured before its question.
        flow.lock().expect("no panic").data(way, &buffer[..len]);
        if to.write_all(&buffer[..len]).await.is_err() {
            break;
        }
    }
    flow.lock().expect("no panic").packet(way, ACK | FIN, &[]);
    drop(to.shutdown().await);
}

/// One connection's place in sequence space.
struct Flow {
    /// Client and server.
    ends: [SocketAddr; 2],
    /// The next sequence number of each.
    sent: [u32; 2],
    kept: Arc<Mutex<Vec<Packet>>>,
}

impl Flow {
    fn handshake(&mut self) {
        self.sent = [0, 0];
        self.packet(0, SYN, &[]);
        self.sent[0] = 1;
        self.packet(1, SYN | ACK, &[]);
        self.sent[1] = 1;
        self.packet(0, ACK, &[]);
    }

    fn data(&mut self, way: usize, bytes: &[u8]) {
        for piece in bytes.chunks(SEGMENT_BYTES_MAX) {
            self.packet(way, ACK, piece);
            let len = u32::try_from(piece.len()).expect("a segment");
            self.sent[way] = self.sent[way].wrapping_add(len);
            // The other end has it.
            self.packet(1 - way, ACK, &[]);
        }
    }

    fn packet(&mut self, way: usize, flags: u8, payload: &[u8]) {
        let (source, destination) = (self.ends[way], self.ends[1 - way]);
        let bytes = segment(
            source,
            destination,
            [self.sent[way], self.sent[1 - way]],
            flags,
            payload,
        );
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let unix_ns = u64::try_from(now.as_nanos()).expect("before 2554");
        self.kept
            .lock()
            .expect("no panic")
            .push(Packet { unix_ns, bytes });
    }
}
