# SPDX-License-Identifier: Apache-2.0
"""spec.md "Pushing Manifests", "Pulling manifests", "Deleting tags" and "Deleting Manifests": documents of every kind,
pushed, looked at from all sides, and deleted."""

import json
import os
import unittest

from conformance import ALGORITHMS, EXAMPLE, Document, TestCase, artifact, describe, image, index
from ociregistry import OCI_INDEX, OCI_MANIFEST, digest_of

FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
ABSENT = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"never pushed"), "size": 123}
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class Manifests(TestCase):
    def check_all(self, *documents, tag="v1", algorithm="sha256"):
        """Pushes them in turn, the last one under the tag, and takes them away again, the last one first."""
        repo = self.repo()
        for document in documents[:-1]:
            self.push(repo, document, algorithm=algorithm)
        digest = self.push(repo, documents[-1], tag, algorithm)
        tags = json.loads(self.expect(200, "GET", "/v2/%s/tags/list" % repo).body)["tags"]
        self.assertEqual(tags, [tag] if tag else [])
        at = "/v2/%s/manifests/" % repo
        for document in documents:
            self.check_there(at + document.digest(algorithm), document.data, document.media_type,
                             document.digest(algorithm))
        if tag:
            self.check_there(at + tag, documents[-1].data, documents[-1].media_type, digest)
            self.delete(at + tag)
            self.expect(200, "GET", at + digest)
        for document in reversed(documents):
            self.delete(at + document.digest(algorithm))
        for data in {bytes(b) for d in documents for b in d.blobs}:
            self.delete("/v2/%s/blobs/%s" % (repo, digest_of(data, algorithm)))

    def test_image(self):
        self.check_all(image())

    def test_image_without_layers(self):
        self.check_all(image(n_layers=0))

    def test_large_manifest(self):
        """Nearly the 4 MB that every registry should take."""
        large = image(annotations={"annotation-%d" % i: "A" * 10000 for i in range(390)})
        self.assertGreater(len(large.data), 3900000)
        self.check_all(large)

    def test_manifest_above_the_limit(self):
        large = image(annotations={"annotation-%d" % i: "A" * 10000 for i in range(420)})
        answer = self.put(self.repo(), large, "v1", status=413)
        self.assertEqual(answer.code, "MANIFEST_INVALID")

    def test_index(self):
        images = [image(), image()]
        self.check_all(*images, index(images))

    def test_nested_and_empty_indexes(self):
        images = [image() for _ in range(2)]
        inner = [index([i]) for i in images]
        self.check_all(*images, *inner, index(inner))
        self.check_all(index([]))

    def test_artifacts(self):
        things = [artifact(EXAMPLE), artifact(EXAMPLE)]
        self.check_all(artifact(EXAMPLE))
        self.check_all(*things, index(things, artifactType=EXAMPLE))

    def test_fields_that_we_do_not_know(self):
        self.check_all(image(**{"org.example.custom": {"a": [1, 2.5, None]}}))
        with_data = image(n_layers=1)
        for descriptor in with_data.content["layers"]:
            descriptor["data"] = "e30="
        self.check_all(Document(with_data.content, with_data.blobs))

    def test_docker_types(self):
        docker = image()
        config, *layers = docker.blobs
        self.check_all(Document({
            "schemaVersion": 2, "mediaType": DOCKER,
            "config": describe("application/vnd.docker.container.image.v1+json", config),
            "layers": [describe("application/vnd.docker.image.rootfs.diff.tar.gzip", l) for l in layers]}, docker.blobs))

    def test_any_type(self):
        self.check_all(Document({"anything": ["at", "all"]}, media_type="application/vnd.example.bundle+json"))

    def test_foreign_layers(self):
        foreign = image()
        foreign.content["layers"].append({"mediaType": FOREIGN, "digest": digest_of(b"elsewhere"), "size": 9,
                                          "urls": ["https://example.com/layer"]})
        foreign = Document(foreign.content, foreign.blobs)
        self.check_all(foreign)
        self.push_blobs(self.repo(), foreign)
        warning = self.put(self.repo(), foreign, "v1").header("warning")
        self.assertRegex(warning, r'^299 - "[^"]+"$')
        self.assertLess(len(warning), 4096)

    def test_sha512(self):
        images = [image(algorithm="sha512"), image(algorithm="sha512")]
        self.check_all(*images, index(images, "sha512"), tag=None, algorithm="sha512")

    def test_subject_that_is_missing(self):
        self.check_all(artifact(EXAMPLE, subject=ABSENT))

    def test_tag_parameters(self):
        """Many tags and the manifest at once, under either algorithm; the answer tells each of them."""
        tags = ["t%d" % i for i in range(10)] + ["latest"]
        for algorithm in ALGORITHMS:
            repo, document = self.repo(), image(n_layers=1, algorithm=algorithm)
            self.push_blobs(repo, document, algorithm)
            digest = document.digest(algorithm)
            answer = self.put(repo, document, digest, "?" + "&".join("tag=" + t for t in tags))
            told = [t.strip() for value in answer.headers.get_all("oci-tag") for t in value.split(",")]
            self.assertEqual(sorted(told), sorted(tags))
            for tag in tags:
                self.check_there("/v2/%s/manifests/%s" % (repo, tag), document.data, document.media_type, digest)

    def test_tag_parameters_are_all_or_nothing(self):
        document = index([])
        for query, status in (("?tag=good&tag=-bad", 400), ("?" + "&".join("tag=t%d" % i for i in range(65)), 414)):
            self.put(self.repo(), document, query=query, status=status)
        self.check_gone("/v2/%s/manifests/good" % self.repo())
        self.check_gone("/v2/%s/manifests/%s" % (self.repo(), document.digest()))

    def test_missing_content(self):
        """What a manifest refers to must be in its repository: code-5."""
        lacking = image(n_layers=1)
        self.push_blobs(self.repo(), Document(lacking.content, lacking.blobs[:1]))
        self.assertEqual(self.put(self.repo(), lacking, "v1", status=400).code, "MANIFEST_BLOB_UNKNOWN")
        self.assertEqual(self.put(self.repo(), index([image()]), "v1", status=400).code, "MANIFEST_BLOB_UNKNOWN")
        self.check_gone("/v2/%s/manifests/v1" % self.repo())

    def test_wrong_digest(self):
        document = index([])
        for reference in (digest_of(b"other"), digest_of(b"other", "sha512"), "sha256:baddigeststring", "sha256:"):
            self.assertEqual(self.put(self.repo(), document, reference, status=400).code, "DIGEST_INVALID")
            self.assertIn(self.ask("GET", "/v2/%s/manifests/%s" % (self.repo(), reference)).status, (400, 404))

    def test_deleting_a_manifest_takes_its_tags(self):
        repo, document = self.repo(), index([])
        for tag in ("a", "b"):
            self.put(repo, document, tag)
        self.put(repo, index([], annotations={"other": "one"}), "c")
        self.delete("/v2/%s/manifests/%s" % (repo, document.digest()))
        self.check_gone("/v2/%s/manifests/a" % repo)
        self.assertEqual(json.loads(self.expect(200, "GET", "/v2/%s/tags/list" % repo).body)["tags"], ["c"])

    def test_conditional_push(self):
        """Two clients that update the same tag: the second one is told."""
        repo = self.repo()
        first, second, third = (index([], annotations={"n": str(i)}) for i in range(3))
        etag = self.put(repo, first, "v1", headers={"If-None-Match": "*"}).header("etag")
        self.put(repo, second, "v1", headers={"If-None-Match": "*"}, status=412)
        self.put(repo, second, "v1", headers={"If-Match": etag})
        self.put(repo, third, "v1", headers={"If-Match": etag}, status=412)
        self.assertEqual(self.expect(200, "GET", "/v2/%s/manifests/v1" % repo).body, second.data)
        self.expect(412, "DELETE", "/v2/%s/manifests/v1" % repo, headers={"If-Match": etag})
        self.assertEqual(self.expect(304, "GET", "/v2/%s/manifests/v1" % repo,
                                     headers={"If-None-Match": '"%s"' % second.digest()}).body, b"")

    def test_parameters_of_the_content_type(self):
        document = index([])
        self.put(self.repo(), document, "v1", headers={"Content-Type": OCI_INDEX + '; charset="utf-8"'})
        self.assertEqual(self.expect(200, "HEAD", "/v2/%s/manifests/v1" % self.repo()).header("content-type"), OCI_INDEX)


class SparseManifests(TestCase):
    OPTIONS = ("--allow-sparse=true",)

    def test_sparse(self):
        lacking, there, absent = image(), image(), image()
        self.push_blobs(self.repo(), Document(lacking.content, lacking.blobs[:-1]))
        self.put(self.repo(), lacking, "image")
        self.push(self.repo(), there)
        self.put(self.repo(), index([there, absent]), "index")


class SparseIndexes(TestCase):
    OPTIONS = ("--allow-sparse-index=true", "--allow-foreign=false")

    def test_sparse_index_of_whole_images(self):
        lacking = image()
        self.put(self.repo(), index([lacking]), "index")
        self.put(self.repo(), lacking, "image", status=400)
        foreign = image(n_layers=0)
        foreign.content["layers"].append({"mediaType": FOREIGN, "digest": digest_of(os.urandom(9)), "size": 9})
        foreign = Document(foreign.content, foreign.blobs)
        self.push_blobs(self.repo(), foreign)
        self.assertEqual(self.put(self.repo(), foreign, "foreign", status=400).code, "MANIFEST_BLOB_UNKNOWN")


if __name__ == "__main__":
    unittest.main()
