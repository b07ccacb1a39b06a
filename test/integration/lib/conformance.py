# SPDX-License-Identifier: Apache-2.0
"""What the conformance tests share: one registry for a file, documents of every kind, and pushes that are looked at
from all sides."""

import hashlib
import json
import os
import unittest

from ociregistry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Registry, digest_of

EMPTY = "application/vnd.oci.empty.v1+json"
EXAMPLE = "application/vnd.example.thing.v1"
ALGORITHMS = ("sha256", "sha512")


def describe(media_type, data, algorithm="sha256", **more):
    return {"mediaType": media_type, "digest": digest_of(data, algorithm), "size": len(data), **more}


class Document:
    """A manifest or index as bytes, and the blobs that it needs."""

    def __init__(self, content, blobs=(), media_type=None):
        self.content = content
        self.blobs = list(blobs)
        self.media_type = media_type or content["mediaType"]
        self.data = json.dumps(content, indent=1).encode()  # nobody else would write it so

    def digest(self, algorithm="sha256"):
        return digest_of(self.data, algorithm)

    def describe(self, algorithm="sha256", **more):
        return describe(self.media_type, self.data, algorithm, **more)


def image(n_layers=2, algorithm="sha256", data=False, **more):
    """An image of random layers; more: further members of the manifest."""
    layers = [os.urandom(300) for _ in range(n_layers)]
    config = json.dumps({"architecture": "amd64", "os": "linux", "author": os.urandom(8).hex(),
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(l) for l in layers]}}).encode()
    return Document({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                     "config": describe(OCI_CONFIG, config, algorithm),
                     "layers": [describe(OCI_LAYER, l, algorithm) for l in layers], **more}, [config, *layers])


def artifact(artifact_type, **more):
    thing = os.urandom(100)
    return Document({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
                     "config": describe(EMPTY, b"{}"), "layers": [describe(EXAMPLE, thing)], **more}, [b"{}", thing])


def index(entries, algorithm="sha256", **more):
    return Document({"schemaVersion": 2, "mediaType": OCI_INDEX,
                     "manifests": [e.describe(algorithm) for e in entries], **more})


class TestCase(unittest.TestCase):
    """One registry for the class; OPTIONS are its own."""

    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.registry = cls.enterClassContext(Registry(*cls.OPTIONS))
        cls.ask, cls.expect = cls.registry.ask, cls.registry.expect

    def repo(self):
        """Of this test alone."""
        return "conformance/" + hashlib.sha256(self.id().encode()).hexdigest()[:12]

    def push_blobs(self, repo, document, algorithm="sha256"):
        for data in document.blobs:
            self.expect(201, "POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest_of(data, algorithm)), data)

    def put(self, repo, document, reference=None, query="", status=201, headers=None):
        return self.expect(status, "PUT", "/v2/%s/manifests/%s%s" % (repo, reference or document.digest(), query),
                           document.data, {"Content-Type": document.media_type, **(headers or {})})

    def push(self, repo, document, tag=None, algorithm="sha256"):
        """All of it, by its digest and then under the tag; what the answers say is checked."""
        self.push_blobs(repo, document, algorithm)
        digest = document.digest(algorithm)
        answers = [self.put(repo, document, digest)]
        if tag:
            answers.append(self.put(repo, document, tag))
        for answer in answers:
            self.assertEqual(answer.header("docker-content-digest"), digest)
            self.assertEqual(self.expect(200, "GET", answer.header("location")).body, document.data)
            subject = document.content.get("subject")
            self.assertEqual(answer.header("oci-subject"), subject and subject["digest"])
        return digest

    def check_there(self, path, data, media_type, digest):
        for method in ("GET", "HEAD"):
            answer = self.expect(200, method, path)
            self.assertEqual(answer.body, data if method == "GET" else b"")
            self.assertEqual(answer.header("content-length"), str(len(data)))
            self.assertEqual(answer.header("content-type"), media_type)
            self.assertEqual(answer.header("docker-content-digest"), digest)
            self.assertEqual(answer.header("etag"), '"%s"' % digest)

    def check_gone(self, path):
        for method in ("GET", "HEAD"):
            self.expect(404, method, path)

    def delete(self, path):
        self.expect(202, "DELETE", path)
        self.check_gone(path)
