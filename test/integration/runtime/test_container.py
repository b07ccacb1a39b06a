# SPDX-License-Identifier: Apache-2.0
"""What the container sees: namespaces, mounts, devices, masked paths, limits."""
import os
import subprocess
import unittest

import harness

# Nobody drives these: an open that the rules allow says "No such device or address".
DRIVERLESS = [{"path": "/dev/x", "type": "c", "major": 60, "minor": 77}, {"path": "/dev/y", "type": "c", "major": 60, "minor": 78}]
ONE_OF_THEM = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 60, "minor": 78, "access": "r"}]
OPEN_DRIVERLESS = "(: < /dev/x) 2>&1; (: < /dev/y) 2>&1"
ONE_OPENS = "/dev/x: Operation not permitted\n.*/dev/y: No such device or address\n"


class Container(harness.Case):
    def test_namespaces_are_its_own(self):
        out = self.sh("for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done; echo $$; hostname")
        lines = out.split()
        for name, link in zip(["pid", "net", "ipc", "uts", "mnt", "cgroup"], lines):
            self.assertNotEqual(link, os.readlink("/proc/self/ns/" + name))
        self.assertEqual(lines[6:], ["1", "box"])

    def test_namespaces_not_asked_for_are_shared(self):
        c = self.config()
        c["linux"]["namespaces"] = [{"type": "mount"}]
        del c["hostname"]
        out = self.sh("for n in net ipc uts; do readlink /proc/self/ns/$n; done", c)
        self.assertEqual(out.split(), [os.readlink("/proc/self/ns/" + n) for n in ("net", "ipc", "uts")])

    def test_namespaces_joined_by_path(self):
        other = subprocess.Popen(["unshare", "-n", "-u", "-i", "--fork", "--pid", "sleep", "1000"], stderr=subprocess.DEVNULL)
        try:
            mine = os.readlink("/proc/self/ns/net")
            harness.wait_until(lambda: os.readlink("/proc/%d/ns/net" % other.pid) != mine)
            child = harness.wait_until(lambda: open("/proc/%d/task/%d/children" % (other.pid, other.pid)).read().split())[0]
            harness.wait_until(lambda: open("/proc/%s/comm" % child).read() == "sleep\n")
            c = self.config()
            c["linux"]["namespaces"] = [{"type": "mount"}] + [
                {"type": t, "path": "/proc/%s/ns/%s" % (child, f)} for t, f in (("network", "net"), ("uts", "uts"), ("pid", "pid"))]
            out = self.sh("readlink /proc/self/ns/net; readlink /proc/self/ns/pid; echo $$", c).split()
            self.assertEqual(out[:2], [os.readlink("/proc/%s/ns/%s" % (child, n)) for n in ("net", "pid")])
            self.assertNotEqual(out[2], "1")
            c["linux"]["namespaces"][1]["path"] = "/proc/%s/ns/uts" % child
            self.refused(c, "INVALID", "namespaces[1]", "is no network namespace")
        finally:
            subprocess.run(["kill", "-9", child])
            other.kill()
            other.wait()

    def test_joined_host_namespace_is_protected(self):
        c = self.config()
        c["linux"]["namespaces"] = [{"type": "mount"}, {"type": "uts"}, {"type": "network", "path": "/proc/self/ns/net"}]
        c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
        self.refused(c, "INVALID", "is the host's")

        c = self.config()
        del c["hostname"]
        c["domainname"] = "not-the-host-s"
        c["linux"]["namespaces"] = [{"type": "mount"}, {"type": "uts", "path": "/proc/self/ns/uts"}]
        self.write(c)
        r = subprocess.run(["unshare", "-u", harness.DRIVER, self.root, "run", self.id, self.bundle], stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 125)
        self.assertIn("is the host's", r.stderr)

    def test_loopback_is_up(self):
        self.assertIn("inet 127.0.0.1/8", self.sh("ip addr show dev lo"))

    def test_mounts(self):
        lines = {l.split()[2]: l for l in self.sh("mount").splitlines()}
        for path, words in {"/proc": ["type proc"], "/dev": ["type tmpfs", "nosuid", "mode=755"], "/dev/pts": ["devpts", "gid=5"],
                            "/dev/shm": ["noexec", "nodev"], "/dev/mqueue": ["mqueue"], "/sys": ["sysfs", "ro,"],
                            "/proc/sys": ["(ro"], "/sys/firmware": ["tmpfs", "(ro"]}.items():
            for w in words:
                self.assertIn(w, lines[path])
        self.assertNotIn(self.dir, "".join(lines.values()))

    def test_old_root_is_gone(self):
        self.assertEqual(self.sh("ls /; grep -c . /proc/self/mountinfo").split()[:4], ["bin", "dev", "proc", "sys"])

    def test_devices(self):
        out = self.sh("for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done; readlink /dev/fd; readlink /dev/ptmx; echo x > /dev/null; head -c 3 /dev/zero > /dev/null")
        self.assertIn("/dev/null character special file 1:3 666", out)
        self.assertIn("/dev/tty character special file 5:0 666", out)
        self.assertIn("/proc/self/fd\npts/ptmx", out)

    def test_configured_device(self):
        c = self.config()
        c["linux"]["devices"] = [{"path": "/dev/more/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 7, "gid": 8}]
        self.assertEqual(self.sh("stat -c '%F %t:%T %a %u:%g' /dev/more/fuse", c), "character special file a:e5 600 7:8\n")

    def test_device_rules(self):
        c = self.config()
        c["linux"]["resources"] = {"devices": ONE_OF_THEM}
        c["linux"]["devices"] = DRIVERLESS
        out = self.sh("echo x > /dev/null && head -c 1 /dev/zero > /dev/null; " + OPEN_DRIVERLESS, c, status=1)
        self.assertRegex(out, ONE_OPENS)

    def assert_only_default_devices(self, run):
        c = self.config()
        c["linux"]["devices"] = DRIVERLESS + [{"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200},
                                              {"path": "/dev/host-console", "type": "c", "major": 5, "minor": 1}]
        c["process"]["capabilities"] = {s: ["CAP_MKNOD"] for s in ("bounding", "effective", "permitted")}
        c["process"]["args"] = ["sh", "-c", OPEN_DRIVERLESS + "; (: < /dev/host-console) 2>&1"]
        self.assertEqual(run(c).count("Operation not permitted"), 3)
        defaults = "null zero full random urandom tty ptmx net/tun"
        c["process"]["args"] = ["sh", "-c", "for d in %s; do (: < /dev/$d) 2>&1; done; (: < /dev/pts/0) 2>&1; "
                                "busybox mknod /dev/z c 60 79 && busybox mknod /dev/b b 60 79 && echo made" % defaults]
        out = run(c)
        self.assertNotIn("not permitted", out)
        self.assertIn("made\n", out)

    def test_devices_without_rules(self):
        self.assert_only_default_devices(lambda c: self.run_container(c).stdout)

    @unittest.skipUnless(os.path.ismount("/sys/fs/cgroup/unified"), "no hybrid layout")
    def test_version_1_devices_without_rules(self):
        self.assert_only_default_devices(lambda c: self.in_view("umount /sys/fs/cgroup/unified", c, status=None))

    def test_masked_and_read_only(self):
        out = self.sh("cat /proc/uptime; ls /sys/firmware; echo 1 > /proc/sys/kernel/hostname || echo refused")
        self.assertEqual(out, "refused\n")

    def test_read_only_root(self):
        c = self.config()
        c["root"]["readonly"] = True
        self.assertIn("Read-only", self.sh("touch /x 2>&1; touch /dev/shm/y", c))
        self.assertFalse(os.path.exists(self.rootfs + "/x"))

    def test_binds(self):
        os.makedirs(self.bundle + "/vol/sub")
        open(self.bundle + "/vol/file", "w").write("content")
        c = self.config()
        c["mounts"] += [{"destination": "/made/for/it", "type": "bind", "source": "vol", "options": ["rbind", "ro", "nosuid"]},
                        {"destination": "/etc/one", "type": "bind", "source": self.bundle + "/vol/file", "options": ["bind", "rw"]}]
        out = self.sh("cat /made/for/it/file /etc/one; touch /made/for/it/x 2>&1; echo new > /etc/one; grep ' /made' /proc/self/mountinfo", c)
        self.assertIn("contentcontent", out)
        self.assertIn("Read-only file system", out)
        self.assertIn("ro,nosuid", out)
        self.assertEqual(open(self.bundle + "/vol/file").read(), "new\n")

    def test_recursive_read_only(self):
        c = self.config()
        c["mounts"] += [{"destination": "/r", "type": "bind", "source": "/dev", "options": ["rbind", "rro"]}]
        self.assertIn("Read-only", self.sh("touch /r/shm/x 2>&1; true", c))
        c["mounts"][-1]["options"] = ["rbind", "ro"]
        self.sh("touch /r/shm/loci-rro && busybox rm /r/shm/loci-rro", c)

    def test_propagation(self):
        c = self.config()
        os.mkdir(self.bundle + "/vol")
        c["mounts"] += [{"destination": "/s", "type": "bind", "source": "vol", "options": ["bind", "shared"]},
                        {"destination": "/u", "type": "tmpfs", "source": "tmpfs", "options": ["unbindable"]}]
        c["linux"]["rootfsPropagation"] = "shared"
        out = self.sh("grep -E ' (/s|/u|/) ' /proc/self/mountinfo", c)
        self.assertEqual(out.count("shared:"), 2)
        self.assertEqual(out.count("unbindable"), 1)

    def test_bad_mount_option_says_what_the_kernel_says(self):
        c = self.config()
        c["mounts"] += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=much"]}]
        self.refused(c, "SYS", "size=much", "tmpfs")

    def test_sysctl(self):
        c = self.config()
        c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "1234"}
        self.assertEqual(self.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni", c), "1\n1234\n")

    def test_cgroup_mount(self):
        c = self.config()
        c["mounts"] += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}]
        c["linux"]["resources"] = {"pids": {"limit": 50}}
        out = self.sh("cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max; cat /proc/self/cgroup", c)
        self.assertEqual(out.split("\n")[0], "50")
        self.assertNotIn("loci-test", out)

    def test_memory_limit_kills(self):
        c = self.config()
        c["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
        self.sh("dd if=/dev/zero of=/dev/null bs=64M count=1", c, status=137)

    def test_pids_limit(self):
        c = self.config()
        c["linux"]["resources"] = {"pids": {"limit": 5}}
        out = self.sh("exec 2>&1; for i in 1 2 3 4 5 6 7 8; do sleep 100 & echo $i; done", c, status=2)
        self.assertRegex(out, "^1\n2\n3\n4\n.*can't fork")

    def test_cpu_limits(self):
        c = self.config()
        c["linux"]["resources"] = {"cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}}
        self.assertIn("Cpus_allowed_list:\t0\n", self.sh("cat /proc/self/status", c))

    def test_unknown_controller_is_an_error(self):
        c = self.config()
        c["linux"]["resources"] = {"rdma": {"mlx5_1": {"hcaHandles": 3}}}
        self.refused(c, "UNSUPPORTED", "rdma")

    def test_cgroups_path(self):
        c = self.config("sleep", "1000")
        c["linux"]["cgroupsPath"] = "/loci-test-%d-outer/" % os.getpid() + self.id
        self.write(c)
        self.assertEqual(self.driver("create", self.id, self.bundle).returncode, 0)
        pid = self.state()["pid"]
        self.assertIn("/loci-test-%d-outer/" % os.getpid() + self.id, open("/proc/%d/cgroup" % pid).read())

    def in_view(self, prepare, config, status=0):
        """Runs a container where `prepare` has changed the view of the cgroups, in a mount namespace of its own."""
        self.write(config)
        r = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-ec", prepare + '; exec "$@"', "sh",
                            harness.DRIVER, self.root, "run", self.id, self.bundle], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if status is not None:
            self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        return r.stdout

    @unittest.skipUnless(os.path.ismount("/sys/fs/cgroup/unified"), "no hybrid layout")
    def test_version_1_alone(self):
        c = self.config("sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup; " + OPEN_DRIVERLESS + "; dd if=/dev/zero of=/dev/null bs=64M count=1")
        c["mounts"] += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "cgroup"]
        c["linux"]["devices"] = DRIVERLESS
        c["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}, "devices": ONE_OF_THEM}
        out = self.in_view("umount /sys/fs/cgroup/unified", c, status=137)
        self.assertIn("memory:/ocirun/" + self.id, out)
        self.assertIn("devices\nmemory\n", out)
        self.assertRegex(out, ONE_OPENS)

    @unittest.skipUnless(os.path.ismount("/sys/fs/cgroup/unified"), "no hybrid layout")
    def test_version_1_rule_for_every_type(self):
        c = self.config("sh", "-c", "(: < /dev/x) 2>&1; (: > /dev/x) 2>&1")
        c["linux"]["devices"] = DRIVERLESS
        c["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "access": "r"}]}
        out = self.in_view("umount /sys/fs/cgroup/unified", c, status=1)
        self.assertRegex(out, "(?s)No such device or address.*Operation not permitted")

    @unittest.skipUnless(os.path.ismount("/sys/fs/cgroup/unified"), "no hybrid layout")
    def test_version_2_alone(self):
        outer = "/sys/fs/cgroup/unified/loci-test-%d-v2" % os.getpid()
        os.mkdir(outer)
        try:
            view = "mount --bind %s /sys/fs/cgroup" % outer
            c = self.config("sh", "-c", "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/cgroup.procs; " + OPEN_DRIVERLESS + "; true")
            c["mounts"] += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
            c["linux"]["devices"] = DRIVERLESS
            c["linux"]["resources"] = {"devices": ONE_OF_THEM}
            out = self.in_view(view, c)
            self.assertIn("0::/\n", out)
            self.assertIn("/sys/fs/cgroup/cgroup.procs", out)
            self.assertRegex(out, ONE_OPENS)
            c["linux"]["resources"] = {"memory": {"limit": 1 << 24}}
            self.in_view(view, c, status=125)  # the controller is elsewhere here
            self.assertEqual([e for e in os.listdir(outer) if os.path.isdir(outer + "/" + e)], [])
        finally:
            os.rmdir(outer)

    def test_overlay(self):
        top, upper, work = [self.dir + "/" + n for n in ("top", "upper", "work")]
        for d in (top, upper, work):
            os.mkdir(d)
        open(top + "/marker", "w").write("layer\n")
        c = self.config()
        del c["root"]["path"]
        c["root"]["path"] = "unused"
        layers = ["lower", top, "lower", self.rootfs]
        out = self.sh("cat /marker; echo w > /written", c, *layers, "upper", upper, "work", work)
        self.assertEqual(out, "layer\n")
        self.assertEqual(open(upper + "/written").read(), "w\n")
        for d in ("proc", "dev", "sys"):
            os.makedirs(self.rootfs + "/" + d, exist_ok=True)
        self.assertIn("Read-only", self.sh("touch /x 2>&1; true", c, *layers))
        self.assertIn("Read-only", self.sh("touch /x 2>&1; true", c, "lower", self.rootfs))


if __name__ == "__main__":
    harness.main()
