# SPDX-License-Identifier: Apache-2.0
"""The program by HTTPS: its settings and those of registry:2, curl, new files at SIGHUP while clients are served."""

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from ociregistry import DEADLINE, Registry, digest_of, parts_of, until
from tls import make_certificate

MIB = 1 << 20


def served_certificate(address):
    """PEM of what a new connection gets."""
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=DEADLINE)


class Https(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-tls-"))
        self.crt, self.key = make_certificate(self.dir, days=90)
        self.config = os.path.join(self.dir, "config.yaml")
        with open(self.config, "w") as f:
            f.write("http:\n  tls:\n    certificate: %s\n    key: %s\n" % (self.crt, self.key))

    def serve(self, *options, **kwargs):
        context = ssl.create_default_context(cafile=self.crt)
        return self.enterContext(Registry("--config", self.config, *options, tls=context, **kwargs))

    def read(self, name):
        with open(os.path.join(self.dir, name)) as f:
            return f.read()

    def program(self, *args, **env):
        return subprocess.run([os.environ["OCIREGISTRY"], *args], capture_output=True, text=True, timeout=DEADLINE,
                              env=dict(os.environ, **env))

    def reload(self, registry):
        before = len(registry.log)
        registry.signal(signal.SIGHUP)
        until("the log speaks of SIGHUP", lambda: any("SIGHUP" in line for line in registry.log[before:]))
        return "".join(registry.log[before:])

    def replace(self, crt, key):
        for new, old in ((crt, self.crt), (key, self.key)):
            os.rename(new, old)


class Serving(Https):
    def test_push_and_pull(self):
        registry = self.serve()
        registry.expect_logged("listening on %s (https)" % registry.address)
        registry.expect_logged("certificate %s is valid until" % self.crt)
        big = random.Random(1).randbytes(9 * MIB + 1)
        registry.push_image("team/app", "1.0", layers=(b"small", big))
        self.assertEqual(registry.blob("team/app", digest_of(big)), big)
        response = registry.expect(206, "GET", "/v2/team/app/blobs/" + digest_of(big),
                                   headers={"Range": "bytes=0-9,%d-%d,-7" % (MIB, 3 * MIB)})
        self.assertEqual([data for _, data in parts_of(response)], [big[:10], big[MIB:3 * MIB + 1], big[-7:]])
        chunks = registry.ask("PATCH", registry.start_upload("team/app"), (big[i:i + MIB] for i in range(0, len(big), MIB)),
                              {"Transfer-Encoding": "chunked"}, chunked=True)
        self.assertEqual(chunks.status, 202)
        digest = digest_of(big + b"end")
        registry.expect(201, "PUT", chunks.header("location") + "?digest=" + digest, b"end")
        self.assertEqual(registry.blob("team/app", digest), big + b"end")
        metrics = registry.ask("GET", "/metrics").body.decode()
        self.assertRegex(metrics, r"\nloci_http_tls_handshakes_total [1-9]")
        self.assertRegex(metrics, r"\nloci_http_tls_not_after_seconds [1-9]")

    def test_curl(self):
        registry = self.serve()
        data = random.Random(2).randbytes(5 * MIB)
        path = os.path.join(self.dir, "data")
        with open(path, "wb") as f:
            f.write(data)

        def curl(*args):
            done = subprocess.run(["curl", "-sS", "--fail", "--cacert", self.crt, *args], capture_output=True, timeout=DEADLINE)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        host = "https://localhost:" + registry.address.rpartition(":")[2]
        digest = digest_of(data)
        for version in ("1.2", "1.3"):
            curl("--tls-max", version, "-T", path, "-H", "Expect: 100-continue",
                 host + registry.start_upload("a") + "?digest=" + digest)
            self.assertEqual(curl("--tls-max", version, host + "/v2/a/blobs/" + digest), data)
            head = curl("--tls-max", version, "-I", host + "/v2/a/blobs/" + digest).decode().lower()
            self.assertIn("content-length: %d" % len(data), head)

    def test_every_address_speaks_it(self):
        path = os.path.join(self.dir, "socket")
        self.serve("--listen", "unix:" + path)
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(DEADLINE)
            raw.connect(path)
            with ssl.create_default_context(cafile=self.crt).wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(s.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_settings_of_registry2(self):
        path = os.path.join(self.dir, "config.yml")
        with open(path, "w") as f:
            f.write("version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp}}\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n"
                    "    certificate: %s\n    key: %s\n    minimumtls: tls1.3\n    ciphersuites:\n"
                    "      - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n      - TLS_AES_256_GCM_SHA384\n" % (self.crt, self.key))
        said = self.program("check-config", path).stdout
        self.assertIn("minimum-version: 1.3", said)
        self.assertIn('cipher-suites: ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"]', said)
        self.config = path
        registry = self.serve()
        with contextlib.closing(registry.connect()) as c:
            c.connect()
            self.assertEqual((c.sock.version(), c.sock.cipher()[0]), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"))

    def test_starts_only_with_files_that_go_together(self):
        other = make_certificate(self.dir, "other")
        for name in ("check-config", "serve"):
            done = self.program(name, "--config", self.config, "--tls-key", other[1], "--listen", "127.0.0.1:0", "--store", os.path.join(self.dir, "store"))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("key '%s' does not belong to certificate '%s'" % (other[1], self.crt), done.stderr)
        done = self.program("check-config", "--tls-key", other[1])
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no certificate", done.stderr)

    def test_a_certificate_that_expires_is_told(self):
        make_certificate(self.dir, days=3)
        done = self.program("check-config", "--config", self.config)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"warn ociregistry: certificate \S+ expires soon, on \d{4}-\d\d-\d\d")


class Reload(Https):
    def test_new_files_count_for_new_connections(self):
        registry = self.serve()
        old = self.read("server.crt")
        self.assertEqual(served_certificate(registry.address), old)
        with contextlib.closing(registry.connect()) as c:
            c.request("GET", "/v2/")
            c.getresponse().read()
            self.replace(*make_certificate(self.dir, "new", key="rsa"))
            self.assertIn("certificate %s" % self.crt, self.reload(registry))
            self.assertEqual(served_certificate(registry.address), self.read("server.crt"))
            c.request("GET", "/v2/")  # on the connection of before
            self.assertEqual(c.getresponse().status, 200)

    def test_bad_files_change_nothing(self):
        registry = self.serve()
        old = self.read("server.crt")
        with open(self.crt, "w") as f:
            f.write("nonsense\n")
        said = self.reload(registry)
        self.assertIn("SIGHUP: nothing was changed", said)
        self.assertIn("certificate '%s': expected PEM" % self.crt, said)
        self.assertEqual(served_certificate(registry.address), old)

    def test_it_is_not_switched_by_a_reload(self):
        registry = self.serve()
        with open(self.config, "w") as f:
            f.write("registry:\n  read-only: false\n")
        self.assertIn("a restart only", self.reload(registry))
        registry.expect(200, "GET", "/v2/")

    def test_under_load(self):
        registry = self.serve()
        blob = random.Random(3).randbytes(MIB)
        digest = registry.push_blob("a", blob)
        # Both are known to the clients, whichever they get.
        new = make_certificate(self.dir, "new", key="rsa")
        registry.tls.load_verify_locations(new[0])
        stop, failures, done = threading.Event(), [], []

        def pull():
            while not stop.is_set():
                try:
                    registry.blob("a", digest)
                    done.append(1)
                except Exception as e:  # whatever it is, it is the failure that is looked for
                    failures.append(e)
                    return

        threads = [threading.Thread(target=pull) for _ in range(4)]
        for t in threads:
            t.start()
        pairs = [[self.read("server.crt"), self.read("server.key")], [self.read("new.crt"), self.read("new.key")]]
        for i in range(10):
            for path, text in zip((self.crt, self.key), pairs[(i + 1) % 2]):
                with open(path, "w") as f:
                    f.write(text)
            self.assertIn("configuration read", self.reload(registry))
            before = len(done)
            until("clients go on", lambda: failures or len(done) > before + 4)
        stop.set()
        for t in threads:
            t.join()
        self.assertFalse(failures)


if __name__ == "__main__":
    unittest.main()
