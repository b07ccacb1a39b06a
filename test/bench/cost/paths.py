# SPDX-License-Identifier: Apache-2.0
"""The hot paths of ociregistry: each a function that does it once, over one keep-alive connection.

A request leaves in one send, so that the server's reads do not depend on how the kernel cut it; only a body of 1 MiB
cannot, so the system calls of that path are told, not compared.
"""
import json
import socket

from ociregistry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest_of

REPO, MANY = "bench/app", "bench/many"
NAMES, REFERRERS = 100, 50
ACCEPT = "Accept: %s, %s, application/vnd.docker.distribution.manifest.v2+json\r\n" % (OCI_MANIFEST, OCI_INDEX)
BLOB = b"a small blob, such as an image's configuration. " * 20
PIECE = b"\0" * (1 << 20)


def image(config, layer, **more):
    def descriptor(media_type, data):
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
    return json.dumps(dict({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, config),
                            "layers": [descriptor(OCI_LAYER, layer)]}, **more)).encode()


MANIFEST = image(BLOB, b"layer")
SUBJECT = {"mediaType": OCI_MANIFEST, "digest": digest_of(MANIFEST), "size": len(MANIFEST)}


def fill(registry):
    """What the paths ask for, by a server that nobody measures."""
    for repo in (REPO, MANY):
        registry.push_blob(repo, BLOB)
        registry.push_blob(repo, b"layer")
        registry.push_manifest(repo, "v1", MANIFEST)
    for i in range(NAMES):
        registry.push_manifest(MANY, "v1.%d" % i, MANIFEST)
        registry.expect(201, "POST", "/v2/team/app-%03d/blobs/uploads/?mount=%s&from=%s" % (i, digest_of(BLOB), REPO))
        registry.expect(201, "POST", "/v2/team/app-%03d/blobs/uploads/?mount=%s&from=%s" % (i, digest_of(b"layer"), REPO))
        registry.push_manifest("team/app-%03d" % i, "v1", MANIFEST)
    for i in range(REFERRERS):
        registry.push_manifest(REPO, None, image(BLOB, b"layer", subject=SUBJECT, annotations={"n": str(i)}))


class Client:
    def __init__(self, address, salt):
        """salt: another one for each client of a store, so that a new blob is new."""
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        self.salt = salt
        self.serial = 0
        self.session = None  # path of the open upload

    def new_bytes(self):
        """All of one directory of blobs: the first of each makes it, and syncs that."""
        while True:
            self.serial += 1
            data = b"%s %016d" % (self.salt.encode(), self.serial)
            if digest_of(data).startswith("sha256:00"):
                return data

    def close(self):
        self.input.close()
        self.socket.close()

    def ask(self, status, method, path, headers="", body=None):
        """The response's headers."""
        if body is not None:
            headers += "Content-Length: %d\r\n" % len(body)
        self.socket.sendall(("%s %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: cost\r\n%s\r\n"
                             % (method, path, headers)).encode() + (body or b""))
        said = self.input.readline().decode()
        found = {}
        while (line := self.input.readline().decode().strip()):
            name, _, value = line.partition(": ")
            found[name.lower()] = value
        if method != "HEAD" and status not in (204, 304):
            rest = self.input.read(int(found["content-length"]))
            if int(said.split()[1]) != status:
                raise AssertionError("%s %s: %s%s" % (method, path, said, rest.decode(errors="replace")))
        elif int(said.split()[1]) != status:
            raise AssertionError("%s %s: %s" % (method, path, said))
        return found


def get(path, status=200, method="GET", headers=ACCEPT):
    return lambda c: c.ask(status, method, "/v2/" + path, headers)


def push(c):
    """A blob that is new, as docker does it."""
    data = c.new_bytes()
    at = c.ask(202, "POST", "/v2/%s/blobs/uploads/" % REPO, body=b"")["location"]
    at = c.ask(202, "PATCH", at, body=data)["location"]
    c.ask(201, "PUT", "%s?digest=%s" % (at, digest_of(data)), body=b"")


def push_whole(c):
    """A blob that is new, with all of it in the PUT."""
    data = c.new_bytes()
    at = c.ask(202, "POST", "/v2/%s/blobs/uploads/" % REPO, body=b"")["location"]
    c.ask(201, "PUT", "%s?digest=%s" % (at, digest_of(data)), body=data)


def patch(c):
    """1 MiB more of one session."""
    if not c.session:
        c.session = c.ask(202, "POST", "/v2/%s/blobs/uploads/" % REPO, body=b"")["location"]
    c.session = c.ask(202, "PATCH", c.session, body=PIECE)["location"]


class Path:
    def __init__(self, name, once, share=1.0, exact=True):
        self.name = name
        self.once = once
        self.share = share  # of the number of times that are asked for
        self.exact = exact  # as for system calls


OF_BLOB = "%s/blobs/%s" % (REPO, digest_of(BLOB))
OF_MANIFEST = "%s/manifests/%s" % (REPO, digest_of(MANIFEST))
SAME = ACCEPT + 'If-None-Match: "%s"\r\n' % digest_of(MANIFEST)
ROOT = Path("GET /v2/", get(""))
PATHS = (
    ROOT,
    Path("manifest GET by tag", get(REPO + "/manifests/v1")),
    Path("manifest HEAD by tag", get(REPO + "/manifests/v1", method="HEAD")),
    Path("manifest GET by digest", get(OF_MANIFEST)),
    Path("manifest GET, not modified", get(REPO + "/manifests/v1", 304, headers=SAME)),
    Path("manifest GET, not there", get(REPO + "/manifests/missing", 404)),
    Path("blob GET, %d bytes" % len(BLOB), get(OF_BLOB)),
    Path("blob HEAD", get(OF_BLOB, method="HEAD")),
    Path("tags, a page of 100", get(MANY + "/tags/list?n=100")),
    Path("catalog, a page of 100", get("_catalog?n=100")),
    Path("referrers, 50", get("%s/referrers/%s" % (REPO, digest_of(MANIFEST)))),
    Path("mount of what is there", lambda c: c.ask(
        201, "POST", "/v2/%s/blobs/uploads/?mount=%s&from=%s" % (MANY, digest_of(BLOB), REPO), body=b"")),
    Path("manifest PUT of what is there", lambda c: c.ask(
        201, "PUT", "/v2/%s/manifests/v1" % REPO, "Content-Type: %s\r\n" % OCI_MANIFEST, MANIFEST), 0.5),
    Path("blob POST, PATCH, PUT", push, 0.5),
    Path("blob POST, PUT", push_whole, 0.5),
    Path("PATCH of 1 MiB", patch, 0.1, exact=False),
)
