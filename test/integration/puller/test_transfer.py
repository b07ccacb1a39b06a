# SPDX-License-Identifier: Apache-2.0
"""Networks that break: retries, resumption, time-outs, and their bounds."""
import os
import signal
import socket
import subprocess
import threading
import time

import harness
from fake_registry import digest_of, range_start
from harness import INTERRUPTED, NO_SPACE, UNREACHABLE, noise, wait_for


class TransferTest(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.layer = noise(2_000_000)
        self.digest = digest_of(self.layer)
        self.registry.add_image("app", "t", [self.layer])
        self.name = self.ref("app:t")

    def on_layer(self, hook):
        self.registry.before.append(lambda h: h.is_blob(self.digest) and hook(h))

    def layer_requests(self):
        return self.registry.requests("GET", self.digest)

    def cut_after(self, n, times):
        """The connection breaks behind n more bytes, so often."""
        left = [times]

        def hook(h):
            if not left[0]:
                return False
            left[0] -= 1
            start = range_start(h) or 0
            total = len(self.layer)
            h.send_response(206 if start else 200)
            h.send_header("Content-Length", str(total - start))
            if start:
                h.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            h.end_headers()
            h.wfile.write(self.layer[start:start + n])
            return h.cut()
        self.on_layer(hook)


class Resume(TransferTest):
    def test_cut_near_the_end(self):
        cut = len(self.layer) * 99 // 100
        self.cut_after(cut, 1)
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)
        first, second = self.layer_requests()
        self.assertNotIn("range", first.headers)
        self.assertEqual(second.headers["range"], f"bytes={cut}-")

    def test_cut_many_times(self):
        """Far more often than there are retries: what gets on is not given up."""
        self.layer = noise(6_000_000, 7)
        self.digest = digest_of(self.layer)
        self.registry.add_image("app", "t", [self.layer])
        self.cut_after(1_100_000, 5)
        self.pull(self.name, retries=1)
        self.assert_blob(self.digest, self.layer)
        self.assertEqual(len(self.layer_requests()), 6)

    def test_cut_without_progress_is_given_up(self):
        self.cut_after(0, 100)
        self.pull(self.name, status=UNREACHABLE, says="after 4 tries", retries=3)
        self.assertEqual(len(self.layer_requests()), 4)
        self.assertFalse(self.has_blob(self.digest))

    def test_by_the_next_process(self):
        self.cut_after(1_500_000, 1)
        self.on_layer(lambda h: h.reply(503))
        self.pull(self.name, status=UNREACHABLE, retries=1)
        self.assertFalse(self.has_blob(self.digest))
        self.registry.before.clear()
        self.registry.forget()
        self.pull(self.name)
        self.assertEqual([r.headers.get("range") for r in self.layer_requests()], ["bytes=1500000-"])
        self.assert_blob(self.digest, self.layer)
        self.assertEqual(self.uploads(), [])

    def test_after_a_kill(self):
        def slow(h):
            h.send_response(200)
            h.send_header("Content-Length", str(len(self.layer)))
            h.end_headers()
            h.wfile.write(self.layer[:1_000_000])
            h.wfile.flush()
            gone.wait(harness.DEADLINE)
            return h.cut()
        gone = threading.Event()
        self.on_layer(slow)
        process = self.start_pull("--stall-timeout", "1m", self.name)
        wait_for(lambda: any(s >= 1_000_000 for s in self.upload_sizes()), "the first half")
        process.kill()
        process.communicate()
        gone.set()
        self.registry.before.clear()
        self.registry.forget()
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)
        # All of it again would be right as well, but wasteful.
        self.assertIn("range", self.layer_requests()[0].headers)

    def upload_sizes(self):
        sizes = []
        for path in self.uploads():
            try:
                sizes.append(os.stat(path).st_size)
            except FileNotFoundError:
                pass
        return sizes

    def test_range_is_ignored(self):
        self.cut_after(1_500_000, 1)
        self.on_layer(lambda h: h.reply(200, self.layer))
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)

    def test_another_range_than_asked_for(self):
        self.cut_after(1_500_000, 1)
        total = len(self.layer)

        def wrong(h):
            if range_start(h) is None:
                return False
            return h.reply(206, self.layer[1:], {"Content-Range": f"bytes 1-{total - 1}/{total}"})
        self.on_layer(wrong)
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)
        self.assertEqual([r.headers.get("range") for r in self.layer_requests()],
                         [None, "bytes=1500000-", None])

    def test_416_starts_over(self):
        self.cut_after(1_500_000, 1)
        self.on_layer(lambda h: range_start(h) is not None and h.reply(416))
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)

    def test_other_bytes_before_the_cut(self):
        """The first half was not the blob's: the whole is fetched once more, then it is right."""
        def wrong(h):
            h.send_response(200)
            h.send_header("Content-Length", str(len(self.layer)))
            h.end_headers()
            h.wfile.write(b"x" * 1_500_000)
            self.registry.before.clear()
            return h.cut()
        self.on_layer(wrong)
        self.pull(self.name)
        self.assert_blob(self.digest, self.layer)
        self.assertEqual([r.headers.get("range") for r in self.layer_requests()],
                         [None, "bytes=1500000-", None])


class Retries(TransferTest):
    def fail_first(self, *statuses, headers=None):
        left = list(statuses)
        self.on_layer(lambda h: bool(left) and h.reply(left.pop(0), headers=headers))

    def test_429_and_5xx(self):
        self.fail_first(429, 500, 502, 503, 504, headers={"Retry-After": "0"})
        self.pull(self.name, retries=5)
        self.assertEqual(len(self.layer_requests()), 6)

    def test_retry_after_is_waited_for(self):
        self.fail_first(429, headers={"Retry-After": "1"})
        begin = time.monotonic()
        self.pull(self.name)
        self.assertGreaterEqual(time.monotonic() - begin, 1)  # a lower bound holds on any machine

    def test_retry_after_that_is_too_long(self):
        self.fail_first(429, headers={"Retry-After": "86400"})
        self.pull(self.name, status=UNREACHABLE, says="try again in 86400 s")
        self.assertEqual(len(self.layer_requests()), 1)

    def test_bounded(self):
        self.on_layer(lambda h: h.reply(503))
        self.pull(self.name, status=UNREACHABLE, says="status 503", retries=4)
        self.assertEqual(len(self.layer_requests()), 5)

    def test_manifests_too(self):
        left = [503, 500]
        self.registry.before.append(lambda h: h.is_manifest() and bool(left) and h.reply(left.pop()))
        self.pull(self.name)
        self.assertEqual(left, [])

    def test_nobody_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.pull(f"127.0.0.1:{port}/app:t", status=UNREACHABLE, says=f"http://127.0.0.1:{port}")

    def test_hangs_up_at_once(self):
        self.registry.before.append(lambda h: h.is_manifest() and h.cut())
        self.pull(self.name, status=UNREACHABLE)
        # libcurl itself tries once more when a connection that was used before turns out dead.
        self.assertIn(len(self.registry.requests("GET", "/manifests/")), (3, 4))

    def test_first_failure_ends_the_others(self):
        """A blob that is missing is told at once, not behind a slow one."""
        stop = threading.Event()
        self.addCleanup(stop.set)
        slow = noise(100_000, 9)
        self.registry.add_image("app", "t", [slow, self.layer])
        del self.registry.blobs[self.digest]

        def drip(h):
            h.send_response(200)
            h.send_header("Content-Length", str(len(slow)))
            h.end_headers()
            while not stop.wait(0.05):
                h.wfile.write(b"x" * 10)
            return h.cut()
        self.registry.before.append(lambda h: h.is_blob(digest_of(slow)) and drip(h))
        self.pull(self.name, status=harness.NOT_FOUND)


class Stalls(TransferTest):
    def setUp(self):
        super().setUp()
        self.stop = threading.Event()
        self.addCleanup(self.stop.set)

    def stalled(self, retries=1):
        return self.pull("--stall-timeout", "300ms", self.name, status=UNREACHABLE, retries=retries)

    def test_no_answer(self):
        def silent(h):
            self.stop.wait(harness.DEADLINE)
            return h.cut()
        self.on_layer(silent)
        self.assertIn("not a byte", self.stalled().stderr)
        self.assertEqual(len(self.layer_requests()), 2)

    def test_head_in_drops(self):
        def drip(h):
            h.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.stop.wait(0.02):
                h.wfile.write(b"x")
            return h.cut()
        self.on_layer(drip)
        self.stalled()

    def test_body_in_drops(self):
        def drip(h):
            h.send_response(200)
            h.send_header("Content-Length", str(len(self.layer)))
            h.end_headers()
            while not self.stop.wait(0.02):
                h.wfile.write(b"x")
            return h.cut()
        self.on_layer(drip)
        self.assertIn("hardly a byte", self.stalled().stderr)

    def test_stops_in_the_middle_and_goes_on(self):
        times = []

        def stall(h):
            if times:
                return False
            times.append(1)
            h.send_response(200)
            h.send_header("Content-Length", str(len(self.layer)))
            h.end_headers()
            h.wfile.write(self.layer[:1_000_000])
            h.wfile.flush()
            self.stop.wait(harness.DEADLINE)
            return h.cut()
        self.on_layer(stall)
        self.pull("--stall-timeout", "300ms", self.name)
        self.assert_blob(self.digest, self.layer)
        self.assertEqual(self.layer_requests()[1].headers["range"], "bytes=1000000-")

    def test_manifest_too(self):
        self.registry.before.append(lambda h: h.is_manifest() and (self.stop.wait(harness.DEADLINE) or h.cut()))
        self.stalled()


class Interrupts(Stalls):
    def interrupt(self, signo, condition):
        process = self.start_pull("--stall-timeout", "1m", self.name)
        wait_for(condition, "the request")
        process.send_signal(signo)
        out, err = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, INTERRUPTED, err)
        self.assertEqual(out, "")
        self.assertIn("canceled", err)
        self.assertFalse(self.has_blob(self.digest))

    def wait_forever(self, h):
        self.stop.wait(harness.DEADLINE)
        return h.cut()

    def test_in_a_blob(self):
        self.on_layer(self.wait_forever)
        self.interrupt(signal.SIGINT, self.layer_requests)
        self.registry.before.clear()
        self.pull(self.name)

    def test_in_the_manifest(self):
        self.registry.before.append(lambda h: h.is_manifest() and self.wait_forever(h))
        self.interrupt(signal.SIGTERM, lambda: self.registry.requests(part="/manifests/"))

    def test_between_retries(self):
        self.on_layer(lambda h: h.reply(503, headers={"Retry-After": "100"}))
        self.interrupt(signal.SIGINT, self.layer_requests)

    # Not again what the class above has.
    test_no_answer = test_head_in_drops = test_body_in_drops = None
    test_stops_in_the_middle_and_goes_on = test_manifest_too = None


class Disks(TransferTest):
    def test_full(self):
        """On a small file system in a mount namespace of its own."""
        self.layer = noise(24_000_000, 3)
        self.digest = digest_of(self.layer)
        self.registry.add_image("app", "t", [self.layer])
        script = 'mkdir -p "$1" && mount -t tmpfs -o size=12m none "$1" && shift && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", self.store, *self.command("--no-unpack", self.name)]
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            self.skipTest("mount namespaces need root")
        done = subprocess.run(command, env=self.environment(), text=True, capture_output=True, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, NO_SPACE, done.stderr)
        self.assertIn(self.digest, done.stderr)
        self.assertEqual(len(self.layer_requests()), 1)


if __name__ == "__main__":
    harness.main()
