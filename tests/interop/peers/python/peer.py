"""Peer of the interop captures: grpcio, which is C-core.

Usage: peer.py server ADDRESS PLAN LOG | peer.py client ADDRESS PLAN LOG
"""

import base64
import hashlib
import json
import queue
import sys
import threading
import time
from concurrent import futures

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}


def decoded(pairs):
    """Metadata of the plan as grpcio takes it: values of `-bin` names are bytes."""
    return tuple(
        (name, base64.b64decode(value) if name.endswith("-bin") else value)
        for name, value in pairs
    )


def encoded(pairs):
    """Metadata as it is logged: values of `-bin` names are base64."""
    return [
        [name, base64.b64encode(value).decode() if isinstance(value, bytes) else value]
        for name, value in pairs or ()
    ]


def digest(message):
    return {"len": len(message), "sha": hashlib.sha256(message).hexdigest()[:16]}


class Log:
    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, **line):
        with self.lock:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


class Server(grpc.GenericRpcHandler):
    def __init__(self, plan, log):
        self.methods = plan["methods"]
        self.calls = {call["id"]: call for call in plan["calls"]}
        self.log = log

    def service(self, details):
        kind = self.methods.get(details.method)
        return {
            None: lambda: None,
            "unary": lambda: grpc.unary_unary_rpc_method_handler(self.unary),
            "client_stream": lambda: grpc.stream_unary_rpc_method_handler(self.client_stream),
            "server_stream": lambda: grpc.unary_stream_rpc_method_handler(self.server_stream),
            "bidi": lambda: grpc.stream_stream_rpc_method_handler(self.bidi),
        }[kind]()

    def begin(self, context):
        metadata = dict(context.invocation_metadata())
        call = self.calls[metadata["x-request-id"]]
        if call["answer"]["headers"]:
            context.send_initial_metadata(decoded(call["answer"]["headers"]))
        return call, [base64.b64decode(message) for message in call["answer"]["response"]]

    def finish(self, context, call, requests):
        pairs = [(entry.key, entry.value) for entry in context.invocation_metadata()]
        self.log.write(
            id=call["id"], req=[digest(message) for message in requests], metadata=encoded(pairs)
        )
        if call["action"] != "normal":
            over = threading.Event()
            if context.add_callback(over.set):
                over.wait()
            return
        answer = call["answer"]
        trailers = decoded(answer["trailers"])
        if "details" in answer:
            trailers += decoded([("grpc-status-details-bin", answer["details"])])
        context.set_trailing_metadata(trailers)
        if answer["status"]:
            context.abort(CODES[answer["status"]], answer["message"])

    def unary(self, request, context):
        call, responses = self.begin(context)
        self.finish(context, call, [request])
        return responses[0] if responses else b""

    def client_stream(self, requests, context):
        call, responses = self.begin(context)
        self.finish(context, call, list(requests))
        return responses[0]

    def server_stream(self, request, context):
        call, responses = self.begin(context)
        yield from responses
        self.finish(context, call, [request])

    def bidi(self, requests, context):
        """Answers as it goes: the first request gets the first response, and so on. A client
        that is to cancel gets all of them when it has sent all requests."""
        call, responses = self.begin(context)
        read = []
        for request in requests:
            read.append(request)
            if call["action"] == "cancel":
                if len(read) == len(call["request"]):
                    break
            elif responses:
                yield responses.pop(0)
        yield from responses
        self.finish(context, call, read)


def serve(address, plan, log):
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=32),
        options=[
            ("grpc.max_connection_age_ms", plan["max_age_ms"]),
            ("grpc.max_connection_age_grace_ms", 1000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10),
            ("grpc.http2.max_ping_strikes", 0),
            ("grpc.http2.hpack_table_size.decoder", plan["header_table_bytes"]),
        ],
    )
    server.add_generic_rpc_handlers((Server(plan, log),))
    server.add_insecure_port(address)
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


class Client:
    def __init__(self, address, plan, log):
        self.plan = plan
        self.log = log
        self.channels = [self.channel(address, n) for n in range(plan["connections"])]

    def channel(self, address, number):
        is_gzip = number == self.plan["gzip_connection"]
        return grpc.insecure_channel(
            address,
            compression=grpc.Compression.Gzip if is_gzip else grpc.Compression.NoCompression,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.keepalive_time_ms", 400),
                ("grpc.http2.max_pings_without_data", 0),
                ("grpc.max_metadata_size", 32768),
                ("grpc.absolute_max_metadata_size", 32768),
                ("grpc.enable_retries", 0),
            ],
        )

    def call(self, call):
        channel = self.channels[call["connection"]]
        messages = [base64.b64decode(message) for message in call["request"]]
        over = threading.Event()

        def stream():
            yield from messages
            if call["action"] == "cancel":
                over.wait()

        options = {"metadata": decoded(call["metadata"])}
        options["timeout"] = call.get("deadline_ms", 60_000) / 1000
        received = []
        kind, method = call["kind"], call["method"]
        if kind == "unary":
            rpc = channel.unary_unary(method).future(messages[0], **options)
        elif kind == "client_stream":
            rpc = channel.stream_unary(method).future(stream(), **options)
        elif kind == "server_stream":
            rpc = channel.unary_stream(method)(messages[0], **options)
        else:
            rpc = channel.stream_stream(method)(stream(), **options)
        try:
            if kind in ("unary", "client_stream"):
                received.append(rpc.result())
            else:
                for message in rpc:
                    received.append(message)
                    is_cancelled = call["action"] == "cancel"
                    if is_cancelled and len(received) == len(call["answer"]["response"]):
                        rpc.cancel()
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass
        over.set()
        self.log.write(
            id=call["id"],
            method=method,
            status=rpc.code().value[0],
            message=rpc.details() or "",
            req=[digest(message) for message in messages],
            resp=[digest(message) for message in received],
            headers=encoded(rpc.initial_metadata()),
            trailers=encoded(rpc.trailing_metadata()),
        )

    def work(self, calls):
        while True:
            try:
                call = calls.get_nowait()
            except queue.Empty:
                return
            self.call(call)

    def run(self):
        for phase in range(self.plan["phases"]):
            if phase:
                time.sleep(self.plan["pause_ms"] / 1000)
            workers = []
            for connection in range(self.plan["connections"]):
                calls = queue.Queue()
                for call in self.plan["calls"]:
                    if call["phase"] == phase and call["connection"] == connection:
                        calls.put(call)
                workers += [
                    threading.Thread(target=self.work, args=(calls,))
                    for _ in range(self.plan["workers_per_connection"])
                ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        for channel in self.channels:
            channel.close()


def main():
    role, address, plan_path, log_path = sys.argv[1:]
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    log = Log(log_path)
    if role == "server":
        serve(address, plan, log)
    else:
        Client(address, plan, log).run()


if __name__ == "__main__":
    main()
