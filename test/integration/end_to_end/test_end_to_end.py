#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, as a user does it: an image into the registry, out by ocipull, run by ocirun.

    test_end_to_end.py BUILD/bin

Needs root. Everything is below one temporary directory; the last test looks that nothing is left elsewhere.
"""
import glob
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "interop"), os.path.join(HERE, "..", "..", "images")]
import images  # noqa: E402

BIN = ""
NAME = "library/alpine"


def files_below(path):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(path) for name in names)


def traces(root):
    """What a container leaves when it is not cleaned up: mounts, cgroups, state, bundles."""
    with open("/proc/self/mountinfo") as f:
        mounts = [line for line in f if root in line]
    return {"mounts": mounts, "cgroups": glob.glob("/sys/fs/cgroup/**/ocirun/*/", recursive=True),
            "state": os.listdir(root + "/state") if os.path.isdir(root + "/state") else [],
            "bundles": glob.glob(root + "/*/run/bundles/*")}


def wait_for(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited %d s in vain: %s" % (seconds, what))
        time.sleep(0.01)


class EndToEnd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="loci-end-to-end-")
        os.chmod(cls.root, 0o755)
        cls.store = cls.root + "/store"
        cls.before = traces(cls.root)
        cls.made = images.Made(cls.root + "/images")
        cls.registry = images.Registry(BIN, cls.store)
        cls.registry.push_layout(cls.made.layout, "index", NAME, "3.19")
        cls.ref = "%s/%s:3.19" % (cls.registry.address, NAME)
        cls.pull(cls.store)

    @classmethod
    def tearDownClass(cls):
        cls.registry.close()
        after = traces(cls.root)
        shutil.rmtree(cls.root)
        if after != cls.before:
            raise AssertionError("left behind: %s" % after)

    @classmethod
    def pull(cls, store, *args):
        return subprocess.run([BIN + "/ocipull", "--store", store, *(args or [cls.ref])], text=True, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def command(self, *args, options=()):
        return [BIN + "/ocirun", "--store", self.store, "--root", self.root + "/state", *options, self.ref, *args]

    def ocirun(self, *args, options=(), **kw):
        return subprocess.run(self.command(*args, options=options), text=True, stdin=kw.pop("stdin", subprocess.DEVNULL),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **kw)

    def says(self, expected, *args, options=(), **kw):
        done = self.ocirun(*args, options=options, **kw)
        self.assertEqual((0, expected), (done.returncode, done.stdout), done.stderr)

    # ---- pull ----

    def test_digest_on_stdout(self):
        self.assertEqual(self.registry.digest(NAME, "3.19") + "\n", self.pull(self.store, "-q", self.ref))

    def test_one_store_holds_no_second_copy(self):
        before = files_below(self.store + "/blobs")
        self.pull(self.store, "-q", self.ref)
        self.assertEqual(before, files_below(self.store + "/blobs"))

    def test_another_store_gets_the_same_bytes(self):
        other = self.root + "/other"
        self.pull(other, "-q", self.ref)
        for path in files_below(other + "/blobs"):
            self.assertEqual("sha256:" + os.path.basename(path), images.file_digest(path))
        shutil.rmtree(other)

    def test_zstd_layers_unpack_alike(self):
        self.registry.push_layout(self.made.layout, "zstd", NAME, "zstd")
        other = self.root + "/zstd"
        ref = "%s/%s:zstd" % (self.registry.address, NAME)
        self.pull(other, "-q", ref)
        done = subprocess.run([BIN + "/ocirun", "--store", other, "--root", self.root + "/state", ref, "cat",
                               "/etc/motd", "/etc/zstd-1"], text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual((0, "layer 2\nzstd\n"), (done.returncode, done.stdout))
        shutil.rmtree(other)

    # ---- run ----

    def test_last_pulled_image_is_the_default(self):
        self.pull(self.store, "-q", self.ref)
        done = subprocess.run([BIN + "/ocirun", "--store", self.store, "--root", self.root + "/state"],
                              input="cat /etc/motd\nexit 5\n", text=True, stdout=subprocess.PIPE)
        # Without -i there is no input for the shell, as with docker.
        self.assertEqual((0, ""), (done.returncode, done.stdout))
        done = subprocess.run([BIN + "/ocirun", "--store", self.store, "--root", self.root + "/state", "-i"],
                              input="cat /etc/motd\nexit 5\n", text=True, stdout=subprocess.PIPE)
        self.assertEqual((5, "layer 2\n"), (done.returncode, done.stdout))

    def test_layers_are_one_file_system(self):
        self.says("layer 2\n3.19.0\n", "cat", "/etc/motd", "/etc/alpine-release")
        self.assertEqual(1, self.ocirun("test", "-e", "/etc/removed-above").returncode)

    def test_is_alone(self):
        self.says("1\n", "sh", "-c", "echo $$")
        self.says("lo\n", "sh", "-c", "ls /sys/class/net")
        self.says("box\n", "hostname", options=["--hostname", "box"])
        self.assertNotEqual(os.uname().nodename, self.ocirun("hostname").stdout.strip())

    def test_user_environment_workdir(self):
        self.says("uid=405(guest) gid=100(users) groups=100(users)\n", "id", options=["-u", "guest"])
        self.says("value /tmp\n", "sh", "-c", "echo $KEY $PWD", options=["-e", "KEY=value", "-w", "/tmp"])

    def test_writes_stay_in_the_container(self):
        self.says("new\n", "sh", "-c", "echo new >/etc/motd; cat /etc/motd")
        self.says("layer 2\n", "cat", "/etc/motd")
        self.assertNotEqual(0, self.ocirun("touch", "/x", options=["--read-only"]).returncode)

    def test_exit_status(self):
        self.assertEqual(7, self.ocirun("sh", "-c", "exit 7").returncode)
        self.assertEqual(127, self.ocirun("no-such-program").returncode)
        self.assertEqual(126, self.ocirun("/etc/motd").returncode)
        self.assertEqual(128 + 9, self.ocirun("sh", "-c", "sh -c 'kill -9 $$'; exit $?").returncode)

    def test_signals_are_forwarded(self):
        child = subprocess.Popen(self.command("sh", "-c", "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.1; done"),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.assertEqual("up\n", child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        self.assertEqual(("got\n", 3), (child.communicate(timeout=60)[0], child.returncode))

    def test_limits(self):
        self.assertEqual(128 + 9, self.ocirun("sh", "-c", "x=x; while :; do x=$x$x; done",
                                              options=["-m", "16MiB"]).returncode)
        done = self.ocirun("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all; kill $(jobs -p)",
                           options=["--pids-limit", "4"])
        self.assertNotIn("all", done.stdout)

    def test_privileges(self):
        status = self.ocirun("cat", "/proc/self/status").stdout
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual("00000000a80425fb", fields["CapEff"])  # docker's default set
        self.assertEqual("2", fields["Seccomp"])
        self.assertNotEqual(0, self.ocirun("mount", "-t", "tmpfs", "none", "/tmp").returncode)

    def test_terminal(self):
        pid, master = pty.fork()
        if pid == 0:
            argv = self.command("sh", "-c", "test -t 0 && test -t 1 && stty size && tty", options=["-it"])
            os.execv(argv[0], argv)
        said = b""
        while True:
            try:
                chunk = os.read(master, 4096)
            except OSError:
                break
            if not chunk:
                break
            said += chunk
        os.close(master)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said)
        self.assertIn(b"/dev/", said)

    def test_killed_runtime_leaves_what_the_next_one_removes(self):
        child = subprocess.Popen(self.command("sh", "-c", "echo up; exec sleep 1000"), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, text=True)
        self.assertEqual("up\n", child.stdout.readline())
        child.kill()
        child.wait()
        child.stdout.close()
        wait_for("the container dies and is removed", lambda: self.ocirun("true").returncode == 0 and
                 traces(self.root) == self.before)

    def test_many_at_once(self):
        running = [subprocess.Popen(self.command("sh", "-c", "echo %d" % i), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, text=True) for i in range(8)]
        self.assertEqual(["%d\n" % i for i in range(8)], [r.communicate(timeout=120)[0] for r in running])

    # ---- bundles ----

    def test_runtime_verbs(self):
        """create, state, start, kill, delete, as docker drives runc."""
        bundle = self.root + "/bundle"
        os.makedirs(bundle + "/rootfs/bin")
        shutil.copy("/bin/busybox", bundle + "/rootfs/bin/sh")
        base = [BIN + "/ocirun", "--root", self.root + "/state"]

        def verb(*args):
            return subprocess.run([*base, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=60)

        self.assertEqual(0, verb("spec", "--bundle", bundle).returncode)
        config = bundle + "/config.json"
        subprocess.run(["python3", "-c", "import json,sys; p=sys.argv[1]; c=json.load(open(p));"
                        "c['process']['terminal']=False; c['process']['args']=['sh','-c','while :; do sleep 1; done'];"
                        "json.dump(c,open(p,'w'))", config], check=True)
        with open(self.root + "/out", "w") as out:
            created = subprocess.run([*base, "create", "--bundle", bundle, "one"], stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=out, timeout=60)
        with open(self.root + "/out") as f:
            self.assertEqual(0, created.returncode, f.read())
        self.assertIn('"created"', verb("state", "one").stdout)
        self.assertNotEqual(0, verb("create", "--bundle", bundle, "one").returncode)
        self.assertEqual(0, verb("start", "one").returncode)
        self.assertIn('"running"', verb("state", "one").stdout)
        self.assertNotEqual(0, verb("delete", "one").returncode)
        self.assertEqual(0, verb("kill", "one", "KILL").returncode)
        wait_for("it is stopped", lambda: '"stopped"' in verb("state", "one").stdout)
        self.assertEqual(0, verb("delete", "one").returncode)
        self.assertNotEqual(0, verb("state", "one").returncode)
        shutil.rmtree(bundle)


if __name__ == "__main__":
    BIN = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
