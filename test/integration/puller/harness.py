# SPDX-License-Identifier: Apache-2.0
"""What the tests of ocipull share: a store of their own, a clean environment, and checks of what is visible."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from fake_registry import FakeRegistry

BIN = os.environ.get("LOCI_BIN", "build/dev/bin")
DEADLINE = 60  # seconds; a program that hangs must not hang the tests

OK, FAILURE, USAGE, NOT_FOUND, DENIED, UNREACHABLE, MISMATCH, NO_SPACE, MALFORMED, UNSUPPORTED, INTERRUPTED = \
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130


def noise(size, seed=1):
    """Bytes that no compression makes smaller, the same each time."""
    return random.Random(seed).randbytes(size)


def wait_for(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


class PullTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="loci-pull-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.store = os.path.join(self.dir, "store")
        self.home = os.path.join(self.dir, "home")
        os.mkdir(self.home)
        self.registry = self.new_registry()

    def new_registry(self, tls=False):
        tls_dir = tempfile.mkdtemp(dir=self.dir) if tls else None
        registry = FakeRegistry(tls_dir)
        self.addCleanup(registry.close)
        return registry

    # ocipull

    def command(self, *args, retries=2):
        return [os.path.join(BIN, "ocipull"), "--store", self.store, "--retry-wait", "1ms", "--retries", str(retries),
                *args]

    def environment(self, extra=None):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR") or "SAN_OPTIONS" in k}
        return {**keep, "HOME": self.home, "LC_ALL": "C.UTF-8", **(extra or {})}

    def run_pull(self, *args, env=None, retries=2, unpack=False):
        args = args if unpack else ("--no-unpack", *args)
        return subprocess.run(self.command(*args, retries=retries), env=self.environment(env), text=True,
                              capture_output=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)

    def start_pull(self, *args, **more):
        return subprocess.Popen(self.command("--no-unpack", *args), env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)

    def pull(self, *args, status=OK, says=None, **more):
        """Runs it and checks how it ended and what it said."""
        done = self.run_pull(*args, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        if status != OK:
            self.assertIn("ocipull: ", done.stderr)
        if says:
            self.assertIn(says, done.stderr)
        return done

    # The store

    def blob_path(self, digest):
        algorithm, hex_digits = digest.split(":")
        return os.path.join(self.store, "blobs", algorithm, hex_digits[:2], hex_digits)

    def has_blob(self, digest):
        return os.path.exists(self.blob_path(digest))

    def assert_blob(self, digest, data):
        with open(self.blob_path(digest), "rb") as f:
            self.assertEqual(f.read(), data)

    def visible_blobs(self):
        found = []
        for root, _, names in os.walk(os.path.join(self.store, "blobs")):
            found += [n for n in names]
        return found

    def uploads(self):
        found = []
        for root, _, names in os.walk(os.path.join(self.store, "uploads")):
            # The store's own notes begin with a dot.
            found += [os.path.join(root, n) for n in names if not n.startswith(".")]
        return found

    def ref(self, name, registry=None):
        return f"{(registry or self.registry).host}/{name}"


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    unittest.main(verbosity=2)
