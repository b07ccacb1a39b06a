# SPDX-License-Identifier: Apache-2.0
"""8 uploads and 8 downloads of 1 GiB at once, in bounded memory. By TLS: 64 MiB, for the client's sake; under a sanitizer: 16 MiB, unmeasured."""

import threading
import unittest

from harness import TLS, TestCase, request

MIB = 1 << 20
PEAK_KIB = 24 * 1024


class Memory(TestCase):
    options = ("file_size=%d" % (16 * MIB), "access_log=0")

    def test_parallel_transfers(self):
        instrumented = self.server.is_instrumented()
        size = 16 * MIB if instrumented else 64 * MIB if TLS else 1024 * MIB
        block = b"m" * MIB
        failures = []

        def up():
            with self.server.connect() as c:
                c.send(request("PUT", "/sink", "Content-Length: %d" % size))
                for _ in range(size // MIB):
                    c.send(block)
                if not c.response().body.startswith(b"%d " % size):
                    failures.append("upload")

        def down():
            got = [0]
            with self.server.connect() as c:
                for _ in range(size // (16 * MIB)):
                    c.send(request("GET", "/file/0/%d" % (16 * MIB)))
                    c.response(sink=lambda piece: got.__setitem__(0, got[0] + len(piece)))
            if got[0] != size:
                failures.append("download")

        for kind in (up, down):
            threads = [threading.Thread(target=kind) for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertFalse(failures)
        peak = self.server.peak_rss()
        print("peak RSS %d KiB" % peak)
        if not instrumented:
            self.assertLess(peak, PEAK_KIB)


if __name__ == "__main__":
    unittest.main()
