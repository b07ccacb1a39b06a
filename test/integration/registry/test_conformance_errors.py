# SPDX-License-Identifier: Apache-2.0
"""spec.md "Error Codes", "Endpoints" and "API": what is refused, with which status and code, and in the spec's JSON."""

import json
import unittest

from conformance import TestCase, index
from ociregistry import OCI_INDEX, OCI_MANIFEST, digest_of

CODES = {"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
         "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
         "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"}
ABSENT = digest_of(b"never pushed")
ID = "00000000-0000-4000-8000-000000000000"
UPLOADS = "/v2/known/blobs/uploads/"
LAYERS = '{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"%s","size":1},"layers":[]}' % ABSENT

# method, path, status, code; where {} stands, an open session
REFUSED = (
    ("GET", "/v2/known/blobs/" + ABSENT, 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/unknown/blobs/" + ABSENT, 404, "BLOB_UNKNOWN"),
    ("DELETE", "/v2/known/blobs/" + ABSENT, 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/known/blobs/sha256:short", 400, "DIGEST_INVALID"),
    ("GET", "/v2/known/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "UNSUPPORTED"),
    ("GET", "/v2/known/manifests/nothing", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/known/manifests/" + ABSENT, 404, "MANIFEST_UNKNOWN"),
    ("DELETE", "/v2/known/manifests/nothing", 404, "MANIFEST_UNKNOWN"),
    ("DELETE", "/v2/known/manifests/" + ABSENT, 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/unknown/manifests/v1", 404, "NAME_UNKNOWN"),
    ("DELETE", "/v2/unknown/manifests/" + ABSENT, 404, "NAME_UNKNOWN"),
    ("GET", "/v2/unknown/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
    ("POST", "/v2/a__-b/blobs/uploads/", 400, "NAME_INVALID"),
    ("GET", "/v2/" + "a" * 256 + "/tags/list", 400, "NAME_INVALID"),
    ("PUT", "/v2/known/manifests/v1", 400, "MANIFEST_INVALID"),
    ("PUT", "/v2/known/manifests/-bad", 400, "MANIFEST_INVALID"),
    ("PUT", "/v2/known/manifests/" + "a" * 129, 400, "MANIFEST_INVALID"),
    ("PATCH", UPLOADS + ID, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", UPLOADS + "no-id", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", UPLOADS + ID + "?digest=" + ABSENT, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("GET", UPLOADS + ID, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("DELETE", UPLOADS + ID, 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", "{}", 400, "DIGEST_INVALID"),
    ("PUT", "{}?digest=sha256:x", 400, "DIGEST_INVALID"),
    ("PUT", "{}?digest=" + ABSENT, 400, "DIGEST_INVALID"),
    ("POST", UPLOADS + "?digest=sha256:x", 400, "DIGEST_INVALID"),
    ("POST", UPLOADS + "?digest-algorithm=crc32", 400, "UNSUPPORTED"),
    ("POST", UPLOADS + "?mount=x&from=a", 400, "DIGEST_INVALID"),
    ("GET", "/v2/known/referrers/v1", 400, "DIGEST_INVALID"),
    ("GET", "/v2/_catalog?n=x", 400, "UNSUPPORTED"),
    ("GET", "/v2/nowhere", 404, "UNSUPPORTED"),
    ("GET", "/v2/known/tags", 404, "UNSUPPORTED"),
    ("GET", "/v3/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a%2Fb/tags/list", 400, "UNSUPPORTED"),
)


class Errors(TestCase):
    def setUp(self):
        self.put("known", index([]), "latest")

    def check(self, answer, status, code):
        """The spec's JSON, and nothing else in it."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.header("content-type"), "application/json")
        body = json.loads(answer.body)
        self.assertEqual(list(body), ["errors"])
        for error in body["errors"]:
            self.assertLessEqual(set(error), {"code", "message", "detail"})
            self.assertIn(error["code"], CODES)
        self.assertEqual(body["errors"][0]["code"], code)

    def test_refused(self):
        for method, path, status, code in REFUSED:
            with self.subTest("%s %s" % (method, path)):
                if path.startswith("{}"):
                    path = path.format(self.registry.start_upload("known"))
                self.check(self.ask(method, path), status, code)
                if method == "GET":
                    head = self.ask("HEAD", path)
                    self.assertEqual((head.status, head.body), (status, b""))

    def test_bodies(self):
        manifest = {"Content-Type": OCI_MANIFEST}
        session = self.registry.start_upload("known")
        for method, path, headers, body, status, code in (
                ("PUT", "/v2/known/manifests/v1", manifest, b"{", 400, "MANIFEST_INVALID"),
                ("PUT", "/v2/known/manifests/v1", manifest, index([]).data, 400, "MANIFEST_INVALID"),
                ("PUT", "/v2/known/manifests/v1", {"Content-Type": "text/html"}, b"{}", 400, "MANIFEST_INVALID"),
                ("PUT", "/v2/known/manifests/v1", manifest, LAYERS.encode(), 400, "MANIFEST_BLOB_UNKNOWN"),
                ("PUT", "/v2/known/manifests/" + ABSENT, {"Content-Type": OCI_INDEX}, index([]).data, 400,
                 "DIGEST_INVALID"),
                ("PUT", "/v2/known/manifests/v1", {"Content-Type": OCI_INDEX, "If-Match": "*"}, index([]).data, 412,
                 "DENIED"),
                ("PATCH", session, {"Content-Range": "5-1"}, b"12", 400, "BLOB_UPLOAD_INVALID"),
                ("PATCH", session, {"Content-Range": "0-9"}, b"12", 400, "SIZE_INVALID"),
                ("PATCH", session, {"Content-Range": "7-8"}, b"12", 416, "BLOB_UPLOAD_INVALID"),
                ("POST", UPLOADS + "?digest=" + ABSENT, {}, b"12", 400, "DIGEST_INVALID")):
            with self.subTest("%s %s %s" % (method, path, headers)):
                self.check(self.ask(method, path, body, headers), status, code)

    def test_ranges(self):
        path = "/v2/known/blobs/" + self.registry.push_blob("known", b"12")
        self.check(self.ask("GET", path, headers={"Range": "bytes=2-"}), 416, "SIZE_INVALID")
        self.check(self.ask("GET", path, headers={"If-Match": '"other"'}), 412, "DENIED")

    def test_methods(self):
        """405 says what there is instead."""
        for path, allowed in (("/v2/", "GET, HEAD"), ("/v2/known/tags/list", "GET, HEAD"),
                              ("/v2/known/manifests/v1", "GET, HEAD, PUT, DELETE"),
                              ("/v2/known/blobs/" + ABSENT, "GET, HEAD, DELETE"), (UPLOADS, "POST"),
                              (UPLOADS + ID, "PATCH, PUT, GET, HEAD, DELETE"),
                              ("/v2/known/referrers/" + ABSENT, "GET, HEAD"), ("/v2/_catalog", "GET, HEAD")):
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
                if method in allowed.split(", "):
                    continue
                answer = self.ask(method, path)
                self.assertEqual(answer.header("allow"), allowed)
                if method == "HEAD":
                    self.assertEqual(answer.status, 405)
                else:
                    self.check(answer, 405, "UNSUPPORTED")

    def test_parameters_that_we_do_not_know(self):
        """Proxies and containerd add some: "ns" above all."""
        digest = self.registry.push_blob("known", b"{}")
        for path in ("/v2/?x", "/v2/known/blobs/%s?ns=docker.io" % digest, "/v2/known/manifests/latest?ns=docker.io&x=1&x=2",
                     "/v2/known/tags/list?x=y", "/v2/known/referrers/%s?other=filter" % ABSENT, "/v2/_catalog?order=asc"):
            self.expect(200, "GET", path)
        self.expect(202, "POST", UPLOADS + "?x=y")
        self.expect(201, "PUT", self.registry.start_upload("known") + "?_state=x&digest=" + digest, b"{}")

    def test_version(self):
        for path in ("/v2/", "/v2"):
            answer = self.expect(200, "GET", path)
            self.assertEqual(answer.header("docker-distribution-api-version"), "registry/2.0")
            self.assertEqual(answer.header("content-length"), str(len(answer.body)))


class NoDeletes(TestCase):
    OPTIONS = ("--delete=false",)

    def test_deletes(self):
        """405 for tags, manifests and blobs; an upload may be given up all the same."""
        document = index([])
        self.put("known", document, "v1")
        blob = self.registry.push_blob("known", b"{}")
        for path, allowed in (("manifests/v1", "GET, HEAD, PUT"), ("manifests/" + document.digest(), "GET, HEAD, PUT"),
                              ("blobs/" + blob, "GET, HEAD")):
            answer = self.expect(405, "DELETE", "/v2/known/" + path)
            self.assertEqual((answer.code, answer.header("allow")), ("UNSUPPORTED", allowed))
            self.expect(200, "GET", "/v2/known/" + path)
        self.expect(204, "DELETE", self.registry.start_upload("known"))


if __name__ == "__main__":
    unittest.main()
