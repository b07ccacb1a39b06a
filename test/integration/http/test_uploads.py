# SPDX-License-Identifier: Apache-2.0
"""Bodies: whole, in chunks, expected, refused early, left unread, and many at once."""

import hashlib
import random
import threading
import time
import unittest

from harness import TestCase, chunked, request, sink_answer, until

MIB = 1 << 20


class Uploads(TestCase):
    options = ("loops=2",)

    def test_lengths_and_chunks(self):
        rng = random.Random(3)
        with self.server.connect() as c:
            for n in (0, 1, 4096, 262143, 262144, 262145, 524288, 3 * MIB + 7):
                body = rng.randbytes(n)
                c.send(request("PUT", "/sink", body=body))
                self.assertEqual(c.response().body, sink_answer(body))
                c.send(request("PATCH", "/sink", "Transfer-Encoding: chunked") + chunked(body, (1, 65536, 300000)))
                self.assertEqual(c.response().body, sink_answer(body))
                c.send(request("PUT", "/inline-sink", body=body))
                self.assertEqual(c.response().body, sink_answer(body))

    def test_request_behind_a_large_chunked_body(self):
        body = b"z" * (2 * MIB)
        with self.server.connect() as c:
            pipelined = request("PUT", "/sink", "Transfer-Encoding: chunked") + chunked(body, (100000,))
            c.send(pipelined + request("GET", "/small") * 3000)
            self.assertEqual(c.response().body, sink_answer(body))
            for _ in range(3000):
                self.assertEqual(c.response().body, b"hello\n")

    def test_expect(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Expect: 100-continue", "Content-Length: 5"))
            self.assertEqual(c.response(interim=True).status, 100)
            c.send(b"12345")
            self.assertEqual(c.response().body, sink_answer(b"12345"))
            c.send(request("PUT", "/sink", "Expect: 100-Continue", "Transfer-Encoding: chunked"))
            self.assertEqual(c.response(interim=True).status, 100)
            c.send(chunked(b"67890"))
            self.assertEqual(c.response().body, sink_answer(b"67890"))

    def test_expect_is_not_answered_when_the_body_is_there(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Expect: 100-continue", body=b"12345"))
            self.assertEqual(c.response().body, sink_answer(b"12345"))

    def test_expect_without_a_body_or_in_1_0(self):
        with self.server.connect() as c:
            c.send(request("GET", "/small", "Expect: 100-continue"))
            self.assertEqual(c.response().body, b"hello\n")
            c.send(b"PUT /sink HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na")
            self.assertEqual(c.response().body, sink_answer(b"a"))

    def test_expect_and_refused(self):
        for target, status in (("/deny", 401), ("/nowhere", 404)):
            with self.server.connect() as c:
                c.send(request("PUT", target, "Expect: 100-continue", "Content-Length: 5"))
                r = c.response()
                self.assertEqual((r.status, r.closes), (status, True))

    def test_early_answer_is_readable_after_megabytes(self):
        for target, status in (("/deny", 401), ("/nowhere", 404), ("/full/100000", 413)):
            for framing in ("Content-Length: %d" % (20 * MIB), "Transfer-Encoding: chunked"):
                with self.subTest((target, framing)), self.server.connect() as c:
                    c.send(request("PUT", target, framing))
                    piece = b"x" * MIB
                    if "chunked" in framing:
                        piece = b"%x\r\n%s\r\n" % (MIB, piece)
                    for _ in range(20):
                        c.send(piece)
                    r = c.response()
                    self.assertEqual((r.status, r.closes), (status, True))
                    c.end()
                    self.assertTrue(c.at_end())

    def test_failing_sink_is_aborted_before_its_answer(self):
        """So that the client finds its session free when it asks for it again."""
        for body, status in ((b"5\r\n12345\r\n0\r\n\r\n", 413), (b"2\r\n12\r\nxyz", 400)):
            self.server.get("/gate/close")
            before = self.server.stats()
            with self.server.connect() as c:
                c.send(request("PUT", "/stuck/3", "Transfer-Encoding: chunked") + body)
                until("the sink is there", lambda: self.server.stats()["sinks"] == 1)
                for _ in range(50):
                    self.server.get("/small")
                self.assertTrue(c.is_silent())
                self.server.get("/gate/open")
                self.assertEqual(c.response().status, status)
            after = self.server.stats()
            self.assertEqual(after["aborted"] - before["aborted"], 1)
            self.assertEqual(after["finished"], before["finished"])

    def test_small_unread_body_keeps_the_connection(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/deny", "Content-Length: 50000"))
            r = c.response()
            self.assertEqual((r.status, r.closes), (401, False))
            c.send(b"x" * 50000 + request("GET", "/small"))
            self.assertEqual(c.response().body, b"hello\n")
            c.send(request("PUT", "/deny", "Transfer-Encoding: chunked") + chunked(b"whole") + request("GET", "/small"))
            self.assertFalse(c.response().closes)
            self.assertEqual(c.response().body, b"hello\n")

    def test_back_pressure(self):
        """A sink that blocks makes the client wait, and costs one buffer."""
        self.server.get("/gate/close")
        size = 64 * MIB
        with self.server.connect() as c:
            sent = [0]

            def send():
                c.send(request("PUT", "/gated", "Content-Length: %d" % size))
                for _ in range(size // MIB):
                    c.send(b"y" * MIB)
                    sent[0] += MIB

            before = self.server.stats()["bytes"]
            t = threading.Thread(target=send)
            t.start()
            until("the sink is there", lambda: self.server.stats()["sinks"] == 1)
            # The kernel's buffers fill, then nothing moves.
            last = -1
            for _ in range(1000):
                t.join(0.2)
                if sent[0] == last:
                    break
                last = sent[0]
            self.assertLess(sent[0], size)
            self.assertEqual(self.server.stats()["bytes"], before)
            self.server.get("/gate/open")
            t.join()
            self.assertEqual(c.response().body, sink_answer(b"y" * size))

    def test_parallel_up_and_down(self):
        n, size = 4, 30 * MIB
        block = random.Random(4).randbytes(MIB)
        want_up = hashlib.sha256(block * (size // MIB)).hexdigest()
        got = {}

        def up(i):
            with self.server.connect() as c:
                c.send(request("PUT", "/sink", "Content-Length: %d" % size))
                for _ in range(size // MIB):
                    c.send(block)
                got["up%d" % i] = c.response().body.decode()

        def down(i):
            h = hashlib.sha256()
            with self.server.connect() as c:
                c.send(request("GET", "/file/0/%d" % size))
                c.response(sink=h.update)
            got["down%d" % i] = h.hexdigest()

        threads = [threading.Thread(target=f, args=(i,)) for i in range(n) for f in (up, down)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for i in range(n):
            self.assertEqual(got["up%d" % i], "%d sha256:%s\n" % (size, want_up))
        self.assertEqual(len({got["down%d" % i] for i in range(n)}), 1)


class OneCarrier(TestCase):
    options = ("loops=2", "carriers=1")

    def test_uploads_take_turns(self):
        """Those that stall hold up nobody; each goes on where it was."""
        body = random.Random(5).randbytes(12 * MIB)
        stalled = [self.server.connect() for _ in range(10)]
        for c in stalled:
            c.send(request("PUT", "/sink", "Content-Length: %d" % len(body)) + body[:100000])
        with self.server.connect() as c:
            for _ in range(2):
                c.send(request("PUT", "/sink", body=body))
                self.assertEqual(c.response().body, sink_answer(body))
        senders = [threading.Thread(target=c.send, args=(body[100000:],)) for c in stalled]
        for s in senders:
            s.start()
        for c, s in zip(stalled, senders):
            with c:
                self.assertEqual(c.response().body, sink_answer(body))
            s.join()

    def test_trickle(self):
        """Longer than a carrier waits, between pieces that are none of its sizes."""
        body = random.Random(6).randbytes(300001)
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Content-Length: %d" % len(body)))
            for at in range(0, len(body), 10007):
                c.send(body[at:at + 10007])
                time.sleep(0.004)
            self.assertEqual(c.response().body, sink_answer(body))


if __name__ == "__main__":
    unittest.main()
