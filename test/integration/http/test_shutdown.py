# SPDX-License-Identifier: Apache-2.0
"""SIGTERM to a program around the server: what is in flight ends well, what is stuck is cut."""

import contextlib
import signal
import threading
import unittest

from harness import Server, request, sink_answer, until

MIB = 1 << 20


class Shutdown(unittest.TestCase):
    def start(self, *options):
        server = Server(*options)

        def end():
            if server.process.poll() is None:
                server.process.kill()
                server.wait()

        self.addCleanup(end)
        return server

    def finished(self, server):
        self.assertEqual(server.wait(), 0)
        left = server.left
        self.assertEqual((left["responses"], left["sinks"], left["wrong_thread"]), ("0", "0", "0"))
        return left

    def test_nothing_to_do(self):
        server = self.start("loops=3", "file_size=0")
        server.terminate()
        self.finished(server)

    def test_idle_connections_end_at_once(self):
        server = self.start("loops=2", "file_size=0")
        clients = [server.connect() for _ in range(10)]
        for c in clients[5:]:
            c.send(request("GET", "/small"))
            c.response()
        server.terminate()
        for c in clients:
            with c:
                self.assertTrue(c.is_cut())
        self.finished(server)

    def test_in_flight_completes(self):
        server = self.start("loops=2", "drain_ms=600000")
        server.get("/gate/close")
        with server.connect() as up, server.connect() as down, server.connect() as wait, server.connect(rcvbuf=4096) as slow:
            up.send(request("PUT", "/sink", "Content-Length: %d" % (4 * MIB)) + b"x" * MIB)
            down.send(request("GET", "/file/0/20000000"))
            down.pending = down.exactly(1000) + down.pending
            wait.send(request("GET", "/wait"))
            slow.send(request("GET", "/memory/9000000"))
            slow.pending = slow.exactly(1000) + slow.pending
            until("the sink is there", lambda: server.stats()["sinks"] == 1)
            opener = server.connect()
            opener.send(b"GET /gate/open HTTP/1.1\r\nHost: x\r\n")  # a head under way
            server.terminate()
            until("it stops", lambda: server.stopping)

            def is_refused():
                try:
                    with server.connect():
                        return False
                except ConnectionRefusedError:
                    return True

            until("new connections are refused", is_refused)
            up.send(b"x" * (3 * MIB))
            r = up.response()
            self.assertEqual((r.body, r.closes), (sink_answer(b"x" * (4 * MIB)), True))
            for c, n in ((down, 20000000), (slow, 9000000)):
                self.assertEqual(len(c.response().body), n)
                self.assertTrue(c.at_end())  # though its head could not say so
            self.assertTrue(wait.is_silent())
            opener.send(b"\r\n")
            with opener:
                r = opener.response()
                self.assertEqual((r.body, r.closes), (b"open\n", True))
            r = wait.response()
            self.assertEqual((r.body, r.closes), (b"waited\n", True))
        self.finished(server)

    def test_stuck_client_is_cut_at_the_deadline(self):
        server = self.start("loops=2", "drain_ms=300")
        with server.connect() as up, server.connect(rcvbuf=4096) as down:
            up.send(request("PUT", "/sink", "Content-Length: 99") + b"x")
            down.send(request("GET", "/file/0/60000000"))
            down.exactly(1)
            until("the sink is there", lambda: server.stats()["sinks"] == 1)
            server.terminate()
            self.assertTrue(up.is_cut())
            left = self.finished(server)
            self.assertEqual((left["aborted"], left["finished"]), ("1", "0"))
        reasons = [e.get("reason") for e in server.log if e.get("target") in ("/sink", "/file/0/60000000")]
        self.assertEqual(reasons, ["cut: the server stops"] * 2)

    def test_disk_that_hangs_is_cut_at_the_deadline(self):
        server = self.start("loops=2", "drain_ms=300")
        server.get("/gate/close")
        server.get("/disk/cold/0/50000000")
        with server.connect() as down:
            down.send(request("GET", "/file/0/50000000"))
            until("it waits for the disk", lambda: server.numbers()["cold_reads"] == 1)
            server.terminate()
            self.assertTrue(down.is_cut())
        server.process.send_signal(signal.SIGUSR1)  # which opens the gate
        self.finished(server)
        reasons = [e.get("reason") for e in server.log if e.get("target") == "/file/0/50000000"]
        self.assertEqual(reasons, ["cut: the server stops"])

    def test_upload_that_goes_on_is_cut_at_the_deadline(self):
        server = self.start("loops=1", "drain_ms=300")
        with server.connect() as up:
            up.send(request("PUT", "/sink", "Content-Length: %d" % (1 << 50)))

            def send():
                with contextlib.suppress(OSError):
                    while True:
                        up.send(b"x" * 1000000)

            sender = threading.Thread(target=send)
            sender.start()
            until("it is under way", lambda: server.stats()["sinks"] == 1)
            server.terminate()
            left = self.finished(server)
            sender.join(10)
            self.assertFalse(sender.is_alive(), "the client hears of it")
        self.assertEqual((left["aborted"], left["finished"]), ("1", "0"))
        reasons = [e.get("reason") for e in server.log if e.get("target") == "/sink"]
        self.assertEqual(reasons, ["cut: the server stops"])


if __name__ == "__main__":
    unittest.main()
