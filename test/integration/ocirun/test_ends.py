#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a container may end, and that nothing is left of it."""

import os
import signal
import subprocess

import sandbox
from ociregistry import until

READY = "echo ready; "


class Ends(sandbox.Sandbox):
    def tearDown(self):
        self.assert_nothing_left()

    def test_statuses(self):
        for status in (0, 1, 42, 255):
            self.out(self.image, "sh", "-c", "exit %d" % status, status=status)

    def test_what_cannot_be_executed(self):
        for command, status in (("/not/there", 127), ("not-in-path", 127), ("/etc/passwd", 126), ("/etc", 126)):
            done = self.ocirun(self.image, command)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(command, done.stderr)

    def test_own_failures(self):
        for args in (("--bogus",), ("--pull", "never", "not.there/x:1"), ("--cpus", "many"), ("-it", self.image, "sh"),
                     ("UPPER",), ("--env-file", "/not/there", self.image), ("--memory", "1", self.image, "true")):
            done = self.ocirun(*args)
            self.assertEqual(done.returncode, 125, (args, done.stderr))
            self.assertTrue(done.stderr.startswith("ocirun: "), done.stderr)

    def test_signals_are_passed_on(self):
        for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2"):
            process = self.start(self.image, "sh", "-c",
                                 "trap 'echo got; exit 7' %s; %s while :; do sleep 0.02; done" % (name, READY))
            self.assertEqual(process.first, "ready\n")
            process.send_signal(getattr(signal, "SIG" + name))
            self.assertEqual(process.stdout.read(), "got\n")
            self.assertEqual(process.wait(60), 7)

    def test_a_container_that_a_signal_ends(self):
        process = self.start("--name", "victim", self.image, "sh", "-c", READY + "exec sleep 1000")
        self.assertEqual(process.first, "ready\n")
        self.out("kill", "victim", "KILL")
        self.assertEqual(process.wait(60), 137)

    def test_its_children_go_with_it(self):
        seconds = str(10 ** 6 + os.getpid())  # as no other sleep on the machine
        process = self.start(self.image, "sh", "-c", "sleep %s & %sread x < /dev/zero & exit 3" % (seconds, READY))
        self.assertEqual(process.wait(60), 3)
        self.assertNotEqual(subprocess.run(["pgrep", "-f", "sleep " + seconds], capture_output=True).returncode, 0)

    def test_what_a_killed_ocirun_leaves_the_next_one_removes(self):
        process = self.start("--name", "left", self.image, "sh", "-c", READY + "exec sleep 1000")
        self.assertEqual(process.first, "ready\n")
        process.kill()
        process.wait()
        self.assertEqual(os.listdir(os.path.join(self.store, "run", "bundles")), ["left"])
        until("the next start removes it", lambda: self.out(self.image, "true") == "" and not os.listdir(
            os.path.join(self.store, "run", "bundles")))
        self.assertEqual(self.out("list").splitlines()[1:], [])

    def test_a_running_container_is_not_removed_by_the_next_one(self):
        process = self.start("--name", "alive", self.image, "sh", "-c", READY + "exec sleep 1000")
        self.assertEqual(process.first, "ready\n")
        self.out(self.image, "true")
        self.assertIn("running", self.out("list"))
        self.assertIn("exists", self.ocirun("--name", "alive", self.image, "true").stderr)
        self.out("kill", "alive", "KILL")
        self.assertEqual(process.wait(60), 137)


if __name__ == "__main__":
    sandbox.main()
