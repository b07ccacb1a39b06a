# SPDX-License-Identifier: Apache-2.0
"""The process: exit codes, user, capabilities, limits, environment, descriptors, terminal, seccomp, hooks."""
import array
import ctypes
import json
import os
import socket
import subprocess
import sys

import harness


class Process(harness.Case):
    def test_exit_codes(self):
        for n in (0, 1, 77, 255):
            self.sh("exit %d" % n, status=n)
        self.sh("kill -9 $$; sleep 100 & sleep 0; busybox sh -c 'kill -9 $PPID'; exit 3", status=3)

    def test_signal_is_128_more(self):
        c = self.config()
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]
        self.sh("kill -15 $$", c, status=143)

    def test_no_such_program(self):
        self.refused(self.config("no-such-program"), "NOT_FOUND", "no-such-program", "No such file")
        self.refused(self.config("/bin"), "DENIED", "/bin")

    def test_program_is_found_in_path(self):
        os.makedirs(self.rootfs + "/opt")
        os.symlink("/bin/busybox", self.rootfs + "/opt/echo")
        r = self.run_container(self.config("echo", "a  b", env=["PATH=/nowhere:/opt"]))
        self.assertEqual((r.returncode, r.stdout), (0, "a  b\n"))

    def test_environment_is_the_config_s(self):
        c = self.config(env=["PATH=/bin", "A=1", "B=x=y"])
        out = self.sh("busybox env", c)
        self.assertLessEqual({"A=1", "B=x=y"}, set(out.split()))
        self.assertNotIn("RUNTIME_DRIVER", out)

    def test_user_and_groups(self):
        c = self.config(user={"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o027})
        out = self.sh("id -u; id -g; id -G; umask", c)
        self.assertEqual(out, "1000\n1001\n1001 5 6\n0027\n")

    def test_ids_that_mean_no_change(self):
        for user in ({"uid": 4294967295, "gid": 0}, {"uid": 1, "gid": 4294967295},
                     {"uid": 1, "gid": 1, "additionalGids": [4294967295]}):
            self.refused(self.config(user=user), "INVALID", "$.process.user.", "4294967295")

    def test_capabilities(self):
        sets = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
        c = self.config(user={"uid": 5, "gid": 5}, capabilities=sets)
        out = self.sh("cat /proc/self/status", c)
        got = dict(l.split(":\t") for l in out.splitlines() if l.startswith("Cap"))
        self.assertEqual({k: int(v, 16) for k, v in got.items()}, {"CapInh": 32, "CapPrm": 32, "CapEff": 32, "CapBnd": 33, "CapAmb": 32})
        c = self.config(capabilities=sets)
        out = self.sh("cat /proc/self/status", c)
        self.assertIn("CapBnd:\t0000000000000021", out)
        del c["process"]["capabilities"]
        self.assertIn("CapBnd:\t0000000000000000", self.sh("cat /proc/self/status", c))

    def test_ambient_capabilities_of_the_caller_end_here(self):
        sets = {s: ["CAP_KILL"] for s in ("bounding", "effective", "permitted", "inheritable")}
        self.write(self.config("grep", "CapAmb", "/proc/self/status", capabilities=sets))
        r = subprocess.run(["setpriv", "--inh-caps", "+kill", "--ambient-caps", "+kill", harness.DRIVER, self.root, "run", self.id,
                            self.bundle], stdout=subprocess.PIPE, text=True)
        self.assertEqual((r.returncode, r.stdout), (0, "CapAmb:\t0000000000000000\n"))

    def test_session_keyring_is_its_own(self):
        # The caller's session has a key that only its possessor may read.
        keyctl, add_key, join, read = 250, 248, 1, 11
        code = "import ctypes; b = ctypes.create_string_buffer(9); print(ctypes.CDLL(None).syscall(%d, %d, %s, b, 9))"
        c = self.config()
        c["mounts"] += [{"destination": d, "type": "bind", "source": d, "options": ["rbind", "ro"]}
                        for d in ("/usr", "/lib", "/lib64", sys.base_prefix) if os.path.exists(d)]
        libc = ctypes.CDLL(None)
        if libc.syscall(keyctl, join, None) < 0:
            self.skipTest("this kernel has no keyrings")
        key = libc.syscall(add_key, b"user", b"loci-secret", b"secret", 6, -3)
        self.assertGreater(key, 0)
        mine = subprocess.check_output([sys.executable, "-c", code % (keyctl, read, key)], text=True)
        self.assertEqual(mine, "6\n")
        c["process"]["args"] = [os.path.realpath(sys.executable), "-c", code % (keyctl, read, key)]
        r = self.run_container(c)
        self.assertEqual((r.returncode, r.stdout), (0, "-1\n"), r.stderr)

    def test_unknown_capability_is_a_warning(self):
        c = self.config("true")
        c["process"]["capabilities"]["bounding"] = ["CAP_TO_COME"]
        r = self.run_container(c)
        self.assertEqual(r.returncode, 0)
        self.assertIn("CAP_TO_COME", r.stderr)

    def test_no_new_privileges(self):
        self.assertIn("NoNewPrivs:\t1", self.sh("cat /proc/self/status"))
        self.assertIn("NoNewPrivs:\t0", self.sh("cat /proc/self/status", self.config(noNewPrivileges=False)))

    def test_rlimits(self):
        c = self.config(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
        out = self.sh("cat /proc/self/limits", c)
        self.assertRegex(out, r"Max open files +100 +200")

    def test_rlimit_that_is_refused_is_an_error(self):
        eff = [l for l in open("/proc/self/status") if l.startswith("CapEff")][0]
        if int(eff.split()[1], 16) >> 24 & 1:
            self.skipTest("this root may raise every limit")
        c = self.config(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1 << 20, "hard": 1 << 20}])
        self.refused(c, "DENIED", "RLIMIT_NOFILE")

    def test_oom_score(self):
        self.assertEqual(self.sh("cat /proc/self/oom_score_adj", self.config(oomScoreAdj=321)), "321\n")

    def test_cwd(self):
        os.makedirs(self.rootfs + "/private/dir")
        os.chmod(self.rootfs + "/private", 0o700)
        c = self.config(cwd="/private/dir", user={"uid": 9, "gid": 9})
        self.assertEqual(self.sh("readlink /proc/self/cwd || true; echo $PWD", c).split()[-1], "/private/dir")
        self.assertEqual(self.sh("busybox pwd", self.config(cwd="/made/for/it")), "/made/for/it\n")

    def test_descriptors(self):
        r, w = os.pipe()
        try:
            out = self.sh("ls /proc/self/fd", pass_fds=(r, w))
            # 0 to 2, and what ls itself has open
            self.assertLessEqual(len(out.split()), 4, out)
            self.write(self.config("sh", "-c", "echo through >&3; echo $LISTEN_FDS $LISTEN_PID"))
            got = subprocess.run(["sh", "-c", 'exec 3>&%d; exec "$@"' % w, "sh", harness.DRIVER, self.root, "run", self.id, self.bundle,
                                  "preserve", "1", "listen", "1"], pass_fds=(w,), stdout=subprocess.PIPE, text=True)
            self.assertEqual((got.returncode, got.stdout), (0, "1 1\n"))
            self.assertEqual(os.read(r, 100), b"through\n")
        finally:
            os.close(r)
            os.close(w)

    def test_preserved_descriptor_must_be_open(self):
        self.write(self.config())
        r = self.driver("run", self.id, self.bundle, "preserve", "50")
        self.assertIn("INVALID: preserved fd", r.stderr)

    def test_preserved_descriptor_is_not_one_of_ours(self):
        for n in range(1, 12):
            self.write(self.config("ls", "-l", "/proc/self/fd"))
            r = self.driver("run", self.id, self.bundle, "preserve", str(n))
            self.assertIn("INVALID: preserved fd 3", r.stderr)

    def test_created_container_holds_nothing_of_the_caller(self):
        r, w = os.pipe()
        self.write(self.config("sleep", "1000"))
        self.assertEqual(self.driver("create", self.id, self.bundle, pass_fds=(w,)).returncode, 0)
        os.close(w)
        pid = self.state()["pid"]
        self.assertEqual(os.read(r, 1), b"")
        harness.wait_until(lambda: len(os.listdir("/proc/%d/fd" % pid)) == 4)
        last = os.readlink("/proc/%d/fd/%d" % (pid, max(int(n) for n in os.listdir("/proc/%d/fd" % pid))))
        self.assertRegex(last, "^socket:")
        os.close(r)

    def test_low_limit_of_descriptors(self):
        for n in (4, 10):
            c = self.config(rlimits=[{"type": "RLIMIT_NOFILE", "soft": n, "hard": n}])
            c["process"]["args"] = ["echo", "here"]
            r = self.run_container(c)
            self.assertEqual((r.returncode, r.stdout), (0, "here\n"), r.stderr)

    def test_stdin_is_passed(self):
        self.write(self.config("cat"))
        got = subprocess.run([harness.DRIVER, self.root, "run", self.id, self.bundle], input="to and fro", stdout=subprocess.PIPE, text=True)
        self.assertEqual(got.stdout, "to and fro")

    def test_terminal(self):
        c = self.config(terminal=True, consoleSize={"height": 33, "width": 77})
        out = self.sh("tty; stty size; test -c /dev/console && echo console; echo > /dev/tty && echo controlling", c)
        self.assertEqual(out.replace("\r", "").split(), ["/dev/pts/0", "33", "77", "console", "controlling"])

    def test_console_socket(self):
        path = self.dir + "/console"
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen(1)
        self.write(self.config("sh", "-c", "read x; echo got $x", terminal=True))
        r = self.driver("create", self.id, self.bundle, "console-socket", path)
        self.assertEqual(r.returncode, 0, r.stderr)
        conn, _ = server.accept()
        data, anc, _, _ = conn.recvmsg(100, 100)
        fds = array.array("i", anc[0][2][:4])
        self.assertEqual(data, b"/dev/ptmx")
        self.assertEqual(self.driver("start", self.id).returncode, 0)
        os.write(fds[0], b"hello\n")
        out = b""
        try:
            while b"got hello" not in out:
                out += os.read(fds[0], 1000)
        except OSError:
            pass
        self.assertIn(b"got hello", out)
        os.close(fds[0])
        conn.close()
        server.close()

    def test_terminal_without_a_place_for_it(self):
        self.write(self.config(terminal=True))
        r = self.driver("create", self.id, self.bundle)
        self.assertIn("USAGE: $.process.terminal", r.stderr)

    def test_seccomp(self):
        c = self.config()
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                                 "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
        for nnp in (True, False):
            c["process"]["noNewPrivileges"] = nnp
            out = self.sh("mkdir /x 2>&1; grep Seccomp: /proc/self/status", c)
            self.assertIn("No space left", out)
            self.assertIn("Seccomp:\t2", out)

    def test_seccomp_kills(self):
        c = self.config()
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                 "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        self.sh("exec mkdir /x", c, status=159)

    def hook(self, name, text="cat > %(dir)s/%(name)s", **more):
        path = self.dir + "/hook-" + name
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + text % {"dir": self.dir, "name": name} + "\n")
        os.chmod(path, 0o755)
        return dict({"path": path, "env": ["PATH=/bin:/usr/bin"]}, **more)

    def test_hooks(self):
        c = self.config("true")
        c["annotations"] = {"k": "v"}
        kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
        c["hooks"] = {k: [self.hook(k)] for k in kinds}
        c["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "cat > /started"]}]
        r = self.run_container(c)
        self.assertEqual(r.returncode, 0, r.stderr)
        got = {k: json.load(open(self.dir + "/" + k)) for k in kinds}
        got["startContainer"] = json.load(open(self.rootfs + "/started"))
        want = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
                "startContainer": "created", "poststart": "running", "poststop": "stopped"}
        self.assertEqual({k: v["status"] for k, v in got.items()}, want)
        for v in got.values():
            self.assertEqual((v["id"], v["bundle"], v["annotations"]), (self.id, self.bundle, {"k": "v"}))
        self.assertEqual(got["createContainer"]["pid"], 1)
        self.assertGreater(got["createRuntime"]["pid"], 1)

    def test_start_hooks_are_bound_as_the_program_is(self):
        c = self.config("cat", "/of-hook")
        c["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "grep -E '^(NoNew|Seccomp:|CapBnd)' /proc/self/status > /of-hook"]}]}
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                 "syscalls": [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
        for nnp in (True, False):
            c["process"]["noNewPrivileges"] = nnp
            r = self.run_container(c)
            self.assertEqual((r.returncode, r.stdout), (0, "CapBnd:\t0000000000000021\nNoNewPrivs:\t%d\nSeccomp:\t2\n" % nnp), r.stderr)

    def test_failing_hooks(self):
        for kind in ("prestart", "createRuntime", "createContainer", "poststart"):
            c = self.config("sleep", "1000")
            c["hooks"] = {kind: [self.hook(kind, "exit 3")], "poststop": [self.hook("poststop")]}
            self.refused(c, "STATE", kind, "ended with status 3")
            self.assertTrue(os.path.exists(self.dir + "/poststop"))
            os.unlink(self.dir + "/poststop")

    def test_hook_timeout(self):
        c = self.config("true")
        c["hooks"] = {"createRuntime": [self.hook("slow", "exec sleep 100", timeout=1)]}
        self.refused(c, "STATE", "timeout")


if __name__ == "__main__":
    harness.main()
