# SPDX-License-Identifier: Apache-2.0
"""The files of the project, and C source with comments and strings blanked out."""
import os
import re
import subprocess

SKIPPED_DIRS = {".git", ".cache", "build"}


class Tree:
    """Every file that is or may be committed, by path from the root; content is read once."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.paths = sorted(self._from_git() or self._from_walk())
        self._texts = {}

    def _from_git(self):
        if not os.path.exists(os.path.join(self.root, ".git")):
            return None
        # safe.directory: the tests may run as root on somebody else's checkout.
        done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
                              cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode:
            return None
        names = os.fsdecode(done.stdout).split("\0")
        return [n for n in names if n and os.path.isfile(os.path.join(self.root, n))]

    def _from_walk(self):
        for base, dirs, names in os.walk(self.root):
            dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS]
            for name in names:
                yield os.path.relpath(os.path.join(base, name), self.root)

    def raw(self, path):
        with open(os.path.join(self.root, path), "rb") as f:
            return f.read()

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = self.raw(path).decode("utf-8", "replace")
        return self._texts[path]

    def is_text(self, path):
        return b"\0" not in self.raw(path)[:8000] and not path.startswith(("test/fuzz/corpus/", "test/data/"))

    def sources(self, suffixes=(".c", ".h")):
        return [p for p in self.paths if p.endswith(suffixes)]


_blank = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """Comments and literals replaced by blanks; lines and columns stay."""
    return _blank.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
