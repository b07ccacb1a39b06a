# SPDX-License-Identifier: Apache-2.0
"""libcurl and libarchive are loaded by who uses them, and by nobody else: what the programs have mapped."""
import os
import re
import subprocess
import tempfile
import unittest

from hook import Hook
from ociregistry import Registry, until

BIN = os.path.dirname(os.environ["OCIREGISTRY"])
LATE = "curl|archive"
QUIET = [("ociregistry", "--help"), ("ociregistry", "check-config"), ("ocipull", "--help"), ("ocirun", "--help"),
         ("ocirun", "--root", "ROOT", "state", "nobody")]


def late_libraries(text):
    return sorted(set(re.findall(r"/lib(%s)\.so" % LATE, text)))


def mapped(process):
    with open("/proc/%d/maps" % process.pid) as f:
        return late_libraries(f.read())


class Libraries(unittest.TestCase):
    def test_server(self):
        with Registry() as registry:
            registry.push_image("team/app", "v1")
            registry.expect(200, "GET", "/v2/team/app/manifests/v1")
            self.assertEqual(mapped(registry.process), [])

    def test_server_with_webhooks(self):
        with Hook() as hook, Registry("--notify", "h=%s events=push" % hook.url) as registry:
            registry.push_image("team/app", "v1")
            until("an event", hook.events)
            self.assertEqual(mapped(registry.process), ["curl"])

    def test_import_of_an_archive(self):
        with tempfile.TemporaryDirectory() as store:
            process = subprocess.Popen([os.environ["OCIREGISTRY"], "--store", store, "import", "-"], stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                until("libarchive", lambda: mapped(process) == ["archive"])  # waits for the archive's first byte
            finally:
                process.communicate()

    def test_commands_that_need_neither(self):
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        for program, *args in QUIET:
            args = [root.name if arg == "ROOT" else arg for arg in args]
            with self.subTest(program=program, args=args):
                done = subprocess.run([os.path.join(BIN, program), *args], stdin=subprocess.DEVNULL, text=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, errors="replace",
                                      env={**os.environ, "LD_DEBUG": "files"})
                self.assertIn("libcrypto", done.stderr)  # the loader does tell
                self.assertEqual(late_libraries(done.stderr), [])


if __name__ == "__main__":
    unittest.main()
