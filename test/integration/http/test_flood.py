# SPDX-License-Identifier: Apache-2.0
"""A flood of malformed requests: each is refused, a client that does nothing wrong gets all of its bytes meanwhile, and
neither memory nor the log grows with it."""

import os
import subprocess
import unittest

from harness import TestCase, pattern, request, until

PEAK_KIB = 24 * 1024
LINES_A_SECOND = 3
LOOPS = 2


class Flood(TestCase):
    options = ("loops=%d" % LOOPS, "refusals_logged=%d" % LINES_A_SECOND, "file_size=%d" % (8 << 20))

    def flood(self, kind, n):
        port = self.server.addresses[0].rpartition(":")[2]
        return subprocess.Popen([os.environ["HTTP_FLOOD"], port, kind, "0", str(n)], stdout=subprocess.PIPE, text=True)

    def pull_until_end_of(self, flood):
        """How often; at least once."""
        n, expected = 0, pattern(4096, 100_000)
        with self.server.connect() as c:
            while n == 0 or flood.poll() is None:
                c.send(request("GET", "/file/4096/100000") + request("GET", "/small"))
                self.assertEqual(c.response().body, expected)
                self.assertEqual(c.response().body, b"hello\n")
                n += 1
        return n

    def test_malformed_heads(self):
        count = 2000 if self.server.is_instrumented() else 20000
        flood = self.flood("heads", count)
        self.assertGreater(self.pull_until_end_of(flood), 0)
        told = flood.communicate()[0].split()
        self.assertEqual(told[:4], ["sent=%d" % count, "refused=%d" % count, "answered=%d" % count, "lost=0"])
        self.assertGreaterEqual(self.server.numbers()["refused"], count)

        def all_told():
            lines = [e for e in self.server.log if e.get("status") in ("400", "501")]
            more = [e for e in self.server.log if e[""] == "access more requests were refused"]
            if len(lines) + sum(int(e["count"]) for e in more) == count:
                return lines, more

        lines, more = until("the log tells of all", all_told)
        # Each second of each loop has its lines and one that counts; the first may be the end of another.
        self.assertLessEqual(len(lines), LINES_A_SECOND * (len(more) + LOOPS))
        if not self.server.is_instrumented():
            self.assertLess(self.server.peak_rss(), PEAK_KIB)

    def test_requests_for_what_is_not_there(self):
        count = 2000 if self.server.is_instrumented() else 20000
        flood = self.flood("names", count)
        self.assertGreater(self.pull_until_end_of(flood), 0)
        told = flood.communicate()[0].split()
        self.assertEqual(told[:4], ["sent=%d" % count, "refused=%d" % count, "answered=%d" % count, "lost=0"])


if __name__ == "__main__":
    unittest.main()
