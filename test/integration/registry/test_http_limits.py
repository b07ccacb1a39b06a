# SPDX-License-Identifier: Apache-2.0
"""Names, targets, headers and ranges at and one past each limit, and what the server says of itself at /metrics."""

import re
import socket
import unittest

import ociregistry
from ociregistry import Registry


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = cls.enterClassContext(Registry("--max-head", "16KiB"))
        cls.blob = cls.registry.push_blob("a/b", b"0123456789")

    def raw(self, head):
        """Status of one request in raw bytes, on a connection of its own."""
        host, _, port = self.registry.address.rpartition(":")
        with socket.create_connection((host, int(port)), ociregistry.DEADLINE) as s:
            s.sendall(head)
            return int(s.recv(65536).split(b" ")[1])

    def get(self, target, *headers):
        return self.raw("\r\n".join(["GET %s HTTP/1.1" % target, "Host: x", *headers]).encode() + b"\r\n\r\n")

    def test_target(self):
        for n, status in ((8192, 200), (8193, 414)):
            self.assertEqual(self.get("/v2/?x=" + "a" * (n - 7)), status, n)

    def test_head(self):
        size = len("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n")
        for n, status in ((16384, 200), (16385, 431)):
            self.assertEqual(self.get("/v2/", "X: " + "a" * (n - size)), status, n)

    def test_number_of_headers(self):
        for n, status in ((100, 200), (101, 431)):  # Host is one
            self.assertEqual(self.get("/v2/", *["X: a"] * (n - 1)), status, n)

    def test_method(self):
        for n, status in ((32, 405), (33, 400)):
            self.assertEqual(self.raw(b"M" * n + b" /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"), status, n)

    def test_parameters(self):
        for n, status in ((96, 200), (97, 414)):
            self.assertEqual(self.get("/v2/?" + "&".join("a%d=b" % i for i in range(n))), status, n)

    def test_name(self):
        for name, code in (
            ("a" * 255, "BLOB_UNKNOWN"), ("a" * 256, "NAME_INVALID"), ("a" + "/a" * 127, "BLOB_UNKNOWN"), ("a" + "/a" * 128, "NAME_INVALID"),
            ("a__b", "BLOB_UNKNOWN"), ("a___b", "NAME_INVALID"), ("A", "NAME_INVALID"), ("a-", "NAME_INVALID"), ("a..b", "NAME_INVALID"),
        ):
            r = self.registry.ask("GET", "/v2/%s/blobs/%s" % (name, "sha256:" + "0" * 64))
            self.assertEqual((r.status, r.code), (400 if code == "NAME_INVALID" else 404, code), name)

    def test_tag(self):
        for tag, status in (("t" * 128, 404), ("t" * 129, 404), (".t", 404)):
            self.assertEqual(self.registry.ask("GET", "/v2/a/b/manifests/" + tag).status, status)
        for tag, status in (("t" * 129, 400), (".t", 400), ("-t", 400), ("t~", 400)):
            self.assertEqual(self.registry.ask("PUT", "/v2/a/b/manifests/" + tag, b"{}").status, status, tag)

    def test_digest(self):
        good = self.blob
        for digest, status in (
            (good, 200), (good[:-1], 400), (good + "0", 400), (good.upper(), 400), ("sha256:", 400), ("sha255:" + "0" * 64, 400),
            ("sha512:" + "0" * 128, 404), ("sha512:" + "0" * 127, 400),
        ):
            self.assertEqual(self.registry.ask("GET", "/v2/a/b/blobs/" + digest).status, status, digest)

    def test_range(self):
        for value, status, body in (
            ("bytes=0-9", 206, b"0123456789"), ("bytes=9-9", 206, b"9"), ("bytes=9-10", 206, b"9"), ("bytes=10-10", 416, None),
            ("bytes=-1", 206, b"9"), ("bytes=-11", 206, b"0123456789"), ("bytes=-0", 416, None),
            ("bytes=0-18446744073709551615", 206, b"0123456789"), ("bytes=18446744073709551615-", 416, None),
            ("bytes=99999999999999999999-", 416, None), ("bytes=5-4", 416, None), ("bytes=x", 200, b"0123456789"),
        ):
            r = self.registry.ask("GET", "/v2/a/b/blobs/" + self.blob, headers={"Range": value})
            self.assertEqual(r.status, status, value)
            if body is not None:
                self.assertEqual(r.body, body, value)

    def test_server_at_metrics(self):
        self.assertEqual(self.raw(b"nonsense\r\n\r\n"), 400)
        text = self.registry.ask("GET", "/metrics").body.decode()
        values = dict(re.findall(r"^(loci_http_\S+) (\S+)$", text, re.M))
        for name in ("loci_http_connections", "loci_http_in_flight", "loci_http_accepted_total", "loci_http_refused_total"):
            self.assertGreaterEqual(float(values[name]), 1, name)
        for reason in ("idle", "head-memory", "body-rate", "client"):
            self.assertIn('loci_http_cut_total{reason="%s"}' % reason, values)

    def test_request_id(self):
        r = self.registry.ask("GET", "/v2/", headers={"X-Request-Id": "abc-1"})
        self.assertEqual(r.header("x-request-id"), "abc-1")
        ociregistry.until("it is in the log", lambda: self.registry.logged("request_id=abc-1"))


if __name__ == "__main__":
    unittest.main()
