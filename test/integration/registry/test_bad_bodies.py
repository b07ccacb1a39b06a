# SPDX-License-Identifier: Apache-2.0
"""Bodies that are wrong, end early, go on too long, or whose sender is gone: nothing half becomes visible, nothing
that came is lost."""

import os
import socket
import struct
import threading
import unittest

from ociregistry import DEADLINE, OCI_MANIFEST, Registry, digest_of, until


class BadBodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = cls.enterClassContext(Registry())
        cls.data = os.urandom(1 << 20)
        cls.digest = digest_of(cls.data)

    def send(self, method, path, headers, body):
        """A head and a body exactly as given; the open socket."""
        host, port = self.registry.address.split(":")
        s = socket.create_connection((host, int(port)), timeout=DEADLINE)
        head = "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (
            method, path, self.registry.address, "".join("%s: %s\r\n" % h for h in headers.items()))
        s.sendall(head.encode() + body)
        return s

    def expect_invisible(self, repo, digest=None):
        response = self.registry.expect(404, "GET", "/v2/%s/blobs/%s" % (repo, digest or self.digest))
        self.assertEqual(response.code, "BLOB_UNKNOWN")

    def expect_offset(self, where, n):
        def there():
            response = self.registry.expect(204, "GET", where)
            return response.header("range") == "0-%d" % (n - 1)
        until("offset %d" % n, there)

    def finish(self, repo, where, least=0):
        """Goes on where the server says that it stopped. It may still be busy with a peer that it does not know to be
        gone: then it says so, or the offset still moves."""
        def patched():
            at = int(self.registry.expect(204, "GET", where).header("range").split("-")[1]) + 1
            if at < least:
                return False
            self.assertLess(at, len(self.data))
            response = self.registry.ask("PATCH", where, self.data[at:],
                                         {"Content-Range": "%d-%d" % (at, len(self.data) - 1)})
            self.assertIn(response.status, (202, 416, 503))
            return response.status == 202
        until("resumed", patched)
        self.registry.expect(201, "PUT", where + "?digest=" + self.digest)
        self.assertTrue(self.registry.blob(repo, self.digest) == self.data)

    def test_wrong_digest(self):
        wrong = digest_of(b"other")
        where = self.registry.start_upload("bad/digest")
        response = self.registry.expect(400, "PUT", where + "?digest=" + wrong, self.data)
        self.assertEqual(response.code, "DIGEST_INVALID")
        self.expect_invisible("bad/digest")
        self.expect_invisible("bad/digest", wrong)
        self.registry.expect(404, "GET", where)

    def test_bit_flipped(self):
        flipped = bytearray(self.data)
        flipped[len(flipped) // 2] ^= 1
        where = self.registry.start_upload("bad/bit")
        self.assertEqual(self.registry.expect(400, "PUT", where + "?digest=" + self.digest, bytes(flipped)).code,
                         "DIGEST_INVALID")
        self.expect_invisible("bad/bit")

    def test_truncated_put(self):
        """The peer closes before it has sent what it announced."""
        where = self.registry.start_upload("bad/short")
        s = self.send("PUT", where + "?digest=" + self.digest, {"Content-Length": len(self.data)}, self.data[:-1])
        s.shutdown(socket.SHUT_WR)
        s.recv(65536)
        s.close()
        self.expect_invisible("bad/short")
        # What the server had not yet handed to the disk when the end came may be gone; no more.
        self.finish("bad/short", where, len(self.data) - (512 << 10))

    def test_truncated_chunked(self):
        where = self.registry.start_upload("bad/chunked")
        body = b"%x\r\n" % 1000 + self.data[:1000] + b"\r\n" + b"%x\r\n" % 1000 + self.data[1000:1500]
        s = self.send("PATCH", where, {"Transfer-Encoding": "chunked"}, body)
        s.close()
        self.expect_offset(where, 1500)
        self.finish("bad/chunked", where, 1500)

    def test_reset(self):
        where = self.registry.start_upload("bad/reset")
        s = self.send("PATCH", where, {"Content-Length": len(self.data)}, self.data[:300000])
        self.expect_offset(where, 300000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        self.finish("bad/reset", where, 300000)

    def test_stalled(self):
        """A peer that neither sends nor goes is cut by the time-out; its session stays."""
        everybody = self.registry
        self.addCleanup(setattr, self, "registry", everybody)
        with Registry("--body-timeout", "500ms") as self.registry:
            where = self.registry.start_upload("bad/stall")
            s = self.send("PATCH", where, {"Content-Length": len(self.data)}, self.data[:5000])
            self.expect_offset(where, 5000)
            self.finish("bad/stall", where, 5000)
            s.close()

    def test_longer_than_announced(self):
        """What stands behind the body is no part of it, and no request either."""
        where = self.registry.start_upload("bad/long")
        s = self.send("PUT", where + "?digest=" + self.digest, {"Content-Length": len(self.data)},
                      self.data + b"garbage\r\n\r\n")
        answer = b""
        while part := s.recv(65536):
            answer += part
        s.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 201 "), answer)
        self.assertIn(b"HTTP/1.1 400 ", answer)
        self.assertTrue(self.registry.blob("bad/long", self.digest) == self.data)

    def test_range_shorter_than_body(self):
        where = self.registry.start_upload("bad/range")
        response = self.registry.expect(400, "PATCH", where, self.data[:100], {"Content-Range": "0-49"})
        self.assertEqual(response.code, "SIZE_INVALID")
        self.registry.expect(204, "GET", where)

    def test_manifest_vanishes(self):
        body = b'{"schemaVersion":2,'
        s = self.send("PUT", "/v2/bad/manifests/v1", {"Content-Length": 1000, "Content-Type": OCI_MANIFEST}, body)
        s.close()
        until("logged", lambda: self.registry.logged("/v2/bad/manifests/v1"))
        self.registry.expect(404, "GET", "/v2/bad/manifests/v1")

    def test_two_writers(self):
        """While one writes, the other is told to come again; it never mixes its bytes in."""
        where = self.registry.start_upload("bad/two")
        s = self.send("PATCH", where, {"Content-Length": len(self.data)}, self.data[:1000])
        self.expect_offset(where, 1000)
        response = self.registry.expect(503, "PATCH", where, b"x" * 10)
        self.assertTrue(response.header("retry-after"))
        s.sendall(self.data[1000:])
        self.assertIn(b" 202 ", s.recv(65536).split(b"\r\n")[0])
        s.close()
        self.registry.expect(201, "PUT", where + "?digest=" + self.digest)
        self.assertTrue(self.registry.blob("bad/two", self.digest) == self.data)

    def test_same_blob_at_once(self):
        """Eight clients push one blob into one repository: all succeed."""
        results = []

        def push():
            where = self.registry.start_upload("bad/same")
            results.append(self.registry.ask("PUT", where + "?digest=" + self.digest, self.data).status)
        threads = [threading.Thread(target=push) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(DEADLINE)
        self.assertEqual(results, [201] * 8)
        self.assertTrue(self.registry.blob("bad/same", self.digest) == self.data)


if __name__ == "__main__":
    unittest.main()
