#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each check is shown what it must find, and what it must leave alone."""
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

# check, path, text, a part of what must be said (None: nothing)
ROWS = [
    ("layers", "core/base/a.c", '#include "core/store/x.h"\n', "core/base may not include core/store/x.h"),
    ("layers", "core/base/a.c", '#include "loci/store.h"\n', "core/base may not include loci/store.h"),
    ("layers", "rtcore/runtime/a.c", '#include "loci/store.h"\n', "rtcore/runtime may not include"),
    ("layers", "rtcore/bundle/a.c", '#include "loci/store.h"\n', None),
    ("layers", "puller/a.c", '#  include <lmdb.h>\n', "<lmdb.h> belongs to core/store alone"),
    ("layers", "core/store/a.c", '#include <lmdb.h>\n', None),
    ("layers", "registry/a.c", '#include <h2o.h>\n', "belongs to registry/http alone"),
    ("layers", "registry/a.c", '#include "registry/http/conn.h"\n', "registry may not include"),
    ("layers", "registry/http/a.c", '#include <openssl/ssl.h>\n', None),
    ("layers", "conf/a.c", '#include "cli/program.h"\n', "conf may not include"),
    ("layers", "conf/a.c", '#include "option.h"\n', "name it from the root"),
    ("layers", "cli/a.c", '#include "core/store/store.h"\n', "cli may not include"),
    ("layers", "test/unit/core/a.c", '#include "core/store/store.h"\n', None),
    ("layers", "include/loci/a.h", '#include "core/base/buf.h"\n', "include/loci may not include"),
    ("layers", "core/base/a.c", '#include "loci/brand_new.h"\n', "no owner"),
    ("banned", "core/a.c", "int x = atoi(s);\n", "atoi is banned"),
    ("banned", "test/a.c", "char *t = strtok (s, x);\n", "strtok is banned"),
    ("banned", "test/a.c", "long n = strtol(s, 0, 10);\n", None),
    ("banned", "cli/a.c", "long n = strtol(s, 0, 10);\n", "strtol is banned"),
    ("banned", "cli/a.c", "/* atoi(s) */ const char *a = \"strcpy(\";\n", None),
    ("banned", "cli/a.c", "x->system(1); y.system(2); my_system(3);\n", None),
    ("banned", "core/a.c", 'printf("x");\n', "libraries never print"),
    ("banned", "cli/a.c", 'printf("x");\n', None),
    ("banned", "core/a.c", 'snprintf(b, n, "x");\n', None),
    ("banned", "puller/a.c", 'x = getenv("HOME");\n', "do not read the environment"),
    ("banned", "puller/a.c", "sigaction(1, &a, 0);\n", "no signal handlers"),
    ("banned", "rtcore/runtime/a.c", "sigaction(1, &a, 0);\n", None),
    ("cloexec", "core/a.c", "fd = open(path,\n\tO_RDONLY);\n", "open without O_CLOEXEC"),
    ("cloexec", "core/a.c", "fd = openat(d, f(x), O_RDONLY |\n\tO_CLOEXEC);\n", None),
    ("cloexec", "core/a.c", "fd = openat(d, p, flags | x);\n", None),
    ("cloexec", "core/a.c", "#define STEP (O_PATH | O_CLOEXEC)\nfd = openat(d, p, STEP);\n", None),
    ("cloexec", "core/a.c", "fd = accept(s, 0, 0);\n", "use accept4"),
    ("cloexec", "core/a.c", "fd = s->accept(s);\n", None),
    ("spdx", "core/a.c", "-int x;\n", "no line"),
    ("spdx", "script/run", "-#!/bin/sh\n", "no line"),
    ("spdx", "docs/a.md", "-text\n", None),
    ("lengths", "core/a.c", "\n" * 1201, "at most 1200"),
    ("lengths", "core/a.c", "\n" * 1190, None),
    ("names", "core/string_utils.c", "int x;\n", "without a subject"),
    ("names", "core/common/a.c", "int x;\n", "without a subject"),
    ("names", "core/Buf.c", "int x;\n", "lower case"),
    ("names", "puller/cred_helper.c", "int x;\n", None),
    ("names", "puller/helpers.c", "int x;\n", "without a subject"),
    ("names", "core/commonality.c", "int x;\n", None),
    ("words", "docs/a.md", "see /wo" + "rk/x\n", "a path of one machine"),
    ("words", "core/a.c", "/* TO" + "DO: all */\n", "do it"),
    ("words", "docs/a.md", "as in iss" + "ue 3\n", "stand alone"),
    ("words", "docs/a.md", "network/x framework/\n", None),
    ("conformance", "docs/conformance.md", "| a | test/b.py |\n| `a:test_x` |\n", "a: no such file"),
    ("conformance", "docs/conformance.md", "nothing is named here\n", None),
    ("conformance", "test/integration/registry/test_conformance_x.py", "class X:\n    def test_y(self):\n",
     "test_y is not in docs/conformance.md"),
    ("conformance", "test/integration/registry/test_conformance_x.py", "class X:\n    def other(self):\n", None),
    ("format", "core/a.c", "int  x;\n", "clang-format"),
    ("format", "core/a.c", "int x;\n", None),
    ("headers", "include/loci/a.h", "size_t f(void);\n", "does not compile alone as c99"),
    ("headers", "include/loci/a.h", "struct a {\n\tint class;\n};\n", "does not compile alone as c++17"),
    ("headers", "include/loci/a.h", "struct a {\n\tint b;\n};\n", None),
]


class Checks(unittest.TestCase):
    def check(self, name, path, text, expected):
        with tempfile.TemporaryDirectory() as root:
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full))
            shutil.copy(os.path.join(HERE, "../../.clang-format"), root)
            with open(full, "w") as f:
                f.write(text[1:] if text.startswith("-") else SPDX + text)
            found = "\n".join(lint.run(root, [name]))
        if expected:
            self.assertIn(expected, found)
            self.assertIn(path, found)
        else:
            self.assertEqual(found, "")

    def test_rows(self):
        for row in ROWS:
            with self.subTest(row[:3]):
                self.check(*row)

    def test_conformance_over_two_files(self):
        """A name is looked for in the file that it stands for."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in (("docs/conformance.md", "| a | test/b.py |\n`a:test_here` `a:test_there`\n"),
                               ("test/b.py", "def test_here():\n")):
                os.makedirs(os.path.dirname(os.path.join(root, path)))
                with open(os.path.join(root, path), "w") as f:
                    f.write(text)
            self.assertEqual(lint.run(root, ["conformance"]),
                             ["docs/conformance.md:2: test/b.py: there is no test_there in it (conformance)"])

    def test_every_check_has_rows_of_both_kinds(self):
        for name in lint.ALL:
            kinds = {bool(row[3]) for row in ROWS if row[0] == name}
            self.assertEqual(kinds, {True, False}, name)


if __name__ == "__main__":
    unittest.main()
