#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ociregistry gc beside a running server, and the server's own collections."""
import fcntl
import json
import os
import signal
import subprocess
import unittest

from deadline import DEADLINE, until
from ociregistry import Registry, digest_of

NOW = ("--older-than", "0", "--gc-grace", "1s", "--gc-share", "100")


def program(registry, *args):
    done = subprocess.run([os.environ.get("OCIREGISTRY", "ociregistry"), "gc", "--store", registry.store, *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=DEADLINE)
    if "Sanitizer" in done.stderr:
        raise AssertionError(done.stderr)
    return done


def start(registry, *args):
    return subprocess.Popen([os.environ.get("OCIREGISTRY", "ociregistry"), "gc", "--store", registry.store, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def has_file(registry, digest):
    algorithm, hexed = digest.split(":")
    return os.path.exists(os.path.join(registry.store, "blobs", algorithm, hexed[:2], hexed))


class Collection(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry("--gc-interval", "0"))

    def gc(self, *args, status=0):
        done = program(self.registry, *args)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def garbage_and_image(self):
        kept = self.registry.push_image("team/app", "v1", (b"kept layer",))
        dead = self.registry.push_image("team/app", "v2", (b"dead layer",))
        self.registry.expect(202, "DELETE", "/v2/team/app/manifests/" + dead)
        until("all of it is older than the grace", lambda: "would remove 2 links, 1 manifest, 2 blobs"
              in self.gc("--dry-run", *NOW).stdout)
        return kept, dead

    def test_beside_a_server(self):
        kept, dead = self.garbage_and_image()
        done = self.gc(*NOW)
        layer = digest_of(b"dead layer")
        self.assertRegex(done.stdout, r"(?m)^link +0  team/app@%s  \(no manifest of the repository refers" % layer)
        self.assertRegex(done.stdout, r"(?m)^blob +10  %s  \(" % layer)
        self.assertRegex(done.stdout, r"(?m)^manifest +\d+  %s  \(" % dead)
        self.assertRegex(done.stdout, r"(?m)^removed 2 links, 1 manifest, 2 blobs, 0 files, 0 sessions; \d+ bytes")
        self.assertFalse(has_file(self.registry, layer))
        self.registry.expect(404, "GET", "/v2/team/app/blobs/" + layer)
        self.registry.expect(200, "GET", "/v2/team/app/manifests/" + kept)
        self.assertEqual(self.registry.blob("team/app", digest_of(b"kept layer")), b"kept layer")
        self.assertIn("removed 0 links", self.gc(*NOW).stdout)
        # What went can be pushed again.
        self.registry.push_image("team/app", "v2", (b"dead layer",))
        self.assertEqual(self.registry.blob("team/app", layer), b"dead layer")

    def test_lease(self):
        digest = self.registry.push_blob("r", b"young")
        self.assertIn("removed 0 links", self.gc().stdout)
        self.assertIn("removed 0 links", self.gc("--older-than", "1h").stdout)
        self.assertEqual(self.registry.blob("r", digest), b"young")

    def test_dry_run(self):
        self.garbage_and_image()
        self.assertEqual(self.registry.blob("team/app", digest_of(b"dead layer")), b"dead layer")
        self.assertEqual(self.gc("--dry-run", "--quiet", *NOW).stdout, "")

    def test_json(self):
        self.garbage_and_image()
        told = json.loads(self.gc("--format", "json", "--dry-run", *NOW).stdout)
        self.assertIs(told["dry-run"], True)
        self.assertEqual(len(told["objects"]), 5)
        told = json.loads(self.gc("--format", "json", *NOW).stdout)
        self.assertIs(told["dry-run"], False)
        self.assertEqual(sorted(o["kind"] for o in told["objects"]), ["blob", "blob", "link", "link", "manifest"])
        self.assertEqual({o["repository"] for o in told["objects"] if o["kind"] == "link"}, {"team/app"})
        self.assertTrue(all(o["why"] and o["digest"].startswith("sha256:") for o in told["objects"]))
        self.assertEqual(told["summary"]["blob"]["removed"], 2)
        self.assertEqual(told["summary"]["blob"]["bytes"],
                         sum(o["bytes"] for o in told["objects"] if o["kind"] == "blob"))
        self.assertGreater(told["summary"]["steps"], 0)
        self.assertEqual(json.loads(self.gc("--format", "json", *NOW).stdout)["objects"], [])

    def test_one_at_a_time(self):
        self.gc(*NOW)
        with open(os.path.join(self.registry.store, "run/.collecting"), "r+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            done = self.gc(*NOW, status=3)
            self.assertIn("garbage is being collected, by process ", done.stderr)
            self.assertEqual(done.stdout, "")
            waiting = start(self.registry, "--wait", "1h", *NOW)
            self.addCleanup(waiting.kill)
            fcntl.flock(f, fcntl.LOCK_UN)
            self.assertEqual((waiting.communicate(timeout=DEADLINE), waiting.returncode)[1], 0)

    def test_store_at_rest(self):
        subprocess.run([os.environ.get("OCIREGISTRY", "ociregistry"), "read-only", "on", "--store", self.registry.store],
                       check=True, timeout=DEADLINE, stdout=subprocess.DEVNULL)
        self.gc(*NOW, status=4)

    def test_store_of_another_user(self):
        """What root leaves in it, the server of its owner could not read: its next collection would fail."""
        os.chown(os.path.join(self.registry.store, "index"), 65534, 65534)
        self.addCleanup(os.chown, os.path.join(self.registry.store, "index"), os.geteuid(), os.getegid())
        self.assertIn("belongs to user 65534", self.gc("--dry-run", status=2).stderr)
        self.assertFalse(os.path.exists(os.path.join(self.registry.store, "run", ".collecting")))

    def test_interrupted(self):
        self.garbage_and_image()
        running = start(self.registry, "--older-than", "1s", "--gc-grace", "1h")
        self.addCleanup(running.kill)
        layer = digest_of(b"dead layer")
        until("it is condemned", lambda: self.registry.ask("GET", "/v2/team/app/blobs/" + layer).status == 404)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=DEADLINE)
        self.assertEqual(running.returncode, 130, err)
        self.assertIn("removed 0 links", out)
        # Nothing is lost: who refers to it brings it back, who does not lets it go.
        self.assertTrue(has_file(self.registry, layer))
        self.registry.push_image("team/app", "v2", (b"dead layer",))
        self.gc(*NOW)
        self.assertEqual(self.registry.blob("team/app", layer), b"dead layer")

    def test_no_store(self):
        done = subprocess.run([os.environ.get("OCIREGISTRY", "ociregistry"), "gc", "--store", self.registry.store + "/none"],
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("open store", done.stderr)


class Upkeep(unittest.TestCase):
    def test_server_collects(self):
        with Registry("--gc-interval", "1s", "--gc-grace", "1s", "--lease", "1s") as registry:
            kept = registry.push_image("r", "v", (b"kept",))
            garbage = registry.push_blob("r", b"garbage")
            until("the garbage is gone", lambda: not has_file(registry, garbage))
            until("it says so", lambda: registry.logged("garbage collected: 1 links"))
            registry.expect(200, "GET", "/v2/r/manifests/" + kept)
            self.assertEqual(registry.blob("r", digest_of(b"kept")), b"kept")

    def test_stops_in_the_grace(self):
        with Registry("--gc-interval", "1s", "--gc-grace", "1h", "--lease", "1s") as registry:
            garbage = registry.push_blob("r", b"garbage")
            until("it is condemned", lambda: registry.ask("GET", "/v2/r/blobs/" + garbage).status == 404)
            self.assertEqual(registry.stop(), 0)


if __name__ == "__main__":
    unittest.main()
