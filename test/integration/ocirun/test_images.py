#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a container of an image sees."""

import os

import sandbox


class Images(sandbox.Sandbox):
    def tearDown(self):
        self.assert_nothing_left()

    def test_the_last_pulled_image_and_its_command(self):
        self.assertEqual(self.out(), "from the image\n")

    def test_a_command_in_place_of_the_images(self):
        self.assertEqual(self.out(self.image, "echo", "-n", "--name", "a b"), "--name a b")

    def test_entrypoints(self):
        self.assertEqual(self.out("--entrypoint", "echo", self.image, "x"), "x\n")
        self.assertEqual(self.out("--entrypoint", "", self.image, "echo", "y"), "y\n")
        self.assertEqual(self.ocirun("--entrypoint", "", self.image).returncode, 125)

    def test_the_environment(self):
        path = os.path.join(self.top, "env")
        with open(path, "w") as f:
            f.write("# comment\nFROM_FILE=a=b\nHOST\n\nBOTH=file\n")
        lines = self.out("-e", "BOTH=line", "-e", "ABSENT", "-e", "HOST2", "--env-file", path, self.image, "env",
                         env={"HOST": "h1", "HOST2": "h2"}).splitlines()
        for expected in ("FROM_IMAGE=yes", "FROM_FILE=a=b", "HOST=h1", "HOST2=h2", "BOTH=line", "HOME=/root",
                         "PATH=/usr/sbin:/usr/bin:/sbin:/bin"):
            self.assertIn(expected, lines)
        self.assertFalse([l for l in lines if l.startswith(("ABSENT", "OCIRUN", "PYTHONPATH", "TERM="))])

    def test_names(self):
        self.assertEqual(self.out("--name", "my-box_1", self.image, "hostname"), "my-box_1\n")
        self.assertEqual(self.out("--hostname", "h", self.image, "sh", "-c", "hostname; cat /etc/hostname"), "h\nh\n")
        self.assertRegex(self.out(self.image, "hostname"), r"^[0-9a-f]{12}\n$")
        self.assertIn("localhost h", self.out("--hostname", "h", self.image, "cat", "/etc/hosts"))
        self.assertEqual(self.ocirun("--name", "../x", self.image).returncode, 125)

    def test_directories(self):
        self.assertEqual(self.out(self.image, "pwd"), "/home\n")
        self.assertEqual(self.out("-w", "/not/there/yet", self.image, "pwd"), "/not/there/yet\n")
        self.assertIn("absolute", self.ocirun("-w", "rel", self.image).stderr)

    def test_users(self):
        self.assertEqual(self.out(self.image, "id"), "uid=0(root) gid=0(root) groups=0(root),10(wheel)\n")
        self.assertEqual(self.out("-u", "guest", self.image, "sh", "-c", "id; echo $HOME"),
                         "uid=405(guest) gid=100(users) groups=100(users)\n/home\n")
        self.assertEqual(self.out("-u", "77:wheel", self.image, "sh", "-c", "id -u; id -g"), "77\n10\n")
        done = self.ocirun("-u", "mallory", self.image)
        self.assertEqual(done.returncode, 125)
        self.assertIn("mallory", done.stderr)

    def test_rights(self):
        status = self.out(self.image, "cat", "/proc/self/status")
        self.assertRegex(status, r"CapEff:\t00000000a80425fb\n")
        self.assertRegex(status, r"CapInh:\t0000000000000000\n")
        self.assertRegex(status, r"Seccomp:\t2\n")
        status = self.out("-u", "1000", self.image, "cat", "/proc/self/status")
        self.assertRegex(status, r"CapEff:\t0000000000000000\n")
        self.assertRegex(status, r"CapBnd:\t00000000a80425fb\n")
        for forbidden in ("mount -t tmpfs x /mnt", "unshare -m true", "hostname evil", "echo 1 > /proc/sys/kernel/panic",
                          "chroot / mount -t proc x /proc", "mknod /dev/mem c 1 1 && cat /dev/mem"):
            self.assertNotEqual(self.ocirun(self.image, "sh", "-c", forbidden).returncode, 0, forbidden)

    def test_isolation(self):
        self.assertEqual(self.out(self.image, "sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'").splitlines()[0], "1")
        self.assertEqual(self.out(self.image, "ls", "/sys/class/net"), "lo\n")
        self.assertIn("LOOPBACK,UP", self.out(self.image, "ip", "link"))
        for kind in ("pid", "mnt", "uts", "ipc", "net", "cgroup"):
            self.assertNotEqual(self.out(self.image, "readlink", "/proc/self/ns/" + kind).strip(),
                                os.readlink("/proc/self/ns/" + kind))

    def test_low_ports_and_ping_need_no_capability(self):
        for name, value in (("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 2147483647")):
            self.assertEqual(self.out(self.image, "cat", "/proc/sys/net/ipv4/" + name).split(), value.split())

    def test_layers(self):
        self.assertEqual(self.out(self.image, "sh", "-c", "cat /etc/motd; ls /etc").split("\n")[0], "layer 2")
        self.assertNotIn("removed-above", self.out(self.image, "ls", "/etc"))
        names = self.cut_output.split()
        self.assertIn("only", names)
        self.assertNotIn("passwd", names)

    def test_changes_stay_inside(self):
        self.out(self.image, "sh", "-c", "echo x > /etc/motd; rm /etc/passwd; touch /new")
        self.assertEqual(self.out(self.image, "sh", "-c", "cat /etc/motd; ls /etc/passwd; ls /new || true"),
                         "layer 2\n/etc/passwd\n")

    def test_read_only(self):
        done = self.ocirun("--read-only", self.image, "sh", "-c", "touch /x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Read-only", done.stderr)
        self.out("--read-only", self.image, "touch", "/dev/shm/x")

    def test_limits(self):
        script = ("for f in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do cat $f && break; done; "
                  "for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do cat $f && break; done")
        self.assertEqual(self.out("--pids-limit", "23", "--memory", "64MiB", self.image, "sh", "-c", script + " 2>&1")
                         .splitlines()[-1], str(64 << 20))

    def test_input(self):
        self.assertEqual(self.out("-i", self.image, "cat", input="typed\n"), "typed\n")
        self.assertEqual(self.out(self.image, "cat", input="typed\n"), "")
        big = "x" * 3000000
        self.assertEqual(len(self.out("-i", self.image, "cat", input=big)), len(big))

    def test_platforms(self):
        done = self.ocirun("--pull", "never", "--platform", "linux/s390x", self.image)
        self.assertEqual(done.returncode, 125)
        self.assertIn("for that platform, and --pull=never", done.stderr)
        self.assertNotIn("platform", self.ocirun("--pull", "never", "not.there/x:1").stderr)
        self.out("--pull", "never", "--platform", "linux/" + sandbox.ARCH, self.image)


if __name__ == "__main__":
    sandbox.main()
