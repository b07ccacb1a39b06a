# SPDX-License-Identifier: Apache-2.0
"""What a pull brings: images, indexes, platforms; what it does not fetch a second time."""
import json
import os

import harness
from fake_registry import FOREIGN_LAYER, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, digest_of, tar_layer
from harness import MALFORMED, MISMATCH, NOT_FOUND, UNSUPPORTED, noise


class Images(harness.PullTest):
    def test_by_tag(self):
        layers = [noise(300_000, 1), noise(5_000, 2), b""]
        image = self.registry.add_image("team/app", "1.0", layers)
        done = self.pull(self.ref("team/app:1.0"))
        self.assertEqual(done.stdout, image["digest"] + "\n")
        for layer in layers:
            self.assert_blob(digest_of(layer), layer)
        accept = self.registry.requests("GET", "/manifests/1.0")[0].headers["accept"]
        for media_type in (OCI_MANIFEST, OCI_INDEX, "application/vnd.docker.distribution.manifest.v2+json",
                           "application/vnd.docker.distribution.manifest.list.v2+json"):
            self.assertIn(media_type, accept)

    def test_by_digest(self):
        image = self.registry.add_image("app", "t", [noise(1000)])
        done = self.pull(self.ref("app@" + image["digest"]))
        self.assertEqual(done.stdout, image["digest"] + "\n")
        # All of it is there: nobody is asked.
        self.registry.forget()
        self.pull(self.ref("app@" + image["digest"]))
        self.assertEqual(self.registry.requests("GET", "/app/"), [])

    def test_by_sha512(self):
        self.registry.add_image("app", "t", [noise(1000)])
        data = self.registry.manifests[("app", "t")][1]
        done = self.pull(self.ref("app@" + digest_of(data, "sha512")))
        self.assertEqual(done.stdout, digest_of(data, "sha512") + "\n")

    def test_blobs_by_sha512(self):
        layer = noise(70_000)
        d = self.registry.descriptor(OCI_LAYER_GZIP, layer, "sha512")
        self.registry.add_image("app", "t", [d])
        self.pull(self.ref("app:t"))
        self.assert_blob(d["digest"], layer)

    def test_second_pull_fetches_nothing(self):
        self.registry.add_image("app", "t", [noise(1000)])
        first = self.pull(self.ref("app:t"))
        self.registry.forget()
        second = self.pull(self.ref("app:t"))
        self.assertEqual(first.stdout, second.stdout)
        self.assertEqual(self.registry.requests("GET", "/app/"), [])
        self.assertEqual(len(self.registry.requests("HEAD", "/manifests/t")), 1)

    def test_moved_tag(self):
        self.registry.add_image("app", "t", [noise(1000, 1), noise(1000, 2)])
        self.pull(self.ref("app:t"))
        image = self.registry.add_image("app", "t", [noise(1000, 1), noise(1000, 3)])
        self.registry.forget()
        done = self.pull(self.ref("app:t"))
        self.assertEqual(done.stdout, image["digest"] + "\n")
        fetched = [r.path.split("/")[-1] for r in self.registry.requests("GET", "/blobs/")]
        self.assertEqual(fetched, [digest_of(noise(1000, 3))])

    def test_shared_layers_come_once(self):
        layer = noise(1000)
        self.registry.add_image("app", "t", [layer, layer, noise(1000, 2), layer])
        self.pull(self.ref("app:t"))
        self.assertEqual(len(self.registry.requests("GET", "/blobs/" + digest_of(layer))), 1)

    def test_forty_layers_in_parallel(self):
        layers = [noise(20_000, i) for i in range(40)]
        self.registry.add_image("app", "t", layers)
        self.pull("--parallel", "8", self.ref("app:t"))
        for layer in layers:
            self.assert_blob(digest_of(layer), layer)
        self.assertEqual(self.uploads(), [])

    def test_docker_types(self):
        config, layer = b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}', noise(999)
        self.registry.add_manifest("app", "t", {
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self.registry.descriptor("application/vnd.docker.container.image.v1+json", config),
            "layers": [self.registry.descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)]})
        self.pull(self.ref("app:t"))
        self.assert_blob(digest_of(layer), layer)

    def test_vague_content_type(self):
        image = self.registry.add_image("app", "t", [noise(10)])
        data = self.registry.manifests[("app", "t")][1]
        self.registry.manifests[("app", "t")] = ("application/json; charset=utf-8", data)
        self.assertEqual(self.pull(self.ref("app:t")).stdout, image["digest"] + "\n")

    def test_missing(self):
        self.registry.add_image("app", "t", [noise(10)])
        self.pull(self.ref("app:u"), status=NOT_FOUND, says="MANIFEST_UNKNOWN: manifest unknown")
        self.pull(self.ref("app@sha256:" + "0" * 64), status=NOT_FOUND)
        layer = noise(500)
        self.registry.add_image("app", "v", [layer])
        del self.registry.blobs[digest_of(layer)]
        self.pull(self.ref("app:v"), status=NOT_FOUND, says=digest_of(layer))
        # 404 does not get better by asking again
        self.assertEqual(len(self.registry.requests("GET", digest_of(layer))), 1)

    def test_foreign_layer(self):
        d = {"mediaType": FOREIGN_LAYER, "digest": "sha256:" + "1" * 64, "size": 10, "urls": ["http://127.0.0.1:1/"]}
        self.registry.add_image("app", "t", [d])
        self.pull(self.ref("app:t"), status=NOT_FOUND, says="foreign layer")

    def test_artifact_without_config_to_unpack(self):
        self.registry.add_manifest("art", "t", {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/plain",
            "config": self.registry.descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [self.registry.descriptor("text/plain", b"hello")]})
        self.pull(self.ref("art:t"), unpack=True)
        self.assert_blob(digest_of(b"hello"), b"hello")


class Platforms(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.layers = {arch: noise(2000, i) for i, arch in enumerate(("amd64", "arm64", "riscv64"))}
        self.images = {a: self.registry.add_image("app", "", [x], arch=a) for a, x in self.layers.items()}
        self.index = self.registry.add_index("app", "t", self.images.items())

    def test_one_of_an_index(self):
        done = self.pull("--platform", "linux/arm64", self.ref("app:t"))
        self.assertEqual(done.stdout, self.index["digest"] + "\n")
        self.assertTrue(self.has_blob(digest_of(self.layers["arm64"])))
        self.assertFalse(self.has_blob(digest_of(self.layers["amd64"])))

    def test_another_one_later(self):
        self.pull("--platform", "linux/arm64", self.ref("app:t"))
        self.registry.forget()
        self.pull("--platform", "riscv64", self.ref("app:t"))
        self.assertTrue(self.has_blob(digest_of(self.layers["riscv64"])))
        self.assertEqual(self.registry.requests("GET", "/manifests/t"), [])

    def test_none_lists_those_there_are(self):
        self.pull("--platform", "linux/s390x", self.ref("app:t"), status=UNSUPPORTED,
                  says="has no linux/s390x, only linux/amd64, linux/arm64")
        self.assertEqual(self.visible_blobs(), [])

    def test_image_of_another_platform(self):
        self.registry.add_image("app", "arm", [self.layers["arm64"]], arch="arm64")
        self.pull("--platform", "linux/amd64", self.ref("app:arm"), status=UNSUPPORTED, says="only linux/arm64")
        self.assertFalse(self.has_blob(digest_of(self.layers["arm64"])))
        self.pull("--platform", "linux/arm64", self.ref("app:arm"))

    def test_index_in_index(self):
        outer = self.registry.add_manifest("app", "outer", {
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
                dict(self.index, platform={"os": "linux", "architecture": "amd64"})]})
        done = self.pull("--platform", "linux/amd64", self.ref("app:outer"))
        self.assertEqual(done.stdout, outer["digest"] + "\n")
        self.assertTrue(self.has_blob(digest_of(self.layers["amd64"])))

    def test_too_many_indexes_in_each_other(self):
        inner = self.index
        for i in range(6):
            inner = self.registry.add_index("app", f"deep{i}", [("amd64", inner)])
        self.pull("--platform", "linux/amd64", self.ref("app:deep5"), status=harness.FAILURE,
                  says="indexes in each other")


class Unpacking(harness.PullTest):
    def test_layers_are_unpacked(self):
        first, first_id = tar_layer({"etc/os-release": b"NAME=test\n", "hello": b"one"})
        second, second_id = tar_layer({"hello": b"two"})
        config = {"os": "linux", "architecture": "amd64", "config": {"Cmd": ["/hello"]},
                  "rootfs": {"type": "layers", "diff_ids": [first_id, second_id]}}
        self.registry.add_image("app", "t", [first, second], config=config)
        self.pull(self.ref("app:t"), unpack=True)
        for diff_id, want in ((first_id, b"one"), (second_id, b"two")):
            path = os.path.join(self.store, "layers", *diff_id.split(":"), "fs", "hello")
            with open(path, "rb") as f:
                self.assertEqual(f.read(), want)

    def test_wrong_diff_id(self):
        layer, diff_id = tar_layer({"hello": b"one"})
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest_of(b"x")]}}
        self.registry.add_image("app", "t", [layer], config=config)
        self.pull(self.ref("app:t"), unpack=True, status=MISMATCH)
        self.assertFalse(os.path.exists(os.path.join(self.store, "layers", *digest_of(b"x").split(":"))))

    def test_config_that_is_none(self):
        self.registry.add_manifest("app", "t", {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
            "config": self.registry.descriptor(OCI_CONFIG, json.dumps([]).encode())})
        self.pull(self.ref("app:t"), unpack=True, status=MALFORMED, says="image config")


if __name__ == "__main__":
    harness.main()
