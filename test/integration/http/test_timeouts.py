# SPDX-License-Identifier: Apache-2.0
"""Every time-out fires, and none fires on a client that does its part."""

import time
import unittest

from harness import TLS, TestCase, request, sink_answer, until


class Timeouts(TestCase):
    options = ("loops=1", "idle_ms=300", "head_ms=300", "body_ms=300", "write_ms=300", "refusals_logged=1000")

    def test_idle(self):
        with self.server.connect() as c:
            self.assertTrue(c.at_end())
        with self.server.connect() as c:
            c.send(request("GET", "/small"))
            c.response()
            self.assertTrue(c.at_end())

    def test_head(self):
        with self.server.connect() as c:
            c.send(b"GET /small HTTP/1.1\r\n")
            r = c.response()
            self.assertEqual((r.status, r.closes), (408, True))
            c.end()
            self.assertTrue(c.at_end())

    def test_head_that_trickles(self):
        with self.server.connect() as c:
            def trickle():
                try:
                    c.send(b"X: a\r\n")
                except ConnectionError:
                    return True
                return not c.is_silent()

            c.send(b"GET /small HTTP/1.1\r\n")
            until("the head is given up", trickle)
            self.assertEqual(c.response().status, 408)

    def test_body(self):
        for framing in ("Content-Length: 99", "Transfer-Encoding: chunked"):
            before = self.server.stats()
            with self.server.connect() as c:
                c.send(request("PUT", "/sink", framing) + b"5\r\nab")
                r = c.response()
                self.assertEqual((r.status, r.closes), (408, True))
                after = self.server.stats()
                self.assertEqual(after["aborted"] - before["aborted"], 1)
                c.end()
                self.assertTrue(c.at_end())

    def test_unread_body_that_does_not_come(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/deny", "Content-Length: 99"))
            self.assertEqual(c.response().status, 401)
            self.assertTrue(c.at_end())

    def test_client_that_does_not_read(self):
        for target in ("/file/0/60000000", "/memory/20000000"):
            with self.server.connect(rcvbuf=4096) as c:
                c.send(request("GET", target))
                e = until("the response is given up", lambda: [e for e in self.server.log if e.get("target") == target])[0]
                self.assertEqual((e["status"], e["reason"]), ("200", "timed out"))

    def test_client_that_sends_requests_and_reads_nothing(self):
        with self.server.connect(rcvbuf=4096) as c:
            c.s.setblocking(False)
            requests, at = request("GET", "/small") * 1000, 0

            def is_closed():
                nonlocal at
                try:
                    at += c.s.send(requests[at:])
                except BlockingIOError:
                    return False
                except ConnectionError:
                    return True
                at %= len(requests)

            until("the connection is given up", is_closed)

    def test_linger_ends(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/deny", "Content-Length: 99999999") + b"x")
            self.assertEqual(c.response().status, 401)
            self.assertTrue(c.at_end())  # the server's half
            c.send(b"x" * 2000000)  # and it reads on

            def is_closed():
                try:
                    c.send(b"x")
                except ConnectionError:
                    return True

            until("the server closes its other half too", is_closed)

    def test_slow_disk_is_not_the_clients_fault(self):
        self.server.get("/gate/close")
        with self.server.connect() as c:
            c.send(request("PUT", "/gated", "Content-Length: 1000"))
            until("the sink is there", lambda: self.server.stats()["sinks"] == 1)
            c.send(b"x" * 1000)
            with self.server.connect() as other:  # waits for longer than body_ms
                self.assertTrue(other.at_end())
                self.assertTrue(c.is_silent())
            self.server.get("/gate/open")
            self.assertEqual(c.response().status, 201)


class Rates(TestCase):
    """Clients that always move, but too slowly."""

    options = ("loops=1", "min_body_rate=100000", "min_write_rate=%d" % (10000000 // (10 if TLS else 1)), "rate_grace_ms=300")  # time-outs: a minute

    def test_body_that_trickles(self):
        for framing, piece in (("Content-Length: 4000000000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")):
            before = self.server.numbers()["cut_body_rate"]
            with self.server.connect() as c:
                c.send(request("PUT", "/sink", framing))

                def trickle():
                    try:
                        c.send(piece)
                    except ConnectionError:
                        return True
                    return not c.is_silent()

                until("the body is given up", trickle)
                r = c.response()
                self.assertEqual((r.status, r.closes), (408, True))
                self.assertIn(b"too slowly", r.body)
            self.assertEqual(self.server.numbers()["cut_body_rate"], before + 1)

    def test_response_that_is_taken_in_sips(self):
        for target in ("/file/0/60000000", "/memory/20000000"):
            with self.server.connect(rcvbuf=4096) as c:
                c.send(request("GET", target))

                def sip():
                    c.s.recv(100)
                    return [e for e in self.server.log if e.get("target") == target]

                e = until("the response is given up", sip)[0]
                self.assertEqual((e["status"], e["reason"]), ("200", "the client takes it too slowly"))
        self.assertEqual(self.server.numbers()["cut_write_rate"], 2)

    def test_fast_clients(self):
        data = b"y" * 3000000
        with self.server.connect() as c:
            for _ in range(3):
                c.send(request("PUT", "/sink", body=data))
                self.assertEqual(c.response().body, sink_answer(data))
                c.send(request("GET", "/file/0/9000000"))
                self.assertEqual(len(c.response().body), 9000000)

    def test_waiting_for_the_disk_is_not_waiting_for_the_client(self):
        self.server.get("/gate/close")
        with self.server.connect() as c, self.server.connect() as slow:
            c.send(request("PUT", "/gated", "Content-Length: 300000"))
            until("the sink is there", lambda: self.server.stats()["sinks"] == 1)
            c.send(b"x" * 299999)
            # Another's body is given up meanwhile: so long did this one wait.
            slow.send(request("PUT", "/sink", "Content-Length: 99"))

            def trickle():
                try:
                    slow.send(b"x")
                except ConnectionError:
                    return True
                return not slow.is_silent()

            until("the slow one is given up", trickle)
            self.server.get("/gate/open")
            c.send(b"x")
            self.assertEqual(c.response().status, 201)


class Looks(TestCase):
    """The write timer looks at a client, and finds nothing wrong with it."""

    options = ("loops=1", "min_write_rate=1", "rate_grace_ms=100")  # it looks that often; write_ms: a minute

    def test_client_that_goes_by_itself(self):
        before = self.server.numbers()
        with self.server.connect(rcvbuf=4096) as c:
            c.send(request("GET", "/file/0/60000000"))
            c.read_some()
            end = time.monotonic() + 1
            until("there were looks", lambda: time.monotonic() > end)
        e = until("it is told", lambda: [e for e in self.server.log if e.get("target") == "/file/0/60000000"])[0]
        self.assertEqual(e["reason"], "connection lost")
        after = self.server.numbers()
        self.assertEqual((after["cut_write"], after["lost"]), (before["cut_write"], before["lost"] + 1))


class Clock(TestCase):
    """The machine's clock is set while clients wait."""

    options = ("loops=1", "idle_ms=2000")  # the others: tens of seconds

    def test_set_forward_and_back(self):
        with self.server.connect() as up:
            up.send(request("PUT", "/sink", "Content-Length: 10") + b"12345")
            until("the sink is there", lambda: self.server.stats()["sinks"] == 1)
            self.server.get("/clock/3600")
            self.server.get("/small")
            up.send(b"67890")
            self.assertEqual(up.response().body, sink_answer(b"1234567890"))
        with self.server.connect() as idle:
            idle.send(request("GET", "/small"))
            idle.response()
            self.server.get("/clock/0")
            self.assertTrue(idle.at_end())


if __name__ == "__main__":
    unittest.main()
