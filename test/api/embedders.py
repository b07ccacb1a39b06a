#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embedders.py BUILD: installs the build below a temporary directory, moves it, and builds the programs of docs/examples
against it as others would: by pkg-config (shared, static) and by CMake's find_package. Each is run."""
import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "..", "..", "docs", "examples")
BUILD = sys.argv.pop(1)


def run(*args, env=None, cwd=None):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise AssertionError("%s: exit %d\n%s" % (" ".join(args), done.returncode, done.stdout))
    return done.stdout.strip()


def find(root, name):
    for base, _, names in os.walk(root):
        if name in names:
            return base
    raise AssertionError("%s is not installed" % name)


class Embedders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="loci-test-api-")
        run("cmake", "--install", BUILD, "--prefix", os.path.join(cls.work, "first"))
        # What is installed may be moved: no file may remember the first place.
        cls.prefix = os.path.join(cls.work, "moved")
        os.rename(os.path.join(cls.work, "first"), cls.prefix)
        cls.lib = find(cls.prefix, "libloci-core.so")
        cls.env = {"PKG_CONFIG_PATH": find(cls.prefix, "loci-core.pc"), "LD_LIBRARY_PATH": cls.lib}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def pkg_config(self, *args):
        return run("pkg-config", *args, env=self.env).split()

    def store(self):
        return tempfile.mkdtemp(dir=self.work)

    def compile(self, example, *flags):
        program = os.path.join(tempfile.mkdtemp(dir=self.work), example)
        run("cc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", os.path.join(EXAMPLES, example + ".c"),
            "-o", program, *flags)
        return program

    def static(self, *more):
        """Loci's archives, and the shared libraries that they need: --static would ask for those of these, too."""
        names = ("loci-registry", "loci-core")
        ours = ["-l:lib%s.a" % lib[2:] if lib.startswith("-lloci-") else lib
                for lib in self.pkg_config("--cflags", "--libs", *names)]
        needs = self.pkg_config("--print-requires-private", *names)
        return [*ours, *self.pkg_config("--libs", *needs, *more), "-pthread"]

    def check_without_http(self, program, needs_loci):
        out = run(program, self.store(), env=self.env)
        self.assertRegex(out, r"^loci [0-9.]+\n")
        for expected in ('"tags":["latest"]', '"mediaType":"application/vnd.oci.image.manifest.v1+json"',
                         ": the bytes of a layer"):
            self.assertIn(expected, out)
        needed = run("readelf", "-d", program)
        self.assertEqual("libloci-" in needed, needs_loci, needed)

    def test_shared_by_pkg_config(self):
        flags = self.pkg_config("--cflags", "--libs", "loci-registry")
        self.check_without_http(self.compile("without_http", *flags), True)

    def test_static_by_pkg_config(self):
        flags = self.static()
        self.check_without_http(self.compile("without_http", *flags), False)

    def test_cmake(self):
        build = os.path.join(self.work, "cmake")
        run("cmake", "-S", os.path.join(HERE, "cmake"), "-B", build, "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + self.prefix,
            "-DEXAMPLES=" + EXAMPLES)
        run("cmake", "--build", build)
        self.check_without_http(os.path.join(build, "without_http"), True)
        self.check_without_http(os.path.join(build, "without_http-static"), False)

    def test_in_h2o(self):
        flags = self.pkg_config("--cflags", "--libs", "loci-registry", "libh2o-evloop")
        self.check_in_h2o(self.compile("in_h2o", "-DH2O_USE_LIBUV=0", *flags))
        self.check_in_h2o(self.compile("in_h2o", "-DH2O_USE_LIBUV=0", *self.static("libh2o-evloop")))

    def check_in_h2o(self, program):
        """Pushes and pulls a blob, looks at the host's own page meanwhile, and ends it in the middle of an upload."""
        process = subprocess.Popen([program, self.store()], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, **self.env})
        try:
            addresses = dict(process.stdout.readline().split() for _ in range(2))
            data = os.urandom(3_000_000)
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            c = http.client.HTTPConnection(addresses["registry"], timeout=60)

            def ask(connection, status, method, target, body=None):
                connection.request(method, target, body)
                r = connection.getresponse()
                answer = r.read()
                self.assertEqual(r.status, status, answer)
                return r, answer

            ask(c, 201, "POST", "/v2/demo/blobs/uploads/?digest=" + digest, data)
            self.assertEqual(ask(c, 200, "GET", "/v2/demo/blobs/" + digest)[1], data)
            host = http.client.HTTPConnection(addresses["status"], timeout=60)
            page = ask(host, 200, "GET", "/status")[1]
            host.close()
            self.assertIn(b"the registry has 1 connections", page)
            at = ask(c, 202, "POST", "/v2/demo/blobs/uploads/")[0].headers["location"]
            c.putrequest("PATCH", at)
            c.putheader("Content-Length", str(len(data)))
            c.endheaders(data[:1_000_000])
            process.send_signal(signal.SIGTERM)
            c.send(data[1_000_000:])
            r = c.getresponse()
            self.assertEqual(r.status, 202, r.read())
            r.read()
            self.assertRegex(process.stdout.read(), r"^ended after \d+ ticks$")
            self.assertEqual(process.wait(60), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_no_path_of_the_build_is_left_in_text_files(self):
        for base, _, names in os.walk(self.prefix):
            for name in names:
                if name.endswith((".pc", ".cmake", ".h")):
                    with open(os.path.join(base, name)) as f:
                        text = f.read()
                    self.assertNotIn(os.path.join(self.work, "first"), text, name)
                    self.assertNotIn(os.path.abspath(BUILD), text, name)

    def test_only_the_api_is_exported(self):
        out = run("nm", "-D", "--defined-only", *[os.path.join(self.lib, n) for n in sorted(os.listdir(self.lib))
                                                  if n.endswith(".so")])
        symbols = [line.split() for line in out.split("\n") if line.count(" ") >= 2]
        self.assertTrue(symbols)
        for symbol in symbols:
            name, _, version = symbol[-1].partition("@@")
            if symbol[1] == "A":
                continue  # the version nodes themselves
            self.assertTrue(name.startswith("loci_"), name)
            self.assertEqual(version.startswith("LOCI_PRIVATE_"), name.startswith("loci__"), symbol)


if __name__ == "__main__":
    unittest.main()
