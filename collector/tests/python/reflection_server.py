"""A gRPC server of grpcio that has the reflection of grpcio-reflection, and no method that works.

    reflection_server.py DESCRIPTOR_SET SERVICE...

Prints its port, and ends when its standard input does.
"""

import sys
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection


def main(path, *services):
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    for file in files.file:
        pool.Add(file)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    if services:
        names = [*services, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


main(*sys.argv[1:])
