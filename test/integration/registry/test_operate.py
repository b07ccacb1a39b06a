# SPDX-License-Identifier: Apache-2.0
"""What an operator does to a server that serves: new settings by SIGHUP, immutable tags, rates, a store at rest."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from hook import Hook
from ociregistry import DEADLINE, Registry, until


class Operate(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-operate-"))
        self.config = os.path.join(self.dir, "config.yaml")

    def write(self, text):
        with open(self.config, "w") as f:
            f.write(text)

    def serve(self, *options, **kwargs):
        return self.enterContext(Registry("--config", self.config, *options, **kwargs))

    def reload(self, registry):
        """Returns what was logged about it."""
        before = len(registry.log)
        registry.signal(signal.SIGHUP)
        until("the log speaks of SIGHUP", lambda: any("SIGHUP" in line for line in registry.log[before:]))
        return "".join(registry.log[before:])

    def command(self, registry, *args):
        done = subprocess.run([os.environ["OCIREGISTRY"], *args, "--store", registry.store],
                              capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Reload(Operate):
    def test_what_may_change_does(self):
        self.write("registry:\n  read-only: false\n")
        registry = self.serve()
        registry.push_image("a", "v1")
        self.write("registry:\n  read-only: true\n")
        said = self.reload(registry)
        self.assertIn("setting changed key=registry.read-only old=false new=true", said)
        self.assertIn("1 settings changed, 0 need a restart", said)
        response = registry.ask("POST", "/v2/a/blobs/uploads/")
        self.assertEqual((response.status, response.code), (405, "UNSUPPORTED"))
        registry.expect(200, "GET", "/v2/a/manifests/v1")
        self.write("registry:\n  delete: false\n")
        said = self.reload(registry)
        self.assertIn("key=registry.read-only old=true new=false", said)
        self.assertIn("key=registry.delete old=true new=false", said)
        registry.push_image("a", "v2")
        registry.expect(405, "DELETE", "/v2/a/manifests/v2")
        self.assertIn("0 settings changed", self.reload(registry))

    def test_what_may_not_is_named(self):
        self.write("http:\n  max-head: 64KiB\n")
        registry = self.serve()
        self.write("http:\n  max-head: 32KiB\n")
        for _ in range(2):  # as long as it waits for the restart
            said = self.reload(registry)
            self.assertIn("setting needs a restart key=http.max-head old=64KiB new=32KiB", said)
            self.assertIn("0 settings changed, 1 need a restart", said)

    def test_a_wrong_file_changes_nothing(self):
        self.write("registry:\n  read-only: false\n")
        registry = self.serve()
        for text, where in (("registry:\n  delete: false\n  read-only: maybe\n", ":3:"), ("registry:\n  reed-only: true\n", ":2:"),
                            ("registry: [\n", "config.yaml")):
            self.write(text)
            said = self.reload(registry)
            self.assertIn("SIGHUP: nothing was changed", said)
            self.assertIn(where, said)
        os.unlink(self.config)
        self.assertIn("nothing was changed", self.reload(registry))
        registry.push_image("a", "v1")
        registry.expect(202, "DELETE", "/v2/a/manifests/v1")

    def test_what_is_refused_late_changes_nothing_either(self):
        """Each value is right, and yet there are too many of them: found when the registry had its new settings already."""
        self.write("registry:\n  read-only: false\n")
        registry = self.serve()
        self.write("registry:\n  read-only: true\nretention:\n  rules: [%s]\n" % ", ".join(["'a: keep-all'"] * 300))
        self.assertIn("SIGHUP: nothing was changed", self.reload(registry))
        registry.expect(202, "POST", "/v2/a/blobs/uploads/")
        self.write("registry:\n  immutable-tags: [%s]\n" % ", ".join(["'%s:v*'" % (200 * "a")] * 50))
        self.assertLess(max(map(len, self.reload(registry).splitlines())), 1000)

    def test_flags_stay_stronger(self):
        self.write("registry:\n  read-only: false\n")
        registry = self.serve("--read-only")
        self.write("registry:\n  read-only: false\n  delete: false\n")
        self.assertIn("1 settings changed", self.reload(registry))
        registry.expect(405, "POST", "/v2/a/blobs/uploads/")

    def test_log_level(self):
        self.write("log:\n  level: info\n")
        registry = self.serve()
        self.write("log:\n  level: warn\n")
        registry.signal(signal.SIGHUP)

        def is_quiet():
            before = len(registry.log)
            registry.expect(200, "GET", "/v2/")
            return len(registry.log) == before
        until("requests are logged no more", is_quiet)
        self.write("log:\n  level: info\n")
        self.reload(registry)
        registry.expect(200, "GET", "/v2/")
        until("requests are logged again", lambda: any("GET" in line for line in registry.log[-2:]))

    def test_the_keys_are_marked(self):
        self.write("")
        said = subprocess.run([os.environ["OCIREGISTRY"], "check-config", "--config", self.config],
                              capture_output=True, text=True, timeout=DEADLINE).stdout
        self.assertIn("read-only: false  # default; SIGHUP applies it", said)
        self.assertIn("max-head: 64KiB  # default\n", said)


class ImmutableTags(Operate):
    def test_by_configuration_and_by_sighup(self):
        self.write("registry:\n  immutable-tags: ['prod/**:v*']\n")
        registry = self.serve()
        digest = registry.push_image("prod/app", "v1", [b"one"])
        registry.push_image("prod/app", "latest", [b"one"])
        registry.push_image("prod/app", "latest", [b"two"])
        response = registry.ask("PUT", "/v2/prod/app/manifests/v1", json.dumps({"schemaVersion": 2, "manifests": []}).encode(),
                                {"Content-Type": "application/vnd.oci.image.index.v1+json"})
        self.assertEqual((response.status, response.code), (403, "DENIED"))
        for word in (b"'v1'", b"prod/**:v*", digest.encode()):
            self.assertIn(word, response.body)
        for reference in ("v1", digest):
            response = registry.ask("DELETE", "/v2/prod/app/manifests/" + reference)
            self.assertEqual((response.status, response.code), (403, "DENIED"))
        self.write("registry:\n  immutable-tags: ['prod/**:w*']\n")
        self.assertIn("key=registry.immutable-tags old=prod/**:v* new=prod/**:w*", self.reload(registry))
        registry.expect(202, "DELETE", "/v2/prod/app/manifests/v1")
        self.write("registry:\n  immutable-tags: ['prod']\n")
        said = self.reload(registry)
        self.assertIn("nothing was changed", said)
        self.assertIn("config.yaml:2:", said)


class Rates(Operate):
    """Bursts and rates so far apart that no test waits for a token, nor gets one by being slow."""

    def statuses(self, registry, n, path="/v2/", headers=None):
        return [registry.ask("GET", path, headers=headers).status for _ in range(n)]

    def test_a_burst_then_429(self):
        self.write("limits:\n  requests-per-second: 1\n  request-burst: 1000\n")
        registry = self.serve()
        self.assertEqual(self.statuses(registry, 20), [200] * 20)
        self.write("limits:\n  total-requests-per-second: 1\n  total-request-burst: 1\n")
        self.assertIn("key=limits.total-requests-per-second old=0 new=1", self.reload(registry))
        refused = until("429", lambda: next((r for r in [registry.ask("GET", "/v2/")] if r.status == 429), None))
        self.assertEqual(refused.code, "TOOMANYREQUESTS")
        self.assertGreaterEqual(int(refused.header("retry-after")), 1)
        for path in ("/livez", "/readyz", "/metrics"):
            self.assertEqual(self.statuses(registry, 5, path), [200] * 5)
        body = registry.ask("POST", "/v2/a/blobs/uploads/?digest=sha256:" + 64 * "0", b"x" * 100000)
        self.assertIn(body.status, (202, 400, 429))
        self.write("")
        self.reload(registry)
        self.assertEqual(self.statuses(registry, 20), [200] * 20)

    def test_clients_behind_a_proxy(self):
        self.write("limits:\n  errors-per-second: 1\n  error-burst: 1\n  trusted-proxies: [127.0.0.0/8]\n")
        registry = self.serve()

        def of(client):
            return {"X-Forwarded-For": "198.51.100.1, " + client}

        def is_out():
            self.statuses(registry, 3, "/v2/A/tags/list", of("192.0.2.1"))
            return self.statuses(registry, 1, headers=of("192.0.2.1")) == [429]
        until("the client with failures is kept out", is_out)
        self.assertEqual(self.statuses(registry, 5, headers=of("192.0.2.2")), [200] * 5)
        self.assertEqual(self.statuses(registry, 5), [200] * 5)

    def test_pushes_and_pulls_below_the_limit(self):
        self.write("limits:\n  requests-per-second: 1000\n  errors-per-second: 1\n  error-burst: 1\n")
        registry = self.serve()
        for i in range(5):  # a push asks for many blobs that are not there
            for _ in range(5):
                registry.expect(404, "HEAD", "/v2/a/blobs/sha256:" + 64 * "0")
            registry.push_image("a", "v%d" % i)


class ReadOnly(Operate):
    def setUp(self):
        super().setUp()
        self.write("")

    def test_on_and_off(self):
        registry = self.serve()
        registry.push_image("a", "v1")
        self.assertEqual(self.command(registry, "read-only", "status"), "off\n")
        self.command(registry, "read-only", "on", "--reason", "backup of tonight")
        response = registry.ask("PUT", "/v2/a/manifests/v2", b"{}")
        self.assertEqual((response.status, response.code, response.header("allow")), (405, "UNSUPPORTED", "GET, HEAD"))
        registry.expect(200, "GET", "/v2/a/manifests/v1")
        self.assertRegex(self.command(registry, "read-only", "status"), r"^on since \d{4}-.*Z: backup of tonight\n$")
        registry.stop()
        registry.start()
        registry.expect_logged("read-only")
        registry.expect(405, "POST", "/v2/a/blobs/uploads/")
        self.command(registry, "read-only", "off")
        self.command(registry, "read-only", "off")
        registry.push_image("a", "v2")

    def test_two_servers_and_a_copy(self):
        """A copy that is made while both would be pushed to is a whole store."""
        one = self.serve()
        two = self.serve(store=one.store)
        one.push_image("a", "v1")
        self.command(one, "read-only", "on")
        copy = os.path.join(self.dir, "copy")
        shutil.copytree(one.store, copy)
        one.expect(405, "POST", "/v2/a/blobs/uploads/")
        two.expect(405, "POST", "/v2/a/blobs/uploads/")
        self.command(one, "read-only", "off")
        two.push_image("a", "v2")
        third = self.serve(store=copy)
        self.assertEqual(json.loads(third.expect(200, "GET", "/v2/a/tags/list").body)["tags"], ["v1"])
        self.command(third, "read-only", "off")  # the mark was copied, too
        third.push_image("a", "v3")

    def test_a_server_starts_on_a_store_at_rest(self):
        """It serves what reads, and what it could not tell the store it does when the mark is lifted."""
        hook = Hook()
        self.addCleanup(hook.close)
        store = os.path.join(self.dir, "store")
        self.command(Registry(store=store), "read-only", "on")
        registry = self.serve("--notify", "h=" + hook.url, "--retention", "**: keep-pulled=30d", store=store)
        registry.expect(200, "GET", "/v2/")
        registry.expect(405, "POST", "/v2/a/blobs/uploads/")
        self.command(registry, "read-only", "off")
        until("it delivers", lambda: registry.logged("this process delivers from now on"))
        registry.push_image("a", "v1")
        until("the push is told", lambda: hook.events())

    def test_an_upload_in_flight_can_end_later(self):
        registry = self.serve()
        session = registry.start_upload("a")
        registry.expect(202, "PATCH", session, b"half")
        self.command(registry, "read-only", "on")
        registry.expect(405, "PATCH", session, b"more")
        self.command(registry, "read-only", "off")
        registry.expect(202, "PATCH", session, b"more")
        digest = "sha256:" + hashlib.sha256(b"halfmore").hexdigest()
        registry.expect(201, "PUT", session + "?digest=" + digest)
        self.assertEqual(registry.blob("a", digest), b"halfmore")

    def test_wrong_words(self):
        for args in (["maybe"], ["off", "--reason", "x"], []):
            done = subprocess.run([os.environ["OCIREGISTRY"], "read-only", *args, "--store", self.dir],
                                  capture_output=True, text=True, timeout=DEADLINE)
            self.assertEqual(done.returncode, 2, args)


if __name__ == "__main__":
    unittest.main()
