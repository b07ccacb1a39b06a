# SPDX-License-Identifier: Apache-2.0
"""256 MiB up and down, two at a time, in little memory and every digest right."""

import hashlib
import os
import threading
import unittest

from ociregistry import DEADLINE, Registry

SIZE = 256 << 20
BLOCK = os.urandom(1 << 20)


def blocks(seed):
    for i in range(SIZE >> 20):
        yield b"%08d%08d" % (seed, i) + BLOCK[16:]


def digest(seed):
    h = hashlib.sha256()
    for block in blocks(seed):
        h.update(block)
    return "sha256:" + h.hexdigest()


def peak_rss(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM"))


def is_sanitized():
    with open(os.environ["OCIREGISTRY"], "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


class Big(unittest.TestCase):
    def test_round_trip(self):
        with Registry() as registry:
            self.registry = registry
            digests = [digest(seed) for seed in range(2)]
            self.at_once(self.push, digests)
            self.at_once(self.pull, digests)
            peak = peak_rss(registry.process.pid)
            if not is_sanitized():
                # Two uploads of 256 MiB: were one of them held, this would show.
                self.assertLess(peak, 128 << 20)
            self.assertEqual(registry.stop(), 0)

    def at_once(self, what, digests):
        failed = []

        def run(seed):
            try:
                what(seed, digests[seed])
            except BaseException as e:
                failed.append(e)
        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(len(digests))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(4 * DEADLINE)
        self.assertEqual(failed, [])

    def push(self, seed, want):
        where = self.registry.start_upload("big")
        connection = self.registry.connect()
        connection.request("PUT", where + "?digest=" + want, blocks(seed), {"Content-Length": str(SIZE)})
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()

    def pull(self, seed, want):
        connection = self.registry.connect()
        connection.request("GET", "/v2/big/blobs/" + want)
        response = connection.getresponse()
        h = hashlib.sha256()
        while part := response.read(1 << 20):
            h.update(part)
        self.assertEqual("sha256:" + h.hexdigest(), want)
        connection.close()


if __name__ == "__main__":
    unittest.main()
