# SPDX-License-Identifier: Apache-2.0
"""Runs the real ociregistry on a free loopback port, and talks to it. Standard library only.

    with Registry() as registry:                # store in a temporary directory, gone afterwards
        digest = registry.push_blob("a/b", b"bytes")
        response = registry.ask("GET", "/v2/a/b/blobs/" + digest)

The program is $OCIREGISTRY, or else the first one in PATH.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from deadline import DEADLINE, until

SANITIZER = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../data/sanitizer"))

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def parts_of(response):
    """(Content-Range, bytes) of each part of a multipart/byteranges response, read strictly."""
    kind, _, boundary = response.header("content-type").partition("; boundary=")
    if kind != "multipart/byteranges":
        raise AssertionError("content-type: " + kind)
    between = b"\r\n--" + boundary.encode()
    preamble, *parts, end = (b"\r\n" + response.body).split(between)
    if preamble or end != b"--\r\n":
        raise AssertionError("body begins with %r, ends with %r" % (preamble, end))
    found = []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        headers = dict(line.split(": ") for line in head.decode().strip().split("\r\n"))
        found.append((headers["content-range"], data))
    return found


class Response:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def header(self, name):
        return self.headers.get(name)

    @property
    def code(self):
        """The spec's code of an error."""
        return json.loads(self.body)["errors"][0]["code"]


class Registry:
    def __init__(self, *options, store=None, env=None, prefix=(), listen="127.0.0.1:0", tls=None):
        """store: a directory that stays; prefix: a command that runs the program (unshare …); listen: None leaves it to
        the program; tls: the context of clients, when it speaks HTTPS."""
        self.temporary = None
        if store is None:
            self.temporary = store = tempfile.mkdtemp(prefix="loci-registry-")
        self.store = store
        self.options = options
        self.env = dict(os.environ, **(env or {}))
        for name in ("lsan", "tsan"):  # what libh2o keeps at a thread's end, and nothing else
            self.env.setdefault(name.upper() + "_OPTIONS", "print_suppressions=0:suppressions=%s/%s.supp" % (SANITIZER, name))
        self.prefix = list(prefix)
        self.listen, self.tls = listen, tls
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException as e:
            self.__exit__(type(e))
            raise
        return self

    def __exit__(self, failed=None, *_):
        """Whoever used it well sees it end well: a leak or a race that a sanitizer finds is a status, too."""
        try:
            if self.process and self.process.poll() is None:
                status = self.kill() if failed else self.stop()
                if status and not failed:
                    raise AssertionError("ociregistry ended with %d\n%s" % (status, "".join(self.log[-100:])))
        finally:
            if self.process and self.process.poll() is None:
                self.kill()
            if self.temporary:
                shutil.rmtree(self.temporary, ignore_errors=True)

    # ---- the process

    def start(self):
        """Returns when it listens; self.address is where."""
        self.log = []
        self.process = subprocess.Popen(
            [*self.prefix, os.environ.get("OCIREGISTRY", "ociregistry"), "--store", self.store,
             *(("--listen", self.listen) if self.listen else ()), *self.options],
            stderr=subprocess.PIPE, text=True, errors="replace", env=self.env)
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()

        def listens():
            said = "".join(self.log)
            found = re.search(r"listening on ([^\s\"]+)", said)
            if not found and self.process.poll() is not None:
                raise AssertionError("ociregistry ended with %d\n%s" % (self.process.returncode, said))
            return found
        self.address = until("listening on …", listens).group(1)
        return self

    def _read(self, pipe):
        for line in pipe:
            self.log.append(line)
        pipe.close()

    def logged(self, text):
        return any(text in line for line in self.log)

    def expect_logged(self, text):
        """At once or soon: a thread reads the log."""
        until("the log says %r" % text, lambda: self.logged(text))

    def signal(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)

    def wait(self):
        """The exit status; negative: the signal that killed it."""
        status = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        return status

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    # ---- requests

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.address, timeout=DEADLINE, context=self.tls)
        return http.client.HTTPConnection(self.address, timeout=DEADLINE)

    def ask(self, method, path, body=None, headers=None, chunked=False):
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            return Response(connection.getresponse())
        finally:
            connection.close()

    def expect(self, status, method, path, body=None, headers=None):
        response = self.ask(method, path, body, headers)
        if response.status != status:
            raise AssertionError("%s %s: %d, expected %d: %s" % (
                method, path, response.status, status, response.body[:500].decode(errors="replace")))
        return response

    def start_upload(self, repo):
        """The path of a new session."""
        return self.expect(202, "POST", "/v2/%s/blobs/uploads/" % repo).header("location")

    def push_blob(self, repo, data):
        digest = digest_of(data)
        self.expect(201, "PUT", self.start_upload(repo) + "?digest=" + digest, data)
        return digest

    def push_manifest(self, repo, reference, data, media_type=OCI_MANIFEST):
        if isinstance(data, dict):
            data = json.dumps(data).encode()
        digest = digest_of(data)
        self.expect(201, "PUT", "/v2/%s/manifests/%s" % (repo, reference or digest), data,
                    {"Content-Type": media_type})
        return digest

    def push_image(self, repo, tag, layers=(b"layer",), config=None):
        """An image of these layers' bytes (nobody unpacks them); its digest."""
        config = json.dumps(config or {"architecture": "amd64", "os": "linux",
                                       "rootfs": {"type": "layers", "diff_ids": [digest_of(l) for l in layers]}}).encode()

        def descriptor(media_type, data):
            return {"mediaType": media_type, "digest": self.push_blob(repo, data), "size": len(data)}
        return self.push_manifest(repo, tag, {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, config),
            "layers": [descriptor(OCI_LAYER, layer) for layer in layers]})

    def blob(self, repo, digest):
        """Its bytes, hashed again here."""
        data = self.expect(200, "GET", "/v2/%s/blobs/%s" % (repo, digest)).body
        if digest_of(data, digest.split(":")[0]) != digest:
            raise AssertionError("%s: other bytes were served" % digest)
        return data
