# SPDX-License-Identifier: Apache-2.0
"""Addresses, loops, limits."""

import os
import socket
import tempfile
import threading
import unittest

from harness import Client, Server, request, until


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Listen(unittest.TestCase):
    def start(self, *options, listen=("127.0.0.1:0",)):
        server = Server("file_size=0", *options, listen=listen)

        def end():
            if server.process.poll() is None:
                server.terminate()
            server.wait()

        self.addCleanup(end)
        return server

    def hello(self, family, address):
        with socket.socket(family) as s:
            s.settimeout(60)
            s.connect(address)
            c = Client(s)
            c.send(request("GET", "/small"))
            return c.response().body

    def test_addresses(self):
        wanted = ["127.0.0.1:0", "localhost:0", ":0"] + (["[::1]:0"] if has_ipv6() else [])
        server = self.start(listen=wanted)
        self.assertEqual(len(server.addresses), len(wanted))
        for address, host in zip(server.addresses, ("127.0.0.1", "127.0.0.1", "0.0.0.0", "[::1]")):
            self.assertRegex(address, "^" + host.replace(".", r"\.").replace("[", r"\[") + r":\d+$")
        for i in range(len(wanted)):
            port = int(server.addresses[i].rpartition(":")[2])
            if i != 3:
                self.assertEqual(self.hello(socket.AF_INET, ("127.0.0.1", port)), b"hello\n")
            if i != 0 and has_ipv6():
                self.assertEqual(self.hello(socket.AF_INET6, ("::1", port)), b"hello\n")

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "socket")
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(path)  # nobody listens: left over from a process that died
            server = self.start("loops=2", listen=["unix:" + path])
            self.assertEqual(server.addresses, ["unix:" + path])
            for _ in range(20):
                self.assertEqual(self.hello(socket.AF_UNIX, path), b"hello\n")
            second = self.start(listen=["unix:" + path])
            self.assertIn("Address already in use", second.error)
            self.assertEqual(self.hello(socket.AF_UNIX, path), b"hello\n")
            server.terminate()
            self.assertEqual(server.wait(), 0)
            self.assertFalse(os.path.exists(path))

    def test_address_in_use(self):
        first = self.start("loops=2")
        second = self.start("loops=2", listen=first.addresses)
        self.assertEqual(second.error, "SYS listen on %s: Address already in use" % first.addresses[0])
        self.assertEqual(second.wait(), 1)

    def test_address_can_be_used_again_at_once(self):
        first = self.start()
        address = first.addresses[0]
        with first.connect() as c:  # the server closes first, so its port lingers in TIME_WAIT
            c.send(request("GET", "/small", "Connection: close"))
            c.response()
            self.assertTrue(c.at_end())
        first.terminate()
        self.assertEqual(first.wait(), 0)
        second = self.start(listen=[address])
        self.assertEqual(second.addresses, [address])
        self.assertEqual(second.get("/small").body, b"hello\n")

    def test_bad_addresses(self):
        for text in ("", "5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
                     "::1:5000", "no.such.host.invalid:0", "unix:", "unix:/" + "a" * 200, "a" * 300 + ":1"):
            with self.subTest(text):
                server = self.start(listen=[text])
                self.assertRegex(server.error or "", "^INVALID listen address")
                self.assertEqual(server.wait(), 1)

    def test_loops_share_connections(self):
        server = self.start("loops=4")
        clients = [server.connect() for _ in range(64)]
        for c in clients:
            c.send(request("GET", "/small"))
        for c in clients:
            with c:
                self.assertEqual(c.response().body, b"hello\n")

    def test_connections_beyond_the_maximum_wait(self):
        server = self.start("loops=1", "max_connections=4")
        clients = [server.connect() for _ in range(4)]
        for c in clients:
            c.send(request("GET", "/small"))
            c.response()
        with server.connect() as late:
            late.send(request("GET", "/small"))
            for c in clients[1:]:
                c.send(request("GET", "/small"))
                c.response()
            self.assertTrue(late.is_silent())
            said = until("the log says so", lambda: [e[""] for e in server.log if "accept: " in e[""]])
            self.assertIn("as many as may be (4 connections)", said[0])
            clients[0].s.close()
            self.assertEqual(late.response().body, b"hello\n")
            for c in clients[1:]:
                c.s.close()

    def test_out_of_fds(self):
        server = self.start("loops=1", "max_connections=1000", "max_fds=48")
        clients = [server.connect() for _ in range(60)]
        until("accept fails", lambda: [e for e in server.log if "Too many open files" in e[""]])
        for c in clients[:40]:
            c.s.close()
        for c in clients[40:]:
            with c:
                c.send(request("GET", "/small"))
                self.assertEqual(c.response().body, b"hello\n")
        # It rests between two tries rather than spinning.
        self.assertLess(len([e for e in server.log if "Too many open files" in e[""]]), 200)


if __name__ == "__main__":
    unittest.main()
