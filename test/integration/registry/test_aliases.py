# SPDX-License-Identifier: Apache-2.0
"""Who ran registry:2 yesterday: its environment, its file, its command line, its volume."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from ociregistry import DEADLINE, Registry

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
IMAGE_CONFIG = os.path.join(ROOT, "cli/registry2.yml")


def run(*args, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OCIREGISTRY_", "LOCI_", "REGISTRY_"))}
    return subprocess.run([os.environ["OCIREGISTRY"], *args], capture_output=True, text=True, timeout=DEADLINE,
                          env=dict(clean, **env))


# Variables of compose files for registry:2 in the wild, and the lines that check-config must show for them.
UNDERSTOOD = [
    ({"REGISTRY_HTTP_ADDR": ":5000"}, 'listen: [":5000"]  # $REGISTRY_HTTP_ADDR'),
    ({"REGISTRY_HTTP_ADDR": "0.0.0.0:5000"}, 'listen: ["0.0.0.0:5000"]'),
    ({"REGISTRY_HTTP_DEBUG_ADDR": "0.0.0.0:5001"}, 'listen: [":5000", "0.0.0.0:5001"]'),
    ({"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/data"}, "store: /data  # $REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"),
    ({"REGISTRY_STORAGE_DELETE_ENABLED": "true"}, "delete: true  # $REGISTRY_STORAGE_DELETE_ENABLED"),
    ({"REGISTRY_STORAGE_DELETE_ENABLED": "False"}, "delete: false"),
    ({"REGISTRY_STORAGE_DELETE": '{"enabled": false}'}, "delete: false"),
    ({"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":true}'}, "read-only: true"),
    ({"REGISTRY_STORAGE_MAINTENANCE_READONLY": "enabled: true"}, "read-only: true"),
    ({"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true"}, "read-only: true"),
    ({"REGISTRY_LOG_LEVEL": "debug"}, "level: debug  # $REGISTRY_LOG_LEVEL"),
    ({"REGISTRY_LOG_FORMATTER": "logstash"}, "format: json"),
    ({"REGISTRY_LOG_ACCESSLOG_DISABLED": "true"}, "access-log: false"),
    ({"REGISTRY_HTTP_DRAINTIMEOUT": "1m30s"}, "drain-timeout: 90s"),
    ({"REGISTRY_HTTP_DRAINTIMEOUT": "1.5s"}, "drain-timeout: 1500ms"),
    ({"REGISTRY_HTTP_DRAINTIMEOUT": "0"}, "drain-timeout: 1ms"),
    ({"REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE": "168h"}, "upload-expiry: 7d"),
    ({"REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING": "{enabled: true, age: 24h, interval: 30m, dryrun: false}"},
     "upload-expiry: 1d  # $REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE"),
    ({"REGISTRY_HTTP_TLS_MINIMUMTLS": "tls1.3"}, "minimum-version: 1.3"),
    ({"REGISTRY_HTTP_TLS_CIPHERSUITES": "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"},
     'cipher-suites: ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]'),
    ({"REGISTRY_CATALOG_MAXENTRIES": "500"}, "list-max: 500"),
    ({"REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS": "none"}, "allow-sparse-index: true"),
]

WITHOUT_EFFECT = [
    {"REGISTRY_HTTP_SECRET": "s3cret"}, {"REGISTRY_HTTP_HOST": "https://x"}, {"REGISTRY_HTTP_RELATIVEURLS": "true"},
    {"REGISTRY_HTTP_HEADERS_X-Content-Type-Options": "[nosniff]"}, {"REGISTRY_STORAGE": "filesystem"},
    {"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW": ".*"}, {"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW": "[^https?://]"},
    {"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory"}, {"REGISTRY_STORAGE_REDIRECT_DISABLE": "true"},
    {"REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED": "true"}, {"REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": "false"},
    {"REGISTRY_VALIDATION_DISABLED": "true"}, {"REGISTRY_LOG_FIELDS_SERVICE": "registry"}, {"REGISTRY_PROXY_REMOTEURL": ""},
    {"REGISTRY_AUTH_FILE": "/root/.docker/config.json"}, {"REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED": "true"},
    {"REGISTRY_PORT": "tcp://10.96.0.7:5000", "REGISTRY_SERVICE_HOST": "10.96.0.7", "REGISTRY_SERVICE_PORT": "5000",
     "REGISTRY_PORT_5000_TCP_ADDR": "10.96.0.7", "REGISTRY_SERVICE_PORT_HTTP": "5000"},
]

REFUSED = [
    ("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io", "pulling through"),
    ("REGISTRY_HTTP_TLS_CLIENTCAS", "[/certs/ca.crt]", "clients are not asked for certificates"),
    ("REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE", "/c", "SIGHUP reads them"),
    ("REGISTRY_HTTP_TLS_MINIMUMTLS", "tls1.0", "expected tls1.2 or tls1.3"),
    ("REGISTRY_AUTH", "htpasswd", "access control"),
    ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd", "access control"),
    ("REGISTRY_STORAGE", "s3", "expected filesystem"),
    ("REGISTRY_STORAGE_S3_BUCKET", "b", "local file system"),
    ("REGISTRY_REDIS_ADDR", "redis:6379", "redis"),
    ("REGISTRY_NOTIFICATIONS_ENDPOINTS", "[{name: a, url: http://x}]", "events"),
    ("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "['*']", "headers"),
    ("REGISTRY_HTTP_PREFIX", "/registry/", "expected /"),
    ("REGISTRY_HTTP_ADDR", "5000", "expected ADDRESS:PORT"),
    ("REGISTRY_STORAGE_DELETE_ENABLED", "perhaps", "true or false"),
    ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "false", "expected true"),
    ("REGISTRY_HTTP_DRAINTIMEOUT", "soon", "a time like"),
    ("REGISTRY_HTTP_ADDRESS", ":5000", "did you mean 'REGISTRY_HTTP_ADDR'"),
    ("REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED", "true", "expected false"),
    ("REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW", "^https://mirror\\.example\\.com/", "expected .*"),
]


class Environment(unittest.TestCase):
    def test_understood(self):
        for env, line in UNDERSTOOD:
            with self.subTest(env):
                done = run("check-config", **env)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(line, done.stdout)

    def test_without_effect(self):
        plain = run("check-config").stdout
        for env in WITHOUT_EFFECT:
            with self.subTest(env):
                done = run("check-config", **env)
                self.assertEqual((done.returncode, done.stdout), (0, plain), done.stderr)

    def test_refused_by_name(self):
        for name, value, why in REFUSED:
            with self.subTest(name):
                done = run("check-config", **{name: value})
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn("environment %s: " % name, done.stderr)
                self.assertIn(why, done.stderr)

    def test_ours_are_stronger(self):
        done = run("check-config", REGISTRY_HTTP_ADDR=":1", OCIREGISTRY_LISTEN=":2", REGISTRY_LOG_LEVEL="warn")
        self.assertIn('listen: [":2"]  # $OCIREGISTRY_LISTEN', done.stdout)
        self.assertIn("# REGISTRY_HTTP_ADDR does not count, as OCIREGISTRY_LISTEN is given, too", done.stdout)
        self.assertIn("level: warn", done.stdout)
        done = run("check-config", "--listen", ":3", REGISTRY_HTTP_ADDR=":1")
        self.assertIn("as --listen is given, too", done.stdout)
        with Registry(env={"REGISTRY_HTTP_ADDR": ":1"}) as registry:
            registry.expect_logged("REGISTRY_HTTP_ADDR does not count, as --listen is given, too")

    def test_every_name_is_documented(self):
        man = run("--help-man").stdout
        names = re.findall(r"^\.It Ev (REGISTRY_\S+)$", man, re.M)
        self.assertGreater(len(names), 50)
        with open(os.path.join(ROOT, "docs/coming-from-registry2.md")) as f:
            text = f.read()
        for name in names:
            self.assertIn("`%s`" % name, text)


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-aliases-"))
        self.path = os.path.join(self.dir, "config.yml")

    def write(self, text):
        with open(self.path, "w") as f:
            f.write(text)

    def test_its_file(self):
        """As the argument, with and without "serve"; its variables win over it."""
        store = os.path.join(self.dir, "registry")
        self.write("version: 0.1\nlog:\n  fields:\n    service: registry\nstorage:\n  cache:\n    blobdescriptor: inmemory\n"
                   "  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:0\n  headers:\n"
                   "    X-Content-Type-Options: [nosniff]\nhealth:\n  storagedriver:\n    enabled: true\n    interval: 10s\n" % store)
        for words in ((self.path,), ("serve", self.path)):
            with Registry(*words, store=None, listen=None, env={"REGISTRY_LOG_FORMATTER": "json"}) as registry:
                registry.push_image("a", "v1")
                registry.expect(405, "DELETE", "/v2/a/manifests/v1")  # as with registry:2, which has to be told so
                self.assertEqual(json.loads(registry.log[-1])["component"], "access")
        with Registry(self.path, listen=None, env={"REGISTRY_STORAGE_DELETE_ENABLED": "true"}) as registry:
            registry.push_image("a", "v1")
            registry.expect(202, "DELETE", "/v2/a/manifests/v1")

    def test_the_images_own_file(self):
        done = run("check-config", IMAGE_CONFIG)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("store: /var/lib/registry", done.stdout)
        self.assertIn('listen: [":5000"]', done.stdout)

    def test_mistakes_have_their_place(self):
        for text, said in (("version: 0.1\nhttp:\n  adr: :1\n", "config.yml:3:8: http.adr: "),
                           ("version: 0.1\nproxy:\n  remoteurl: https://x\n", "config.yml:3:14: proxy.remoteurl: cannot be honoured"),
                           ("version: 0.1\nnotifications:\n  endpoints:\n    - name: a\n", "config.yml:4:5: notifications.endpoints: cannot"),
                           ("version: 0.1\nvalidation:\n  manifests:\n    urls:\n      allow:\n        - ^https?://\n        - ^https://a/\n",
                            "config.yml:7:11: validation.manifests.urls.allow: expected .*"),
                           ("version: 0.2\n", "config.yml:1:10: version: expected 0.1")):
            with self.subTest(text):
                self.write(text)
                done = run("serve", self.path)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(said, done.stderr)

    def test_command_line(self):
        self.write("version: 0.1\n")
        self.assertIn("two configuration files", run("serve", "--config", self.path, self.path).stderr)
        self.assertIn("No such file", run("serve", os.path.join(self.dir, "none.yml")).stderr)
        self.assertIn("unknown command 'srve'", run("srve").stderr)
        self.assertIn("did you mean 'serve'", run("srve").stderr)

    def test_garbage_collect(self):
        store = os.path.join(self.dir, "registry")
        self.write("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:0\n" % store)
        with Registry(self.path, store=store, listen=None) as registry:
            registry.push_image("a", "v1")
            done = run("garbage-collect", "-d", self.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("would remove 0", done.stdout)
            done = run("garbage-collect", "--delete-untagged", self.path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("retention.rules", done.stderr)

    def test_its_volume_is_told_what_to_do(self):
        os.makedirs(os.path.join(self.dir, "v/docker/registry/v2/repositories"))
        os.makedirs(os.path.join(self.dir, "v/docker/registry/v2/blobs"))
        volume = os.path.join(self.dir, "v")
        done = run("--listen", "127.0.0.1:0", REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=volume)
        self.assertNotEqual(done.returncode, 0)
        command = re.search(r"`ociregistry (--store \S+ import \S+)`.*LOCI_STORE=(\S+)", done.stderr)
        self.assertTrue(command, done.stderr)
        imported = run(*command.group(1).split())
        self.assertEqual(imported.returncode, 0, imported.stderr)
        with Registry(store=command.group(2), env={"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": volume}) as registry:
            registry.push_image("a", "v1")


if __name__ == "__main__":
    unittest.main()
