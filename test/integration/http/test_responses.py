# SPDX-License-Identifier: Apache-2.0
"""What responses look like on the wire, and how connections go on after them."""

import errno
import os
import re
import unittest

from harness import TLS, TestCase, pattern, request, sink_answer, until

BURST = 2 << 20  # bytes of a file, then other connections have their turn


class Responses(TestCase):
    def test_head_of_a_response(self):
        r = self.server.get("/small")
        self.assertEqual((r.status, r.body), (200, b"hello\n"))
        self.assertEqual(r.headers["server"], "loci")
        self.assertEqual(r.headers["content-type"], "text/plain")
        self.assertRegex(r.headers["date"], r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertNotIn("connection", r.headers)

    def test_each_exchange_is_observed_once(self):
        def settled():
            # An exchange ends after its answer was made: the one that asks is not in yet.
            settled.asked += 1
            return self.server.stats()["observed"] == before + 3 + settled.asked

        settled.asked = 0
        before = self.server.stats()["observed"]
        with self.server.connect() as c:
            c.send(request("GET", "/small") + request("GET", "/nothing") + b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual([c.response().status for _ in range(3)], [200, 204, 400])
        until("each is observed, once", settled)
    def test_request_id(self):
        for sent, is_taken in (
            (("X-Request-Id: a1-B2._:+/=@",), True),
            (("x-request-id: " + "9" * 64,), True),
            (("X-Request-Id: " + "9" * 65,), False),
            (("X-Request-Id: a b",), False),
            (("X-Request-Id: \"",), False),
            (("X-Request-Id:",), False),
            (("X-Request-Id: a", "X-Request-Id: a"), False),
            ((), False),
        ):
            with self.server.connect() as c:
                c.send(request("GET", "/small", *sent))
                got = c.response().headers["x-request-id"]
            if is_taken:
                self.assertEqual(got, sent[0].partition(": ")[2])
            else:
                self.assertRegex(got, "^[0-9a-f]{16}$")
            until("it is in the log", lambda: [e for e in self.server.log if e.get("request_id") == got])

    def test_refused_requests_have_an_id(self):
        with self.server.connect() as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n")  # no Host
            self.assertRegex(c.response().headers["x-request-id"], "^[0-9a-f]{16}$")

    def test_no_content_has_no_length(self):
        with self.server.connect() as c:
            c.send(request("GET", "/nothing") + request("GET", "/small"))
            r = c.response()
            self.assertEqual(r.status, 204)
            self.assertNotIn("content-length", r.headers)
            self.assertEqual(c.response().body, b"hello\n")

    def test_head_carries_no_body(self):
        with self.server.connect() as c:
            c.send(request("HEAD", "/file/7/50000000") + request("HEAD", "/memory/9"))
            c.send(request("GET", "/small"))
            self.assertEqual(c.response(head=True).headers["content-length"], "50000000")
            self.assertEqual(c.response(head=True).headers["content-length"], "9")
            self.assertEqual(c.response().body, b"hello\n")

    def test_files(self):
        with self.server.connect() as c:
            for off, n in [(0, 0), (0, 1), (5, 1), (0, 65536), (12345, 700001), (67108863, 1)]:
                c.send(request("GET", "/file/%d/%d" % (off, n)))
                r = c.response()
                self.assertEqual(r.status, 206 if off else 200)
                self.assertEqual(r.body, pattern(off, n))

    def test_bodies_in_parts(self):
        with self.server.connect() as c:
            for off, n in [(0, 0), (0, 1), (12345, 700001), (5, 30000000)]:
                c.send(request("GET", "/parts/%d/%d" % (off, n)) + request("HEAD", "/parts/%d/%d" % (off, n)))
                r = c.response()
                self.assertEqual(r.status, 206)
                self.assertEqual(r.headers["content-length"], str(n + 24))
                self.assertEqual(r.body, b"<first>" + pattern(off, n) + b"<none><one>" + pattern(7, 1) + b"<end>")
                self.assertEqual(c.response(head=True).headers["content-length"], str(n + 24))

    def test_large_body_from_memory(self):
        with self.server.connect(rcvbuf=4096) as c:
            c.send(request("GET", "/memory/3000000"))
            self.assertEqual(c.response().body, pattern(0, 3000000))

    def test_file_that_is_too_short_cuts_the_connection(self):
        with self.server.connect() as c:
            c.send(request("GET", "/short/10"))
            with self.assertRaises((EOFError, ConnectionError)):
                c.response(sink=lambda piece: None)

    def test_file_that_cannot_be_read_cuts_the_connection(self):
        with self.server.connect() as c:
            c.send(request("GET", "/broken"))
            with self.assertRaises((EOFError, ConnectionError)):
                c.response()
        said = until("the log says why", lambda: [e[""] for e in self.server.log if "/broken: " in e[""]])
        self.assertIn("response to /broken: send the file: " + os.strerror(errno.EISDIR if TLS else errno.EINVAL), said[0])

    def test_forged_header_is_not_sent(self):
        with self.server.connect() as c:
            c.send(request("GET", "/forged"))
            r = c.response()
            self.assertEqual(r.status, 500)
            self.assertNotIn("set-cookie", r.headers)

    def test_versions_and_keep_alive(self):
        for version, header, closes, says in [
            ("1.1", "", False, None),
            ("1.1", "Connection: close\r\n", True, "close"),
            ("1.1", "Connection: a, CLOSE\r\n", True, "close"),
            ("1.1", "Connection: keep-alive\r\n", False, None),
            ("1.0", "", True, "close"),
            ("1.0", "Connection: Keep-Alive\r\n", False, "keep-alive"),
            ("1.0", "Connection: keep-alive, close\r\n", True, "close"),
        ]:
            with self.subTest((version, header)), self.server.connect() as c:
                c.send(("GET /small HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, header)).encode())
                r = c.response()
                self.assertEqual((r.body, r.headers.get("connection")), (b"hello\n", says))
                if closes:
                    self.assertTrue(c.at_end())
                else:
                    c.send(request("GET", "/small"))
                    self.assertEqual(c.response().body, b"hello\n")

    def test_pipelining(self):
        one = [
            (request("GET", "/small"), b"hello\n", False),
            (request("PUT", "/sink", body=b"a" * 1000), sink_answer(b"a" * 1000), False),
            (request("HEAD", "/small"), b"", True),
            (request("GET", "/file/100/30000"), pattern(100, 30000), False),
            (request("GET", "/nothing"), b"", True),
            (request("PATCH", "/sink", "Transfer-Encoding: chunked") + b"2\r\nab\r\n0\r\n\r\n", sink_answer(b"ab"), False),
            (request("POST", "/sink", body=b""), sink_answer(b""), False),
            (request("PUT", "/small", body=b"unread"), b"hello\n", False),
        ]
        with self.server.connect() as c:
            c.send(b"".join(data for data, _, _ in one) * 40)
            for _ in range(40):
                for _, body, head in one:
                    self.assertEqual(c.response(head=head).body, body)

    def test_many_small_pipelined_requests(self):
        with self.server.connect() as c:
            c.send(request("GET", "/nothing") * 3000)
            for _ in range(3000):
                self.assertEqual(c.response().status, 204)

    def test_half_closed_client_gets_its_answers(self):
        with self.server.connect() as c:
            c.send(request("GET", "/file/0/3000000") + request("PUT", "/sink", body=b"x" * 99))
            c.end()
            self.assertEqual(len(c.response().body), 3000000)
            self.assertEqual(c.response().body, sink_answer(b"x" * 99))
            self.assertTrue(c.at_end())

    def test_blocking_handler_does_not_stop_the_loop(self):
        self.server.get("/gate/close")
        with self.server.connect() as slow:
            slow.send(request("GET", "/wait") + request("GET", "/small"))
            self.assertEqual(self.server.get("/small").body, b"hello\n")
            self.assertTrue(slow.is_silent())
            self.server.get("/gate/open")
            self.assertEqual(slow.response().body, b"waited\n")
            self.assertEqual(slow.response().body, b"hello\n")

    def disk(self, *cold, gate="open"):
        """These ranges are on the disk."""
        self.server.get("/gate/" + gate)
        self.addCleanup(self.server.get, "/disk/warm")
        for off, n in cold:
            self.server.get("/disk/cold/%d/%d" % (off, n))

    def test_disk_does_not_stop_the_loop(self):
        for off, n, waits, mss in ((0, 100, 1, None), (0, BURST, 1, None), (4096, BURST + 1, 2, None),
                                      (7 * 4096, 3 * BURST, 3, None), (4096, 3 * BURST, 3, 1448)):
            self.disk((0, 4 * BURST), gate="close")
            before = self.server.numbers()["cold_reads"]
            with self.server.connect(mss=mss) as slow:
                slow.send(request("GET", "/file/%d/%d" % (off, n)) + request("GET", "/small"))
                self.assertEqual(self.server.get("/small").body, b"hello\n")
                self.assertEqual(slow.exactly(9), b"HTTP/1.1 ")  # the head is on its way
                self.server.get("/gate/open")
                got = slow.until_bytes(b"\r\n\r\n") and slow.exactly(n)
                self.assertTrue(got == pattern(off, n), "%d bytes from %d" % (n, off))
                self.assertEqual(slow.response().body, b"hello\n")
            self.assertEqual(self.server.numbers()["cold_reads"], before + waits)

    def test_middle_of_a_burst_on_the_disk(self):
        """Which is looked at only behind a burst that was cold: as what is being read ahead."""
        self.disk((0, 1), (BURST + BURST // 2, 1))
        before = self.server.numbers()["cold_reads"]
        self.assertTrue(self.server.get("/file/0/%d" % (4 * BURST)).body == pattern(0, 4 * BURST))
        self.assertEqual(self.server.numbers()["cold_reads"], before + 2)

    def test_bodies_in_parts_from_a_disk(self):
        self.disk((0, 4096), (8192, 2 * BURST))
        before = self.server.numbers()["cold_reads"]
        self.assertTrue(self.server.get("/parts/8192/%d" % (BURST + 1)).body ==
                        b"<first>" + pattern(8192, BURST + 1) + b"<none><one>" + pattern(7, 1) + b"<end>")
        self.assertEqual(self.server.numbers()["cold_reads"], before + 3)

    def test_disk_that_cannot_be_read_cuts_the_connection(self):
        self.disk((4096, 4096))
        self.server.get("/disk/broken")
        with self.server.connect() as c:
            c.send(request("GET", "/file/4096/%d" % BURST))
            self.assertRaises((EOFError, ConnectionError), c.response)
        until("the log says why", lambda: any("send the file: Input/output error" in e[""] for e in self.server.log))
        self.assertEqual(self.server.get("/small").body, b"hello\n")

    def test_client_goes_while_the_disk_works(self):
        self.disk((0, 4 * BURST), gate="close")
        lost = self.server.numbers()["lost"]
        with self.server.connect() as slow:
            slow.send(request("GET", "/file/0/50000000"))
            until("it waits for the disk", lambda: self.server.numbers()["in_flight"] == 2)
            slow.reset()
        self.server.get("/gate/open")
        until("it is gone", lambda: self.server.numbers()["lost"] == lost + 1)
        self.assertEqual(self.server.numbers()["in_flight"], 1)

    def test_access_log(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/sink?logged", "User-Agent: tester/1", body=b"12345"))
            n = len(c.response().body)
        e = until("a log record", lambda: [e for e in self.server.log if e.get("target") == "/sink?logged"])[0]
        self.assertRegex(e.pop("duration_ms"), r"^\d+$")
        self.assertRegex(e.pop("request_id"), r"^[0-9a-f]{16}$")
        self.assertEqual(
            e,
            {
                "": "access request",
                "method": "PUT",
                "target": "/sink?logged",
                "status": "201",
                "bytes_in": "5",
                "bytes_out": str(n),
                "peer": "127.0.0.1",
                "user_agent": "tester/1",
            },
        )

    def test_access_log_of_a_refused_head(self):
        with self.server.connect() as c:
            c.send(b"GET /refused HTTP/1.1\r\n\r\n")
            c.response()
        e = until("a log record", lambda: [e for e in self.server.log if e.get("target") == "/refused"])[0]
        self.assertEqual((e["status"], e["reason"]), ("400", "no Host"))


if __name__ == "__main__":
    unittest.main()
