# SPDX-License-Identifier: Apache-2.0
"""What a person or a script sees of ocipull."""
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios

import harness
from fake_registry import digest_of
from harness import NOT_FOUND, OK, UNREACHABLE, noise


class Output(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.layers = [noise(400_000, i) for i in range(3)]
        self.image = self.registry.add_image("app", "t", self.layers)
        self.other = self.registry.add_image("other", "t", [noise(1000, 9)])

    def test_digests_in_order(self):
        done = self.pull(self.ref("other:t"), self.ref("app:t"), self.ref("other:t"))
        self.assertEqual(done.stdout.split(), [self.other["digest"], self.image["digest"], self.other["digest"]])

    def test_one_failure_does_not_keep_the_others_away(self):
        done = self.run_pull(self.ref("app:none"), self.ref("app:t"), "127.0.0.1:1/x")
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertEqual(done.stdout, self.image["digest"] + "\n")
        self.assertEqual(done.stderr.count("ocipull: "), 2, done.stderr)
        done = self.run_pull("127.0.0.1:1/x", self.ref("app:none"))
        self.assertEqual(done.returncode, UNREACHABLE)

    def test_quiet(self):
        done = self.pull("-q", self.ref("app:t"))
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout, self.image["digest"] + "\n")

    def test_plain_lines(self):
        done = self.pull(self.ref("app:t"))
        for layer in self.layers:
            self.assertIn(digest_of(layer), done.stderr)
        self.assertNotIn("\x1b", done.stderr)
        self.assertIn("already there", self.pull(self.ref("app:t")).stderr)

    def test_json_events(self):
        done = self.pull("--progress", "json", self.ref("app:t"))
        events = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual(events[0]["event"], "begin")
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual({e["ref"] for e in events}, {self.ref("app:t")})
        resolved = [e for e in events if e["event"] == "resolved"]
        self.assertEqual([e["digest"] for e in resolved], [self.image["digest"]])
        for layer in self.layers:
            mine = [e for e in events if e.get("digest") == digest_of(layer)]
            self.assertEqual((mine[0]["event"], mine[-1]["event"]), ("blob-start", "blob-done"))
            self.assertEqual((mine[-1]["done"], mine[-1]["size"]), (len(layer), len(layer)))
            counts = [e["done"] for e in mine]
            self.assertEqual(counts, sorted(counts))

    def test_bars_on_a_terminal(self):
        shown = self.on_terminal("--retries", "3", self.ref("app:t"))
        self.assertIn("\x1b[", shown)
        for layer in self.layers:
            self.assertIn(digest_of(layer)[7:19], shown)
        self.assertIn("done", shown)
        self.assertIn(self.image["digest"], shown)

    def test_narrow_terminal(self):
        self.on_terminal(self.ref("app:t"), columns=20, lines=3)

    def on_terminal(self, *args, columns=80, lines=24):
        main, sub = pty.openpty()
        fcntl.ioctl(sub, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen(self.command("--no-unpack", *args), env=self.environment({"TERM": "xterm"}),
                                   stdin=sub, stdout=sub, stderr=sub)
        os.close(sub)
        shown = b""
        try:
            while select.select([main], [], [], harness.DEADLINE)[0]:
                piece = os.read(main, 65536)
                if not piece:
                    break
                shown += piece
        except OSError:
            pass  # the other end is closed
        os.close(main)
        self.assertEqual(process.wait(harness.DEADLINE), OK, shown)
        return shown.decode()

    def test_full_stdout_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.command("--no-unpack", self.ref("app:t")), env=self.environment(), stdout=full,
                                  stderr=subprocess.PIPE, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, harness.NO_SPACE, done.stderr)

    def test_two_at_once(self):
        """Both end well, and the store is whole, whoever was first."""
        both = [self.start_pull(self.ref("app:t")) for _ in range(2)]
        for process in both:
            out, err = process.communicate(timeout=harness.DEADLINE)
            self.assertEqual(process.returncode, OK, err)
            self.assertEqual(out, self.image["digest"] + "\n")
        for layer in self.layers:
            self.assert_blob(digest_of(layer), layer)


class Names(harness.PullTest):
    def test_docker_defaults(self):
        """Nobody is reached from here; the message says who would have been."""
        proxy = {"https_proxy": "http://" + self.registry.host}
        self.registry.before.append(lambda h: h.reply(407))
        for ref, host in (("alpine", "registry-1.docker.io/v2/library/alpine/manifests/latest"),
                          ("index.docker.io/team/app:1", "registry-1.docker.io/v2/team/app/manifests/1"),
                          ("quay.example/app", "quay.example/v2/app/manifests/latest")):
            done = self.run_pull(ref, env=proxy, retries=1)
            self.assertNotEqual(done.returncode, OK)
            self.assertIn("https://" + host, done.stderr)

    def test_loopback_needs_no_proxy(self):
        self.registry.add_image("app", "t", [noise(10)])
        self.pull(self.ref("app:t"), env={"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"})


if __name__ == "__main__":
    harness.main()
