# SPDX-License-Identifier: Apache-2.0
"""The program's shape: options, environment, file, exit status, log."""

import json
import os
import subprocess
import tempfile
import unittest

from ociregistry import DEADLINE, Registry, until


def run(*args, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OCIREGISTRY_", "LOCI_"))}
    return subprocess.run([os.environ["OCIREGISTRY"], *args], capture_output=True, text=True, timeout=DEADLINE,
                          env=dict(clean, **env))


# A network of its own, where the default addresses are free.
NETWORK = ["unshare", "-n", "sh", "-c"]
LOOPBACK = 'ip link set lo up && exec "$0" "$@"'
NO_IPV6 = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && " + LOOPBACK


def has_networks():
    return subprocess.run([*NETWORK, "ip link set lo up && test -w /proc/sys/net/ipv6/conf/all/disable_ipv6"],
                          stderr=subprocess.DEVNULL).returncode == 0


class Program(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-program-"))

    def file(self, text):
        path = os.path.join(self.dir, "config.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--listen", "--store", "--config", "--drain-timeout", "check-config", "$OCIREGISTRY_LISTEN"):
            self.assertIn(option, done.stdout)
        self.assertRegex(run("--version").stdout, r"^ociregistry .*\d+\.\d+\.\d+")
        self.assertIn(".Nm ociregistry", run("--help-man").stdout)

    def test_wrong_usage(self):
        for args, text in ((["--lisen", ":0"], "--listen"), (["--listen", "5000"], "ADDRESS:PORT"),
                           (["--listen", "127.0.0.1:99999"], "ADDRESS:PORT"), (["--max-head", "1"], "max-head"),
                           (["check-confg"], "check-config"), (["--durability", "none"], "full")):
            with self.subTest(args):
                done = run("--store", self.dir, *args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_check_config(self):
        config = self.file("store: /srv/a\nhttp:\n  listen: ['127.0.0.1:0', ':8080']\nregistry:\n  read-only: true\n")
        done = run("check-config", "--config", config, "--drain-timeout", "5s", OCIREGISTRY_REGISTRY_LIST_MAX="7")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("store: /srv/a", 'listen: ["127.0.0.1:0", ":8080"]', "read-only: true", "drain-timeout: 5s",
                     "list-max: 7"):
            self.assertIn(line, done.stdout)

    def test_wrong_config(self):
        for text, said in (("http:\n  lissten: x\n", "http.listen"), ("http: [\n", ":"), ("registry:\n  list-max: x\n", "list-max"),
                           ("http:\n  listen: ['nonsense']\n", "ADDRESS:PORT")):
            with self.subTest(text):
                done = run("check-config", "--config", self.file(text))
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(said, done.stderr)
                self.assertIn("config.yaml", done.stderr)

    def test_order_of_sources(self):
        config = self.file("registry:\n  list-max: 1\n")
        for env, args, want in (({}, [], 1), ({"OCIREGISTRY_REGISTRY_LIST_MAX": "2"}, [], 2),
                                ({"OCIREGISTRY_REGISTRY_LIST_MAX": "2"}, ["--list-max", "3"], 3)):
            done = run("check-config", "--config", config, *args, **env)
            self.assertIn("list-max: %d " % want, done.stdout)

    def test_address_in_use(self):
        with Registry() as registry:
            done = run("--store", os.path.join(self.dir, "other"), "--listen", registry.address)
            self.assertEqual(done.returncode, 1)
            self.assertIn(registry.address, done.stderr)

    def test_store_that_cannot_be(self):
        done = run("--store", "/dev/null/x", "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/dev/null", done.stderr)

    def test_json_log(self):
        with Registry("--log-format", "json") as registry:
            registry.expect(404, "GET", "/v2/a/tags/list?x=%22")
            self.assertEqual(registry.stop(), 0)
        records = [json.loads(line) for line in registry.log]
        self.assertTrue(any("/v2/a/tags/list" in json.dumps(r) for r in records), records)

    def test_no_access_log(self):
        with Registry("--no-access-log") as registry:
            registry.expect(200, "GET", "/v2/")
            self.assertEqual(registry.stop(), 0)
        self.assertFalse(registry.logged("/v2/"))

    def test_two_addresses(self):
        with Registry("--listen", "127.0.0.1:0") as registry:
            def addresses():
                return [line.rsplit(" ", 1)[1].strip() for line in registry.log if "listening on" in line]
            registry.expect(200, "GET", "/v2/")
            self.assertEqual(len(addresses()), 2, registry.log)
            registry.address = addresses()[1]
            registry.expect(200, "GET", "/v2/")

    @unittest.skipUnless(has_networks(), "needs network namespaces and ip")
    def test_default_addresses(self):
        for script, said, not_said in ((LOOPBACK, "listening on [::1]:5000", "without IPv6"),
                                       (NO_IPV6, "serving without IPv6", "listening on [::1]")):
            with self.subTest(said), Registry(listen=None, prefix=[*NETWORK, script]) as registry:
                until(said, lambda: registry.logged(said))
                self.assertEqual(registry.address, "127.0.0.1:5000")
                self.assertEqual(registry.stop(), 0)
                self.assertFalse(registry.logged(not_said), registry.log)

    def test_switches(self):
        with Registry() as registry:
            digest = registry.push_image("switch", "v1")
            self.assertEqual(registry.stop(), 0)
            registry.options = ("--no-delete",)
            registry.start()
            response = registry.expect(405, "DELETE", "/v2/switch/manifests/" + digest)
            self.assertEqual((response.code, response.header("allow")), ("UNSUPPORTED", "GET, HEAD, PUT"))
            self.assertEqual(registry.stop(), 0)
            registry.options = ("--read-only",)
            registry.start()
            registry.expect(200, "GET", "/v2/switch/manifests/v1")
            self.assertEqual(registry.expect(405, "POST", "/v2/switch/blobs/uploads/").header("allow"), "")

    def test_two_servers_on_one_store(self):
        with Registry() as one, Registry(store=one.store) as two:
            digest = one.push_image("shared", "v1")
            self.assertEqual(two.expect(200, "GET", "/v2/shared/manifests/v1").header("docker-content-digest"), digest)
            where = two.start_upload("shared")
            two.expect(202, "PATCH", where, b"01234")
            one.expect(202, "PATCH", where, b"56789", {"Content-Range": "5-9"})


if __name__ == "__main__":
    unittest.main()
