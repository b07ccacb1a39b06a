# SPDX-License-Identifier: Apache-2.0
"""The load generator of script/bench registry ($BENCH_LOAD): each verb leaves in the registry what it says, and an
answer that was not expected ends it. Nothing here asserts a time."""
import contextlib
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import unittest

import ociregistry

SIZE = (5 << 20) + 4321  # neither a multiple of the content's block nor smaller than it


def load(address, verb, *options):
    done = subprocess.run([os.environ["BENCH_LOAD"], verb, "--to", address, *options], capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = cls.enterClassContext(ociregistry.Registry())

    def does(self, verb, *options):
        status, said = load(self.registry.address, verb, *options)
        self.assertEqual(status, 0, said)
        self.assertEqual(said["verb"], verb)
        latency = said["latency_us"]
        self.assertTrue(0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"], latency)
        return said

    def test_requests(self):
        digest = self.registry.push_image("load/requests", "v1")
        paths = ["--path", "/v2/load/requests/manifests/v1", "--path", "/v2/load/requests/manifests/" + digest]
        said = self.does("requests", *paths, "--count", "101", "--connections", "7")
        self.assertEqual((said["units"], said["requests"]), (101, 101))
        said = self.does("requests", *paths, "--method", "HEAD", "--count", "50", "--connections", "3")
        self.assertEqual(said["units"], 50)
        said = self.does("requests", *paths, "--rate", "1000", "--count", "20", "--connections", "2")
        self.assertEqual(said["units"], 20)
        self.does("requests", "--path", "/v2/load/requests/manifests/none", "--expect", "404", "--count", "5")
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("/v2/\n/v2/load/requests/tags/list\n")
            f.flush()
            self.assertEqual(self.does("requests", "--paths", f.name, "--seconds", "1")["verb"], "requests")

    def test_unexpected(self):
        status, said = load(self.registry.address, "requests", "--path", "/v2/none/manifests/v1", "--count", "9")
        self.assertEqual(status, 1)
        self.assertIn("expected 200, got 404", said)
        self.assertIn("NAME_UNKNOWN", said)
        status, said = load(self.registry.address, "requests", "--path", "/v2/", "--size", "9999", "--count", "9")
        self.assertEqual(status, 1)
        self.assertIn("expected 9999", said)

    def test_upload_and_download(self):
        said = self.does("upload", "--size", str(SIZE), "--connections", "3", "--repository", "load/big")
        self.assertEqual(said["units"], 3)
        self.assertEqual(len(set(said["digests"])), 3)
        for digest in said["digests"]:
            self.assertEqual(len(self.registry.blob("load/big", digest)), SIZE)
        paths = [word for digest in said["digests"] for word in ("--path", "/v2/load/big/blobs/" + digest)]
        said = self.does("download", *paths, "--size", str(SIZE), "--connections", "3", "--count", "2")
        self.assertEqual(said["units"], 6)
        self.assertGreater(said["bytes_in"], 6 * SIZE)

    def test_images_and_again(self):
        common = ["--seed", "7", "--count", "6", "--layers", "3", "--size", "100", "--connections", "4",
                  "--repositories", "2"]
        said = self.does("images", *common, "--repository", "load/first")
        self.assertEqual((said["units"], said["requests"]), (6, 6 * (4 * 4 + 1)))
        status, refused = load(self.registry.address, "images", *common, "--repository", "load/first")
        self.assertEqual(status, 1)
        self.assertIn("expected 404, got 200", refused)
        said = self.does("again", *common, "--repository", "load/second", "--from", "load/first")
        self.assertEqual((said["units"], said["requests"]), (6, 6 * (4 * 2 + 1)))
        for where in "load/first", "load/second":
            tags = self.registry.expect(200, "GET", "/v2/%s/1/tags/list" % where).body
            self.assertEqual(json.loads(tags)["tags"], ["v1", "v3", "v5"])
            manifest = json.loads(self.registry.expect(200, "GET", "/v2/%s/1/manifests/v3" % where).body)
            self.assertEqual(len(manifest["layers"]), 3)
            for blob in manifest["layers"] + [manifest["config"]]:
                self.assertEqual(len(self.registry.blob(where + "/1", blob["digest"])), blob["size"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for n in 1, 17, 70000:
                self.wfile.write(b"%x;extension\r\n%s\r\n" % (n, b"x" * n))
            self.wfile.write(b"0\r\nTrailer: y\r\n\r\n")
        elif self.path == "/cut":
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        else:
            self.send_header("Content-Length", "200000")
            self.end_headers()
            self.wfile.write(b"y" * 200000)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(tls):
    with contextlib.ExitStack() as stack:
        s = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        s.daemon_threads = True
        if tls:
            work = stack.enter_context(tempfile.TemporaryDirectory())
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", work + "/key", "-out", work + "/certificate", "-days", "1", "-subj", "/CN=x"],
                           check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(work + "/certificate", work + "/key")
            s.socket = context.wrap_socket(s.socket, server_side=True)
        threading.Thread(target=s.serve_forever, daemon=True).start()
        try:
            yield "127.0.0.1:%d" % s.server_address[1]
        finally:
            s.shutdown()


class Answers(unittest.TestCase):
    def test_bodies(self):
        for tls in (), ("--tls",):
            with self.subTest(tls=tls), server(tls) as address:
                for path, size in ("/chunked", 70018), ("/plain", 200000):
                    status, said = load(address, "requests", *tls, "--path", path, "--size", str(size), "--count", "20",
                                        "--connections", "2")
                    self.assertEqual(status, 0, said)
                    self.assertEqual(said["units"], 20)

    def test_closed(self):
        for tls in (), ("--tls",):
            with self.subTest(tls=tls), server(tls) as address:
                status, said = load(address, "requests", *tls, "--path", "/cut", "--count", "1")
                self.assertEqual(status, 1, said)
                self.assertIn("receive: ", said)


if __name__ == "__main__":
    unittest.main()
