#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.py [--root DIR] [CHECK…]: holds the sources to the house's rules. Without a name, all checks. Exit 1 when one
found something: "path:line: message (check)"."""
import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checks  # noqa: E402
import compilers  # noqa: E402
from tree import Tree  # noqa: E402

ALL = {**checks.CHECKS, **compilers.CHECKS}


def run(root, names):
    tree = Tree(root)
    return ["%s:%d: %s (%s)" % (path, line, message, name)
            for name in names for path, line, message in ALL[name](tree)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(ALL))
    args = parser.parse_args()
    if args.list:
        print("\n".join(ALL))
        return 0
    for name in args.checks:
        if name not in ALL:
            parser.error("no check '%s'; there are: %s" % (name, ", ".join(ALL)))
    found = run(args.root, args.checks or ALL)
    print("\n".join(found) if found else "clean: %s" % ", ".join(args.checks or ALL))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
