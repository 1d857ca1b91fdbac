"""What a capture has on the wire, as another reader sees it: HTTP/2 frames by hand, HPACK by
python-hyper's `hpack`. For clean captures only: a packet that is missing is an error."""

import gzip
import hashlib
import struct

import hpack

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
TYPES = (
    "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION"
).split()
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_HEADERS, PADDED, PRIORITY = 4, 8, 32
SYN = 2
# Largest dynamic table that an encoder may be seen to use.
HEADER_TABLE_BYTES_MAX = 65536


class Stream:
    """Both directions of one HTTP/2 stream."""

    def __init__(self, server_port, client_port, stream_id):
        self.server_port = server_port
        self.client_port = client_port
        self.stream_id = stream_id
        self.request_blocks = []
        self.response_blocks = []
        self.request_data = bytearray()
        self.response_data = bytearray()
        self.reset = None
        # Names of the fields that must not be indexed, the request's first.
        self.never_indexed = []

    def fields(self, name):
        return [value for block in self.request_blocks for (n, value) in block if n == name]


def _segments(path):
    """TCP segments of a classic little-endian capture of Ethernet and IPv4."""
    with open(path, "rb") as file:
        capture = file.read()
    at = 24
    while at < len(capture):
        (length,) = struct.unpack_from("<I", capture, at + 8)
        ip = capture[at + 16 + 14 : at + 16 + length]
        at += 16 + length
        tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4])]
        source, target, seq = struct.unpack_from(">HHI", tcp)
        yield source, target, seq, tcp[13], tcp[(tcp[12] >> 4) * 4 :]


def _bytes(path, server_ports):
    """What each way of each connection carried: by server port, client port and sender."""
    first, ways = {}, {}
    for source, target, seq, flags, payload in _segments(path):
        is_request = target in server_ports
        server, client = (target, source) if is_request else (source, target)
        way = (server, client, is_request)
        if flags & SYN:
            if way in first:
                raise ValueError(f"port {client} is used twice")
            first[way] = seq + 1
            ways[way] = bytearray()
        at = (seq - first[way]) % 2**32
        if payload:
            if at > len(ways[way]):
                raise ValueError(f"bytes are missing before {at} of {way}")
            # A retransmission has the same bytes.
            ways[way][at : at + len(payload)] = payload
    return ways


def _frames(data, is_request):
    at = 0
    if is_request and data:
        if not data.startswith(PREFACE):
            raise ValueError("no preface")
        at = len(PREFACE)
    while at + 9 <= len(data):
        length = int.from_bytes(data[at : at + 3])
        kind, flags = data[at + 3], data[at + 4]
        stream_id = int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF
        payload = bytes(data[at + 9 : at + 9 + length])
        at += 9 + length
        if kind in (DATA, HEADERS) and flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if kind == HEADERS and flags & PRIORITY:
            payload = payload[5:]
        yield kind, flags, stream_id, payload


def read(path, server_ports):
    """Streams by connection and number, and how often each frame type occurs."""
    streams, counts = {}, {}
    for (server, client, is_request), data in sorted(
        _bytes(path, server_ports).items(), key=lambda item: (*item[0][:2], not item[0][2])
    ):
        decoder = hpack.Decoder(max_header_list_size=2**20)
        decoder.max_allowed_table_size = HEADER_TABLE_BYTES_MAX
        block = b""
        for kind, flags, stream_id, payload in _frames(data, is_request):
            name = TYPES[kind] if kind < len(TYPES) else f"type {kind}"
            counts[name] = counts.get(name, 0) + 1
            if kind == GOAWAY and int.from_bytes(payload[4:8]) != 0:
                raise ValueError(f"GOAWAY of connection {client}: {payload[4:]}")
            if kind not in (DATA, HEADERS, CONTINUATION, RST_STREAM):
                continue
            key = (server, client, stream_id)
            stream = streams.setdefault(key, Stream(*key))
            if kind == DATA:
                (stream.request_data if is_request else stream.response_data).extend(payload)
            elif kind == RST_STREAM:
                sender = "client" if is_request else "server"
                stream.reset = {"by": sender, "code": int.from_bytes(payload)}
            else:
                block += payload
                if flags & END_HEADERS:
                    _take_block(stream, is_request, decoder.decode(block, raw=True), counts)
                    block = b""
    return list(streams.values()), counts


def _take_block(stream, is_request, block, counts):
    blocks = stream.request_blocks if is_request else stream.response_blocks
    # Each byte a character: values may be any bytes.
    text = [tuple(part.decode("latin-1") for part in field) for field in block]
    blocks.append(text)
    never = [name for ((name, _), field) in zip(text, block) if not field.indexable]
    stream.never_indexed += never
    counts["never-indexed"] = counts.get("never-indexed", 0) + len(never)


def messages(data, encoding):
    """Length and digest of each decompressed message, and how many were compressed."""
    found, compressed, at = [], 0, 0
    while at + 5 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 5])
        body = bytes(data[at + 5 : at + 5 + length])
        if len(body) < length:
            raise ValueError("a message is cut")
        if data[at]:
            assert encoding == "gzip", encoding
            body = gzip.decompress(body)
            compressed += 1
        sha = hashlib.sha256(body).hexdigest()[:16]
        found.append({"len": len(body), "sha": sha})
        at += 5 + length
    if at != len(data):
        raise ValueError("bytes after the last message")
    return found, compressed
