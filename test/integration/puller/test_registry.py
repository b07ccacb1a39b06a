# SPDX-License-Identifier: Apache-2.0
"""ocipull from ociregistry: what was pushed comes back, byte for byte."""
import http.client
import json
import os
import re
import subprocess

import harness
from fake_registry import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, digest_of, tar_layer
from harness import NOT_FOUND, noise, wait_for


class Real(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.log_path = os.path.join(self.dir, "registry.log")
        self.log = open(self.log_path, "wb")
        self.addCleanup(self.log.close)
        self.process = subprocess.Popen(
            [os.path.join(harness.BIN, "ociregistry"), "--store", os.path.join(self.dir, "served"),
             "--listen", "127.0.0.1:0"], env=self.environment(), stderr=self.log, stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        wait_for(self.address, "the registry to listen")
        self.host = self.address()

    def stop(self):
        self.process.terminate()
        self.process.wait(harness.DEADLINE)

    def address(self):
        self.assertIsNone(self.process.poll(), "the registry ended")
        with open(self.log_path) as f:
            found = re.search(r"listening on (\S+:\d+)", f.read())
        return found and found.group(1).removeprefix("http://")

    def request(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=harness.DEADLINE)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def push_blob(self, repo, media_type, data):
        digest = digest_of(data)
        begun = self.request("POST", f"/v2/{repo}/blobs/uploads/")
        self.assertEqual(begun.status, 202)
        place = re.sub(r"^https?://[^/]+", "", begun.getheader("Location"))
        place += ("&" if "?" in place else "?") + "digest=" + digest
        done = self.request("PUT", place, data, {"Content-Type": "application/octet-stream"})
        self.assertEqual(done.status, 201)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def push_manifest(self, repo, tag, document):
        data = json.dumps(document).encode()
        done = self.request("PUT", f"/v2/{repo}/manifests/{tag}", data, {"Content-Type": document["mediaType"]})
        self.assertEqual(done.status, 201)
        return {"mediaType": document["mediaType"], "digest": digest_of(data), "size": len(data)}

    def push_image(self, repo, tag, layers, arch="amd64"):
        """layers: (bytes, diff ID)"""
        config = {"os": "linux", "architecture": arch,
                  "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]}}
        return self.push_manifest(repo, tag, {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": self.push_blob(repo, OCI_CONFIG, json.dumps(config).encode()),
            "layers": [self.push_blob(repo, OCI_LAYER_GZIP, data) for data, _ in layers]})

    def test_index_and_layers(self):
        layer = tar_layer({"hello": b"world", "noise": noise(3_000_000)})
        images = {}
        for arch in ("amd64", "arm64"):
            own = tar_layer({"arch": arch.encode()})
            images[arch] = self.push_image("library/app", arch, [layer, own], arch)
        index = self.push_manifest("library/app", "1", {
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [dict(d, platform={"os": "linux", "architecture": a}) for a, d in images.items()]})
        done = self.pull("--platform", "linux/amd64", f"{self.host}/library/app:1", unpack=True)
        self.assertEqual(done.stdout, index["digest"] + "\n")
        self.assert_blob(digest_of(layer[0]), layer[0])
        with open(os.path.join(self.store, "layers", *layer[1].split(":"), "fs", "hello"), "rb") as f:
            self.assertEqual(f.read(), b"world")
        # The other platform needs nothing but its own layer, config and manifest.
        self.pull("--platform", "linux/arm64", f"{self.host}/library/app:1", unpack=True)

    def test_into_the_store_that_is_served(self):
        """One store: what was pushed to the registry is what ocipull would have to fetch."""
        self.store = os.path.join(self.dir, "served")
        self.push_image("app", "t", [tar_layer({"a": b"b"})])
        done = self.pull(f"{self.host}/app:t", unpack=True)
        self.assertEqual(done.stderr.count("already there"), 2, done.stderr)

    def test_missing(self):
        self.pull(f"{self.host}/app:t", status=NOT_FOUND)


if __name__ == "__main__":
    harness.main()
