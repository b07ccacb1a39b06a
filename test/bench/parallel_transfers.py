#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many big uploads at once, then many big downloads: the server's peak memory, and every digest.

    parallel_transfers.py --bin BUILD/bin [--clients 8] [--size-mib 1024]

Uploads are streamed (POST, one chunked PATCH, PUT), downloads are hashed as they come. Prints one line a phase:
wall seconds, MiB/s, CPU seconds of the server, its peak resident memory and the peak of its anonymous part (the rest
is page cache that the index maps).
"""
import argparse
import hashlib
import http.client
import os
import shutil
import sys
import tempfile
import threading
import time

import measure
import images  # found by measure

CHUNK = 1 << 20


def content(seed, chunks):
    """Differs in every chunk and for every seed, and costs nothing to make."""
    block = hashlib.shake_256(b"%d" % seed).digest(CHUNK - 8)
    for i in range(chunks):
        yield i.to_bytes(8, "big") + block


def upload(address, seed, chunks, digests):
    h = hashlib.sha256()

    def body():
        for part in content(seed, chunks):
            h.update(part)
            yield part

    connection = http.client.HTTPConnection(address, timeout=600)

    def request(method, where, payload=None, chunked=False):
        connection.request(method, where, payload, {"Content-Type": "application/octet-stream"},
                           encode_chunked=chunked)
        response = connection.getresponse()
        said = response.read()
        if response.status not in (201, 202):
            raise RuntimeError("%s %s: %d %r" % (method, where, response.status, said))
        return response.headers["Location"]

    where = request("POST", "/v2/bench/blob/blobs/uploads/")
    where = request("PATCH", where, body(), chunked=True)
    digests[seed] = "sha256:" + h.hexdigest()
    request("PUT", where + ("&" if "?" in where else "?") + "digest=" + digests[seed])


def download(address, digest, size):
    connection = http.client.HTTPConnection(address, timeout=600)
    connection.request("GET", "/v2/bench/blob/blobs/" + digest)
    response = connection.getresponse()
    h, got, part = hashlib.sha256(), 0, bytearray(CHUNK)
    while n := response.readinto(part):
        h.update(memoryview(part)[:n])
        got += n
    if got != size or "sha256:" + h.hexdigest() != digest:
        raise AssertionError("%s: %d bytes with another digest" % (digest, got))


class Watch(threading.Thread):
    """Samples the anonymous memory of the server; its high-water mark of all memory is the kernel's."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.end = pid, 0, threading.Event()

    def run(self):
        while not self.end.wait(0.02):
            self.peak = max(self.peak, measure.status(self.pid, "RssAnon"))


def phase(name, watch, total, jobs):
    failures = []

    def guarded(job):
        try:
            job()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    start, cpu = time.monotonic(), measure.cpu(watch.pid)
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wall = time.monotonic() - start
    print("%-9s %d × %d MiB: %.2f s, %.0f MiB/s, %.2f CPU s, peak RSS %.1f MiB (anonymous %.1f MiB)%s" % (
        name, len(jobs), total // len(jobs) >> 20, wall, (total >> 20) / wall, measure.cpu(watch.pid) - cpu,
        measure.status(watch.pid, "VmHWM") / 1024, watch.peak / 1024, "".join("\n  FAILED: %s" % f for f in failures)), flush=True)
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--size-mib", type=int, default=1024)
    args = parser.parse_args()
    store = tempfile.mkdtemp(prefix="loci-bench-")
    registry = images.Registry(os.path.abspath(args.bin), store + "/store")
    try:
        address, digests, size = registry.address, {}, args.size_mib << 20
        watch = Watch(registry.process.pid)
        watch.start()
        ok = phase("uploads", watch, size * args.clients,
                   [lambda s=s: upload(address, s, args.size_mib, digests) for s in range(args.clients)])
        ok &= phase("downloads", watch, size * args.clients,
                    [lambda d=d: download(address, d, size) for d in digests.values()])
        watch.end.set()
        watch.join()
    finally:
        registry.close()
        shutil.rmtree(store)
    return 0 if ok and len(digests) == args.clients else 1


if __name__ == "__main__":
    sys.exit(main())
