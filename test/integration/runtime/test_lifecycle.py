# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete; what is left when things die at the wrong time."""
import json
import os
import signal
import subprocess

import harness


class Lifecycle(harness.Case):
    def create(self, *args, **changes):
        c = self.config(*(args or ("sleep", "1000")))
        c.update(changes)
        self.write(c)
        r = self.driver("create", self.id, self.bundle, "pid-file", self.dir + "/pid")
        self.assertEqual(r.returncode, 0, r.stderr)

    def status(self):
        return self.state()["status"]

    def test_cycle(self):
        self.create("sh", "-c", "echo started > /started; exec sleep 1000", annotations={"a": "b"})
        s = self.state()
        self.assertEqual((s["status"], s["id"], s["bundle"], s["annotations"]), ("created", self.id, self.bundle, {"a": "b"}))
        self.assertEqual(int(open(self.dir + "/pid").read()), s["pid"])
        self.assertFalse(os.path.exists(self.rootfs + "/started"))
        self.assertIn("STATE: ", self.driver("delete", self.id).stderr)
        self.assertEqual(self.driver("start", self.id).returncode, 0)
        self.assertEqual(self.status(), "running")
        self.assertIn("STATE: ", self.driver("start", self.id).stderr)
        self.assertIn("STATE: ", self.driver("delete", self.id).stderr)
        harness.wait_until(lambda: os.path.exists(self.rootfs + "/started"))
        self.assertEqual(self.driver("list", "-").stdout, self.id + "\n")
        self.assertEqual(self.driver("kill", self.id, "9").returncode, 0)
        harness.wait_until(lambda: self.status() == "stopped")
        self.assertIn("STATE: ", self.driver("kill", self.id, "9").stderr)
        self.assertEqual(self.driver("delete", self.id).returncode, 0)
        self.assertIn("NOT_FOUND: ", self.driver("state", self.id).stderr)
        self.assertIn("NOT_FOUND: ", self.driver("delete", self.id).stderr)

    def test_the_config_of_the_creation_counts(self):
        self.create("sleep", "1000")
        self.write({"broken": True})
        self.assertEqual(self.driver("start", self.id).returncode, 0)

    def test_same_id_twice(self):
        self.create()
        self.assertIn("EXISTS: ", self.driver("create", self.id, self.bundle).stderr)
        self.assertEqual(self.status(), "created")

    def test_bad_ids(self):
        self.write(self.config())
        for bad in ("", ".", "..", "a/b", "a b", "x" * 256):
            self.assertIn("INVALID: container id", self.driver("create", bad, self.bundle).stderr)

    def test_failed_exec_is_told_at_start(self):
        self.create("nowhere-to-be-found")
        r = self.driver("start", self.id)
        self.assertIn("NOT_FOUND: container '%s': run 'nowhere-to-be-found'" % self.id, r.stderr)
        harness.wait_until(lambda: self.status() == "stopped")
        self.assertEqual(self.driver("delete", self.id).returncode, 0)

    def test_forced_delete_of_a_running_one(self):
        self.create("sh", "-c", "sleep 1000 & sleep 1000 & wait")
        self.driver("start", self.id)
        self.assertEqual(self.driver("force-delete", self.id).returncode, 0)

    def test_kill_all_without_a_pid_namespace(self):
        c = self.config("sh", "-c", "sleep 1000 & sleep 1000 & echo $! > /pid; exit 0")
        c["linux"]["namespaces"] = [{"type": "mount"}, {"type": "uts"}]
        self.write(c)
        self.assertEqual(self.driver("create", self.id, self.bundle).returncode, 0)
        self.driver("start", self.id)
        harness.wait_until(lambda: self.status() == "stopped")
        pid = int(open(self.rootfs + "/pid").read())
        self.assertTrue(os.path.exists("/proc/%d" % pid))
        self.assertEqual(self.driver("kill-all", self.id, "9").returncode, 0)
        harness.wait_until(lambda: not os.path.exists("/proc/%d" % pid))
        self.assertEqual(self.driver("delete", self.id).returncode, 0)

    def test_signal_reaches_the_program(self):
        self.create("sh", "-c", "trap 'echo t > /trapped; exit 0' TERM; echo r > /ready; while :; do sleep 0.1; done")
        self.driver("start", self.id)
        harness.wait_until(lambda: os.path.exists(self.rootfs + "/ready"))
        self.driver("kill", self.id, "15")
        harness.wait_until(lambda: os.path.exists(self.rootfs + "/trapped"))

    def test_nested_cgroups_are_removed(self):
        c = self.config("sh", "-c", "mkdir -p /sys/fs/cgroup/unified/a/b 2>/dev/null || mkdir -p /sys/fs/cgroup/a/b; sleep 1000")
        c["mounts"] += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}]
        self.write(c)
        self.driver("create", self.id, self.bundle)
        self.driver("start", self.id)
        harness.wait_until(lambda: [p for p in harness.cgroups_left() if os.path.isdir(p + "/a/b")])

    def test_killed_runtime_takes_the_container_along(self):
        self.write(self.config("sh", "-c", "echo > /ready; sleep 1000"))
        p = subprocess.Popen([harness.DRIVER, self.root, "run", self.id, self.bundle])
        harness.wait_until(lambda: os.path.exists(self.rootfs + "/ready"))
        pid = self.state()["pid"]
        p.kill()
        p.wait()
        harness.wait_until(lambda: self.status() == "stopped")
        self.assertFalse(os.path.exists("/proc/%d/root/bin" % pid))
        self.assertEqual(self.driver("delete", self.id).returncode, 0)

    def test_creator_killed_in_the_middle(self):
        hook = self.dir + "/hook"
        with open(hook, "w") as f:
            f.write("#!/bin/sh\necho > %s/in-hook\nexec sleep 1000\n" % self.dir)
        os.chmod(hook, 0o755)
        c = self.config("sleep", "1000")
        c["hooks"] = {"createRuntime": [{"path": hook}]}
        self.write(c)
        p = subprocess.Popen([harness.DRIVER, self.root, "create", self.id, self.bundle], start_new_session=True)
        harness.wait_until(lambda: os.path.exists(self.dir + "/in-hook"))
        self.assertEqual(self.status(), "creating")
        self.assertNotEqual(harness.cgroups_left(), [])
        p.kill()
        p.wait()
        self.assertEqual(self.driver("delete", self.id).returncode, 0)
        os.killpg(p.pid, signal.SIGKILL)

    def test_failed_creations_leave_nothing(self):
        for change in ({"mounts": [{"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]}]},
                       {"mounts": [{"destination": "/x", "type": "nofs", "source": "x"}]},
                       {"root": {"path": "missing"}},
                       {"root": {"path": "config.json"}}):
            c = self.config()
            c.update(change)
            self.write(c)
            r = self.driver("create", self.id, self.bundle)
            self.assertEqual(r.returncode, 125)
            self.assertEqual(harness.cgroups_left(), [])
            self.assertIsNone(self.state())

    def test_cgroup_of_others_is_left_alone(self):
        path = "/" + self.id
        c = self.config("sleep", "1000")
        c["linux"]["cgroupsPath"] = path + "/in/here"
        self.write(c)
        self.assertEqual(self.driver("create", self.id, self.bundle).returncode, 0)
        os.makedirs(self.dir + "/second")
        os.symlink(self.rootfs, self.dir + "/second/rootfs")
        before = sorted(harness.cgroups_left())
        for other in (path + "/in/here", path + "/in", path):
            c["linux"]["cgroupsPath"] = other
            json.dump(c, open(self.dir + "/second/config.json", "w"))
            r = self.driver("create", self.id + "-2", self.dir + "/second")
            self.assertIn("BUSY: cgroup '%s'" % other, r.stderr)
            self.assertEqual(self.status(), "created")
            self.assertEqual(sorted(harness.cgroups_left()), before)

    def test_two_at_once_each_their_own(self):
        self.write(self.config("sleep", "1000"))
        ids = [self.id + "-%d" % i for i in range(8)]
        ps = [subprocess.Popen([harness.DRIVER, self.root, "create", i, self.bundle]) for i in ids]
        self.assertEqual([p.wait() for p in ps], [0] * 8)
        self.assertEqual(self.driver("list", "-").stdout.split(), sorted(ids))
        ps = [subprocess.Popen([harness.DRIVER, self.root, "force-delete", i]) for i in ids]
        self.assertEqual([p.wait() for p in ps], [0] * 8)

    def test_protected_program(self):
        self.assertEqual(self.driver("protected", "-").stdout, "protected\n")


if __name__ == "__main__":
    harness.main()
