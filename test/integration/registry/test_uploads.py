# SPDX-License-Identifier: Apache-2.0
"""Uploads as an operator sees them: limits, expiry, `ociregistry upload ls|rm` beside the running server."""

import json
import os
import re
import subprocess
import time
import unittest

from ociregistry import DEADLINE, Registry, digest_of, until


def upload(registry, *args, status=0):
    """The command on the registry's store; what it prints."""
    done = subprocess.run([os.environ["OCIREGISTRY"], "upload", *args, "--store", registry.store],
                          capture_output=True, text=True, timeout=DEADLINE, env=registry.env)
    if done.returncode != status:
        raise AssertionError("upload %s: %d, expected %d: %s" % (args, done.returncode, status, done.stderr))
    return done.stderr if status else done.stdout


def ls(registry, *args):
    return {u["id"]: u for u in json.loads(upload(registry, "ls", "--format", "json", *args))}


def id_of(where):
    return where.rsplit("/", 1)[1]


def make_older(registry, where, seconds):
    directory = os.path.join(registry.store, "uploads")
    for name in os.listdir(directory):
        if name.startswith(id_of(where)):
            os.utime(os.path.join(directory, name), (time.time() - seconds,) * 2)


class Listing(unittest.TestCase):
    def setUp(self):
        self.registry = self.enterContext(Registry())

    def test_ls(self):
        self.assertEqual(ls(self.registry), {})
        one = self.registry.start_upload("team/app")
        self.registry.expect(202, "PATCH", one, b"12345")
        two = self.registry.start_upload("other")
        connection = self.registry.connect()
        connection.putrequest("PATCH", two)
        connection.putheader("Content-Length", "10")
        connection.endheaders(b"12")
        until("two is held", lambda: ls(self.registry)[id_of(two)]["held"])
        listed = ls(self.registry)
        self.assertEqual(set(listed), {id_of(one), id_of(two)})
        first = listed[id_of(one)]
        self.assertEqual((first["repository"], first["bytes"], first["algorithm"], first["held"]),
                         ("team/app", 5, "sha256", False))
        for key in ("began", "written"):
            self.assertRegex(first[key], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(listed[id_of(two)]["repository"], "other")
        table = upload(self.registry, "ls").splitlines()
        self.assertEqual(len(table), 3)
        self.assertTrue(any(re.match(id_of(one) + r" +5 .*no +team/app$", line) for line in table), table)
        connection.close()

    def test_rm(self):
        one, two, three = (self.registry.start_upload("a") for _ in range(3))
        upload(self.registry, "rm", id_of(one))
        self.registry.expect(404, "PATCH", one, b"x")
        self.assertIn("not known", upload(self.registry, "rm", id_of(one), status=1))
        make_older(self.registry, two, 7200)
        self.assertEqual(set(ls(self.registry, "--older-than", "1h")), {id_of(two)})
        self.assertIn("1 uploads", upload(self.registry, "rm", "--older-than", "1h"))
        self.assertEqual(set(ls(self.registry)), {id_of(three)})
        self.registry.expect(202, "PATCH", three, b"x")
        self.assertEqual(len(os.listdir(os.path.join(self.registry.store, "uploads"))), 2)  # bytes and note

    def test_held_is_not_removed(self):
        where = self.registry.start_upload("a")
        connection = self.registry.connect()
        connection.putrequest("PATCH", where)
        connection.putheader("Content-Length", "2")
        connection.endheaders(b"1")
        until("it is held", lambda: ls(self.registry)[id_of(where)]["held"])
        self.assertIn("being written", upload(self.registry, "rm", id_of(where), status=1))
        connection.send(b"2")
        self.assertEqual(connection.getresponse().status, 202)
        connection.close()

    def test_usage(self):
        for args in (("rm",), ("list",), ("ls", "x")):
            upload(self.registry, *args, status=2)
        nowhere = Registry(store=os.path.join(self.registry.store, "run", "nowhere"))
        self.assertIn("no such", upload(nowhere, "ls", status=1).lower())
        self.assertFalse(os.path.exists(nowhere.store))


class Limits(unittest.TestCase):
    def refuse(self, response):
        self.assertEqual(response.status, 429, response.body)
        self.assertEqual(response.code, "TOOMANYREQUESTS")
        self.assertEqual(response.header("retry-after"), "1")

    def test_most_uploads(self):
        with Registry("--max-uploads", "3") as registry:
            sessions = [registry.start_upload("a") for _ in range(3)]
            self.refuse(registry.ask("POST", "/v2/a/blobs/uploads/"))
            data = b"whole"
            self.refuse(registry.ask("POST", "/v2/a/blobs/uploads/?digest=" + digest_of(data), data))
            registry.expect(202, "PATCH", sessions[0], data)  # what is open goes on
            registry.expect(201, "PUT", sessions[0] + "?digest=" + digest_of(data))
            registry.push_blob("a", b"other")
            registry.start_upload("b")
            self.refuse(registry.ask("POST", "/v2/a/blobs/uploads/"))
            # Room that another process made is seen soon.
            upload(registry, "rm", id_of(sessions[1]))
            until("there is room", lambda: registry.ask("POST", "/v2/a/blobs/uploads/").status == 202)

    def test_most_bytes(self):
        with Registry("--max-upload-bytes", "1MiB") as registry:
            big = os.urandom(800 << 10)
            where = registry.start_upload("a")
            registry.expect(202, "PATCH", where, big)
            other = registry.start_upload("b")
            self.refuse(registry.ask("PATCH", other, big))
            # What there was room for stayed, and goes on.
            self.refuse(registry.ask("PUT", other + "?digest=" + digest_of(big), *self.rest(registry, other, big)))
            registry.expect(201, "PUT", where + "?digest=" + digest_of(big))
            registry.expect(202, "PATCH", other, *self.rest(registry, other, big))
            registry.expect(201, "PUT", other + "?digest=" + digest_of(big))

    def rest(self, registry, where, data):
        """What the session still lacks of the data, and the header that says so."""
        at = int(registry.expect(204, "GET", where).header("range").split("-")[1]) + 1
        self.assertTrue(1 < at <= 224 << 10)
        return data[at:], {"Content-Range": "%d-%d" % (at, len(data) - 1)}

    def test_expiry(self):
        """In a server that stays: at the next look, when somebody begins an upload."""
        with Registry("--upload-expiry", "1h", "--upload-check", "1s") as registry:
            old, young = registry.start_upload("a"), registry.start_upload("a")
            make_older(registry, old, 3700)
            make_older(registry, young, 3500)
            until("the old one is gone", lambda: registry.start_upload("b") and registry.ask("GET", old).status == 404)
            registry.expect(204, "GET", young)
            registry.expect_logged("removed 1 old upload")


if __name__ == "__main__":
    unittest.main()
