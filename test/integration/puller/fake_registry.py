# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves on request, of nothing but Python's standard library.

Content stands in dictionaries; `before` is a list of hooks that see every request first and may answer it in
their own way: hook(request) returns True when it did. Everything that came is kept in `log`.
"""
import gzip
import hashlib
import io
import json
import os
import socket
import ssl
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def digest_of(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


class Logged:
    """One request as it came."""

    def __init__(self, handler):
        self.method = handler.command
        self.path, _, self.query = handler.path.partition("?")
        self.headers = dict((k.lower(), v) for k, v in handler.headers.items())
        self.body = b""

    def __repr__(self):
        return f"{self.method} {self.path} {self.headers}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_any(self):
        registry = self.server.registry
        self.seen = Logged(self)
        length = int(self.headers.get("Content-Length") or 0)
        self.seen.body = self.rfile.read(length) if length else b""
        with registry.lock:
            registry.log.append(self.seen)
        for hook in list(registry.before):
            if hook(self):
                return
        registry.answer(self)

    do_GET = do_HEAD = do_POST = handle_any

    # What hooks use:

    def reply(self, status, body=b"", headers=None, content_type=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name, one)
        if content_type:
            self.send_header("Content-Type", content_type)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def error(self, status, code, message, headers=None):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return self.reply(status, body, headers, "application/json")

    def cut(self):
        """The connection ends here."""
        self.wfile.flush()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        return True

    def is_blob(self, digest=None):
        return "/blobs/" in self.seen.path and (digest is None or self.seen.path.endswith(digest))

    def is_manifest(self, what=None):
        return "/manifests/" in self.seen.path and (what is None or self.seen.path.endswith("/" + what))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


class FakeRegistry:
    def __init__(self, tls_dir=None):
        self.blobs = {}
        self.manifests = {}  # (repo, tag or digest) -> (media type, bytes)
        self.log = []
        self.before = []
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.registry = self
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.scheme = "http"
        if tls_dir:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*make_certificate(tls_dir))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{self.scheme}://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def requests(self, method=None, part=""):
        with self.lock:
            return [r for r in self.log if (method is None or r.method == method) and part in r.path]

    def forget(self):
        with self.lock:
            self.log.clear()

    # Content

    def add_blob(self, data, algorithm="sha256"):
        digest = digest_of(data, algorithm)
        self.blobs[digest] = data
        return digest

    def descriptor(self, media_type, data, algorithm="sha256"):
        return {"mediaType": media_type, "digest": self.add_blob(data, algorithm), "size": len(data)}

    def add_manifest(self, repo, tag, document, media_type=None):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        media_type = media_type or document["mediaType"]
        for name in (tag, digest_of(data), digest_of(data, "sha512")):
            if name:
                self.manifests[(repo, name)] = (media_type, data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def add_image(self, repo, tag, layers, arch="amd64", config=None):
        """layers: bytes (whatever they are), or descriptors that are ready."""
        config = config or {"os": "linux", "architecture": arch, "rootfs": {
            "type": "layers", "diff_ids": [digest_of(b"%d" % i) for i in range(len(layers))]}}
        return self.add_manifest(repo, tag, {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.descriptor(OCI_CONFIG, json.dumps(config).encode()),
            "layers": [x if isinstance(x, dict) else self.descriptor(OCI_LAYER_GZIP, x) for x in layers],
        })

    def add_index(self, repo, tag, entries):
        """entries: (arch, descriptor of a manifest)"""
        return self.add_manifest(repo, tag, {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [dict(d, platform={"os": "linux", "architecture": arch}) for arch, d in entries],
        })

    # The good behaviour

    def answer(self, h):
        path = h.seen.path
        if path == "/v2/":
            return h.reply(200, b"{}", content_type="application/json")
        for kind, find in (("/manifests/", self.find_manifest), ("/blobs/", self.find_blob)):
            if kind in path:
                repo, what = path.removeprefix("/v2/").split(kind)
                return find(h, repo, what)
        return h.error(404, "UNSUPPORTED", "no such place")

    def find_manifest(self, h, repo, what):
        found = self.manifests.get((repo, what))
        if not found:
            return h.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = found
        return h.reply(200, data, {"Docker-Content-Digest": digest_of(data)}, media_type)

    def find_blob(self, h, repo, what):
        data = self.blobs.get(what)
        if data is None:
            return h.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return self.send_blob(h, data)

    def send_blob(self, h, data):
        start = range_start(h)
        if start is None:
            return h.reply(200, data, content_type="application/octet-stream")
        if start >= len(data):
            return h.error(416, "BLOB_UNKNOWN", "range", {"Content-Range": f"bytes */{len(data)}"})
        return h.reply(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"},
                       "application/octet-stream")


def range_start(h):
    """Of "Range: bytes=N-", or None."""
    value = h.seen.headers.get("range")
    return int(value.removeprefix("bytes=").removesuffix("-")) if value else None


def make_certificate(directory):
    """A key and a certificate for 127.0.0.1 that nobody trusts."""
    key, cert = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=loci test",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


def tar_layer(files):
    """A gzip layer and its diff ID; the same input gives the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, 1700000000
            tar.addfile(info, io.BytesIO(data))
    plain = out.getvalue()
    return gzip.compress(plain, mtime=0), digest_of(plain)
