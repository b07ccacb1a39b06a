#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients push, mount, refer, pull and delete at random while two collectors work, the server's own and `ociregistry
gc` beside it, which is killed now and then. Leases and graces are as short as they get. In the end every byte that is
referred to is there and right, and no other is.

Each client owns its repositories, so that it knows what must be in them; the layers are everybody's, as blobs are the
store's. A client may be told that a blob is unknown when it took longer than a lease; never when it was quicker.

usage: test_gc_stress.py [SECONDS [SEED]]
"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import unittest

from deadline import DEADLINE, until
from ociregistry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Registry, digest_of

SECONDS = float(os.environ.get("LOCI_STRESS_SECONDS", "12"))
SEED = int(os.environ.get("LOCI_STRESS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
CLIENTS = 6  # every second one is slow
REPOS = 2  # of each client
POOL = 24  # layers of which all choose; a few are renewed all the time
LEASE = 4
GRACE = 1
PROMISED = LEASE * 0.7  # a renewal may leave a quarter of the lease to the last one


def program(*args):
    return [os.environ.get("OCIREGISTRY", "ociregistry"), *args]


def descriptor(media_type, data, digest=None):
    return {"mediaType": media_type, "digest": digest or digest_of(data), "size": len(data)}


class Pool:
    """The layers that are in fashion."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.n = 0
        self.layers = [self.new() for _ in range(POOL)]

    def new(self):
        self.n += 1
        return b"layer %d %d " % (self.random.getrandbits(64), self.n) + bytes(self.random.randrange(20000))

    def some(self, n):
        with self.lock:
            if self.random.random() < 0.3:
                self.layers[self.random.randrange(POOL)] = self.new()
            return self.random.sample(self.layers, n)


class Manifest:
    def __init__(self, data, blobs=None, children=()):
        self.data = data
        self.digest = digest_of(data)
        self.blobs = blobs or {}  # digest: bytes
        self.children = children


class Client(threading.Thread):
    """What it has in `live` was acknowledged and not given up: repository, digest: Manifest."""

    def __init__(self, number, test):
        super().__init__()
        self.test = test
        self.registry = test.registry
        self.random = random.Random(SEED * 1000 + number)
        self.is_slow = number % 2 == 1
        self.repos = ["client%d/repo%d" % (number, i) for i in range(REPOS)]
        self.live = {repo: {} for repo in self.repos}
        self.garbage = {repo: [] for repo in self.repos}  # when it came, bytes
        self.counts = {}
        self.failed = None
        self.n = 0

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def run(self):
        actions = [(self.push_image, 8), (self.push_unasked, 3), (self.push_index, 2), (self.push_referrer, 2), (self.push_garbage, 8),
                   (self.pull, 6), (self.delete, 7), (self.delete_garbage, 1)]
        choice = [action for action, weight in actions for _ in range(weight)]
        try:
            while not self.test.over.is_set():
                self.random.choice(choice)(self.random.choice(self.repos))
        except BaseException as e:
            self.failed = e
            self.test.over.set()

    # ---- how a blob gets there

    def promise(self, repo, data):
        """The repository has it from now on for a lease; when that began."""
        began = time.monotonic()
        digest = digest_of(data)
        if self.random.random() < 0.8 and self.registry.ask("HEAD", "/v2/%s/blobs/%s" % (repo, digest)).status == 200:
            self.count("was there")
            return began
        where = self.random.choice(["", "&from=" + self.random.choice(self.test.all_repos)])
        if self.random.random() < 0.5:
            began = time.monotonic()
            answer = self.registry.ask("POST", "/v2/%s/blobs/uploads/?mount=%s%s" % (repo, digest, where))
            if answer.status == 201:
                self.count("mounted")
                return began
            location = answer.header("location")
        else:
            location = self.registry.start_upload(repo)
        if self.random.random() < 0.3:
            half = len(data) // 2
            location = self.registry.expect(202, "PATCH", location, data[:half]).header("location")
            rest = data[half:]
        else:
            rest = data
        began = time.monotonic()
        self.registry.expect(201, "PUT", location + "?digest=" + digest, rest)
        self.count("uploaded")
        return began

    def put(self, repo, manifest, media_type, promised_at):
        self.n += 1
        reference = "tag%d" % self.random.randrange(5) if self.random.random() < 0.5 else manifest.digest
        answer = self.registry.ask("PUT", "/v2/%s/manifests/%s" % (repo, reference), manifest.data,
                                   {"Content-Type": media_type})
        if answer.status == 201:
            self.live[repo][manifest.digest] = manifest
            self.count("pushed")
            return
        if answer.status != 400 or answer.code != "MANIFEST_BLOB_UNKNOWN":
            raise AssertionError("PUT: %d %r" % (answer.status, answer.body))
        took = time.monotonic() - promised_at
        if took < PROMISED:
            raise AssertionError("a blob that was promised is gone after %.3f s: %r" % (took, answer.body))
        self.count("refused, rightly")

    # ---- actions

    def push_unasked(self, repo):
        """Refers to what was there once. It may be refused, but once it is taken it stays."""
        layers = self.take_garbage(repo)
        config = b"{}"
        if layers:
            self.promise(repo, config)
            self.put_image(repo, config, layers, None, promised_at=0)

    def push_image(self, repo, subject=None):
        layers = self.test.pool.some(self.random.randrange(1, 5))
        layers += self.take_garbage(repo)
        config = json.dumps({"architecture": "amd64", "os": "linux", "n": [self.name, self.n]}).encode()
        began = min(self.promise(repo, data) for data in [config] + layers)
        if self.is_slow and self.random.random() < 0.5:  # a whole pass goes by, but no lease
            self.test.over.wait(PROMISED * self.random.uniform(0.6, 0.95))
        self.put_image(repo, config, layers, subject, began)

    def put_image(self, repo, config, layers, subject, promised_at):
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, config),
                    "layers": [descriptor(OCI_LAYER, layer) for layer in layers]}
        if subject:
            document["subject"] = descriptor(OCI_MANIFEST, subject.data, subject.digest)
        blobs = {digest_of(data): data for data in [config] + layers}
        self.put(repo, Manifest(json.dumps(document).encode(), blobs), OCI_MANIFEST, promised_at)

    def push_referrer(self, repo):
        if self.live[repo]:
            self.push_image(repo, self.random.choice(list(self.live[repo].values())))

    def push_index(self, repo):
        images = [m for m in self.live[repo].values() if not m.children]
        if not images:
            return
        some = self.random.sample(images, min(len(images), self.random.randrange(1, 4)))
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": {"n": "%s %d" % (self.name, self.n)},
                    "manifests": [descriptor(OCI_MANIFEST, m.data, m.digest) for m in some]}
        self.put(repo, Manifest(json.dumps(document).encode(), children=some), OCI_INDEX, time.monotonic())

    def take_garbage(self, repo):
        """What may go at this very moment comes into use after all."""
        old = [g for g in self.garbage[repo] if time.monotonic() - g[0] > LEASE]
        self.garbage[repo] = [g for g in self.garbage[repo] if g not in old]
        return [data for _, data in old[-3:]]

    def push_garbage(self, repo):
        data = b"garbage %s %d" % (self.name.encode(), self.n)
        self.garbage[repo].append((self.promise(repo, data), data))
        self.n += 1
        self.count("garbage")

    def delete_garbage(self, repo):
        """A blob of no manifest of this repository, if it is there."""
        layer = digest_of(self.test.pool.some(1)[0])
        if not any(layer in m.blobs for m in self.live[repo].values()):
            self.registry.ask("DELETE", "/v2/%s/blobs/%s" % (repo, layer))
            self.count("blobs deleted")

    def delete(self, repo):
        if not self.live[repo]:
            return
        manifest = self.live[repo].pop(self.random.choice(list(self.live[repo])))
        self.registry.expect(202, "DELETE", "/v2/%s/manifests/%s" % (repo, manifest.digest))
        self.count("deleted")

    def pull(self, repo):
        if self.live[repo]:
            self.check(repo, self.random.choice(list(self.live[repo].values())))
            self.count("pulled")

    def check(self, repo, manifest):
        answer = self.registry.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, manifest.digest))
        if answer.body != manifest.data:
            raise AssertionError("%s: other bytes" % manifest.digest)
        for digest, data in manifest.blobs.items():
            if self.registry.blob(repo, digest) != data:
                raise AssertionError("%s: other bytes" % digest)


class Beside(threading.Thread):
    """`ociregistry gc`, again and again; every third is killed."""

    def __init__(self, test):
        super().__init__()
        self.test = test
        self.random = random.Random(SEED + 1)
        self.ended = self.killed = self.busy = self.removed = 0
        self.failed = None

    def run(self):
        while not self.test.over.is_set():
            gc = subprocess.Popen(program("gc", "--store", self.test.registry.store, "--lease", "%ds" % LEASE,
                                          "--gc-grace", "%ds" % GRACE, "--gc-share", "100", "--format", "json"),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                out, said = gc.communicate(timeout=self.random.uniform(0, 3) if self.random.random() < 0.3 else DEADLINE)
            except subprocess.TimeoutExpired:
                gc.send_signal(signal.SIGKILL)
                gc.communicate()
                self.killed += 1
                continue
            if gc.returncode == 0:
                self.ended += 1
                self.removed += len(json.loads(out)["objects"])
            self.busy += gc.returncode == 3
            if gc.returncode not in (0, 3) or "Sanitizer" in said:
                self.failed = "gc ended with %d: %s" % (gc.returncode, said)
                self.test.over.set()


class Stress(unittest.TestCase):
    def setUp(self):
        print("seed %d" % SEED, flush=True)
        self.registry = self.enterContext(Registry(
            "--gc-interval", "1s", "--gc-grace", "%ds" % GRACE, "--gc-share", "100", "--lease", "%ds" % LEASE,
            "--access-log=false"))
        self.over = threading.Event()
        self.pool = Pool(SEED)
        self.clients = [Client(i, self) for i in range(CLIENTS)]
        self.all_repos = [repo for client in self.clients for repo in client.repos]

    def expected(self):
        """Blobs that a manifest refers to which is in a repository, or below one that is."""
        kept = {}
        todo = [m for c in self.clients for repo in c.repos for m in c.live[repo].values()]
        while todo:
            manifest = todo.pop()
            kept.update(manifest.blobs)
            todo.extend(manifest.children)
        return kept

    def files(self):
        found = {}
        for root, _, names in os.walk(os.path.join(self.registry.store, "blobs")):
            for name in names:
                with open(os.path.join(root, name), "rb") as f:
                    found[os.path.basename(os.path.dirname(root)) + ":" + name] = f.read()
        return found

    def is_collected(self):
        done = subprocess.run(program("gc", "--store", self.registry.store, "--lease", "%ds" % LEASE, "--older-than", "0",
                                      "--gc-grace", "%ds" % GRACE, "--gc-share", "100", "--format", "json", "--wait", "1m"),
                              stdout=subprocess.PIPE, check=True, timeout=DEADLINE)
        objects = json.loads(done.stdout)["objects"]
        self.collected += len(objects)
        return not objects and set(self.files()) == set(self.expected())

    def test_stress(self):
        beside = Beside(self)
        for thread in [*self.clients, beside]:
            thread.start()
        self.over.wait(SECONDS)
        self.over.set()
        for thread in [*self.clients, beside]:
            thread.join()
        self.assertIsNone(beside.failed)
        for client in self.clients:
            if client.failed:
                raise client.failed
        for client in self.clients:
            for repo in client.repos:
                for manifest in client.live[repo].values():
                    client.check(repo, manifest)
        self.collected = 0
        try:
            until("all of the garbage is gone", self.is_collected)
        finally:
            self.tell(beside)
        self.assertEqual(self.files(), self.expected())

    def tell(self, beside):
        counts = {}
        for client in self.clients:
            for what, n in client.counts.items():
                counts[what] = counts.get(what, 0) + n
        files, expected = set(self.files()), set(self.expected())
        print("%s; gc beside: %d ended, %d busy, %d killed, %d removed; server: %d collected something; at the end %d more went; "
              "%d files, %d expected, %d lost, %d left over" % (
                  ", ".join("%s %d" % item for item in sorted(counts.items())), beside.ended, beside.busy, beside.killed, beside.removed,
                  sum("garbage collected" in line for line in self.registry.log), self.collected,
                  len(files), len(expected), len(expected - files), len(files - expected)), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SECONDS = float(sys.argv.pop(1))
    if len(sys.argv) > 1:
        SEED = int(sys.argv.pop(1))
    unittest.main()
