"""Joins what the plan says, what both peers logged and what was on the wire to one line a call, and
refuses to if any two of them disagree."""

import base64
import json
from urllib.parse import unquote_to_bytes

import wire

# What a peer may say of a call that its client gave up.
GIVEN_UP = {"cancel": (1,), "cancel_download": (1,), "deadline": (1, 4)}


class Disagreement(Exception):
    """Plan, peers and wire do not say the same of a call."""


def _require(condition, call_id, what, *values):
    if not condition:
        raise Disagreement(f"{call_id}: {what}: " + " / ".join(map(repr, values)))


def _logged(path):
    lines = {}
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            _require(line["id"] not in lines, line["id"], "logged twice", str(path))
            lines[line["id"]] = line
    return lines


def _binary(value):
    return base64.b64decode(value + "=" * (-len(value) % 4))


def _binaries(value):
    """What one field says: peers of C-core agree to send the bytes themselves, behind a NUL."""
    if value.startswith("\0"):
        return [value[1:].encode("latin-1")]
    return [_binary(part) for part in value.split(",")]


def _values(pairs, name):
    """All values of a name, however they were written: lists may be joined with commas."""
    values = [value for (n, value) in pairs if n == name]
    if name.endswith("-bin"):
        return [binary for value in values for binary in _binaries(value)]
    return [part.strip() for value in values for part in value.split(",")]


def _same_metadata(call_id, where, planned, actual):
    for name in {name for (name, _) in planned}:
        wanted, got = _values(planned, name), _values(actual, name)
        _require(wanted == got, call_id, f"{where} {name}", wanted, got)


def _digests(messages):
    return [wire.hashlib.sha256(m).hexdigest()[:16] for m in messages]


def _shas(logged):
    return [message["sha"] for message in logged]


def lines(plan, capture, ports, client_log, server_log, rewrites):
    """One line a call and hop, and how often what was on the wire.

    `rewrites`: a proxy is between the peers, which may add fields and split or join values.
    """
    streams, counts = wire.read(capture, ports)
    client, server = _logged(client_log), _logged(server_log)
    calls = {call["id"]: call for call in plan["calls"]}
    found = {}
    truth = []
    for stream in streams:
        ids = stream.fields("x-request-id")
        _require(len(ids) == 1, f"stream {stream.stream_id}", "request ids", ids)
        key = (ids[0], stream.server_port)
        _require(key not in found, ids[0], "twice on the wire", key)
        found[key] = stream
        counts["calls"] = counts.get("calls", 0) + 1
        truth.append(_line(calls[ids[0]], stream, client, server, counts, rewrites))
    missing = [key for key in ((i, p) for i in calls for p in ports) if key not in found]
    _require(not missing, "calls", "not on the wire", missing[:5])
    connections = {(stream.server_port, stream.client_port) for stream in streams}
    counts["connections"] = len(connections)
    return truth, counts


def _line(call, stream, client, server, counts, rewrites):
    call_id, answer = call["id"], call["answer"]
    request = [field for block in stream.request_blocks for field in block]
    headers, trailers = _response_blocks(call_id, stream.response_blocks)
    encodings = [dict(request).get("grpc-encoding"), dict(headers).get("grpc-encoding")]
    (req, packed), (resp, unpacked) = (
        wire.messages(data, encoding)
        for data, encoding in zip((stream.request_data, stream.response_data), encodings)
    )
    counts["messages"] = counts.get("messages", 0) + len(req) + len(resp)
    counts["compressed"] = counts.get("compressed", 0) + packed + unpacked
    closing = dict(trailers or headers)
    status = closing.get("grpc-status")
    status = None if status is None else int(status)
    seen = client[call_id]

    _require(dict(request)[":path"] == call["method"], call_id, "path", dict(request)[":path"])
    _same_metadata(call_id, "request", call["metadata"], request)
    planned = [base64.b64decode(message) for message in call["request"]]
    is_answered = call_id in server
    _require(is_answered or answer["status"] == 12 or call["action"] != "normal", call_id, "lost")
    if is_answered:
        _same_metadata(call_id, "server's metadata", call["metadata"], server[call_id]["metadata"])
    if answer["status"] != 12:
        _require(_shas(req) == _digests(planned), call_id, "requests", len(req), len(planned))
    if is_answered:
        got = _shas(server[call_id]["req"])
        _require(got == _shas(req), call_id, "requests at the server", got)

    if call["action"] == "normal":
        _require(status == answer["status"] == seen["status"], call_id, "status", status, seen)
        # Some peers send a message with OK too, and UNIMPLEMENTED has the library's own.
        if answer["status"] not in (0, 12):
            text = unquote_to_bytes(closing.get("grpc-message", "")).decode()
            _require(text == answer["message"], call_id, "message", text, answer["message"])
            _require(seen["message"] == text, call_id, "client's message", seen["message"])
        responses = [base64.b64decode(message) for message in answer["response"]]
        _require(_shas(resp) == _digests(responses), call_id, "responses", resp, len(responses))
        got = _shas(seen["resp"])
        # A client may hand on an error before all messages that came before it.
        is_right = got == _shas(resp)[: len(got)] if status else got == _shas(resp)
        _require(is_right, call_id, "responses at the client", seen)
        details = [("grpc-status-details-bin", answer["details"])] if "details" in answer else []
        _same_metadata(call_id, "trailers", answer["trailers"] + details, trailers or headers)
        # Some clients show what is Trailers-Only as headers.
        shown = seen["trailers"] if trailers else seen["trailers"] + seen["headers"]
        _same_metadata(call_id, "client's trailers", answer["trailers"], shown)
        _same_metadata(call_id, "headers", answer["headers"], headers)
        _same_metadata(call_id, "client's headers", answer["headers"], seen["headers"])
    else:
        # The client gave up: what it says is not what was on the wire, where a status may have
        # been on its way, or none.
        wanted = GIVEN_UP[call["action"]]
        _require(seen["status"] in wanted, call_id, "client's status", seen["status"])
        _require(status != 0, call_id, "status", status)

    return {
        "id": call_id,
        "cport": stream.client_port,
        "sid": stream.stream_id,
        "kind": call["kind"],
        "method": call["method"],
        "enc": encodings[0] or "identity",
        "wire_status": status,
        "client_status": seen["status"],
        "rst": stream.reset,
        "message": unquote_to_bytes(closing.get("grpc-message", "")).decode(),
        "trailers_only": trailers is None and bool(headers) and status is not None,
        "req": req,
        "resp": resp,
        "request_fields": request,
        "response_fields": headers,
        "trailer_fields": trailers,
        "never_indexed": stream.never_indexed,
    }


def _response_blocks(call_id, blocks):
    _require(len(blocks) <= 2, call_id, "blocks of the response", len(blocks))
    headers = blocks[0] if blocks else []
    return headers, blocks[1] if len(blocks) > 1 else None
