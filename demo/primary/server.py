"""Serves the old implementation until SIGTERM.

Usage: server.py [ADDRESS]      (default 127.0.0.1:50051; port 0 picks a free one)

Prints `listening on HOST:PORT` when it is ready.
"""

import asyncio
import signal
import sys

import grpc
from service import OrderService
from shop.orders.v1 import orders_pb2_grpc

STOP_GRACE_S = 1.0


async def serve(address: str) -> None:
    server = grpc.aio.server()
    orders_pb2_grpc.add_OrderServiceServicer_to_server(OrderService(), server)
    port = server.add_insecure_port(address)
    await server.start()
    print(f"listening on {address.rpartition(':')[0]}:{port}", flush=True)

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop(STOP_GRACE_S)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
