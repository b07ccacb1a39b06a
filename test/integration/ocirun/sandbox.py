# SPDX-License-Identifier: Apache-2.0
"""A store and a state root of one test file, with an image of static busybox in the store, pulled by ocirun
itself from a registry that is gone afterwards. Nothing is left on the machine."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import make_busybox
from ociregistry import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Registry, digest_of
from oci_image import directory, file, tar_bytes

BUSYBOX = "/bin/busybox"
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
OCIRUN = os.environ.get("OCIRUN", "ocirun")
ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes"]


def push(registry, repo, tag, layers, **config):
    """layers: lists of entries (oci_image.py)."""
    tars = [tar_bytes(entries) for entries in layers]
    document = json.dumps({"os": "linux", "architecture": ARCH, "config": config,
                           "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]}}).encode()

    def descriptor(media_type, data):
        return {"mediaType": media_type, "digest": registry.push_blob(repo, data), "size": len(data)}
    registry.push_manifest(repo, tag, {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                                       "config": descriptor(OCI_CONFIG, document),
                                       "layers": [descriptor(OCI_LAYER, t) for t in tars]})


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="loci-ocirun-")
        cls.addClassCleanup(shutil.rmtree, cls.top, ignore_errors=True)
        cls.store = os.path.join(cls.top, "store")
        cls.root = os.path.join(cls.top, "run")
        layers = make_busybox.layers(BUSYBOX, make_busybox.applets(BUSYBOX))
        with Registry() as registry:
            cls.image = registry.address + "/library/busybox:1"
            cls.cut = registry.address + "/library/opaque:1"
            push(registry, "library/busybox", "1", layers, Cmd=["sh", "-c", "echo from the image"], Env=ENV,
                 WorkingDir="/home")
            # The same layer twice, and one that hides all of /etc below it.
            top = [directory("etc"), file("etc/.wh..wh..opq", b""), file("etc/only", "x")]
            push(registry, "library/opaque", "1", [layers[0], top, [directory("srv")], top],
                 Cmd=["ls", "/etc"])
            for image in (cls.cut, cls.image):
                done = cls.ocirun(image)
                if done.returncode:
                    raise AssertionError(done.stderr)
                if image == cls.cut:
                    cls.cut_output = done.stdout

    @classmethod
    def command(cls, *args):
        return [OCIRUN, "--store", cls.store, "--root", cls.root, *args]

    @classmethod
    def ocirun(cls, *args, input=None, env=None):
        return subprocess.run(cls.command(*args), input=input if input is not None else "", text=True, timeout=120,
                              capture_output=True, env=dict(os.environ, **(env or {})))

    def out(self, *args, status=0, **more):
        """What it printed; the status is checked."""
        done = self.ocirun(*args, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def start(self, *args, **more):
        """Runs in the background; its first line has been read."""
        process = subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.first = process.stdout.readline()
        return process

    def remove_what_is_left(self):
        """After a test that failed; the next start removes the bundles of containers that are gone."""
        left = os.listdir(self.root)
        for name in left:
            self.ocirun("delete", "-f", name)
        if left:
            self.ocirun(self.image, "true")

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(os.path.join(self.store, "run", "bundles")), [])
        self.assertEqual(os.listdir(self.root), [])
        with open("/proc/self/mountinfo") as mounts:
            self.assertNotIn(self.store, mounts.read())


def main():
    if os.geteuid() != 0 or not os.access(BUSYBOX, os.X_OK):
        print("skipped: needs root and busybox-static")
        sys.exit(77)
    unittest.main(verbosity=2)
