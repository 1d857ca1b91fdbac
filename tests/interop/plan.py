"""The calls that a client makes and what the server answers: the same for every pair of peers.

Client and server read one plan, so that any two of them need to agree on nothing else. Messages
are plain bytes (no schema), so that a peer needs no generated code. Same seed, same plan.
"""

import base64
import json
import random

SERVICES = ["ledger.v1.Ledger", "catalog.v2.Catalog", "interop.v1.Echo"]
KINDS = {
    "unary": ["Post", "Find", "Reserve"],
    "server_stream": ["Watch", "List"],
    "client_stream": ["Import"],
    "bidi": ["Chat", "Sync"],
}
CONNECTIONS = 3
# All calls of this connection are compressed.
GZIP_CONNECTION = 2
# The server ends its connections between the phases, where it can (GOAWAY).
PHASES = 2
MAX_AGE_MS = 2000
WORDS = (
    "amber birch cedar delta ember fjord grove heron inlet jetty knoll lemon maple north ocean "
    "pearl quartz river stone tulip umber violet willow xenon yarrow zinc"
).split()
MESSAGES = ["no such entry", "größer als erlaubt: 100 %", "残高不足", "line one\nline two", ""]


def _methods():
    paths = {}
    for service in SERVICES:
        for kind, names in KINDS.items():
            for name in names:
                paths[f"/{service}/{name}"] = kind
    return paths


METHODS = _methods()
UNIMPLEMENTED = "/interop.v1.Echo/Missing"


class _Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, size):
        picked = []
        length = 0
        while length < size:
            picked.append(self.random.choice(WORDS))
            length += len(picked[-1]) + 1
        return " ".join(picked)[:size].strip() or "a"

    def message(self, size=None):
        if size is None:
            size = 0 if self.random.random() < 0.08 else int(8 * 2 ** (self.random.random() * 5.5))
        return self.text(size).encode()[:size] if size else b""

    def messages(self, most):
        return [self.message() for _ in range(self.random.randint(0, most))]

    def large(self, size):
        """Many frames and windows on the wire, few bytes in a compressed capture."""
        line = self.text(40)
        rows = (f"{line} {index:06}\n" for index in range(size // 40))
        return "".join(rows).encode()[:size]

    def binary(self, size):
        return base64.b64encode(self.random.randbytes(size)).decode()

    def request_metadata(self):
        some = [("x-tenant", self.random.choice(["north", "south", "east"]))]
        if self.random.random() < 0.3:
            some.append(("x-trace-bin", self.binary(self.random.randint(1, 17))))
        if self.random.random() < 0.2:
            for _ in range(self.random.randint(2, 3)):
                some.append(("x-tag", self.random.choice(WORDS)))
        if self.random.random() < 0.2:
            token = self.random.choice(["one", "two"])
            some.append(("authorization", f"Bearer not-a-secret-{token}"))
        return some

    def call(self, feature):
        kind = {
            "server_stream": "server_stream",
            "client_stream": "client_stream",
            "bidi": "bidi",
            "half_streamed_error": "server_stream",
            "cancel": "bidi",
            "cancel_download": "server_stream",
        }.get(feature, "unary")
        path = self.random.choice([path for path, of in METHODS.items() if of == kind])
        call = {
            "method": path,
            "kind": kind,
            "action": "normal",
            "metadata": self.request_metadata(),
            "request": [self.message()],
            "answer": {
                "headers": [],
                "response": [self.message()],
                "trailers": [],
                "status": 0,
                "message": "",
            },
        }
        answer = call["answer"]
        if kind in ("client_stream", "bidi"):
            call["request"] = self.messages(6)
        if kind in ("server_stream", "bidi"):
            answer["response"] = self.messages(8)
        if self.random.random() < 0.3:
            answer["headers"] = [("x-served-by", self.random.choice(["blue", "green"]))]
        if self.random.random() < 0.2:
            answer["trailers"] = [("x-cost", str(self.random.randint(1, 400)))]
        self._apply(feature, call, answer)
        return call

    def _apply(self, feature, call, answer):
        if feature == "empty":
            call["request"], answer["response"] = [b""], [b""]
        elif feature == "large":
            call["request"] = [self.large(self.random.choice([20_000, 70_000]))]
            answer["response"] = [self.large(self.random.choice([40_000, 130_000]))]
        elif feature == "error":
            answer.update(response=[], headers=[])
            answer["status"] = self.random.choice([1, 3, 5, 7, 9, 10, 14, 16])
            answer["message"] = self.random.choice(MESSAGES)
        elif feature == "details":
            answer.update(response=[], headers=[], status=9, message="out of stock")
            status = b"\x08\x09\x12\x0cout of stock" + b"\x1a\x08\x0a\x06type/x"
            answer["details"] = base64.b64encode(status).decode()
        elif feature == "half_streamed_error":
            answer["response"] = self.messages(4) + [b"last"]
            answer.update(status=13, message=MESSAGES[1])
        elif feature == "unimplemented":
            call["method"] = UNIMPLEMENTED
            answer.update(response=[], headers=[], trailers=[], status=12)
        elif feature in ("cancel", "cancel_download"):
            call["action"] = "cancel"
            call["request"] = call["request"] or [b"first"]
            answer["response"] = answer["response"] or [b"first"]
            answer.update(trailers=[])
        elif feature == "deadline":
            call["action"] = "deadline"
            call["deadline_ms"] = 150
            answer.update(response=[], headers=[], trailers=[])
        elif feature == "large_metadata":
            sizes = [self.random.randint(400, 1500) for _ in range(3)]
            call["metadata"] += [
                (f"x-large-{index}", self.text(size)) for index, size in enumerate(sizes)
            ]
            answer["trailers"] = [("x-large", self.text(self.random.randint(600, 2500)))]
        elif feature == "repeated":
            call["metadata"] += [("x-tag", word) for word in self.random.sample(WORDS, 3)]
            answer["headers"] = [("x-hop", "first"), ("x-hop", "second")]
            answer["trailers"] = [("x-hop", "third"), ("x-hop", "fourth")]
        elif feature == "binary":
            call["metadata"] += [("x-key-bin", self.binary(3)), ("x-key-bin", self.binary(4))]
            answer["headers"] = [("x-digest-bin", self.binary(32))]
            answer["trailers"] = [("x-cursor-bin", self.binary(self.random.randint(0, 6)))]


# Feature and share: each occurs at least once in each phase.
FEATURES = {
    "unary": 24,
    "empty": 3,
    "server_stream": 9,
    "client_stream": 6,
    "bidi": 9,
    "large": 1,
    "error": 8,
    "details": 3,
    "half_streamed_error": 3,
    "unimplemented": 2,
    "cancel": 2,
    "cancel_download": 1,
    "deadline": 1,
    "large_metadata": 5,
    "repeated": 4,
    "binary": 5,
}


def make(seed, calls):
    """A plan of about `calls` calls; its messages are base64, as the peers read them."""
    maker = _Maker(seed)
    planned = []
    for phase in range(PHASES):
        rest = calls // PHASES - len(FEATURES)
        features = list(FEATURES) + maker.random.choices(
            list(FEATURES), weights=list(FEATURES.values()), k=rest
        )
        maker.random.shuffle(features)
        for feature in features:
            call = maker.call(feature)
            call["id"] = f"call-{len(planned):04}"
            call["metadata"].insert(0, ("x-request-id", call["id"]))
            call["phase"] = phase
            call["connection"] = maker.random.randrange(CONNECTIONS)
            planned.append(call)
    return {
        "methods": METHODS,
        "connections": CONNECTIONS,
        "gzip_connection": GZIP_CONNECTION,
        "phases": PHASES,
        "workers_per_connection": 3,
        "max_age_ms": MAX_AGE_MS,
        "pause_ms": 2 * MAX_AGE_MS,
        "header_table_bytes": 4096,
        "calls": planned,
    }


def to_json(plan):
    def encode(value):
        return base64.b64encode(value).decode()

    return json.dumps(plan, default=encode)
