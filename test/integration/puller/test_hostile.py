# SPDX-License-Identifier: Apache-2.0
"""Registries that lie: nothing of it becomes visible, and nothing of it grows without bounds."""
import gzip
import json

import harness
from fake_registry import OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, digest_of
from harness import FAILURE, MALFORMED, MISMATCH, UNREACHABLE, UNSUPPORTED, USAGE, noise

REFUSED = (FAILURE, MISMATCH, MALFORMED, UNSUPPORTED)


class Bodies(harness.PullTest):
    """A layer whose bytes are not what its descriptor says."""

    def setUp(self):
        super().setUp()
        self.layer = noise(200_000)
        self.digest = digest_of(self.layer)
        self.registry.add_image("app", "t", [self.layer])
        self.sent = 0

    def chunked(self, h, chunks, end=True):
        h.send_response(200)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        for chunk in chunks:
            h.wfile.write(b"%x\r\n" % len(chunk) + chunk + b"\r\n")
            self.sent += len(chunk)
        if end:
            h.wfile.write(b"0\r\n\r\n")
        return True

    def refuse(self, hook, says=None, status=MISMATCH):
        self.registry.before.append(lambda h: h.is_blob(self.digest) and hook(h))
        done = self.pull("--parallel", "1", self.ref("app:t"), status=status, says=says)
        self.assertEqual(done.stdout, "")
        self.assertFalse(self.has_blob(self.digest))
        self.assertEqual(self.uploads(), [])
        return done

    def test_other_bytes(self):
        self.refuse(lambda h: h.reply(200, b"x" * len(self.layer)), says=self.digest)
        # Asking once is enough to know it.
        self.assertEqual(len(self.registry.requests("GET", self.digest)), 1)

    def test_longer_and_says_so(self):
        self.refuse(lambda h: h.reply(200, self.layer + b"x"), says="descriptor says 200000 bytes, the registry 200001")

    def test_shorter_and_says_so(self):
        self.refuse(lambda h: h.reply(200, self.layer[:-1]), says="the registry 199999")

    def test_empty(self):
        self.refuse(lambda h: h.reply(200, b""), says="sent 0")

    def test_longer_in_chunks(self):
        self.refuse(lambda h: self.chunked(h, [self.layer, b"x"]), says="longer than the 200000 bytes")

    def test_shorter_in_chunks(self):
        self.refuse(lambda h: self.chunked(h, [self.layer[:-1]]), says="expected 200000 bytes")

    def test_without_end(self):
        def endless():
            while True:
                yield b"x" * 65536
        self.refuse(lambda h: self.chunked(h, endless()), says="longer than")
        self.assertLess(self.sent, 50_000_000)  # what sockets may hold, and no more

    def test_compressed_in_transfer(self):
        """Bytes that carry a digest are taken as they are."""
        squeezed = gzip.compress(self.layer)
        self.refuse(lambda h: h.reply(200, squeezed, {"Content-Encoding": "gzip"}))
        self.assertEqual(self.registry.requests("GET", self.digest)[0].headers.get("accept-encoding"), "identity")

    def test_partial_that_was_not_asked_for(self):
        n = len(self.layer)
        self.refuse(lambda h: h.reply(206, self.layer[5:], {"Content-Range": f"bytes 5-{n - 1}/{n}"}), says="asked for")

    def test_head_without_end(self):
        def endless_head(h):
            h.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for i in range(20_000):
                h.wfile.write(b"X-%d: %s\r\n" % (i, b"y" * 100))
            return h.cut()
        self.registry.before.append(lambda h: h.is_blob(self.digest) and endless_head(h))
        done = self.run_pull(self.ref("app:t"))
        self.assertIn(done.returncode, (MISMATCH, UNREACHABLE), done.stderr)
        self.assertFalse(self.has_blob(self.digest))

    def test_no_http(self):
        self.registry.before.append(lambda h: h.is_blob(self.digest) and (h.wfile.write(b"SSH-2.0-x\r\n\r\n"), h.cut()))
        done = self.run_pull(self.ref("app:t"))
        self.assertIn(done.returncode, (MISMATCH, UNREACHABLE), done.stderr)
        self.assertFalse(self.has_blob(self.digest))

    def test_good_layers_of_a_bad_image_are_not_lost(self):
        good = noise(5000, 5)
        self.registry.add_image("app", "t", [good, self.layer])
        self.registry.before.append(
            lambda h: h.is_blob(self.digest) and
            (h.reply(200, b"x" * len(self.layer)) if self.has_blob(digest_of(good)) else h.reply(503)))
        self.pull(self.ref("app:t"), status=MISMATCH, retries=100)
        self.assert_blob(digest_of(good), good)
        self.registry.before.clear()
        self.registry.forget()
        self.pull(self.ref("app:t"))
        self.assertEqual(self.registry.requests("GET", digest_of(good)), [])


class Manifests(harness.PullTest):
    def setUp(self):
        super().setUp()
        self.layer = noise(100)
        self.image = self.registry.add_image("app", "t", [self.layer])
        self.good = self.registry.manifests[("app", "t")][1]

    def serve(self, data, media_type=OCI_MANIFEST, headers=None, what="t"):
        self.registry.before[:] = [lambda h: h.is_manifest(what) and h.reply(200, data, headers, media_type)]

    def refuse(self, ref="app:t", says=None, args=()):
        done = self.run_pull(*args, self.ref(ref))
        self.assertIn(done.returncode, REFUSED, done.stderr)
        self.assertEqual(done.stdout, "")
        if says:
            self.assertIn(says, done.stderr)
        self.assertEqual(self.visible_blobs(), [])
        return done

    def test_other_manifest_for_a_digest(self):
        self.serve(self.good + b" ", what=self.image["digest"])
        done = self.refuse("app@" + self.image["digest"], says=self.image["digest"])
        self.assertEqual(done.returncode, MISMATCH)

    def test_header_that_says_another_digest(self):
        self.serve(self.good, headers={"Docker-Content-Digest": digest_of(b"other")})
        self.assertEqual(self.refuse(says="docker-content-digest").returncode, MISMATCH)

    def test_header_that_is_no_digest(self):
        self.serve(self.good, headers={"Docker-Content-Digest": "yes"})
        self.pull(self.ref("app:t"))

    def test_no_manifests(self):
        for data in (b"", b"{", b"[]", b"null", b"{}", b"<html>", b"\0" * 100, b"\xff\xfe", b"[" * 100_000,
                     b'{"schemaVersion":2,"schemaVersion":2}', b'{"schemaVersion":1,"name":"x","tag":"y"}'):
            self.serve(data)
            self.refuse()

    def test_too_large(self):
        self.serve(b'{"x":"' + b"y" * 5_000_000 + b'"}')
        self.refuse(says="larger than")

    def changed(self, **fields):
        return json.dumps({**json.loads(self.good), **fields}).encode()

    def test_manifest_and_index_at_once(self):
        self.serve(self.changed(manifests=[self.image]))
        self.refuse()

    def test_index_under_a_manifests_type(self):
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [self.image]}
        self.serve(json.dumps(index).encode(), OCI_MANIFEST)
        self.refuse()
        del index["mediaType"]
        self.serve(json.dumps(index).encode(), OCI_MANIFEST)
        self.refuse()

    def test_entry_of_another_type(self):
        """The index says that it is an index, the document says otherwise."""
        entry = dict(self.image, mediaType=OCI_INDEX, platform={"os": "linux", "architecture": "amd64"})
        self.registry.add_manifest("app", "i", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        self.refuse("app:i", args=("--platform", "linux/amd64"))

    def entry(self, **fields):
        entry = dict(self.image, platform={"os": "linux", "architecture": "amd64"}, **fields)
        self.registry.add_manifest("app", "i", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        return ("--platform", "linux/amd64")

    def test_entry_of_another_size(self):
        args = self.entry(size=self.image["size"] - 1)
        self.assertEqual(self.refuse("app:i", says="longer", args=args).returncode, MISMATCH)
        args = self.entry(size=self.image["size"] + 1)
        self.assertEqual(self.refuse("app:i", says="found", args=args).returncode, MISMATCH)

    def test_entry_with_a_bad_digest(self):
        for digest in ("sha256:../../../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 32, ""):
            self.refuse("app:i", args=self.entry(digest=digest))

    def test_layers_with_bad_descriptors(self):
        good = {"mediaType": OCI_LAYER_GZIP, "digest": digest_of(self.layer), "size": len(self.layer)}
        for bad in ({"digest": "sha256:../x"}, {"digest": "sha256:" + "G" * 64}, {"size": -1}, {"size": "1"},
                    {"size": 1.5}, {"size": 1 << 63}, {"mediaType": 7}, {"digest": None}):
            self.serve(self.changed(layers=[{**good, **bad}]))
            self.refuse()

    def test_one_digest_with_two_sizes(self):
        good = {"mediaType": OCI_LAYER_GZIP, "digest": digest_of(self.layer), "size": len(self.layer)}
        self.serve(self.changed(layers=[good, {**good, "size": 1}]))
        done = self.run_pull(self.ref("app:t"))
        self.assertEqual(done.returncode, MISMATCH, done.stderr)

    def test_text_that_a_terminal_would_obey(self):
        obeyed = "\x1b[2J\x07"
        for what, reply in (
                ("an error's text", lambda h: h.error(404, "X", obeyed)),
                ("a redirect", lambda h: h.reply(302, headers={"Location": "http://x y/" + obeyed})),
                ("a redirect in no UTF-8", lambda h: h.reply(302, headers={"Location": "http://x y/\x9b2J"})),
                ("a content type", lambda h: h.reply(200, self.good, content_type="x" + obeyed)),
                ("a media type", lambda h: h.reply(200, self.changed(mediaType="x" + obeyed), None, OCI_MANIFEST)),
                ("a platform", lambda h: h.reply(200, json.dumps({
                    "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
                        {**self.image, "platform": {"os": "linux", "architecture": obeyed + "\x9b2J"}}],
                }).encode(), None, OCI_INDEX))):
            self.registry.before[:] = [lambda h: h.is_manifest() and reply(h)]
            done = self.run_pull(self.ref("app:t"))
            self.assertNotEqual(done.returncode, 0, what)
            self.assertNotRegex(done.stderr, "[\x00-\x09\x0b-\x1f\x7f-\x9f]", what)


class References(harness.PullTest):
    def test_bad_ones(self):
        for ref in ("", "lower/Case", "127.0.0.1:1/a b", "127.0.0.1:1/../x:t", "http://127.0.0.1:1/x", "x:" + "t" * 129,
                    "127.0.0.1:1/x@sha256:zz", "127.0.0.1:1/x:", "127.0.0.1:1/", "evil.example@127.0.0.1:1/x",
                    "127.0.0.1:1/" + "r" * 300):
            done = self.run_pull(ref)
            self.assertIn(done.returncode, (MALFORMED, FAILURE, USAGE), (ref, done.stderr))

    def test_bad_options(self):
        for args in (("--platform", "a/b/c/d/e", "x"), ("--parallel", "0", "x"), ("--nonsense", "x"), ()):
            self.assertEqual(self.run_pull(*args).returncode, USAGE, args)


if __name__ == "__main__":
    harness.main()
