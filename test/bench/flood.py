#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a flood of requests that must be refused does to a client that does nothing wrong.

    flood.py --bin BUILD/bin --flood BUILD/test/bench_flood [--rate 10000] [--seconds 4] [--rounds 3]

The good client pulls a blob again and again, or small manifests, on one connection: for itself, and during floods of
malformed heads (a connection each) and of well-formed requests with malformed names (on kept connections). Medians
over the rounds, which take turns. All share this machine's cores: the flood's own work is in the ratio, too.
"""
import argparse
import hashlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import measure

BLOB = 64 << 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
KINDS = ("quiet", "heads", "names")


def pull(port, target, seconds):
    """Bytes a second."""
    until = time.monotonic() + seconds
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    room = memoryview(bytearray(1 << 20))
    begin, n = time.monotonic(), 0
    while time.monotonic() < until:
        c.request("GET", target)
        r = c.getresponse()
        if r.status != 200:
            raise SystemExit("flood.py: %s: %d" % (target, r.status))
        while got := r.readinto(room):
            n += got
    c.close()
    return n / (time.monotonic() - begin)


class Bench:
    def __init__(self, args, work):
        self.args = args
        self.log = os.path.join(work, "log")
        self.server = measure.Server(os.path.join(args.bin, "ociregistry"), os.path.join(work, "store"), log=self.log)
        self.server.first_answer()
        self.blob = self.push("POST", "/v2/good/image/blobs/uploads/?digest=%s", os.urandom(BLOB))
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
                  "digest": self.push("POST", "/v2/good/image/blobs/uploads/?digest=%s", b"{}")}
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": BLOB, "digest": self.blob}
        self.push("PUT", "/v2/good/image/manifests/latest", json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).encode())

    def push(self, method, target, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        c.request(method, target.replace("%s", digest), data, {"Content-Type": MANIFEST if method == "PUT" else "x/y"})
        r = c.getresponse()
        if r.status != 201:
            raise SystemExit("flood.py: %s %s: %d %s" % (method, target, r.status, r.read()))
        c.close()
        return digest

    def flood(self, kind, seconds):
        if kind == "quiet":
            return None
        return subprocess.Popen([self.args.flood, str(self.server.port), kind, str(self.args.rate),
                                 str(int(self.args.rate * seconds))], stdout=subprocess.PIPE, text=True)

    def round(self, kind, target):
        flood = self.flood(kind, self.args.seconds + 1)
        time.sleep(0.5)
        cpu, log = measure.cpu(self.server.process.pid), os.path.getsize(self.log)
        rate = pull(self.server.port, target, self.args.seconds)
        cpu, log = measure.cpu(self.server.process.pid) - cpu, os.path.getsize(self.log) - log
        told = flood.communicate()[0].strip() if flood else ""
        return rate, cpu / self.args.seconds, log / self.args.seconds, told

    def compare(self, what, target, unit, scale):
        rows = {kind: [] for kind in KINDS}
        for _ in range(self.args.rounds):
            for kind in KINDS:
                rows[kind].append(self.round(kind, target))
        quiet = statistics.median(r[0] for r in rows["quiet"])
        for kind in KINDS:
            rate = statistics.median(r[0] for r in rows[kind])
            cores = statistics.median(r[1] for r in rows[kind])
            print("%-10s %-6s %9.1f %s %5.2f of quiet, server %.2f cores, log %4.0f KiB/s, flood %s"
                  % (what, kind, rate / scale, unit, rate / quiet, cores, rows[kind][-1][2] / 1024,
                     rows[kind][-1][3] or "none"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--flood", required=True)
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="loci-bench-")
    bench = Bench(args, work)
    try:
        bench.compare("blob", "/v2/good/image/blobs/" + bench.blob, "MB/s", 1e6)
        bench.compare("manifests", "/v2/good/image/manifests/latest", "kB/s", 1e3)
        print("server: peak RSS %.1f MiB" % (measure.status(bench.server.process.pid, "VmHWM") / 1024))
    finally:
        bench.server.stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
