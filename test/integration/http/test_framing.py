# SPDX-License-Identifier: Apache-2.0
"""Heads and framing that a strict server must refuse, and those it must take."""

import json
import random
import unittest

from harness import SCHEME, TestCase, chunked, request, sink_answer

H = b"Host: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = [
    # status, what, bytes
    (400, "length and chunked", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "chunked and length", b"PUT /sink HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
    (400, "two lengths", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
    (400, "two equal lengths", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
    (400, "list of lengths", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 4, 4\r\n\r\nabcd"),
    (400, "signed length", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: +4\r\n\r\nabcd"),
    (400, "negative length", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: -4\r\n\r\nabcd"),
    (400, "hex length", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 0x4\r\n\r\nabcd"),
    (400, "empty length", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: \r\n\r\n"),
    (400, "overflowing length", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 18446744073709551617\r\n\r\n"),
    (400, "length above 2^63", b"PUT /sink HTTP/1.1\r\n" + H + b"Content-Length: 9223372036854775808\r\n\r\n"),
    (400, "two hosts", b"GET /small HTTP/1.1\r\n" + H + H + b"\r\n"),
    (400, "no host", b"GET /small HTTP/1.1\r\n\r\n"),
    (400, "host with a path", b"GET /small HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "host with a user", b"GET /small HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    (400, "folded header", b"GET /small HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n"),
    (400, "folded first header", b"GET /small HTTP/1.1\r\n X: a\r\n" + H + b"\r\n"),
    (400, "bare LF after the request line", b"GET /small HTTP/1.1\n" + H + b"\r\n"),
    (400, "bare LF after a header", b"GET /small HTTP/1.1\r\nHost: x\n\r\n"),
    (400, "bare LF as the empty line", b"GET /small HTTP/1.1\r\n" + H + b"\n"),
    (400, "bare CR in a value", b"GET /small HTTP/1.1\r\n" + H + b"X: a\rb\r\n\r\n"),
    (400, "NUL in a value", b"GET /small HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n"),
    (400, "NUL in the target", b"GET /sm\0all HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "control in a value", b"GET /small HTTP/1.1\r\n" + H + b"X: a\x01b\r\n\r\n"),
    (400, "blank before the colon", b"GET /small HTTP/1.1\r\nHost : x\r\n\r\n"),
    (400, "no colon", b"GET /small HTTP/1.1\r\n" + H + b"nonsense\r\n\r\n"),
    (400, "empty name", b"GET /small HTTP/1.1\r\n" + H + b": a\r\n\r\n"),
    (400, "name that is no token", b"GET /small HTTP/1.1\r\n" + H + b"a(b: c\r\n\r\n"),
    (400, "empty method", b" /small HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "method that is no token", b"GE(T /small HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "relative target", b"GET small HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "authority target", b"CONNECT a:443 HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "fragment in the target", b"GET /small#a HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "bytes above ASCII in the target", b"GET /sm\xe4ll HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "absolute target without a host", b"GET http:///small HTTP/1.1\r\n" + H + b"\r\n"),
    (400, "version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, "no version", b"GET /small\r\n" + H + b"\r\n"),
    (400, "TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32),
    (400, "chunked in HTTP/1.0", b"PUT /sink HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "two encodings", b"PUT /sink HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (501, "gzip encoding", b"PUT /sink HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, "identity encoding", b"PUT /sink HTTP/1.1\r\n" + H + b"Transfer-Encoding: identity\r\n\r\n"),
    (501, "chunked with a tail", b"PUT /sink HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked;a\r\n\r\n0\r\n\r\n"),
    (417, "unknown expectation", b"PUT /sink HTTP/1.1\r\n" + H + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na"),
    (431, "too many headers", b"GET /small HTTP/1.1\r\n" + H + b"X: a\r\n" * 100 + b"\r\n"),
    (431, "too large a head", b"GET /small HTTP/1.1\r\n" + H + b"X: " + b"a" * 70000 + b"\r\n\r\n"),
    (431, "a head without an end", b"GET /small HTTP/1.1\r\n" + b"X: aaaa\r\n" * 8000),
    (414, "too long a target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n"),
]

BAD_CHUNKS = [
    b"x\r\n",
    b"\r\n",
    b" 4\r\nabcd\r\n0\r\n\r\n",
    b"4 \r\nabcd\r\n0\r\n\r\n",
    b"-4\r\nabcd\r\n0\r\n\r\n",
    b"+4\r\nabcd\r\n0\r\n\r\n",
    b"0x4\r\nabcd\r\n0\r\n\r\n",
    b"4\nabcd\r\n0\r\n\r\n",
    b"4\r\nabcd\n0\r\n\r\n",
    b"4\r\nabcde\r\n0\r\n\r\n",
    b"4\r\nabcd0\r\n\r\n",
    b"4\r\nabcd\r\n0\r\n\n",
    b"4\r\nabcd\r\n0\r\nno token: a\0\r\n\r\n",
    b"4;" + b"a" * 300 + b"\r\nabcd\r\n0\r\n\r\n",
    b"4\r\nabcd\r\n0\r\n" + b"trailer: a\r\n" * 500 + b"\r\n",
    b"fffffffffffffffff\r\nabcd",
    b"10000000000000000\r\nabcd",
]


class Framing(TestCase):
    def test_refused_heads(self):
        for status, what, data in REFUSED:
            with self.subTest(what), self.server.connect() as c:
                c.send(data + SMUGGLED)
                r = c.response()
                self.assertEqual(r.status, status)
                self.assertTrue(r.closes)
                self.assertEqual(json.loads(r.body)["errors"][0]["code"], "UNSUPPORTED")
                self.assertTrue(c.at_end())  # the smuggled request got no answer

    def test_refused_heads_byte_by_byte(self):
        for status, what, data in REFUSED:
            if len(data) > 200:
                continue
            with self.subTest(what), self.server.connect() as c:
                try:
                    for i in range(len(data)):
                        c.send(data[i : i + 1])
                except ConnectionError:
                    pass
                self.assertEqual(c.response().status, status)

    def test_refused_chunks(self):
        for data in BAD_CHUNKS:
            with self.subTest(data[:40]), self.server.connect() as c:
                c.send(request("PUT", "/sink", "Transfer-Encoding: chunked") + data + SMUGGLED)
                r = c.response()
                self.assertEqual(r.status, 400)
                self.assertTrue(r.closes)
                self.assertTrue(c.at_end())

    def test_nothing_smuggled_reached_a_handler(self):
        self.assertFalse([e for e in self.server.log if e.get("target") == "/smuggled"])

    def test_taken_chunks(self):
        for data, body in [
            (b"4\r\nabcd\r\n0\r\n\r\n", b"abcd"),
            (b"4;a=b;c=\"d\"\r\nabcd\r\n0;x\r\n\r\n", b"abcd"),
            (b"0004\r\nabcd\r\n000\r\n\r\n", b"abcd"),
            (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
            (b"1\r\na\r\n0\r\nTrailer: value\r\nother:\r\n\r\n", b"a"),
            (b"0\r\n\r\n", b""),
        ]:
            with self.subTest(data), self.server.connect() as c:
                c.send(request("PUT", "/sink", "Transfer-Encoding: Chunked") + data)
                c.send(request("GET", "/small"))
                self.assertEqual(c.response().body, sink_answer(body))
                self.assertEqual(c.response().body, b"hello\n")

    def test_taken_heads(self):
        for head, want in [
            (b"GET /echo?a=%2F/b HTTP/1.1\r\nhOsT:x:1\r\n\r\n", "target=/echo?a=%2F/b\nscheme=" + SCHEME + "\nhost=x:1\n"),
            (b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Y: \t a b \t\r\n\r\n", "header x-y=a b\n"),
            (b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Y:\r\n\r\n", "header x-y=\n"),
            (b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Y: \xe4\r\n\r\n", "header x-y="),
            (b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n", "host=\n"),
            (b"\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "method=GET\n"),
            (b"GET http://other:5/echo HTTP/1.1\r\nHost: x\r\n\r\n", "target=/echo\nscheme=" + SCHEME + "\nhost=other:5\n"),
            (b"GET /echo HTTP/1.9\r\nHost: x\r\n\r\n", "method=GET\n"),
            (b"GET /echo HTTP/1.0\r\n\r\n", "host=-\n"),
            (b"GET /echo HTTP/1.1\r\n" + H + b"X: a\r\n" * 99 + b"\r\n", "header x=a\n"),
        ]:
            with self.subTest(head), self.server.connect() as c:
                c.send(head)
                r = c.response()
                self.assertEqual(r.status, 200)
                self.assertIn(want, r.body.decode("latin-1"))
                self.assertIn("peer=127.0.0.1\n", r.body.decode("latin-1"))

    def test_random_segments(self):
        rng = random.Random(1)
        for _ in range(30):
            body = rng.randbytes(rng.randrange(0, 200000))
            sizes = [rng.choice((1, 2, 15, 16, 4095, 4096, 70000)) for _ in range(50)]
            data = (
                request("GET", "/small")
                + request("PUT", "/sink", "Transfer-Encoding: chunked")
                + chunked(body, sizes)
                + request("PUT", "/sink", body=body[:5000])
                + request("HEAD", "/small")
                + request("GET", "/memory/10000")
            )
            with self.server.connect() as c:
                while data:
                    n = rng.choice((1, 3, 100, 1448, 5000, 65536))
                    c.send(data[:n])
                    data = data[n:]
                self.assertEqual(c.response().body, b"hello\n")
                self.assertEqual(c.response().body, sink_answer(body))
                self.assertEqual(c.response().body, sink_answer(body[:5000]))
                self.assertEqual(c.response(head=True).headers["content-length"], "6")
                self.assertEqual(len(c.response().body), 10000)

    def test_mutated_requests(self):
        """Nothing may crash, hang or leak; what comes back is of no interest."""
        rng = random.Random(2)
        seeds = [d for _, _, d in REFUSED if len(d) < 500] + [
            request("PUT", "/sink", "Transfer-Encoding: chunked") + chunked(b"x" * 300, (7, 100)),
            request("PUT", "/sink", body=b"y" * 300),
            request("GET", "/file/5/5000") * 2,
        ]
        for _ in range(400):
            data = bytearray(rng.choice(seeds))
            for _ in range(rng.randrange(1, 6)):
                i = rng.randrange(len(data))
                data[i : i + rng.randrange(2)] = rng.choice((b"", b"\r", b"\n", b"\0", b"9", rng.randbytes(2)))
            with self.server.connect() as c:
                c.send(data)
                c.end()
                self.assertTrue(c.is_cut())


if __name__ == "__main__":
    unittest.main()
