# SPDX-License-Identifier: Apache-2.0
"""ociregistry scrub beside a running server."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import unittest

from deadline import until
from ociregistry import DEADLINE, Registry, digest_of

LAYER = b"the bytes of a layer" * 5000


class Scrub(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-scrub-"))
        self.store = os.path.join(self.dir, "store")

    def scrub(self, *args, status=0):
        done = subprocess.run([os.environ["OCIREGISTRY"], "scrub", "--store", self.store, *args], capture_output=True, text=True,
                              timeout=DEADLINE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def path(self, digest):
        hex = digest.split(":")[1]
        return os.path.join(self.store, "blobs/sha256", hex[:2], hex)

    def spoil(self, digest):
        with open(self.path(digest), "r+b") as f:
            f.write(b"THE")

    def test_put_aside_and_pushed_again(self):
        with Registry(store=self.store) as ours:
            image = ours.push_image("team/app", "1.0", [LAYER])
            self.assertEqual(ours.push_image("other/app", "x", [LAYER]), image)
            layer = digest_of(LAYER)
            self.assertIn("0 bad", self.scrub())
            self.spoil(layer)

            said = self.scrub(status=1)
            self.assertIn("blob %s: damaged" % layer, said)
            self.assertIn("needed by team/app:1.0@" + image, said)
            self.assertIn("needed by other/app:x@" + image, said)
            ours.expect(200, "HEAD", "/v2/team/app/blobs/" + layer)  # looking changes nothing

            said = self.scrub("--fix", status=1)
            kept = re.search(r"kept as (\S+),", said).group(1)
            with open(os.path.join(self.store, kept), "rb") as f:
                self.assertEqual(f.read(), b"THE" + LAYER[3:])
            for repo in ("team/app", "other/app"):
                ours.expect(404, "HEAD", "/v2/%s/blobs/%s" % (repo, layer))
                ours.expect(404, "GET", "/v2/%s/blobs/%s" % (repo, layer))
                ours.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, image))
            self.assertIn("missing", self.scrub(status=1))

            ours.push_blob("team/app", LAYER)
            for repo in ("team/app", "other/app"):
                self.assertEqual(ours.blob(repo, layer), LAYER)
            self.assertIn("0 bad", self.scrub())

    def test_import_heals(self):
        """The other way to bring it back."""
        with Registry(store=self.store) as ours:
            ours.push_image("team/app", "1.0", [LAYER])
            layout = os.path.join(self.dir, "layout")
            program = [os.environ["OCIREGISTRY"]]
            subprocess.run([*program, "export", "-q", "--store", self.store, "team/app:1.0", "-o", layout], check=True)
            self.spoil(digest_of(LAYER))
            self.scrub("--fix", status=1)
            subprocess.run([*program, "import", "-q", "--store", self.store, layout], check=True)
            self.assertEqual(ours.blob("team/app", digest_of(LAYER)), LAYER)

    def test_json(self):
        with Registry(store=self.store) as ours:
            image = ours.push_image("team/app", "1.0", [LAYER])
        self.spoil(digest_of(LAYER))
        bad, summary = [json.loads(line) for line in self.scrub("--fix", "--format", "json", status=1).splitlines()]
        self.assertEqual((bad["digest"], bad["kind"], bad["verdict"], bad["fixed"]), (digest_of(LAYER), "blob", "damaged", True))
        self.assertEqual(bad["needed_by"], [{"repository": "team/app", "manifest": image, "tag": "1.0"}])
        self.assertEqual((summary["blobs"], summary["manifests"], summary["bad"], summary["ended"]), (2, 1, 1, True))

    def test_one_repository(self):
        with Registry(store=self.store) as ours:
            ours.push_image("team/app", "1.0", [LAYER])
            ours.push_image("other/app", "1.0", [b"other"])
        self.spoil(digest_of(LAYER))
        self.assertIn("0 bad", self.scrub("--repo", "other/app"))
        self.assertIn("1 bad", self.scrub("--repo", "team/app", status=1))

    def start(self, *args):
        return subprocess.Popen([os.environ["OCIREGISTRY"], "scrub", "--store", self.store, "--format", "json", *args],
                                stdout=subprocess.PIPE, text=True)

    @staticmethod
    def reads_a_blob(pid):
        fds = "/proc/%d/fd" % pid
        for fd in os.listdir(fds):
            try:
                if "/blobs/sha256/" in os.readlink(os.path.join(fds, fd)):
                    return True
            except FileNotFoundError:
                pass
        return False

    def test_stopped_goes_on(self):
        """At a snail's pace, stopped as soon as it has noted how far it is; the next one reads the rest."""
        with Registry(store=self.store) as ours:
            for i in range(40):
                ours.push_blob("team/app", b"%d" % i * 20000)
        slow = self.start("--rate", "200KiB")
        until("a blob being read", lambda: self.reads_a_blob(slow.pid))
        busy = subprocess.run([os.environ["OCIREGISTRY"], "scrub", "--store", self.store], capture_output=True, text=True)
        self.assertEqual(busy.returncode, 3)
        self.assertIn("another scrub", busy.stderr)
        slow.send_signal(signal.SIGTERM)
        first = json.loads(slow.communicate(timeout=DEADLINE)[0].splitlines()[-1])
        self.assertEqual(slow.returncode, 130)
        self.assertFalse(first["ended"])
        second = json.loads(self.scrub("--rate", "0", "--format", "json").splitlines()[-1])
        self.assertEqual(first["blobs"] + second["blobs"], 40)
        self.assertEqual(second["went_on"], first["blobs"] > 0)

    def test_beside_pushes_and_pulls(self):
        """Nothing good is ever put aside, and nothing that a client does fails."""
        failures = []
        stop = threading.Event()
        with Registry(store=self.store) as ours:
            def push(worker):
                try:
                    for i in range(1000):
                        if stop.is_set():
                            return
                        data = b"%d/%d" % (worker, i) * 1000
                        digest = ours.push_image("team/app%d" % worker, "t%d" % i, [data])
                        ours.blob("team/app%d" % worker, digest_of(data))
                        if i % 3 == 0:
                            ours.expect(202, "DELETE", "/v2/team/app%d/manifests/%s" % (worker, digest))
                            ours.expect(202, "DELETE", "/v2/team/app%d/blobs/%s" % (worker, digest_of(data)))
                except Exception as e:  # noqa: BLE001
                    failures.append(e)
            workers = [threading.Thread(target=push, args=(n,)) for n in range(2)]
            for w in workers:
                w.start()
            for _ in range(15):
                self.assertIn(" 0 bad", self.scrub("--fix", "--rate", "0"))
            stop.set()
            for w in workers:
                w.join()
            self.assertEqual(failures, [])
        self.assertFalse(os.path.exists(os.path.join(self.store, "quarantine")))

    def test_read_only(self):
        with Registry(store=self.store) as ours:
            ours.push_image("team/app", "1.0", [LAYER])
        self.spoil(digest_of(LAYER))
        subprocess.run([os.environ["OCIREGISTRY"], "read-only", "--store", self.store, "on"], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertIn("1 bad", self.scrub(status=1))
        self.scrub("--fix", status=1)
        self.assertTrue(os.path.exists(self.path(digest_of(LAYER))))


if __name__ == "__main__":
    unittest.main()
