# SPDX-License-Identifier: Apache-2.0
"""What a client of the registry may rely on, kept beside what it does, and compared after each death of the server.

One client owns one repository and does one thing at a time, so that whatever is in it is known: what was acknowledged, and
at most one request whose answer never came. That one happened as a whole or not at all. Uploads that were told of with 202
go on where the server says, at or behind what it said before.
"""

import http.client
import json
import os
import random

from ociregistry import DEADLINE, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, digest_of

RECENT = 3  # rounds: what is younger is read back in full each time
SAMPLE = 12  # of what is older
DEAD = (ConnectionError, http.client.HTTPException, OSError)


class Broken(AssertionError):
    """The registry broke a promise."""


class Upload:
    """A session that was left open on purpose."""

    def __init__(self, where, data, acked):
        self.where, self.data, self.acked = where, data, acked


class Client:
    def __init__(self, number, seed, shared):
        self.repo = "kill/client-%d" % number
        self.random = random.Random("%d-%d" % (seed, number))
        self.shared = shared  # (repository, digest, size) that others may mount
        self.state = {}  # ("blob", digest) → size; ("manifest", digest) → bytes; ("tag", name) → digest
        self.touched = {}  # key → round
        self.pending = None  # {key: new value or None} of the request that is under way
        self.uploads = []
        self.unfinished = []  # digests of blobs whose last byte was never sent
        self.acks = self.round = 0
        self.connection = None
        self.done = {}

    # ---- requests

    def ask(self, method, path, body=None, headers=None, chunked=False):
        self.connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, response.headers, text

    def must(self, status, method, path, body=None, headers=None, chunked=False):
        got, head, text = self.ask(method, path, body, headers, chunked)
        if got != status:
            raise Broken("%s %s: %d, expected %d: %s" % (method, path, got, status, text[:300]))
        return head, text

    def path(self, kind, name):
        return "/v2/%s/%s/%s" % (self.repo, kind, name)

    def begin(self, changes):
        self.pending = changes

    def acknowledge(self):
        self.apply(self.pending)
        self.pending = None
        self.acks += 1

    def apply(self, changes):
        for key, value in changes.items():
            self.touched[key] = self.round
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    # ---- what it does

    def bytes(self):
        size = self.random.choice((100, 3000, 70000, 300000, 300000, 2000000))
        return self.random.randbytes(self.random.randrange(1, size))

    def start(self):
        return self.must(202, "POST", self.path("blobs", "uploads/"))[0]["location"]

    def push_monolithic(self):
        data = self.bytes()
        self.begin({("blob", digest_of(data)): len(data)})
        self.must(201, "POST", self.path("blobs", "uploads/?digest=" + digest_of(data)), data)
        self.acknowledge()

    def push_put(self):
        data, where = self.bytes(), self.start()
        self.begin({("blob", digest_of(data)): len(data)})
        self.must(201, "PUT", where + "?digest=" + digest_of(data), data)
        self.acknowledge()

    def push_streamed(self):
        data, where = self.bytes(), self.start()
        pieces = [data[i:i + 50000] for i in range(0, len(data), 50000)]
        self.must(202, "PATCH", where, iter(pieces), {"Transfer-Encoding": "chunked"}, chunked=True)
        self.finish(Upload(where, data, len(data)))

    def push_chunked(self):
        data, where = self.bytes(), self.start()
        upload = Upload(where, data, 0)
        self.uploads.append(upload)
        cut = self.random.randrange(len(data))
        self.chunk(upload, cut)
        if self.random.random() < 0.3:
            return  # another day
        self.chunk(upload, len(data))
        self.uploads.remove(upload)
        self.finish(upload)

    def chunk(self, upload, to):
        if to <= upload.acked:
            return
        self.must(202, "PATCH", upload.where, upload.data[upload.acked:to],
                  {"Content-Range": "%d-%d" % (upload.acked, to - 1)})
        upload.acked = to
        self.acks += 1

    def finish(self, upload):
        self.uploads.append(upload)
        self.begin({("blob", digest_of(upload.data)): len(upload.data)})
        self.must(201, "PUT", upload.where + "?digest=" + digest_of(upload.data), upload.data[upload.acked:])
        self.uploads.remove(upload)
        self.acknowledge()

    def go_on(self):
        if self.uploads:
            upload = self.uploads.pop()
            self.finish(upload)

    def cancel(self):
        if self.uploads:
            upload = self.uploads.pop()
            self.unfinished.append(digest_of(upload.data))
            self.must(204, "DELETE", upload.where)
            self.acks += 1

    def mount(self):
        if not self.shared:
            return
        repo, digest, size = self.random.choice(self.shared)
        if repo == self.repo:
            return
        self.begin({("blob", digest): size})
        status, head, _ = self.ask("POST", self.path("blobs", "uploads/?mount=%s&from=%s" % (digest, repo)))
        if status == 201:
            self.acknowledge()
        elif status == 202:  # its owner deleted it meanwhile: a session, which nobody needs
            self.pending = None
            self.must(204, "DELETE", head["location"])
        else:
            raise Broken("mount: %d" % status)

    def manifest(self):
        """An image of blobs that are there, with up to three tags, all of them at once."""
        blobs = [(d, size) for (kind, d), size in self.state.items() if kind == "blob"]
        if not blobs:
            return
        parts = [{"mediaType": t, "digest": d, "size": size} for t, (d, size) in
                 zip((OCI_CONFIG, OCI_LAYER, OCI_LAYER), self.random.choices(blobs, k=3))]
        text = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": parts[0], "layers": parts[1:],
                           "annotations": {"n": str(self.random.random())}}).encode()
        digest = digest_of(text)
        tags = ["v%d" % self.random.randrange(8) for _ in range(self.random.randrange(3))]
        self.begin({("manifest", digest): text, **{("tag", t): digest for t in tags}})
        query = "?" + "&".join("tag=" + t for t in sorted(set(tags))) if tags else ""
        self.must(201, "PUT", self.path("manifests", digest + query), text, {"Content-Type": OCI_MANIFEST})
        self.acknowledge()

    def keys(self, kind):
        return [name for k, name in self.state if k == kind]

    def delete_tag(self):
        tags = self.keys("tag")
        if tags:
            tag = self.random.choice(tags)
            self.begin({("tag", tag): None})
            self.must(202, "DELETE", self.path("manifests", tag))
            self.acknowledge()

    def delete_manifest(self):
        manifests = self.keys("manifest")
        if manifests:
            digest = self.random.choice(manifests)
            self.begin({("manifest", digest): None,
                        **{("tag", t): None for t in self.keys("tag") if self.state["tag", t] == digest}})
            self.must(202, "DELETE", self.path("manifests", digest))
            self.acknowledge()

    def delete_blob(self):
        used = {d for m in self.keys("manifest") for d in digests_in(self.state["manifest", m])}
        free = [d for d in self.keys("blob") if d not in used]
        if free:
            digest = self.random.choice(free)
            self.begin({("blob", digest): None})
            self.must(202, "DELETE", self.path("blobs", digest))
            self.acknowledge()

    WEIGHTS = {"push_monolithic": 4, "push_put": 4, "push_streamed": 4, "push_chunked": 6, "go_on": 3, "cancel": 1,
               "mount": 3, "manifest": 6, "delete_tag": 1, "delete_manifest": 1, "delete_blob": 2}

    def live(self, address, round_, counter):
        """Until the server is gone. counter: called behind each step."""
        self.round = round_
        self.connection = http.client.HTTPConnection(address, timeout=DEADLINE)
        try:
            while True:
                step = self.random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
                before = self.acks
                getattr(self, step)()
                if self.acks > before:
                    self.done[step] = self.done.get(step, 0) + 1
                counter(self.acks - before)
        except DEAD as e:
            if isinstance(e, TimeoutError):
                raise
        finally:
            self.connection.close()

    # ---- what must hold

    def check(self, address, everything):
        self.connection = http.client.HTTPConnection(address, timeout=DEADLINE)
        try:
            self.settle()
            self.check_tags()
            for key in self.chosen(everything):
                self.check_one(key)
            for digest in self.unfinished[-20:]:
                if ("blob", digest) not in self.state:
                    self.must(404, "HEAD", self.path("blobs", digest))
            for upload in list(self.uploads):
                self.check_upload(upload)
        finally:
            self.connection.close()

    def look(self, key):
        """What the server says of it now: the value as it is kept in the state, or None."""
        kind, name = key
        status, _, body = self.ask("GET", self.path("blobs" if kind == "blob" else "manifests", name),
                                   headers={"Accept": OCI_MANIFEST})
        if status == 404:
            return None
        if status != 200:
            raise Broken("GET %s %s: %d" % (kind, name, status))
        if kind == "tag":
            return digest_of(body)
        if digest_of(body) != name:
            raise Broken("%s %s: other bytes are served" % key)
        return len(body) if kind == "blob" else body

    def settle(self):
        """The request whose answer never came: all of it, or nothing."""
        if self.pending is None:
            return
        # A tag or blob that is set to what it already was says nothing either way.
        telling = {k: v for k, v in self.pending.items() if self.state.get(k) != v}
        seen = {k: self.look(k) for k in telling}
        happened = bool(telling) and all(seen[k] == v for k, v in telling.items())
        if not happened and any(seen[k] != self.state.get(k) for k in telling):
            raise Broken("half of a request: %s" % {k: seen[k] == v for k, v in telling.items()})
        if happened:
            self.apply(self.pending)
            # Its session was seen to go, or may stay until somebody ends it: both are right.
            self.uploads = [u for u in self.uploads if ("blob", digest_of(u.data)) not in self.pending]
        self.pending = None

    def check_tags(self):
        _, text = self.must_or(("200", "404"), "GET", self.path("tags", "list?n=1000"))
        listed = sorted((json.loads(text).get("tags") or []) if text else [])
        if listed != sorted(self.keys("tag")):
            raise Broken("tags of %s: %s, expected %s" % (self.repo, listed, sorted(self.keys("tag"))))

    def must_or(self, statuses, method, path):
        status, head, text = self.ask(method, path)
        if str(status) not in statuses:
            raise Broken("%s %s: %d" % (method, path, status))
        return head, text if status == 200 else b""

    def chosen(self, everything):
        keys = set(self.state) | set(self.touched)
        if everything:
            return sorted(keys)
        recent = {k for k in keys if self.touched[k] > self.round - RECENT}
        old = sorted(keys - recent)
        return sorted(recent) + self.random.sample(old, min(SAMPLE, len(old)))

    def check_one(self, key):
        seen, want = self.look(key), self.state.get(key)
        if seen != want:
            raise Broken("%s %s of %s (round %d, now %d): %s" % (
                key[0], key[1], self.repo, self.touched[key], self.round,
                "lost" if seen is None else "deleted, and back" if want is None else "other bytes"))

    def check_upload(self, upload):
        digest = digest_of(upload.data)
        if ("blob", digest) not in self.state:
            self.must(404, "HEAD", self.path("blobs", digest))
        head, _ = self.must(204, "GET", upload.where)
        at = int(head["range"].split("-")[1]) + 1
        if at == 1 and upload.acked == 0:
            at = 0  # "0-0": nothing, or one byte; the offset is asked for by beginning at 0
            status, head, _ = self.ask("PATCH", upload.where, upload.data[:1], {"Content-Range": "0-0"})
            if status not in (202, 416):
                raise Broken("PATCH at 0: %d" % status)
            at = 1
        if not upload.acked <= at <= len(upload.data):
            raise Broken("session at %d, %d were acknowledged, %d sent" % (at, upload.acked, len(upload.data)))
        upload.acked = at
        if self.random.random() < 0.7:
            self.uploads.remove(upload)
            self.finish(upload)
            self.check_one(("blob", digest))


def digests_in(manifest):
    m = json.loads(manifest)
    return [m["config"]["digest"]] + [layer["digest"] for layer in m["layers"]]
