#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ociregistry costs when nobody asks: its start, and its memory.

    idle.py --bin BUILD/bin --fill BUILD/test/bench_fill [--connections 10000] [--manifests 1000000] [--store DIR]

Start: from fork to the first 200 of GET /v2/, median of several, on an empty store that is there already and on one
with so many manifests (made once, and kept when --store names a directory). Memory: resident set (RSS) of a server
after its first answer, after a second of its own, and with so many idle keep-alive connections that made a request
each; Pss leaves out what other processes share (libraries). It needs as many file descriptors as connections.
"""
import argparse
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import measure

REQUEST = measure.REQUEST
TAG = b"GET /v2/team-0/app-7/manifests/v7 HTTP/1.1\r\nHost: x\r\n\r\n"


def start(binary, store, what, request, rounds=15):
    times, cpu = [], []
    for _ in range(rounds):
        server = measure.Server(binary, store, "--no-access-log")
        times.append(server.first_answer(request) * 1000)
        cpu.append(server.cpu_ns() / 1e6)
        server.stop()
    print("%-46s %6.1f ms (least %.1f, most %.1f), CPU %.1f ms"
          % (what, statistics.median(times), min(times), max(times), statistics.median(cpu)), flush=True)


def connect(port, n):
    clients = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(REQUEST)
        clients.append(s)
        if len(clients) % 256 == 0:  # no more than the server's queue takes
            for c in clients[-256:]:
                c.recv(4096)
    for c in clients[n - n % 256:]:
        c.recv(4096)
    return clients


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--fill", required=True)
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--manifests", type=int, default=1000000)
    parser.add_argument("--store")
    args = parser.parse_args()
    binary = os.path.join(args.bin, "ociregistry")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = tempfile.mkdtemp(prefix="loci-bench-")
    try:
        empty = os.path.join(work, "empty")
        server = measure.Server(binary, empty, "--no-access-log", "--idle-timeout", "1h", "--max-connections",
                                str(args.connections + 100))
        print("%-46s %6.1f ms" % ("start: store made as well", server.first_answer() * 1000), flush=True)
        time.sleep(1)
        print("%-46s %s" % ("idle", server.memory()), flush=True)
        clients = connect(server.port, args.connections)
        print("%-46s %s" % ("%d idle connections" % args.connections, server.memory()), flush=True)
        before = measure.cpu(server.process.pid)
        time.sleep(3)
        print("%-46s %6.2f s CPU in 3 s" % ("", measure.cpu(server.process.pid) - before), flush=True)
        for c in clients:
            c.close()
        server.stop()
        start(binary, empty, "start: empty store", REQUEST)
        full = args.store or os.path.join(work, "full")
        if not os.path.exists(os.path.join(full, "index")):
            print(subprocess.run([args.fill, full, str(args.manifests)], check=True, stdout=subprocess.PIPE,
                                 text=True).stdout.strip(), flush=True)
        start(binary, full, "start: %d manifests" % args.manifests, REQUEST)
        start(binary, full, "start: %d manifests, a tag pulled" % args.manifests, TAG)
        server = measure.Server(binary, full, "--no-access-log")
        server.first_answer(TAG)
        time.sleep(1)
        print("%-46s %s" % ("idle: %d manifests" % args.manifests, server.memory()), flush=True)
        server.stop()
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
