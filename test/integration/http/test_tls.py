# SPDX-License-Identifier: Apache-2.0
"""What only TLS has: versions and protocols, handshakes that fail or stop, sessions that go on, KeyUpdate. HTTP over
TLS is looked at by the other tests, which run by TLS, too."""

import select
import ssl
import subprocess
import unittest

from harness import CERTIFICATE, CONTEXT, Client, TestCase, TlsSocket, request, until


def context(**settings):
    c = ssl.create_default_context(cafile=CERTIFICATE)
    for name, value in settings.items():
        setattr(c, name, value)
    return c


class Tls(TestCase):
    options = ("loops=1", "head_ms=60000")

    def open(self, c, session=None):
        raw = self.server.connect_raw()
        try:
            return Client(TlsSocket(raw, c, session))
        except BaseException:
            raw.close()
            raise

    def one(self, client):
        client.send(request("GET", "/small"))
        self.assertEqual(client.response().body, b"hello\n")

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with self.open(context(minimum_version=version, maximum_version=version)) as c:
                self.one(c)
                self.assertEqual(c.s.ssl.version(), name)
                self.assertIn("AES_128_GCM" if name == "TLSv1.3" else "AES128-GCM", c.s.ssl.cipher()[0])

    def test_older_versions_are_refused_with_a_reason(self):
        before = self.server.numbers()["tls_failed"]
        old = context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertWarns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaisesRegex(ssl.SSLError, "(?i)protocol.version"):
            self.open(old)
        self.assertEqual(self.server.numbers()["tls_failed"], before + 1)
        until("it is logged", lambda: any(e.get("reason") == "unsupported protocol" for e in self.server.log))

    def test_http_1_1_is_the_only_protocol(self):
        both = context()
        both.set_alpn_protocols(["h2", "http/1.1"])
        with self.open(both) as c:
            self.one(c)
            self.assertEqual(c.s.ssl.selected_alpn_protocol(), "http/1.1")
        alone = context()
        alone.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.open(alone)

    def test_plain_http_is_told_what_is_wrong(self):
        for method in ("GET", "PATCH", "OPTIONS"):
            with Client(self.server.connect_raw()) as c:
                c.send(request(method, "/small"))
                r = c.response()
                self.assertEqual((r.status, r.closes), (400, True))
                self.assertIn(b"HTTPS", r.body)
                self.assertTrue(c.at_end())

    def test_garbage_is_cut(self):
        for garbage in (b"\x16\x03\x01\x00\x05aaaaa", b"\x80" * 100, b"\0" * 5000):
            with Client(self.server.connect_raw()) as c:
                c.send(garbage)
                self.assertTrue(c.is_cut())

    def test_a_client_that_goes_is_counted_if_it_said_something(self):
        for said, counts in ((b"", 0), (b"\0", 1), (b"\x16\x03\x01\x01\x00\x01", 1)):
            before = self.server.numbers()
            with Client(self.server.connect_raw()) as c:
                c.send(said)
            until("it is gone", lambda: self.server.numbers()["connections"] <= before["connections"])
            self.assertEqual(self.server.numbers()["tls_failed"], before["tls_failed"] + counts)

    def test_a_client_that_distrusts_the_certificate_is_logged(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            raw = self.server.connect_raw()
            with raw:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                strict = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
                try:
                    while True:
                        try:
                            strict.do_handshake()
                        except ssl.SSLWantReadError:
                            raw.sendall(outgoing.read())
                            incoming.write(raw.recv(1 << 16))
                finally:
                    raw.sendall(outgoing.read())
        until("it is logged", lambda: any("unknown ca" in e.get("reason", "") for e in self.server.log))

    def test_sessions_go_on(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            c = context(minimum_version=version, maximum_version=version)
            before = self.server.numbers()["tls_resumed"]
            with self.open(c) as first:
                self.one(first)
                session = first.s.ssl.session
            with self.open(c, session) as second:
                self.one(second)
                self.assertTrue(second.s.ssl.session_reused)
            self.assertEqual(self.server.numbers()["tls_resumed"], before + 1)

    def test_requests_that_wait_in_a_record(self):
        """Of several requests in one record, and of one in many, none waits for the socket."""
        with self.server.connect() as c:
            c.send(request("GET", "/small") * 100)
            for _ in range(100):
                self.assertEqual(c.response().body, b"hello\n")
            for byte in request("GET", "/small"):
                c.send(bytes([byte]))
            self.assertEqual(c.response().body, b"hello\n")

    def test_records_in_pieces(self):
        with self.server.connect() as c:
            c.s.ssl.write(request("GET", "/small"))
            record = c.s.outgoing.read()
            for i in range(len(record)):
                self.assertTrue(c.is_silent())
                c.s.raw.sendall(record[i:i + 1])
            self.assertEqual(c.response().body, b"hello\n")

    def test_the_end_is_said(self):
        """close_notify comes with an orderly end, so that no answer can be cut short unseen."""
        with self.server.connect() as c:
            c.send(request("GET", "/small", "Connection: close"))
            c.response()
            self.assertEqual(c.s._until(c.s.ssl.read, 1), b"")  # without close_notify: SSLEOFError

    def test_a_cut_response_has_no_such_end(self):
        with self.server.connect() as c:
            c.send(request("GET", "/short/10"))
            with self.assertRaises((ssl.SSLEOFError, ConnectionError)):
                while c.s._until(c.s.ssl.read, 1 << 16):
                    pass

    def test_a_record_that_was_tampered_with(self):
        with self.server.connect() as c:
            c.s.ssl.write(request("GET", "/small"))
            record = bytearray(c.s.outgoing.read())
            record[-1] ^= 1
            c.s.raw.sendall(record)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                while c.s._until(c.s.ssl.read, 1 << 16):
                    pass

    def test_key_updates(self):
        """openssl s_client sends one for a line that is K; the server answers with its own."""
        address = self.server.addresses[0]
        with subprocess.Popen(["openssl", "s_client", "-connect", address, "-tls1_3", "-CAfile", CERTIFICATE, "-verify_return_error"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            out = b""

            def until_out(text):
                nonlocal out
                while text not in out:
                    self.assertTrue(select.select([client.stdout], [], [], 60)[0], out)
                    piece = client.stdout.read1(1 << 16)
                    self.assertTrue(piece, out)
                    out += piece
                out = out.partition(text)[2]

            until_out(b"---\n")
            for _ in range(20):
                client.stdin.write(b"K\n")
                client.stdin.flush()
                until_out(b"KEYUPDATE")
                client.stdin.write(b"GET /small HTTP/1.1\nHost: x\n\n".replace(b"\n", b"\r\n"))
                client.stdin.flush()
                until_out(b"hello\n")
            client.stdin.close()

    def test_clients_that_go_make_no_noise(self):
        def told():
            return len([e for e in self.server.log if "no TLS" in e[""]])

        before = told()
        with Client(self.server.connect_raw()):
            pass
        with self.server.connect() as c:
            c.send(request("GET", "/small"))
            c.response()
        self.assertEqual(told(), before)

    def test_https_is_what_the_handler_hears(self):
        self.assertIn(b"scheme=https\n", self.server.get("/echo").body)


class Handshakes(TestCase):
    options = ("loops=1", "head_ms=2000")

    def test_one_that_stops_is_cut(self):
        hello = ssl.MemoryBIO()
        try:
            CONTEXT.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = hello.read()
        before = self.server.numbers()["cut_handshake"]
        clients = [Client(self.server.connect_raw()) for _ in range(4)]
        for c, part in zip(clients, (b"", hello[:1], hello[:100], hello)):
            c.send(part)
        for c in clients:
            with c:
                self.assertTrue(c.is_cut())
        self.assertEqual(self.server.numbers()["cut_handshake"], before + 4)

    def test_one_that_trickles_is_cut(self):
        with Client(self.server.connect_raw()) as c:
            c.send(b"\x16\x03\x01\x02\x00")

            def is_closed():
                try:
                    c.send(b"\x01")
                except ConnectionError:
                    return True
                return False

            until("it is cut", is_closed)


class Room(TestCase):
    options = ("loops=1", "max_connections=8", "idle_ms=600000", "head_ms=600000")

    def test_handshakes_that_rest_make_room(self):
        resting = [self.server.connect_raw() for _ in range(8)]
        for _ in range(3):
            self.assertEqual(self.server.get("/small").status, 200)
        self.assertGreaterEqual(self.server.numbers()["cut_for_room"], 1)
        for s in resting:
            s.close()


class Stop(TestCase):
    options = ("loops=1", "head_ms=600000", "drain_ms=600000")

    def test_handshakes_do_not_hold_it_up(self):
        with self.server.connect_raw() as s, self.server.connect() as c:
            self.one_round(c)
            self.server.terminate()
            self.assertEqual(self.server.wait(), 0)
            self.assertEqual(s.recv(1), b"")
            self.assertTrue(c.at_end())

    def one_round(self, c):
        c.send(request("GET", "/small"))
        c.response()


class Late(TestCase):
    options = ("loops=1", "body_ms=500")

    def test_pieces_of_a_record_are_nothing_of_a_body(self):
        with self.server.connect() as c:
            c.send(request("PUT", "/sink", "Content-Length: 1000000") + b"x" * 1000)
            c.s.ssl.write(b"x" * 16000)
            record = iter(c.s.outgoing.read())

            def drip():
                try:
                    c.s.raw.sendall(bytes([next(record)]))
                except ConnectionError:
                    return True
                return not c.is_silent()

            until("the body is given up", drip)
            r = c.response()
            self.assertEqual((r.status, r.closes), (408, True))
            self.assertIn(b"in time", r.body)


if __name__ == "__main__":
    unittest.main()
