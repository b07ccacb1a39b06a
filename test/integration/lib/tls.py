# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, and a socket that speaks TLS and can be half closed, which Python's own cannot."""

import os
import socket
import ssl
import subprocess


def make_certificate(folder, name="server", key="ec", days=2):
    """Paths of certificate and key for localhost, signed by itself."""
    crt, pem = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    kind = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}[key]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=localhost", "-days", str(days), "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1", "-keyout", pem, "-out", crt],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return crt, pem


class TlsSocket:
    def __init__(self, raw, context, session=None):
        self.raw, self.stash, self.unsent = raw, b"", b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)
        self._until(self.ssl.do_handshake)
        self.flush()

    def _take(self):
        data = self.raw.recv(1 << 16)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def _until(self, fn, *args):
        while True:
            try:
                return fn(*args)
            except ssl.SSLWantReadError:
                self.flush()
                self._take()
            except ssl.SSLError as e:  # by its own class only in newer releases of Python
                if e.reason == "UNEXPECTED_EOF_WHILE_READING":
                    raise ssl.SSLEOFError(*e.args) from e
                raise

    def flush(self):
        if self.outgoing.pending:
            self.raw.sendall(self.outgoing.read())

    def sendall(self, data):
        data = memoryview(data)
        while data:
            data = data[self.ssl.write(data[:1 << 18]):]
            self.flush()

    def send(self, data):
        """As far as a socket that does not block takes it: BlockingIOError until what was begun is out."""
        if not self.unsent:
            self.unsent = data[:self.ssl.write(data[:1 << 14])]
            self.outgoing_bytes = self.outgoing.read()
        self.outgoing_bytes = self.outgoing_bytes[self.raw.send(self.outgoing_bytes):]
        if self.outgoing_bytes:
            raise BlockingIOError
        n, self.unsent = len(self.unsent), b""
        return n

    def recv(self, n):
        if self.stash:
            data, self.stash = self.stash[:n], self.stash[n:]
            return data
        try:
            return self._until(self.ssl.read, n)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def has_data(self):
        """Whether recv would give something, or the end, at once."""
        timeout = self.raw.gettimeout()
        self.raw.settimeout(0)
        try:
            self.stash += self.recv(1)
            return True
        except BlockingIOError:
            return False
        finally:
            self.raw.settimeout(timeout)

    def shutdown(self, _how):
        try:
            self.ssl.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()
        self.raw.shutdown(socket.SHUT_WR)

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def setblocking(self, blocking):
        self.raw.setblocking(blocking)

    def setsockopt(self, *args):
        self.raw.setsockopt(*args)

    def fileno(self):
        return self.raw.fileno()

    def close(self):
        self.raw.close()
