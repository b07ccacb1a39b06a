# SPDX-License-Identifier: Apache-2.0
"""A store on a file system of 24 MiB: 507 when it is full, nothing half, and all is well when there is room again."""

import os
import subprocess
import tempfile
import unittest

from ociregistry import Registry, digest_of

MIB = 1 << 20
# A mount of its own, seen by the server alone.
UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
MOUNT = 'mount -t tmpfs -o size=24m,mode=700 store "$0" && exec "$@"'


@unittest.skipIf(subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL).returncode, "needs mount namespaces")
class FullDisk(unittest.TestCase):
    def setUp(self):
        store = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-full-"))
        # The store's directory is made by the program inside of the mount.
        self.registry = self.enterContext(Registry(
            store=os.path.join(store, "store"), prefix=[*UNSHARE, "sh", "-c", MOUNT, store]))

    def fill(self, repo):
        """Pushes until it is refused; what was taken, and the answer."""
        taken = []
        for _ in range(24):
            data = os.urandom(2 * MIB)
            response = self.registry.ask("POST", "/v2/%s/blobs/uploads/?digest=%s" % (repo, digest_of(data)), data)
            if response.status != 201:
                return taken, response
            taken.append(digest_of(data))
        raise AssertionError("24 MiB hold 48")

    def test_upload(self):
        taken, response = self.fill("full")
        self.assertEqual(response.status, 507)
        self.assertNotIn(self.registry.store, response.body.decode())
        self.assertGreater(len(taken), 5)
        for digest in taken:
            self.registry.blob("full", digest)
        self.registry.expect(200, "GET", "/livez")
        self.assertIn(b"free on the disk", self.registry.expect(503, "GET", "/readyz").body)

    def test_session_goes_on(self):
        """A PATCH that hits the end keeps its session; with room again it ends well."""
        data = os.urandom(6 * MIB)
        where = self.registry.start_upload("goes/on")
        self.registry.expect(202, "PATCH", where, data[:3 * MIB])
        sessions, status = [], 202
        while status == 202:
            sessions.append(self.registry.start_upload("filler"))
            status = self.registry.ask("PATCH", sessions[-1], os.urandom(2 * MIB)).status
        self.assertEqual(status, 507)
        self.assertEqual(self.registry.ask("PATCH", where, data[3 * MIB:]).status, 507)
        at = int(self.registry.expect(204, "GET", where).header("range").split("-")[1]) + 1
        self.assertGreaterEqual(at, 3 * MIB)
        self.assertLess(at, len(data))
        for session in sessions:
            self.registry.expect(204, "DELETE", session)
        self.registry.expect(202, "PATCH", where, data[at:], {"Content-Range": "%d-%d" % (at, len(data) - 1)})
        self.registry.expect(201, "PUT", where + "?digest=" + digest_of(data))
        self.assertTrue(self.registry.blob("goes/on", digest_of(data)) == data)


if __name__ == "__main__":
    unittest.main()
