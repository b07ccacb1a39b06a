# SPDX-License-Identifier: Apache-2.0
"""kill -9, restart: what was acknowledged is there, what was half is resumable and invisible."""

import json
import os
import unittest

from ociregistry import Registry, digest_of, until


class Crash(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry())

    def restart(self, how):
        self.assertIn(getattr(self.registry, how)(), (0, -9))
        self.registry.start()

    def offset(self, where):
        last = self.registry.expect(204, "GET", where).header("range")
        return int(last.split("-")[1]) + 1

    def test_kill_in_mid_patch(self):
        data = os.urandom(8 << 20)
        digest = digest_of(data)
        where = self.registry.start_upload("crash/patch")
        connection = self.registry.connect()
        connection.putrequest("PATCH", where)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data[:5 << 20])
        until("half of it arrived", lambda: self.offset(where) > 1 << 20)
        self.restart("kill")
        connection.close()
        at = self.offset(where)
        self.assertLessEqual(at, 5 << 20)
        self.registry.expect(404, "GET", "/v2/crash/patch/blobs/" + digest)
        self.registry.expect(202, "PATCH", where, data[at:], {"Content-Range": "%d-%d" % (at, len(data) - 1)})
        self.registry.expect(201, "PUT", where + "?digest=" + digest)
        self.assertTrue(self.registry.blob("crash/patch", digest) == data)

    def test_kill_in_mid_put(self):
        data = os.urandom(4 << 20)
        digest = digest_of(data)
        where = self.registry.start_upload("crash/put")
        connection = self.registry.connect()
        connection.putrequest("PUT", where + "?digest=" + digest)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data[:-1])
        until("most of it arrived", lambda: self.offset(where) > 3 << 20)
        self.restart("kill")
        connection.close()
        self.registry.expect(404, "GET", "/v2/crash/put/blobs/" + digest)
        at = self.offset(where)
        self.registry.expect(201, "PUT", where + "?digest=" + digest, data[at:],
                             {"Content-Range": "%d-%d" % (at, len(data) - 1)})
        self.assertTrue(self.registry.blob("crash/put", digest) == data)

    def test_acknowledged_survives(self):
        for how in ("kill", "stop"):
            with self.subTest(how):
                repo = "crash/" + how
                digests = [self.registry.push_image(repo, "v%d" % i, [os.urandom(10000)]) for i in range(5)]
                where = self.registry.start_upload(repo)
                self.registry.expect(202, "PATCH", where, b"0123456789")
                self.restart(how)
                self.assertEqual(json.loads(self.registry.expect(200, "GET", "/v2/%s/tags/list" % repo).body)["tags"],
                                 ["v%d" % i for i in range(5)])
                for i, digest in enumerate(digests):
                    response = self.registry.expect(200, "GET", "/v2/%s/manifests/v%d" % (repo, i))
                    self.assertEqual(digest_of(response.body), digest)
                    manifest = json.loads(response.body)
                    for part in [manifest["config"]] + manifest["layers"]:
                        self.registry.blob(repo, part["digest"])
                self.assertEqual(self.offset(where), 10)

    def test_kill_between_many(self):
        """Killed at any moment of a stream of pushes: every answer that was given holds."""
        acknowledged = []
        for turn in range(3):
            connection = self.registry.connect()
            for i in range(20):
                data = os.urandom(2000)
                digest = digest_of(data)
                connection.request("POST", "/v2/crash/many/blobs/uploads/?digest=" + digest, data)
                response = connection.getresponse()
                response.read()
                self.assertEqual(response.status, 201)
                acknowledged.append(digest)
            # One more on its way, its answer not waited for.
            connection.request("POST", "/v2/crash/many/blobs/uploads/?digest=" + digest_of(b"%d" % turn), b"%d" % turn)
            self.restart("kill")
            connection.close()
            for digest in acknowledged:
                self.registry.blob("crash/many", digest)


if __name__ == "__main__":
    unittest.main()
