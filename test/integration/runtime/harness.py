# SPDX-License-Identifier: Apache-2.0
"""Bundles of busybox, the driver, and a look at what is left behind."""
import copy
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

DRIVER = os.environ["RUNTIME_DRIVER"]
OCIRUN = os.environ.get("OCIRUN", "ocirun")
BUSYBOX = "/bin/busybox"
APPLETS = "sh cat ls true false echo id hostname mount ip touch mkdir sleep kill stat readlink test grep dd tty stty ulimit head".split()
ALL_NAMESPACES = ["pid", "network", "ipc", "uts", "mount", "cgroup"]
BASE = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "hostname": "box",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["true"], "env": ["PATH=/bin"], "cwd": "/",
                "noNewPrivileges": True,
                "capabilities": {s: ["CAP_KILL", "CAP_CHOWN"] for s in ("bounding", "effective", "permitted")}},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {"namespaces": [{"type": t} for t in ALL_NAMESPACES],
              "maskedPaths": ["/proc/uptime", "/proc/kcore", "/proc/acpi", "/sys/firmware", "/no/such"],
              "readonlyPaths": ["/proc/sys", "/proc/bus"]},
}


def cgroups_left():
    return glob.glob("/sys/fs/cgroup/**/loci-test-%d*" % os.getpid(), recursive=True)


def wait_until(what, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.01)
    raise AssertionError("did not happen in time")


class Case(unittest.TestCase):
    serial = 0

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="loci-runtime-")
        self.root = self.dir + "/state"
        self.bundle = self.dir + "/bundle"
        self.rootfs = self.bundle + "/rootfs"
        os.makedirs(self.rootfs + "/bin")
        shutil.copy(BUSYBOX, self.rootfs + "/bin/busybox")
        for a in APPLETS:
            os.symlink("busybox", self.rootfs + "/bin/" + a)
        Case.serial += 1
        self.id = "loci-test-%d-%d" % (os.getpid(), Case.serial)
        self.mounts_before = open("/proc/self/mountinfo").read()

    def tearDown(self):
        for name in os.listdir(self.root) if os.path.isdir(self.root) else []:
            self.driver("force-delete", name)
        self.assertEqual(open("/proc/self/mountinfo").read(), self.mounts_before, "mounts are left")
        wait_until(lambda: not cgroups_left())
        self.assertEqual(os.listdir(self.root) if os.path.isdir(self.root) else [], [], "state is left")
        shutil.rmtree(self.dir)

    def config(self, *args, **process):
        c = copy.deepcopy(BASE)
        if args:
            c["process"]["args"] = list(args)
        c["process"].update(process)
        return c

    def write(self, config):
        with open(self.bundle + "/config.json", "w") as f:
            json.dump(config, f)

    def driver(self, verb, id, *more, **kw):
        kw.setdefault("timeout", 60)
        kw.setdefault("stdin", subprocess.DEVNULL)
        # Into files: a created container keeps the descriptors, a pipe would not end.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            r = subprocess.run([DRIVER, self.root, verb, id, *more], stdout=out, stderr=err, **kw)
            out.seek(0)
            err.seek(0)
            r.stdout, r.stderr = out.read(), err.read()
        return r

    def run_container(self, config, *options, **kw):
        self.write(config)
        return self.driver("run", self.id, self.bundle, *options, **kw)

    def sh(self, script, config=None, *options, status=0, **kw):
        """Runs a shell script in a container and gives its output."""
        c = config or self.config()
        c["process"]["args"] = ["sh", "-c", script]
        r = self.run_container(c, *options, **kw)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        return r.stdout

    def refused(self, config, code, *says, **kw):
        r = self.run_container(config, **kw)
        self.assertEqual(r.returncode, 125, r.stdout + r.stderr)
        line = [l for l in r.stderr.splitlines() if not l.startswith("log ")][0]
        self.assertTrue(line.startswith(code + ":"), line)
        for s in says:
            self.assertIn(s, line)

    def state(self, id=None):
        r = self.driver("state", id or self.id)
        return json.loads(r.stdout) if r.returncode == 0 else None


def main():
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(77)
    unittest.main(verbosity=1, warnings="ignore")
