# SPDX-License-Identifier: Apache-2.0
"""What all clients together, or one of them, may take: connections, memory of heads, lines of the log."""

import unittest

from harness import TestCase, plain_only, request, until

KIB = 1 << 10
UNFINISHED = b"GET /small HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20000  # takes 32 KiB


class HeadMemory(TestCase):
    options = ("loops=1", "head_ms=600000", "max_head_memory=%d" % (1024 * KIB), "refusals_logged=1000")

    def test_the_oldest_unfinished_heads_are_refused(self):
        clients = [self.server.connect() for _ in range(100)]
        for c in clients:
            before = self.server.numbers()["bytes_in"]
            c.send(UNFINISHED)
            until("it is read", lambda: self.server.numbers()["bytes_in"] - before >= len(UNFINISHED))
        numbers = until("enough are refused", lambda: (n := self.server.numbers())["accepted"] >= 100
                        and n["cut_head_memory"] >= 68 and n)
        self.assertLessEqual(numbers["head_memory"], 1024 * KIB)
        # A head that comes in one piece has room, with its kin.
        for target, status in (("/small", 200), ("/nothing", 204)):
            self.assertEqual(self.server.get(target).status, status)
        # One by one, else others would take the room that the first to end leaves.
        refused = [not c.is_silent() for c in clients]
        self.assertEqual(refused, sorted(refused, reverse=True))  # the oldest
        self.assertFalse(refused[-1])
        for c, is_refused in zip(clients, refused):
            with c:
                if not is_refused:
                    c.send(b"\r\n\r\n")
                r = c.response()
                self.assertEqual((r.status, r.closes), (503, True) if is_refused else (200, False))
        until("all memory is given back", lambda: self.server.numbers()["head_memory"] == 0)

    def test_large_heads_of_requests_under_way_count(self):
        self.server.get("/gate/close")
        clients = [self.server.connect() for _ in range(40)]
        head = request("GET", "/wait", "X: " + "b" * 60000)
        for c in clients:
            c.send(head)
        numbers = until("as many as have room are under way", lambda: (n := self.server.numbers())["refused"] > 0
                        and n["requests"] >= 40 and n)
        self.assertLessEqual(numbers["head_memory"], 1024 * KIB + len(head))
        self.server.get("/gate/open")
        statuses = [c.response().status for c in clients]
        self.assertIn(503, statuses)
        self.assertEqual(set(statuses), {200, 503})
        for c in clients:
            c.s.close()
        until("all memory is given back", lambda: self.server.numbers()["head_memory"] == 0)


class Log(TestCase):
    options = ("loops=1", "refusals_logged=5")

    def test_a_flood_of_refusals_is_counted(self):
        for _ in range(500):
            with self.server.connect() as c:
                c.send(b"nonsense\r\n\r\n")
                self.assertEqual(c.response().status, 400)
        self.server.get("/small")

        def told():
            lines = [e for e in self.server.log if e.get("status") == "400"]
            more = [e for e in self.server.log if e[""] == "access more requests were refused"]
            return (lines, more) if len(lines) + sum(int(e["count"]) for e in more) == 500 else None

        lines, more = until("all are told of", told)
        self.assertGreaterEqual(len(lines), 5)
        self.assertTrue(more)
        self.assertEqual(lines[0]["reason"], "malformed request head")
        self.assertEqual(len([e for e in self.server.log if e.get("target") == "/small"]), 1)  # others keep theirs


class Room(TestCase):
    options = ("loops=1", "max_connections=8", "idle_ms=600000")

    def test_idle_connections_make_room(self):
        idle = [self.server.connect() for _ in range(8)]
        for c in idle[:4]:
            c.send(request("GET", "/small"))
            c.response()
        for _ in range(3):
            self.assertEqual(self.server.get("/small").status, 200)
        self.assertGreaterEqual(self.server.numbers()["cut_for_room"], 1)
        for c in idle:
            c.s.close()

    @plain_only
    def test_connections_at_work_do_not(self):
        at_work = [self.server.connect() for _ in range(8)]
        for c in at_work:
            c.send(request("PUT", "/sink", "Content-Length: 10") + b"x")
        with self.server.connect() as late:
            late.send(request("GET", "/small"))
            until("the log tells", lambda: any("as many as may be" in e[""] for e in self.server.log))
            self.assertTrue(late.is_silent())
            for c in at_work:
                c.send(b"x" * 9)
                self.assertEqual(c.response().status, 201)
            self.assertEqual(late.response().status, 200)  # they are idle now
        for c in at_work:
            c.s.close()


class PerClient(TestCase):
    options = ("max_per_client=4",)

    @plain_only
    def test_one_too_many(self):
        clients = [self.server.connect() for _ in range(4)]
        for c in clients:
            c.send(request("GET", "/small"))
            c.response()
        with self.server.connect() as fifth:
            self.assertTrue(fifth.is_cut())
        clients[0].send(request("GET", "/server"))
        self.assertIn(b"turned_away=1 ", clients[0].response().body)
        for c in clients:
            c.s.close()

        def only_one_is_open():
            try:
                return self.server.numbers()["connections"] == 1
            except (ConnectionError, EOFError):
                return False

        # Each loop sees the ends of its own, so to be let in is not to be alone.
        until("the client is let in again, and its others are gone", only_one_is_open)


class Numbers(TestCase):
    options = ("loops=2",)

    def test_what_is_counted(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", body=b"12345"))
            c.response()
            c.send(b"nonsense\r\n\r\n")
            c.response()
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Content-Length: 10") + b"x")
            until("it is under way", lambda: self.server.numbers()["in_flight"] == 2)  # and /server itself
            until("only they are open", lambda: self.server.numbers()["connections"] == 2)
            c.reset()
        # An answer may be here before the loop that sent it has counted its end.
        n = until("it is lost, and only /server is under way", lambda: (n := self.server.numbers())["lost"] == 1
                  and n["in_flight"] == 1 and n)
        self.assertEqual(n["refused"], 1)
        self.assertEqual(n["requests"], n["ended"] + 1)
        self.assertGreater(n["bytes_in"], 100)
        self.assertGreater(n["bytes_out"], 300)


if __name__ == "__main__":
    unittest.main()
