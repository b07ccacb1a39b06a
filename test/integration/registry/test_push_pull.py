# SPDX-License-Identifier: Apache-2.0
"""Every way to push with curl as the client, and what comes back."""

import json
import os
import subprocess
import tempfile
import unittest

from ociregistry import OCI_INDEX, OCI_MANIFEST, Registry, digest_of, parts_of


def curl(*args, stdin=None):
    """The status and the headers; the body goes nowhere."""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-D", "-", "--max-time", "120", *args],
                          input=stdin, stdout=subprocess.PIPE, check=True)
    # After 100 Continue there are two heads; the last one counts.
    head = done.stdout.decode().strip().split("\r\n\r\n")[-1].split("\r\n")
    headers = dict((k.lower(), v) for k, _, v in (line.partition(": ") for line in head[1:]))
    return int(head[0].split()[1]), headers


class PushPull(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = cls.enterClassContext(Registry())
        cls.url = "http://" + cls.registry.address
        cls.data = os.urandom(3 << 20)
        cls.digest = digest_of(cls.data)
        cls.file = cls.enterClassContext(tempfile.NamedTemporaryFile())
        cls.file.write(cls.data)
        cls.file.flush()

    def start_upload(self, repo, query=""):
        status, headers = curl("-X", "POST", "%s/v2/%s/blobs/uploads/%s" % (self.url, repo, query))
        self.assertEqual(status, 202)
        self.assertEqual(headers["range"], "0-0")
        self.assertTrue(headers["docker-upload-uuid"] in headers["location"])
        return self.url + headers["location"]

    def check_created(self, repo, status, headers, digest=None):
        digest = digest or self.digest
        self.assertEqual(status, 201)
        self.assertEqual(headers["location"], "/v2/%s/blobs/%s" % (repo, digest))
        self.assertEqual(headers["docker-content-digest"], digest)
        self.assertTrue(self.registry.blob(repo, digest) == self.data)

    def test_post_then_put(self):
        where = self.start_upload("curl/put")
        self.check_created("curl/put", *curl("-T", self.file.name, "%s?digest=%s" % (where, self.digest)))

    def test_single_post(self):
        self.check_created("curl/post", *curl(
            "-X", "POST", "-H", "Content-Type: application/octet-stream", "--data-binary", "@" + self.file.name,
            "%s/v2/curl/post/blobs/uploads/?digest=%s" % (self.url, self.digest)))

    def test_streamed_patch(self):
        where = self.start_upload("curl/stream")
        status, headers = curl("-X", "PATCH", "-T", "-", "-H", "Transfer-Encoding: chunked", where, stdin=self.data)
        self.assertEqual(status, 202)
        self.assertEqual(headers["range"], "0-%d" % (len(self.data) - 1))
        self.check_created("curl/stream", *curl("-X", "PUT", "%s%s?digest=%s" % (self.url, headers["location"], self.digest)))

    def test_chunks(self):
        where, size = self.start_upload("curl/chunks"), 1 << 20
        for at in range(0, len(self.data), size):
            chunk = self.data[at:at + size]
            span = "%d-%d" % (at, at + len(chunk) - 1)
            status, headers = curl("-X", "PATCH", "--data-binary", "@-", "-H", "Content-Range: " + span,
                                   "-H", "Content-Type: application/octet-stream", where, stdin=chunk)
            self.assertEqual(status, 202)
            where = self.url + headers["location"]
            self.assertEqual(headers["range"], "0-%d" % (at + len(chunk) - 1))
        self.check_created("curl/chunks", *curl("-X", "PUT", "%s?digest=%s" % (where, self.digest)))

    def test_out_of_order(self):
        where = self.start_upload("curl/order")
        for span, status in (("0-9", 202), ("20-29", 416), ("0-9", 416), ("10-19", 202)):
            got, headers = curl("-X", "PATCH", "--data-binary", "0123456789", "-H", "Content-Range: " + span, where)
            self.assertEqual(got, status)
            self.assertTrue(where.endswith(headers["location"]))
            self.assertIn(headers["range"], ("0-9", "0-19"))
        self.assertEqual(curl(where)[1]["range"], "0-19")
        self.assertEqual(curl("-X", "DELETE", where)[0], 204)
        self.assertEqual(curl(where)[0], 404)

    def test_sha512(self):
        digest = digest_of(self.data, "sha512")
        where = self.start_upload("curl/sha512", "?digest-algorithm=sha512")
        self.check_created("curl/sha512", *curl("-T", self.file.name, "%s?digest=%s" % (where, digest)), digest=digest)

    def test_mount(self):
        self.registry.push_blob("curl/from", self.data)
        self.check_created("curl/to", *curl("-X", "POST", "%s/v2/curl/to/blobs/uploads/?mount=%s&from=curl/from" % (
            self.url, self.digest)))
        status, headers = curl("-X", "POST", "%s/v2/curl/to/blobs/uploads/?mount=%s&from=curl/from" % (
            self.url, digest_of(b"never pushed")))
        self.assertEqual(status, 202)
        self.assertIn("/v2/curl/to/blobs/uploads/", headers["location"])

    def test_ranges(self):
        digest = self.registry.push_blob("curl/range", self.data)
        path, end = "/v2/curl/range/blobs/" + digest, len(self.data) - 1
        for asked, first, last in (("0-0", 0, 0), ("1000-", 1000, end), ("-5", end - 4, end), ("7-%d" % (end * 2), 7, end)):
            response = self.registry.expect(206, "GET", path, headers={"Range": "bytes=" + asked})
            self.assertEqual(response.header("content-range"), "bytes %d-%d/%d" % (first, last, end + 1))
            self.assertTrue(response.body == self.data[first:last + 1])
        response = self.registry.expect(416, "GET", path, headers={"Range": "bytes=%d-" % (end + 1)})
        self.assertEqual(response.header("content-range"), "bytes */%d" % (end + 1))
        several = self.registry.expect(206, "GET", path, headers={"Range": "bytes=70000-99999,0-1,5-6"})
        self.assertEqual(parts_of(several), [("bytes 70000-99999/%d" % (end + 1), self.data[70000:100000]),
                                             ("bytes 0-6/%d" % (end + 1), self.data[:7])])

    def test_head_and_conditions(self):
        digest = self.registry.push_blob("curl/head", self.data)
        status, headers = curl("-I", "%s/v2/curl/head/blobs/%s" % (self.url, digest))
        self.assertEqual((status, headers["content-length"]), (200, str(len(self.data))))
        self.assertEqual(curl("-H", "If-None-Match: " + headers["etag"], "%s/v2/curl/head/blobs/%s" % (self.url, digest))[0], 304)
        self.assertEqual(curl("-I", "%s/v2/curl/head/blobs/%s" % (self.url, digest_of(b"x")))[0], 404)

    def test_image_and_index(self):
        registry = self.registry
        images = [registry.push_image("img/app", None, [b"layer %d" % i]) for i in range(2)]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": arch}}
            for digest, arch in zip(images, ("amd64", "arm64"))]}, indent=3).encode()
        digest = registry.push_manifest("img/app", "latest", index, OCI_INDEX)
        for reference in ("latest", digest):
            got = registry.expect(200, "GET", "/v2/img/app/manifests/" + reference)
            self.assertEqual(got.body, index)
            self.assertEqual(got.header("content-type"), OCI_INDEX)
            self.assertEqual(got.header("docker-content-digest"), digest)
        self.assertEqual(json.loads(registry.expect(200, "GET", "/v2/img/app/tags/list").body),
                         {"name": "img/app", "tags": ["latest"]})
        self.assertIn("img/app", json.loads(registry.expect(200, "GET", "/v2/_catalog").body)["repositories"])

    def test_missing_reference(self):
        registry = self.registry
        missing = digest_of(b"missing layer")
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                    "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                               "digest": registry.push_blob("img/missing", b"{}")},
                    "layers": [{"mediaType": "application/octet-stream", "size": 13, "digest": missing}]}
        response = registry.expect(400, "PUT", "/v2/img/missing/manifests/v1", json.dumps(manifest).encode(),
                                   {"Content-Type": OCI_MANIFEST})
        self.assertEqual(response.code, "MANIFEST_BLOB_UNKNOWN")
        self.assertIn(missing, response.body.decode())
        registry.expect(404, "GET", "/v2/img/missing/manifests/v1")

    def test_large_manifest(self):
        """Four MiB must pass; more is refused with 413, announced or not."""
        registry = self.registry
        config = registry.push_blob("img/large", b"{}")
        head = '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"%s"},' \
            '"layers":[],"annotations":{"x":"' % config
        tail = '"}}'
        largest = (head + "x" * ((4 << 20) - len(head) - len(tail)) + tail).encode()
        digest = registry.push_manifest("img/large", "v1", largest)
        self.assertTrue(registry.expect(200, "GET", "/v2/img/large/manifests/" + digest).body == largest)
        path, headers = "/v2/img/large/manifests/v2", {"Content-Type": OCI_MANIFEST}
        self.assertEqual(registry.expect(413, "PUT", path, largest + b" ", headers).code, "MANIFEST_INVALID")
        response = registry.ask("PUT", path, iter([largest, b" "]), dict(headers, **{"Transfer-Encoding": "chunked"}),
                                chunked=True)
        self.assertEqual((response.status, response.code), (413, "MANIFEST_INVALID"))

    def test_delete(self):
        registry = self.registry
        digest = registry.push_image("img/delete", "v1")
        registry.expect(202, "DELETE", "/v2/img/delete/manifests/v1")
        registry.expect(404, "GET", "/v2/img/delete/manifests/v1")
        registry.expect(202, "DELETE", "/v2/img/delete/manifests/" + digest)
        registry.expect(404, "GET", "/v2/img/delete/manifests/" + digest)


if __name__ == "__main__":
    unittest.main()
