# SPDX-License-Identifier: Apache-2.0
"""SIGTERM lets what is under way end and leaves with 0; a second one does not wait."""

import os
import signal
import socket
import unittest

from ociregistry import DEADLINE, Registry, digest_of, until

SIZE = 64 << 20  # more than the kernel buffers on the way


class Shutdown(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry())

    def refused(self):
        host, port = self.registry.address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return True
        return False

    def start_download(self, repo, digest):
        """A response of which the head has been read."""
        connection = self.registry.connect()
        connection.sock = None
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.request("GET", "/v2/%s/blobs/%s" % (repo, digest))
        return connection, connection.getresponse()

    def test_idle(self):
        connection = self.registry.connect()
        connection.request("GET", "/v2/")
        connection.getresponse().read()
        self.assertEqual(self.registry.stop(), 0)
        connection.close()

    def test_sigint(self):
        self.registry.signal(signal.SIGINT)
        self.assertEqual(self.registry.wait(), 0)
        self.registry.expect_logged("stopped")

    def test_in_mid_download(self):
        data = os.urandom(1 << 20) * (SIZE >> 20)
        digest = self.registry.push_blob("down", data)
        connection, response = self.start_download("down", digest)
        self.assertEqual(response.status, 200)
        self.registry.signal()
        until("nobody new is let in", self.refused)
        self.assertIsNone(self.registry.process.poll())
        self.assertTrue(response.read() == data)
        connection.close()
        self.assertEqual(self.registry.wait(), 0)

    def test_in_mid_upload(self):
        data = os.urandom(1 << 20)
        digest = digest_of(data)
        where = self.registry.start_upload("up")
        connection = self.registry.connect()
        connection.putrequest("PUT", where + "?digest=" + digest)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data[:1000])
        until("it began", lambda: self.registry.expect(204, "GET", where).header("range") == "0-999")
        self.registry.signal()
        until("nobody new is let in", self.refused)
        connection.send(data[1000:])
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()
        self.assertEqual(self.registry.wait(), 0)
        self.registry.start()
        self.assertTrue(self.registry.blob("up", digest) == data)

    def test_second_signal(self):
        data = os.urandom(1 << 20) * (SIZE >> 20)
        connection, response = self.start_download("twice", self.registry.push_blob("twice", data))
        self.registry.signal()
        until("nobody new is let in", self.refused)
        self.registry.signal()
        self.assertEqual(self.registry.wait(), 1)
        connection.close()

    def test_drain_has_an_end(self):
        self.assertEqual(self.registry.stop(), 0)
        self.registry.options = ("--drain-timeout", "200ms")
        self.registry.start()
        data = os.urandom(1 << 20) * (SIZE >> 20)
        connection, response = self.start_download("slow", self.registry.push_blob("slow", data))
        self.assertEqual(self.registry.stop(), 0)
        connection.close()

    def test_hangup_is_no_end(self):
        self.registry.signal(signal.SIGHUP)
        until("SIGHUP was seen", lambda: self.registry.logged("SIGHUP"))
        self.registry.expect(200, "GET", "/v2/")
        self.assertEqual(self.registry.stop(), 0)


if __name__ == "__main__":
    unittest.main()
