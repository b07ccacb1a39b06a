#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embedders.py BUILD: installs the build below a temporary directory, moves it, and builds an embedder against it as
others would: by pkg-config (shared, static) and by CMake's find_package. Each is run."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
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

    def check(self, program, needs_loci):
        store = tempfile.mkdtemp(dir=self.work)
        self.assertRegex(run(program, store, env=self.env), r"^loci [0-9.]+: GET /v2/: 200$")
        needed = run("readelf", "-d", program)
        self.assertEqual("libloci-" in needed, needs_loci, needed)

    def compile(self, program, *link):
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", os.path.join(HERE, "embed.c"), "-o", program,
            *self.pkg_config("--cflags", "loci-registry"), *link)

    def test_shared_by_pkg_config(self):
        program = os.path.join(self.work, "embed-shared")
        self.compile(program, *self.pkg_config("--libs", "loci-registry"))
        self.check(program, True)

    def test_static_by_pkg_config(self):
        program = os.path.join(self.work, "embed-static")
        libs = ["-l:lib%s.a" % lib[2:] if lib.startswith("-lloci-") else lib
                for lib in self.pkg_config("--static", "--libs", "loci-registry")]
        self.compile(program, *libs)
        self.check(program, False)

    def test_cmake(self):
        build = os.path.join(self.work, "cmake")
        run("cmake", "-S", os.path.join(HERE, "cmake"), "-B", build, "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + self.prefix)
        run("cmake", "--build", build)
        self.check(os.path.join(build, "embed"), True)
        self.check(os.path.join(build, "embed-static"), False)

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
