# SPDX-License-Identifier: Apache-2.0
"""Starts the HTTP server over the registry double and talks to it in raw bytes; by TLS when HTTP_TLS is set."""

import hashlib
import os
import queue
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from deadline import DEADLINE, until  # noqa: E402
from tls import TlsSocket, make_certificate  # noqa: E402

TLS = bool(os.environ.get("HTTP_TLS"))
if TLS:
    folder = tempfile.TemporaryDirectory()
    CERTIFICATE, KEY = make_certificate(folder.name)
    CONTEXT = ssl.create_default_context(cafile=CERTIFICATE)
    # Some releases of Python take a connection that was cut for one that was closed, unless told not to.
    CONTEXT.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
SCHEME = "https" if TLS else "http"
plain_only = unittest.skipIf(TLS, "a client has to be accepted before it can begin with TLS")


def pattern(off, n):
    """Bytes off … off+n of the double's file."""
    return bytes((at * 31 + (at >> 8) * 7 + (at >> 20)) & 255 for at in range(off, off + n))


class Server:
    def __init__(self, *options, listen=("127.0.0.1:0",)):
        args = [os.environ["HTTP_DOUBLE_SERVER"], *("listen=" + a for a in listen), *options]
        if TLS:
            args += ["tls_certificate=" + CERTIFICATE, "tls_key=" + KEY]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, errors="replace")
        self.addresses, self.error, self.log, self.left = [], None, [], None
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ready":
                break
            if word == "address":
                self.addresses.append(rest)
            elif word == "error":
                self.error = rest
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith("left "):
                self.left = dict(p.split("=") for p in line.split()[1:])
            elif line == "stopping":
                self.stopping = True
            else:
                first, *fields = line.split("\t")
                self.log.append(dict(f.partition("=")[::2] for f in fields) | {"": first})

    stopping = False

    def connect(self, i=0, rcvbuf=None, mss=None):
        s = self.connect_raw(i, rcvbuf, mss)
        try:
            return Client(TlsSocket(s, CONTEXT) if TLS else s)
        except OSError:
            s.close()
            raise

    def connect_raw(self, i=0, rcvbuf=None, mss=None):
        """mss: bytes of a segment; a network's 1448 make the server's writes short, loopback's take megabytes at once."""
        host, _, port = self.addresses[i].rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if mss:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        s.settimeout(DEADLINE)
        try:
            s.connect((host, int(port)))
        except OSError:
            s.close()
            raise
        return s

    def get(self, target, **kw):
        with self.connect() as c:
            c.send(request("GET", target))
            return c.response(**kw)

    def stats(self, target="/stats"):
        return {k: int(v) for k, v in (p.split("=") for p in self.get(target).body.decode().split())}

    def numbers(self):
        """Of the server itself."""
        return self.stats("/server")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        code = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()
        return code

    def peak_rss(self):
        """KiB."""
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))

    def is_instrumented(self):
        with open("/proc/%d/maps" % self.process.pid) as f:
            return any("libasan" in line or "libtsan" in line for line in f)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def closes(self):
        return self.headers.get("connection") == "close"


class Client:
    def __init__(self, s):
        self.s, self.pending = s, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def end(self):
        self.s.shutdown(socket.SHUT_WR)

    def reset(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()

    def read_some(self):
        data = self.s.recv(1 << 18)
        if not data:
            raise EOFError(self.pending)
        self.pending += data

    def until_bytes(self, end):
        while end not in self.pending:
            self.read_some()
        head, _, self.pending = self.pending.partition(end)
        return head

    def exactly(self, n, sink=None):
        """n bytes; into sink(bytes) piece by piece when given."""
        got = [] if sink is None else None
        sink = sink or got.append
        while n:
            if not self.pending:
                self.read_some()
            piece, self.pending = self.pending[:n], self.pending[n:]
            n -= len(piece)
            sink(piece)
        return b"".join(got) if got is not None else None

    def response(self, head=False, sink=None, interim=False):
        lines = self.until_bytes(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ")
        assert version == "HTTP/1.1", lines
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            assert name not in headers, lines
            headers[name] = value
        if interim:
            assert status == "100" and not headers, lines
            return Response(100, headers, b"")
        length = 0 if head or status == "204" else int(headers["content-length"])
        return Response(int(status), headers, self.exactly(length, sink))

    def at_end(self):
        """Whether the server closed cleanly with nothing more to read."""
        if self.pending:
            return False
        return self.s.recv(1) == b""

    def is_cut(self):
        """The server closed, cleanly or not."""
        try:
            while self.s.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        return True

    def is_silent(self):
        return not self.pending and not (self.s.has_data() if TLS else select.select([self.s], [], [], 0)[0])


def request(method, target, *headers, body=None, host="x"):
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: " + host, *headers]
    if body is not None:
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def chunked(data, sizes=(65536,)):
    out, i = [], 0
    while data:
        n = sizes[i % len(sizes)]
        i += 1
        out.append(b"%x\r\n%s\r\n" % (len(data[:n]), data[:n]))
        data = data[n:]
    return b"".join(out) + b"0\r\n\r\n"


def sink_answer(data):
    return b"%d sha256:%s\n" % (len(data), hashlib.sha256(data).hexdigest().encode())


class TestCase(unittest.TestCase):
    """One server for the class; at the end nothing may be left alive in it."""

    options = ("loops=1",)

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        try:
            if cls.server.process.poll() is None:
                cls.server.get("/gate/open")
                cls.server.terminate()
            code = cls.server.wait()
        except BaseException:
            cls.server.process.kill()  # else whoever waits for its output waits for ever
            raise
        assert code == 0, "exit status %r" % code
        left = cls.server.left
        assert left["responses"] == left["sinks"] == left["wrong_thread"] == "0", left


if __name__ == "__main__":
    unittest.main()
