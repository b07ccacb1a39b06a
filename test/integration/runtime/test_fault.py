# SPDX-License-Identifier: Apache-2.0
"""A system call fails, or the runtime is killed at it: nothing is left, or delete finds it."""
import os
import shutil
import subprocess
import sys

import harness

# What a creation uses, by what could be left behind; the errors are ones that the kernel gives.
CALLS = {
    "clone3": "EAGAIN", "clone": "EAGAIN", "openat2": "ENOMEM", "open_tree": "EPERM", "mount_setattr": "EPERM", "move_mount": "EBUSY",
    "fsopen": "ENODEV", "fsconfig": "EINVAL", "fsmount": "EPERM", "pivot_root": "EBUSY", "umount2": "EBUSY", "mkdirat": "ENOSPC",
    "write": "ENOSPC", "renameat": "ENOSPC", "socketpair": "EMFILE", "socket": "EMFILE", "bind": "EADDRINUSE", "sendto": "EPIPE",
    "sendmsg": "EPIPE", "recvmsg": "ECONNRESET", "flock": "EINTR", "unshare": "EPERM", "keyctl": "EDQUOT", "mknodat": "EPERM",
    "sethostname": "EPERM", "bpf": "EPERM", "capget": "EPERM", "chdir": "ENOENT",
}
PARENT_DIES_AT = ("mkdirat", "openat", "write", "renameat", "clone3", "recvmsg", "sendto", "recvfrom", "close")
# A sanitizer's search for leaks does not work under strace.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
TURNS = 25  # of each call, at most


class Fault(harness.Case):
    def setUp(self):
        super().setUp()
        c = self.config("sleep", "1000", rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
        c["linux"]["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False, "access": "rwm"}]}
        c["mounts"] += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
                        {"destination": "/vol", "type": "bind", "source": self.dir, "options": ["rbind", "ro"]}]
        self.write(c)

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open("/proc/%s/cmdline" % pid).read().split("\0")
            except OSError:
                continue
            if self.id in command and int(pid) != os.getpid():
                found.append(pid)
        return found

    def create(self, inject, *follow):
        """Creates under strace, which lets go of its place (-D): it lives as long as a created container."""
        trace = ["strace", "-D", *follow, "-qq", "-o", self.dir + "/trace", "-e", "trace=" + inject.split(":")[0], "-e", "inject=" + inject]
        with open(self.dir + "/stderr", "w+") as err:
            r = subprocess.run([*trace, harness.DRIVER, self.root, "create", self.id, self.bundle], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=err, env=ENVIRONMENT, timeout=60)
            err.seek(0)
            r.stderr = err.read()
        return r

    def was_hit(self):
        return "(INJECTED)" in open(self.dir + "/trace").read()

    def assert_clean(self, what):
        harness.wait_until(lambda: not self.processes())
        self.assertEqual(harness.cgroups_left(), [], what)
        self.assertEqual(os.listdir(self.root) if os.path.isdir(self.root) else [], [], what)
        self.assertEqual(open("/proc/self/mountinfo").read(), self.mounts_before, what)

    def test_a_call_fails(self):
        met = 0
        for call, error in CALLS.items():
            for turn in range(1, TURNS + 1):
                what = "%s:error=%s:when=%d" % (call, error, turn)
                r = self.create(what, "-f")
                if r.returncode == 0:
                    self.assertEqual(self.state()["status"], "created", what)
                    self.assertEqual(self.driver("force-delete", self.id).returncode, 0, what)
                else:
                    self.assertEqual(r.returncode, 125, what + r.stderr)
                self.assert_clean(what)
                if not self.was_hit():
                    break
                met += 1
        self.assertGreater(met, len(CALLS))

    def test_the_runtime_is_killed(self):
        for call in PARENT_DIES_AT:
            for turn in range(1, TURNS + 1):
                what = "%s:signal=SIGKILL:when=%d" % (call, turn)
                self.create(what)
                self.driver("force-delete", self.id)
                self.assert_clean(what)
                if "+++ killed by SIGKILL" not in open(self.dir + "/trace").read():
                    break

    def test_the_starter_is_killed(self):
        """Started or not: the state says which, and start works exactly while it says created."""
        for call in ("connect", "sendto", "recvfrom", "unlinkat"):
            self.assertEqual(self.driver("create", self.id, self.bundle).returncode, 0)
            inject = call + ":signal=SIGKILL"
            subprocess.run(["strace", "-qq", "-o", self.dir + "/trace", "-e", "trace=" + call, "-e", "inject=" + inject,
                            harness.DRIVER, self.root, "start", self.id], env=ENVIRONMENT, timeout=60)
            self.assertIn("+++ killed by SIGKILL", open(self.dir + "/trace").read())
            if self.state()["status"] == "created":
                self.driver("start", self.id)
            harness.wait_until(lambda: self.state()["status"] == "running")
            self.assertEqual(self.driver("force-delete", self.id).returncode, 0)
            self.assert_clean(call)


if __name__ == "__main__":
    if not shutil.which("strace"):
        print("needs strace")
        sys.exit(77)
    harness.main()
