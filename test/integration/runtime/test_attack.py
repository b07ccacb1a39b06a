# SPDX-License-Identifier: Apache-2.0
"""Hostile rootfs and config: nothing outside of the rootfs is reached, read or made."""
import contextlib
import os
import shutil
import subprocess
import sys

import harness


class Attack(harness.Case):
    def setUp(self):
        super().setUp()
        self.outside = self.dir + "/outside"
        os.mkdir(self.outside)
        open(self.outside + "/secret", "w").write("secret")

    def tearDown(self):
        self.assertEqual(os.listdir(self.outside), ["secret"])
        self.assertEqual(open(self.outside + "/secret").read(), "secret")
        super().tearDown()

    def test_proc_is_a_symlink(self):
        os.symlink(self.outside, self.rootfs + "/proc")
        self.refused(self.config(), "SYS", "/proc")
        os.unlink(self.rootfs + "/proc")
        os.mkdir(self.rootfs + "/real")
        os.symlink("/real", self.rootfs + "/proc")
        self.refused(self.config(), "SYS", "/proc")

    def test_sys_is_a_symlink(self):
        os.symlink("/tmp", self.rootfs + "/sys")
        self.refused(self.config(), "SYS", "/sys")

    def test_mount_target_leads_outside(self):
        os.symlink(self.outside, self.rootfs + "/link")
        os.symlink("../../../../../../../.." + self.outside, self.rootfs + "/dots")
        for target in ("/link/made", "/dots/made", "/link", "/a/../../../" + self.outside + "/made"):
            c = self.config("true")
            c["mounts"] += [{"destination": target, "type": "tmpfs", "source": "tmpfs"}]
            self.run_container(c)  # may work or not, but only inside
            c["mounts"][-1] = {"destination": target + "/f", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
            self.run_container(c)

    @contextlib.contextmanager
    def exchanging(self, a, b):
        """Another process exchanges the two names without a pause."""
        code = """if True:
            import ctypes, os, sys
            rename = ctypes.CDLL(None, use_errno=True).renameat2
            a, b = (os.fsencode(p) for p in sys.argv[1:])
            print("ready", flush=True)
            while True:
                if rename(-100, a, -100, b, 2) < 0:
                    sys.exit(os.strerror(ctypes.get_errno()))
        """
        with subprocess.Popen([sys.executable, "-c", code, a, b], stdout=subprocess.PIPE, text=True) as p:
            try:
                self.assertEqual(p.stdout.readline(), "ready\n")
                yield
                self.assertIsNone(p.poll())
            finally:
                p.kill()

    def test_names_are_exchanged_meanwhile(self):
        # One more directory that leads nowhere and a link that leads out take turns below each path that is used.
        volume = self.dir + "/volume"
        os.makedirs(volume + "/turn")
        os.symlink(self.outside, volume + "/other")
        c = self.config("true")
        c["mounts"] += [{"destination": "/v", "type": "bind", "source": volume, "options": ["rbind"]},
                        {"destination": "/v/turn/dir/tmp", "type": "tmpfs", "source": "tmpfs"},
                        {"destination": "/v/turn/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]},
                        {"destination": "/v/turn/secret", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}]
        c["linux"]["devices"] = [{"path": "/v/turn/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 7}]
        c["linux"]["maskedPaths"] = ["/v/turn/secret", "/v/turn"]
        c["linux"]["readonlyPaths"] = ["/v/turn"]
        c["process"]["cwd"] = "/v/turn/cwd"
        with self.exchanging(volume + "/turn", volume + "/other"):
            for i in range(100):
                self.run_container(c)  # may work or not
                self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_proc_is_exchanged_meanwhile(self):
        os.mkdir(self.rootfs + "/proc")
        os.symlink(self.outside, self.rootfs + "/other")
        c = self.config("sh", "-c", "test ! -e /proc/secret")
        c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
        c["process"]["oomScoreAdj"] = 500
        with self.exchanging(self.rootfs + "/proc", self.rootfs + "/other"):
            for i in range(50):
                r = self.run_container(c)
                self.assertIn(r.returncode, (0, 125), r.stderr)
                self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_dev_is_a_symlink(self):
        os.symlink(self.outside, self.rootfs + "/dev")
        c = self.config("true")
        c["mounts"] = c["mounts"][:1]
        self.run_container(c)

    def test_dev_null_is_a_symlink(self):
        os.mkdir(self.rootfs + "/dev")
        os.symlink(self.outside + "/secret", self.rootfs + "/dev/null")
        c = self.config("true")
        c["mounts"] = c["mounts"][:1]  # /dev is the image's own
        self.refused(c, "EXISTS", "/dev/null")

    def test_masked_path_uses_the_real_null(self):
        os.mkdir(self.rootfs + "/etc")
        open(self.rootfs + "/etc/hidden", "w").write("hidden")
        os.symlink("/etc/hidden", self.rootfs + "/via")
        c = self.config()
        c["linux"]["maskedPaths"] = ["/etc/hidden", "/via"]
        self.assertEqual(self.sh("cat /etc/hidden; stat -c %t:%T /etc/hidden", c), "1:3\n")

    def test_masked_path_is_not_the_host_s_to_change(self):
        os.mkdir(self.rootfs + "/etc")
        open(self.rootfs + "/etc/hidden", "w").write("hidden")
        c = self.config()
        c["linux"]["maskedPaths"] = ["/etc/hidden"]
        before = os.stat("/dev/null").st_mtime_ns
        self.assertIn("Read-only file system", self.sh("echo x > /etc/hidden && touch /etc/hidden 2>&1; true", c))
        self.assertEqual(os.stat("/dev/null").st_mtime_ns, before)

    def test_masked_path_leads_outside(self):
        os.symlink(self.outside, self.rootfs + "/m")
        c = self.config("true")
        c["linux"]["maskedPaths"] = ["/m", "/m/secret"]
        self.assertEqual(self.run_container(c).returncode, 0)

    def test_cwd_is_a_leaked_descriptor(self):
        for n in range(3, 25):
            c = self.config("cat", "../../../../../../.." + self.outside + "/secret", cwd="/proc/self/fd/%d" % n)
            r = self.run_container(c)
            self.assertNotIn("secret", r.stdout)
            self.assertEqual(r.returncode, 125, r.stderr)

    def test_cwd_through_a_symlink_of_the_image(self):
        for n in range(3, 25):
            link = self.rootfs + "/cwd"
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink("/proc/self/fd/%d" % n, link)
            r = self.run_container(self.config("sh", "-c", "cat ../../../../../../.." + self.outside + "/secret", cwd="/cwd"))
            self.assertNotEqual(r.returncode, 0)
            self.assertNotIn("secret", r.stdout)

    def test_program_is_the_runtime(self):
        """The container opens what its first process was before it became the program, and writes to it when
        nobody runs it any more. A copy of ocirun, as this would succeed without protection."""
        runtime = self.dir + "/ocirun"
        shutil.copy(harness.OCIRUN, runtime)
        before = open(runtime, "rb").read()
        c = self.config("sh", "-c", "touch /program; exec sleep 1000")
        c["process"]["capabilities"] = {s: ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"] for s in ("bounding", "effective", "permitted")}
        attack = ("exec 3< /proc/1/exe || exit; (until test -e /program; do sleep 0.02; done; "
                  "until (echo evil >> /proc/self/fd/3) 2> /said; do grep -q busy /said || break; sleep 0.02; done; "
                  "touch /done) > /dev/null 2>&1 &")
        c["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", attack]}]}
        self.write(c)
        with open(self.dir + "/out", "w+") as out:
            r = subprocess.run([runtime, "--root", self.root, "run", "-d", "-b", self.bundle, self.id],
                               stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60)
            out.seek(0)
            self.assertEqual(r.returncode, 0, out.read())
        harness.wait_until(lambda: os.path.exists(self.rootfs + "/done"))
        self.assertEqual(open(runtime, "rb").read(), before)
        self.assertRegex(open(self.rootfs + "/said").read(), "Read-only file system|Operation not permitted")

    def test_the_host_s_root_cannot_be_found(self):
        out = self.sh("cd /proc/1/root; ls -d ..%s 2>&1; ls /proc/1/cwd" % self.outside)
        self.assertIn("No such file", out)

    def test_sysctl_of_a_false_proc(self):
        # /proc is the image's own directory: the value goes to the kernel, not into its file
        os.makedirs(self.rootfs + "/proc/sys/net/ipv4")
        open(self.rootfs + "/proc/sys/net/ipv4/ip_forward", "w").write("0")
        c = self.config("true")
        c["mounts"] = []
        c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
        self.assertEqual(self.run_container(c).returncode, 0)
        self.assertEqual(open(self.rootfs + "/proc/sys/net/ipv4/ip_forward").read(), "0")

    def test_symlink_loops(self):
        os.symlink("b", self.rootfs + "/a")
        os.symlink("a", self.rootfs + "/b")
        c = self.config("true")
        c["mounts"] += [{"destination": "/a/x", "type": "tmpfs", "source": "tmpfs"}]
        self.refused(c, "SYS", "/a/x")


if __name__ == "__main__":
    harness.main()
