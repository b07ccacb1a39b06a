# SPDX-License-Identifier: Apache-2.0
"""The checks that run a tool over files: formatting, and public headers that compile alone."""
import os
import re
import shutil
import subprocess

CLANG_FORMAT = ("clang-format-14", "clang-format")  # the style is one version's: another breaks lines elsewhere


def _run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def format(tree):
    tool = next((t for t in CLANG_FORMAT if shutil.which(t)), None)
    if not tool:
        yield ".", 1, "clang-format is not installed: script/bootstrap test"
        return
    files = tree.sources()
    for i in range(0, len(files), 64):
        code, out = _run(tool, "--dry-run", "-Werror", "--ferror-limit=1",
                         *[os.path.join(tree.root, f) for f in files[i:i + 64]])
        for m in re.finditer(r"^(\S+?):(\d+):\d+: error: (.*)$", out, re.M) if code else ():
            yield os.path.relpath(m.group(1), tree.root), int(m.group(2)), "clang-format -i wants it otherwise"


LANGUAGES = (("c", "-std=c99", "cc"), ("c++", "-std=c++17", "c++"))
GENERATED = os.environ.get("LOCI_LINT_INCLUDE", "")


def headers(tree):
    for path in tree.paths:
        if not (path.startswith("include/loci/") and path.endswith(".h")):
            continue
        for language, standard, compiler in LANGUAGES:
            code, out = _run(compiler, "-x", language, standard, "-pedantic-errors", "-Wall", "-Wextra", "-Werror",
                             "-Wno-pragma-once-outside-header", "-fsyntax-only", "-I" + os.path.join(tree.root, "include"),
                             *(["-I" + GENERATED] if GENERATED else []), os.path.join(tree.root, path))
            if code:
                yield path, 1, "does not compile alone as %s: %s" % (standard[5:], out.strip().split("\n")[0])


CHECKS = {f.__name__: f for f in (format, headers)}
