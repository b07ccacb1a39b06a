# SPDX-License-Identifier: Apache-2.0
"""spec.md "Pushing blobs" and "Pulling blobs": each way to push under each algorithm, and what was pushed."""

import os
import unittest

from conformance import ALGORITHMS, TestCase
from ociregistry import digest_of, parts_of

OCTETS = {"Content-Type": "application/octet-stream"}


class Blobs(TestCase):
    def check_blob(self, answer, repo, data, digest):
        """Created, where it says, the same bytes; then deleted, and gone."""
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.header("docker-content-digest"), digest)
        self.assertEqual(self.expect(200, "GET", answer.header("location")).body, data)
        path = "/v2/%s/blobs/%s" % (repo, digest)
        self.check_there(path, data, "application/octet-stream", digest)
        self.delete(path)
        self.expect(404, "DELETE", path)

    def each(self, size=5000):
        for algorithm in ALGORITHMS:
            data = os.urandom(size)
            yield algorithm, self.repo(), data, digest_of(data, algorithm)

    def chunk(self, method, where, data, first, n, query="", status=202):
        return self.expect(status, method, where + query, data[first:first + n],
                           {**OCTETS, "Content-Range": "%d-%d" % (first, min(first + n, len(data)) - 1)})

    def test_single_post(self):
        for _, repo, data, digest in self.each():
            self.check_blob(self.expect(201, "POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest), data, OCTETS),
                            repo, data, digest)

    def test_post_then_put(self):
        for _, repo, data, digest in self.each():
            where = self.registry.start_upload(repo)
            self.assertRegex(where, r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")  # a UUID
            self.check_blob(self.expect(201, "PUT", where + "?digest=" + digest, data, OCTETS), repo, data, digest)

    def test_streamed_patch(self):
        for _, repo, data, digest in self.each():
            where = self.expect(202, "PATCH", self.registry.start_upload(repo), data, OCTETS).header("location")
            self.check_blob(self.expect(201, "PUT", where + "?digest=" + digest), repo, data, digest)

    def test_digest_algorithm(self):
        for algorithm, repo, data, digest in self.each():
            where = self.expect(202, "POST", "/v2/%s/blobs/uploads/?digest-algorithm=%s" % (repo, algorithm)).header(
                "location")
            where = self.expect(202, "PATCH", where, data, OCTETS).header("location")
            self.check_blob(self.expect(201, "PUT", where + "?digest=" + digest), repo, data, digest)
        self.expect(400, "POST", "/v2/%s/blobs/uploads/?digest-algorithm=md5" % self.repo())

    def test_chunks(self):
        """The last chunk by PATCH or in the closing PUT; each answer says where to go on."""
        for last_by_put in (False, True):
            for _, repo, data, digest in self.each():
                where, size = self.registry.start_upload(repo), 2000
                for first in range(0, len(data), size):
                    if last_by_put and first + size >= len(data):
                        break
                    answer = self.chunk("PATCH", where, data, first, size)
                    where = answer.header("location")
                    self.assertEqual(answer.header("range"), "0-%d" % (min(first + size, len(data)) - 1))
                answer = self.chunk("PUT", where, data, first, size, "?digest=" + digest, 201) if last_by_put else \
                    self.expect(201, "PUT", where + "?digest=" + digest)
                self.check_blob(answer, repo, data, digest)

    def test_out_of_order(self):
        """Ahead, and again from the start: 416 that says where to go on, as a GET does."""
        for _, repo, data, digest in self.each():
            where = self.registry.start_upload(repo)
            for first in (0, 2000, 4000):
                closes = first == 4000
                for wrong in (first + 500, 0) if first else (2000,):
                    refused = self.chunk("PUT" if closes else "PATCH", where, data, wrong, 1000,
                                         "?digest=" + digest if closes else "", 416)
                    now = self.expect(204, "GET", where)
                    for answer in (refused, now):
                        self.assertEqual(answer.header("range"), "0-%d" % max(first - 1, 0))
                        self.assertEqual(answer.header("location"), where)
                answer = self.chunk("PUT", where, data, first, 2000, "?digest=" + digest, 201) if closes else \
                    self.chunk("PATCH", where, data, first, 2000)
                where = answer.header("location")
            self.check_blob(answer, repo, data, digest)

    def test_wrong_digest(self):
        """However it is pushed: 400, and nothing is there."""
        for _, repo, data, digest in self.each():
            more = data + b"!"

            def closed(where):
                return self.ask("PUT", where + "?digest=" + digest)
            where = self.registry.start_upload
            for answer in (self.ask("POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest), more),
                           self.ask("PUT", where(repo) + "?digest=" + digest, more),
                           closed(self.expect(202, "PATCH", where(repo), more).header("location")),
                           closed(self.chunk("PATCH", where(repo), more, 0, len(more)).header("location"))):
                self.assertEqual((answer.status, answer.code), (400, "DIGEST_INVALID"))
            self.check_gone("/v2/%s/blobs/%s" % (repo, digest))

    def test_small_blobs(self):
        for data in (b"", b"{}"):
            for algorithm in ALGORITHMS:
                repo, digest = self.repo(), digest_of(data, algorithm)
                self.check_blob(self.expect(201, "PUT", self.registry.start_upload(repo) + "?digest=" + digest, data),
                                repo, data, digest)

    def test_mounts(self):
        for _, repo, data, digest in self.each():
            self.expect(201, "POST", "/v2/%s-from/blobs/uploads/?digest=%s" % (repo, digest), data)
            for query in ("&from=%s-from" % repo, ""):
                self.check_blob(self.expect(201, "POST", "/v2/%s/blobs/uploads/?mount=%s%s" % (repo, digest, query)),
                                repo, data, digest)

    def test_mounts_that_cannot_be(self):
        """A session instead, which takes the blob."""
        for query in ("&from=%s-other" % self.repo(), "&from=NO+NAME", ""):
            for _, repo, data, digest in self.each():
                where = self.expect(202, "POST", "/v2/%s/blobs/uploads/?mount=%s%s" % (repo, digest, query)).header(
                    "location")
                self.check_blob(self.expect(201, "PUT", where + "?digest=" + digest, data), repo, data, digest)

    def test_cancel(self):
        where = self.registry.start_upload(self.repo())
        self.expect(202, "PATCH", where, b"some", OCTETS)
        self.expect(204, "DELETE", where, headers={"Content-Length": "0"})
        for method in ("GET", "HEAD", "DELETE", "PATCH"):
            answer = self.expect(404, method, where, b"more" if method == "PATCH" else None)
            if method != "HEAD":
                self.assertEqual(answer.code, "BLOB_UPLOAD_UNKNOWN")

    def test_ranges(self):
        data = os.urandom(2048)
        path = "/v2/%s/blobs/%s" % (self.repo(), self.registry.push_blob(self.repo(), data))
        for asked, first, last in (("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047),
                                   ("2000-5000", 2000, 2047), ("-5000", 0, 2047)):
            answer = self.expect(206, "GET", path, headers={"Range": "bytes=" + asked})
            self.assertEqual(answer.body, data[first:last + 1])
            self.assertEqual(answer.header("content-length"), str(last + 1 - first))
            self.assertEqual(answer.header("content-range"), "bytes %d-%d/2048" % (first, last))
        for asked in ("500-0", "5000-10000", "2048-", "-0"):
            answer = self.expect(416, "GET", path, headers={"Range": "bytes=" + asked})
            self.assertEqual(answer.header("content-range"), "bytes */2048")
        self.assertEqual(self.expect(200, "GET", path, headers={"Range": "lines=1-2"}).body, data)

    def test_several_ranges(self):
        data = os.urandom(300000)
        path = "/v2/%s/blobs/%s" % (self.repo(), self.registry.push_blob(self.repo(), data))
        answer = self.expect(206, "GET", path, headers={"Range": "bytes=200000-,0-0,1000-1999,1500-2500"})
        self.assertEqual(int(answer.header("content-length")), len(answer.body))
        self.assertEqual(parts_of(answer), [("bytes %d-%d/300000" % (first, last), data[first:last + 1])
                                            for first, last in ((200000, 299999), (0, 0), (1000, 2500))])
        everything = self.expect(206, "GET", path, headers={"Range": "bytes=" + ",".join(["0-"] * 16)})
        self.assertEqual(everything.body, data)
        many = ",".join("%d-%d" % (i * 1000, i * 1000) for i in range(17))
        self.assertEqual(self.expect(200, "GET", path, headers={"Range": "bytes=" + many}).body, data)


if __name__ == "__main__":
    unittest.main()
