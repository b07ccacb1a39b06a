# SPDX-License-Identifier: Apache-2.0
"""Retention as an operator sees it: rules in a file or on the command line, `ociregistry retention` beside the
running server, and what clients see afterwards."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from ociregistry import DEADLINE, Registry, until


def retention(registry, *args, status=0):
    done = subprocess.run([os.environ["OCIREGISTRY"], "retention", "--store", registry.store, *args],
                          capture_output=True, text=True, timeout=DEADLINE, env=registry.env)
    if done.returncode != status:
        raise AssertionError("retention %s: %d, expected %d: %s" % (args, done.returncode, status, done.stderr))
    return done.stderr if status else done.stdout


def command(registry, *args):
    return subprocess.run([os.environ["OCIREGISTRY"], *args, "--store", registry.store], check=True,
                          capture_output=True, text=True, timeout=DEADLINE, env=registry.env).stdout


def repo_stats(registry):
    return command(registry, "repo", "stats", "--format", "json")


def tags(registry, repo):
    return json.loads(registry.ask("GET", "/v2/%s/tags/list" % repo).body)["tags"]


class Rules(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry())
        for tag in ("v1", "v2", "latest", "nightly"):
            self.registry.push_image("team/app", tag, layers=(tag.encode(),))
        self.registry.push_image("prod/app", "old")

    def test_dry_run_then_for_real(self):
        rules = ("--retention", "prod/**: keep-all", "--retention", "**: keep-tags=v*,latest keep-untagged=0s")
        told = retention(self.registry, "--dry-run", *rules)
        self.assertIn("team/app:nightly sha256:", told)
        self.assertIn("no name that is kept", told)
        self.assertIn("dry run: 1 of 4 tags", told)
        self.assertEqual(tags(self.registry, "team/app"), ["latest", "nightly", "v1", "v2"])
        done = retention(self.registry, *rules)
        self.assertIn("1 of 4 tags, 1 of 4 manifests removed in 2 repositories", done)
        self.assertEqual(tags(self.registry, "team/app"), ["latest", "v1", "v2"])
        self.assertEqual(tags(self.registry, "prod/app"), ["old"])
        self.assertIn("0 of 3 tags, 0 of 3 manifests removed", retention(self.registry, *rules))

    def test_rules_of_a_file(self):
        path = os.path.join(self.registry.store, "rules.yaml")
        with open(path, "w") as f:
            f.write('retention:\n  rules:\n    - "team/*: keep-last=2"\n')
        told = retention(self.registry, "--config", path)
        self.assertEqual(len(tags(self.registry, "team/app")), 2)
        self.assertIn("not among the newest 2", told)

    def test_mistakes(self):
        self.assertIn("no rules", retention(self.registry, status=2))
        for rule, why in (("team/*", "expected 'GLOB: WORD"), ("team/*: keep-last=x", "expected a number"),
                          ("team/*: keep-forever", "expected keep-untagged=")):
            self.assertIn(why, retention(self.registry, "--retention", rule, status=2))
        self.assertEqual(len(tags(self.registry, "team/app")), 4)


class Pulls(unittest.TestCase):
    def test_pulled_stays(self):
        """Pulls are remembered while a rule asks for them; nobody is judged before they were watched long enough."""
        rule = "**: keep-pulled=1s"
        with Registry("--retention", rule) as registry:
            registry.push_image("a", "used")
            registry.expect(200, "GET", "/v2/a/manifests/used")
            self.assertIn("0 of 1 tags", retention(registry, "--retention", "**: keep-pulled=30d"))
            self.assertEqual(tags(registry, "a"), ["used"])


class Server(unittest.TestCase):
    def test_before_collections(self):
        """The server applies its rules by itself, and those of a changed file after SIGHUP."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            def write(rule):
                config.seek(0)
                config.truncate()
                config.write('retention:\n  rules: ["%s"]\n' % rule)
                config.flush()
            write("**: keep-tags=v* keep-untagged=0s")
            with Registry("--config", config.name, "--gc-interval", "1s", "--gc-grace", "1s") as registry:
                registry.push_image("a", "v1", layers=(b"one",))
                registry.push_image("a", "x1", layers=(b"two",))
                until("x1 is gone", lambda: tags(registry, "a") == ["v1"])
                until("its manifest is gone", lambda: json.loads(repo_stats(registry))["manifests"] == 1)
                write("**: keep-tags=x*")
                registry.process.send_signal(signal.SIGHUP)
                until("v1 is gone", lambda: json.loads(repo_stats(registry))["tags"] == 0)


class Collection(unittest.TestCase):
    def test_gc_applies_the_rules(self):
        with Registry("--gc-interval", "0") as registry:
            registry.push_image("a", "v1", layers=(b"one",))
            registry.push_image("a", "x1", layers=(b"two",))
            rule = ("--retention", "**: keep-tags=v* keep-untagged=0s")
            told = json.loads(command(registry, "gc", "--dry-run", "--format", "json", *rule))
            self.assertEqual([(o["kind"], o["tag"]) for o in told["objects"]], [("tag", "x1")])
            self.assertEqual(tags(registry, "a"), ["v1", "x1"])
            done = command(registry, "gc", *rule)
            self.assertRegex(done, r"(?m)^tag +0 +a:x1 ")
            self.assertRegex(done, r"(?m)^untagged +0 +a@sha256:")
            self.assertEqual(tags(registry, "a"), ["v1"])


if __name__ == "__main__":
    unittest.main()
