# SPDX-License-Identifier: Apache-2.0
"""Clients that vanish: at every point, politely and not."""

import unittest

from harness import TestCase, request, until


class Aborts(TestCase):
    options = ("loops=2",)

    def settled(self):
        """Nothing is alive; the counters are read before their own response is made."""
        s = self.server.stats()
        return s if s["sinks"] == 0 and s["responses"] == 0 else None

    def test_mid_upload(self):
        for reset in (False, True):
            for framing, piece in (("Content-Length: 9000000", b"x"), ("Transfer-Encoding: chunked", b"ffffff\r\nx")):
                for n in (0, 1, 100000, 3000000):
                    before = self.server.stats()
                    with self.server.connect() as c:
                        c.send(request("PUT", "/sink", framing) + piece + b"x" * n)
                        if reset:
                            c.reset()
                    after = until("the sink is gone", self.settled)
                    self.assertEqual(after["finished"], before["finished"])

    def test_half_closed_mid_upload(self):
        before = self.server.stats()
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Content-Length: 10") + b"12345")
            c.end()
            self.assertTrue(c.at_end())
        after = until("the sink is gone", self.settled)
        self.assertEqual((after["aborted"] - before["aborted"], after["finished"]), (1, before["finished"]))

    def test_mid_download(self):
        for reset in (False, True):
            for target in ("/file/0/60000000", "/memory/20000000"):
                for n in (0, 1, 1000000):
                    c = self.server.connect()
                    c.send(request("GET", target))
                    c.exactly(n)
                    c.reset() if reset else c.s.close()
        until("all responses are gone", self.settled)

    def test_while_the_handler_runs(self):
        for reset in (False, True):
            self.server.get("/gate/close")
            for _ in range(2):
                c = self.server.connect()
                c.send(request("GET", "/wait"))
                c.reset() if reset else c.s.close()
            self.server.get("/gate/open")
            until("the handlers' responses are gone", self.settled)

    def test_while_the_sink_writes(self):
        self.server.get("/gate/close")
        before = self.server.stats()
        for reset in (False, True):
            c = self.server.connect()
            c.send(request("PUT", "/gated", "Content-Length: 9000000") + b"x" * 100000)
            until("the sink is there", lambda: self.server.stats()["sinks"] >= 1)
            c.reset() if reset else c.s.close()
        self.server.get("/gate/open")
        after = until("the sinks are gone", self.settled)
        self.assertEqual(after["finished"], before["finished"])
        self.assertEqual(after["aborted"] - before["aborted"], 2)

    def test_many(self):
        for i in range(60):
            c = self.server.connect()
            data = (request("PUT", "/sink", "Content-Length: 999"), request("GET", "/file/0/9999999"), b"GET / HT", b"")[i % 4]
            c.send(data)
            c.reset() if i % 3 else c.s.close()
        until("all is gone", self.settled)
        e = [e for e in self.server.log if e.get("reason") == "connection lost"]
        self.assertTrue(e)


if __name__ == "__main__":
    unittest.main()
