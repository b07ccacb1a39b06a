# SPDX-License-Identifier: Apache-2.0
"""`ociregistry repo ls|stats|rm` and quotas, as operators and clients see them, beside the running server."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import unittest

from ociregistry import DEADLINE, Registry, digest_of, until


def repo(registry, *args, status=0):
    done = subprocess.run([os.environ["OCIREGISTRY"], "repo", *args, "--store", registry.store],
                          capture_output=True, text=True, timeout=DEADLINE, env=registry.env)
    if done.returncode != status:
        raise AssertionError("repo %s: %d, expected %d: %s" % (args, done.returncode, status, done.stderr))
    return done.stderr if status else done.stdout


def ls(registry, *args):
    return {r["name"]: r for r in json.loads(repo(registry, "ls", "--format", "json", *args))}



class Repositories(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry())
        self.assertEqual(ls(self.registry), {})
        self.digest = self.registry.push_image("team/app", "v1", layers=(b"one",))
        self.registry.push_image("team/app", "v2", layers=(b"three",))
        self.registry.push_image("team/tool", "v1", layers=(b"one",))
        self.registry.push_blob("other", b"12345")

    def test_ls(self):
        all_of_them = ls(self.registry)
        self.assertEqual(list(all_of_them), ["other", "team/app", "team/tool"])
        self.assertEqual(all_of_them["other"], {"name": "other", "bytes": 5, "blobs": 1, "manifests": 0, "tags": 0})
        app = all_of_them["team/app"]
        self.assertEqual((app["blobs"], app["manifests"], app["tags"]), (4, 2, 2))
        self.assertEqual(list(ls(self.registry, "team")), ["team/app", "team/tool"])
        self.assertEqual(list(ls(self.registry, "team/app/")), ["team/app"])
        table = repo(self.registry, "ls").splitlines()
        self.assertEqual(table[0].split(), ["BYTES", "BLOBS", "MANIFESTS", "TAGS", "REPOSITORY"])
        self.assertEqual(table[1].split(), ["5", "1", "0", "0", "other"])
        self.assertEqual(len(table), 4)

    def test_stats(self):
        listed = ls(self.registry)
        stats = json.loads(repo(self.registry, "stats", "--format", "json", "team"))
        self.assertEqual(stats["bytes"], listed["team/app"]["bytes"] + listed["team/tool"]["bytes"])
        self.assertEqual((stats["repositories"], stats["manifests"], stats["tags"]), (2, 3, 3))
        self.assertRegex(stats["newest_push"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn("newest push   -", repo(self.registry, "stats", "other"))
        self.assertIn("no repository at 'nobody'", repo(self.registry, "stats", "nobody", status=1))

    def test_rm_of_a_tag_and_a_manifest(self):
        self.assertIn("would be removed", repo(self.registry, "rm", "--dry-run", "team/app:v2"))
        self.assertIn("team/app:v2: removed", repo(self.registry, "rm", "team/app:v2"))
        self.registry.expect(404, "GET", "/v2/team/app/manifests/v2")
        repo(self.registry, "rm", "team/app@" + self.digest)
        self.registry.expect(404, "GET", "/v2/team/app/manifests/v1")
        self.assertEqual((ls(self.registry)["team/app"]["manifests"], ls(self.registry)["team/app"]["tags"]), (1, 0))

    def test_rm_of_a_repository(self):
        before = ls(self.registry)
        self.assertIn("would lose 2 manifests, 2 tags and 4 blobs",
                      repo(self.registry, "rm", "--dry-run", "team/app"))
        self.assertEqual(ls(self.registry), before)
        self.assertIn("team/app: lost 2 manifests, 2 tags and 4 blobs", repo(self.registry, "rm", "team/app"))
        del before["team/app"]
        self.assertEqual(ls(self.registry), before)
        self.registry.expect(404, "GET", "/v2/team/app/tags/list")
        self.registry.expect(404, "HEAD", "/v2/team/app/blobs/" + digest_of(b"one"))
        self.registry.blob("team/tool", digest_of(b"one"))

    def test_mistakes(self):
        self.assertIn("expected ls", repo(self.registry, "show", status=2))
        self.assertIn("expected ls", repo(self.registry, "rm", status=2))
        self.assertIn("expected NAME", repo(self.registry, "rm", "Team", status=1))
        # All that can be removed is.
        told = repo(self.registry, "rm", "nobody", "team/tool", "team/app:v9", status=1)
        self.assertIn("'nobody' is not known", told)
        self.assertIn("v9", told)
        self.assertEqual(set(ls(self.registry)), {"other", "team/app"})


class Quotas(unittest.TestCase):
    def test_quota(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            def write(quota):
                config.seek(0)
                config.truncate()
                config.write('limits:\n  quota: ["team/=%s", "/=1GiB"]\n' % quota)
                config.flush()
            write("100B")
            with Registry("--config", config.name) as registry:
                registry.push_blob("team/app", b"x" * 60)
                registry.push_blob("other", b"y" * 200)
                refused = registry.ask("POST", "/v2/team/tool/blobs/uploads/?digest=" + digest_of(b"z" * 41), b"z" * 41)
                self.assertEqual((refused.status, refused.code), (403, "DENIED"))
                self.assertIn("quota of 'team': 100 bytes allowed, 60 used, 41 more needed", refused.body.decode())
                # What is removed is free again, and the quota may change while it serves.
                repo(registry, "rm", "team/app")
                registry.push_blob("team/tool", b"z" * 41)
                write("10B")
                registry.process.send_signal(signal.SIGHUP)

                def is_smaller(tries=itertools.count()):
                    more = b"%d" % next(tries)  # what is there already needs no room
                    answer = registry.ask("POST", "/v2/team/tool/blobs/uploads/?digest=" + digest_of(more), more)
                    return answer.status == 403 and "quota of 'team': 10 bytes allowed" in answer.body.decode()
                until("the smaller quota holds", is_smaller)
                registry.blob("team/tool", digest_of(b"z" * 41))


if __name__ == "__main__":
    unittest.main()
