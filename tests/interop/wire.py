"""What a capture has on the wire, as Wireshark's dissectors (tshark) read it: another reader of
TCP, HTTP/2 and HPACK than the one that the captures are for."""

import gzip
import hashlib
import subprocess
import xml.etree.ElementTree as xml

DATA, HEADERS, RST_STREAM, PING, GOAWAY, CONTINUATION = 0, 1, 3, 6, 7, 9
TYPES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE".split()


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


def read(path, server_ports):
    """Streams in the order of their first frame, and how often each frame type occurs."""
    command = ["tshark", "-r", str(path), "-T", "pdml", "-Y", "http2"]
    command += ["--disable-protocol", "grpc"]
    for port in server_ports:
        command += ["-d", f"tcp.port=={port},http2"]
    streams = {}
    counts = {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _, packet in xml.iterparse(process.stdout):
        if packet.tag == "packet":
            _packet(packet, server_ports, streams, counts)
            packet.clear()
    if process.wait() != 0:
        raise RuntimeError(f"tshark could not read {path}")
    return list(streams.values()), counts


def _shown(element, name):
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def _packet(packet, server_ports, streams, counts):
    source, target = (int(_shown(packet, f"tcp.{end}")) for end in ("srcport", "dstport"))
    is_request = target in server_ports
    server, client = (target, source) if is_request else (source, target)
    for frame in packet.iterfind(".//field[@name='http2.stream']"):
        kind = _shown(frame, "http2.type")
        if kind is None:
            continue  # The connection preface.
        kind = int(kind)
        name = TYPES[kind] if kind < len(TYPES) else f"type {kind}"
        counts[name] = counts.get(name, 0) + 1
        stream_id = int(_shown(frame, "http2.streamid"))
        if stream_id == 0 or kind not in (DATA, HEADERS, CONTINUATION, RST_STREAM):
            continue
        key = (server, client, stream_id)
        stream = streams.setdefault(key, Stream(*key))
        if kind == DATA:
            data = stream.request_data if is_request else stream.response_data
            for part in frame.iterfind(".//field[@name='http2.data.data']"):
                data += bytes.fromhex(part.get("value") or "")
        elif kind == RST_STREAM:
            code = int(_shown(frame, "http2.rst_stream.error"), 0)
            stream.reset = {"by": "client" if is_request else "server", "code": code}
        else:
            block = [_field(field) for field in frame.iterfind(".//field[@name='http2.header']")]
            if block:
                blocks = stream.request_blocks if is_request else stream.response_blocks
                blocks.append([(name, value) for name, value, _ in block])
                never = [name for name, _, form in block if "never" in form.lower()]
                stream.never_indexed += never
                counts["never-indexed"] = counts.get("never-indexed", 0) + len(never)


def _field(field):
    def text(name):
        part = field.find(f"field[@name='{name}']")
        # `value` is what was on the wire; `show` may be shortened or escaped.
        raw = part.get("value")
        return bytes.fromhex(raw).decode() if raw else part.get("show")

    return text("http2.header.name"), text("http2.header.value"), _shown(field, "http2.header.repr")


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
