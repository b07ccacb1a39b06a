#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""runc's verbs on a bundle."""

import json
import os
import shutil
import subprocess

import sandbox
from ociregistry import until


class Bundles(sandbox.Sandbox):
    def setUp(self):
        self.bundle = os.path.join(self.top, "bundle")
        os.makedirs(os.path.join(self.bundle, "rootfs", "bin"))
        self.addCleanup(shutil.rmtree, self.bundle)
        shutil.copy(sandbox.BUSYBOX, os.path.join(self.bundle, "rootfs", "bin", "busybox"))
        for name in ("sh", "sleep"):
            os.symlink("busybox", os.path.join(self.bundle, "rootfs", "bin", name))
        self.out("spec", "-b", self.bundle)

    def configure(self, script, **process):
        path = os.path.join(self.bundle, "config.json")
        with open(path) as f:
            config = json.load(f)
        config["process"].update({"terminal": False, "args": ["sh", "-c", script]}, **process)
        config["root"]["readonly"] = False
        with open(path, "w") as f:
            json.dump(config, f)

    def out_of_the_way(self, *args):
        """For a container that outlives the command: a pipe that it inherits would never end."""
        path = os.path.join(self.top, "stderr")
        with open(path, "w+") as errors:
            status = subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=errors, timeout=60).returncode
            errors.seek(0)
            self.assertEqual(status, 0, errors.read())
        self.addCleanup(self.ocirun, "delete", "-f", args[-1])

    def state(self, name):
        return json.loads(self.out("state", name))

    def test_a_terminal_beside_a_big_number(self):
        self.configure("test -t 0 && test -t 1 && echo at a terminal", terminal=True)
        path = os.path.join(self.bundle, "config.json")
        with open(path) as f:
            config = json.load(f)
        config["linux"]["seccomp"]["syscalls"].append({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": (1 << 64) - 1, "op": "SCMP_CMP_EQ"}]})
        with open(path, "w") as f:
            json.dump(config, f)
        self.assertEqual(self.out("run", "-b", self.bundle, "big").splitlines(), ["at a terminal"])

    def test_a_life(self):
        marker = os.path.join(self.bundle, "rootfs", "marker")
        self.configure("echo > /marker; while :; do sleep 0.02; done")
        pid_file = os.path.join(self.bundle, "pid")
        self.out_of_the_way("create", "--bundle", self.bundle, "--pid-file", pid_file, "life")
        state = self.state("life")
        self.assertEqual(state["status"], "created")
        self.assertEqual(state["bundle"], self.bundle)
        with open(pid_file) as f:
            self.assertEqual(int(f.read()), state["pid"])
        self.assertFalse(os.path.exists(marker))
        self.out("start", "life")
        until("the program runs", lambda: os.path.exists(marker))
        self.assertEqual(self.state("life")["status"], "running")
        self.assertIn("life", self.out("list"))
        self.assertEqual([c["id"] for c in json.loads(self.out("list", "-f", "json"))], ["life"])
        self.assertEqual(self.ocirun("start", "life").returncode, 1)
        self.assertEqual(self.ocirun("delete", "life").returncode, 1)
        self.assertEqual(self.ocirun("create", "-b", self.bundle, "life").returncode, 1)
        self.out("kill", "life", "SIGKILL")
        until("it stops", lambda: self.state("life")["status"] == "stopped")
        self.out("delete", "life")
        self.assertEqual(self.ocirun("state", "life").returncode, 1)
        self.assertEqual(self.ocirun("delete", "life").returncode, 1)
        self.out("delete", "--force", "life")
        self.assertEqual(os.listdir(self.root), [])

    def test_run(self):
        self.configure("echo out; exit 5")
        self.assertEqual(self.out("run", "-b", self.bundle, "one", status=5), "out\n")
        self.assertEqual(os.listdir(self.root), [])

    def test_run_detached(self):
        self.configure("while :; do sleep 0.02; done")
        self.out_of_the_way("run", "-d", "-b", self.bundle, "back")
        self.assertEqual(self.state("back")["status"], "running")
        self.out("delete", "-f", "back")
        self.assertEqual(os.listdir(self.root), [])

    def test_kill(self):
        self.configure("trap 'exit 0' USR1; echo > /marker; while :; do sleep 0.02; done")
        self.out_of_the_way("run", "-d", "-b", self.bundle, "k")
        until("the trap is set", lambda: os.path.exists(os.path.join(self.bundle, "rootfs", "marker")))
        self.assertIn("NOSUCH", self.ocirun("kill", "k", "NOSUCH").stderr)
        self.assertEqual(self.state("k")["status"], "running")
        self.out("kill", "k", "usr1")
        until("it stops", lambda: self.state("k")["status"] == "stopped")
        self.out("delete", "k")

    def test_dry_run(self):
        self.configure("true")
        plan = self.out("create", "--dry-run", "-b", self.bundle, "dry")
        self.assertIn("namespace pid new", plan)
        self.assertEqual(os.listdir(self.root), [])

    def test_spec_overwrites_nothing(self):
        done = self.ocirun("spec", "-b", self.bundle)
        self.assertEqual(done.returncode, 1)
        self.assertIn("config.json", done.stderr)

    def test_wrong_bundles(self):
        self.assertIn("/not/there", self.ocirun("run", "-b", "/not/there", "x").stderr)
        with open(os.path.join(self.bundle, "config.json"), "w") as f:
            f.write("{\"ociVersion\":7}")
        done = self.ocirun("run", "-b", self.bundle, "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ociVersion", done.stderr)
        self.assertEqual(os.listdir(self.root), [])


if __name__ == "__main__":
    sandbox.main()
