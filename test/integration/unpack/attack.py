#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and odd layers, one row each, unpacked by the real code beside a canary directory.

Must run in a mount namespace of its own (see in_namespace): it mounts a small tmpfs, so that a
bomb can fill nothing else, and real overlay mounts to see what a container would see.
"""

import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

from tarmaker import *

DRIVER = None  # a copy that anybody may run: the build directory may be closed to others
WHITEOUT = ("whiteout",)


class Reject:
    """The layer must be refused with this code and text."""

    def __init__(self, code, text):
        self.code, self.text = code, text


class Accept:
    """files: path -> properties in the last layer's directory; merged: in the overlay of all
    layers; None: must not be there."""

    def __init__(self, files=None, merged=None, cut=False, skipped=None):
        self.files, self.merged, self.cut, self.skipped = files or {}, merged or {}, cut, skipped


def F(data=None, **more):
    return dict(more, type=stat.S_IFREG, **({} if data is None else {"data": raw(data)}))


def D(**more):
    return dict(more, type=stat.S_IFDIR)


def L(link, **more):
    return dict(more, type=stat.S_IFLNK, link=link)


CASES = []


def case(name, *layers, expect, args=(), fmt="tar"):
    CASES.append((name, layers, expect, list(args), fmt))


INVALID, LARGE = "INVALID", "TOO_LARGE"

# Absolute names of the canary are known before the archives are made: a fixed path on the tmpfs.
BASE = tempfile.mkdtemp(prefix="loci-attack-")
CANARY = BASE + "/canary"

# ---- names ----
case("abs-name", file("/absfile", "x"), expect=Accept({"absfile": F("x")}))
case("abs-name-of-canary", file(CANARY + "/new", "x"),
     expect=Accept({(CANARY + "/new").lstrip("/"): F("x")}))
case("dotdot-name", file("../evil", "x"), expect=Reject(INVALID, "leads out of the layer"))
case("dotdot-inner-escape", file("a/../../evil", "x"), expect=Reject(INVALID, "leads out"))
case("dotdot-inner-ok", file("a/../b", "x"), expect=Accept({"b": F("x"), "a": None}))
case("dotdot-only", dir(".."), expect=Reject(INVALID, "leads out"))
case("empty-name", file("", "x"), expect=Reject(INVALID, "name is empty"))
case("name-300", pax({"path": "n" * 300}) + file("x"), expect=Reject(INVALID, "300 bytes"))
case("deep-2000", pax({"path": "d/" * 2000 + "f"}) + file("x", "y"),
     expect=Reject(LARGE, "deeper than 1024"))
case("deep-1023", pax({"path": "d/" * 1023 + "f"}) + file("x", "y") +
     pax({"path": "d/" * 500 + "g"}) + file("x", "z") + file("top", "t"),
     expect=Accept({"d/" * 500 + "g": F("z"), "top": F("t")}))
case("deep-nested-dirs", b"".join(
    pax({"path": "d/" * i}) + dir("x", mode=0o700, mtime=i) for i in range(1, 301)),
     expect=Accept({"d/" * 300: D(mode=0o700, mtime=300 * 10**9),
                    "d/" * 5: D(mode=0o700, mtime=5 * 10**9)}))
case("path-5000", pax({"path": ("p" * 200 + "/") * 25 + "f"}) + file("x", "y"),
     expect=Accept({}))
case("pax-path-override", pax({"path": "../../evil"}) + file("ok", "x"),
     expect=Reject(INVALID, "leads out"))
case("unicode-dup", pax({"path": "e\u0301"}) + file("x", "1") + pax({"path": "\u00e9"}) +
     file("x", "2"), expect=Accept({"e\u0301": F("1"), "\u00e9": F("2")}))
case("control-bytes-in-messages", pax({"path": "../\x1b[2J\n"}) + file("x"),
     expect=Reject(INVALID, r"'\.\./\\x1b\[2J\\x0a'"))
case("control-bytes-of-a-parent", file("a\x1b[2J", "x") + file("a\x1b[2J/b", "x"),
     expect=Reject(INVALID, r"parent 'a\\x1b\[2J' is no directory"))
case("control-bytes-of-a-symlink", sym("a\x1b[2J", "nowhere") + file("a\x1b[2J/b", "x"),
     expect=Reject(INVALID, r"parent 'a\\x1b\[2J' is a symbolic link"))
case("v7-dir-slash", header("dd/", type="0", magic=b"\0" * 8) + file("dd/f", "x"),
     expect=Reject(INVALID, "no directory"))
case("v7-dir-slash-old", header("dd/", type="\0", mode=0o755, magic=b"\0" * 8) + file("dd/f", "x"),
     expect=Accept({"dd/f": F("x")}))
case("go-1.7-prefix", header("b", magic=GNU, prefix="not-a-time"),
     expect=Accept({"not-a-time/b": F("")}))
case("gnu-times", header("b", magic=GNU, tail=b"\0" * 16 + b"00000000007\0" * 2),
     expect=Accept({"b": F("")}))
case("ustar-prefix", file("b", "x", prefix="a"), expect=Accept({"a/b": F("x")}))

# ---- the root ----
case("root-entry", dir("./", mode=0o711, uid=7, gid=8, mtime=99),
     expect=Accept({".": D(mode=0o711, uid=7, gid=8, mtime=99 * 10**9)}))
case("root-absent", file("f", "x"), expect=Accept({".": D(mode=0o755, uid=0)}))
case("root-symlink", sym(".", CANARY), expect=Reject(INVALID, "root must be a directory"))
case("root-file", file("./", "x"), expect=Reject(INVALID, "root must be a directory"))
case("root-hardlink", file("f", "x") + hard("/", "f"), expect=Reject(INVALID, "root must be"))

# ---- symbolic links ----
case("sym-abs-then-file", sym("x", CANARY) + file("x/evil", "e"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("sym-rel-then-file", sym("x", "../canary") + file("x/evil", "e"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("sym-chain", sym("a", "b") + sym("b", "..") + sym("c", "a/canary") + file("c/evil", "e"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("sym-dotdot-stays-inside", dir("d") + sym("d/up", "../../..") + file("d/up/x", "e"),
     expect=Accept({"x": F("e")}))
case("sym-same-layer-ok", dir("usr") + dir("usr/lib") + sym("lib", "usr/lib") +
     file("lib/foo", "x"), expect=Accept({"usr/lib/foo": F("x"), "lib": L("usr/lib")}))
case("sym-lower-parent", dir("usr") + dir("usr/lib") + sym("lib", "usr/lib"), file("lib/foo", "x"),
     expect=Accept({"lib": D(), "lib/foo": F("x")}, merged={"lib": D()}))
case("sym-abs-in-root", dir("usr") + sym("lib", "/usr") + file("lib/foo", "x"),
     expect=Accept({"usr/foo": F("x")}))
case("proc-self-symlink", sym("p", "/proc/self/root") + file("p" + CANARY + "/evil", "e"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("file-over-symlink", sym("s", CANARY + "/secret") + file("s", "x"),
     expect=Accept({"s": F("x")}))
case("dir-over-symlink", sym("s", CANARY) + dir("s") + file("s/f", "x"),
     expect=Accept({"s": D(), "s/f": F("x")}))
case("symlink-over-dir", dir("d") + file("d/f", "x") + sym("d", CANARY) + file("d/evil", "e"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("symlink-over-dir-alone", dir("d", mtime=5) + file("d/f", "x") + sym("d", CANARY, mtime=7),
     expect=Accept({"d": L(CANARY, mtime=7 * 10**9)}))
case("symlink-cached-parent-replaced", sym("a", ".") + file("a/x", "1") + file("a/a", "2"),
     expect=Accept({"a": D(), "a/a": F("2"), "x": F("1")}))
case("nul-symlink-target-empty", sym("s", ""), expect=Reject(INVALID, "symbolic link"))
case("symlink-target-4097", pax({"linkpath": "t" * 4097}) + sym("s", "x"),
     expect=Reject(INVALID, "symbolic link"))
case("symlink-target-4095", pax({"linkpath": "t" * 4095}) + sym("s", "x"),
     expect=Accept({"s": L("t" * 4095)}))

# ---- hard links ----
case("hardlink-abs-outside", hard("h", CANARY + "/secret"), expect=Reject(INVALID, "target"))
case("hardlink-dotdot-outside", hard("h", "../canary/secret"),
     expect=Reject(INVALID, "target.*leads out"))
case("hardlink-via-symlink", sym("s", CANARY) + hard("h", "s/secret"),
     expect=Reject(INVALID, "hard link's target"))
case("hardlink-via-symlink-inside", dir("d") + file("d/f", "x") + sym("s", "d") +
     hard("h", "s/f"), expect=Reject(INVALID, "hard link's target"))
case("hardlink-to-symlink-overwrite", sym("s", CANARY + "/secret") + hard("h", "s") +
     file("h", "x"), expect=Accept({"h": F("x"), "s": L(CANARY + "/secret")}))
case("hardlink-to-symlink", sym("s", CANARY + "/secret") + hard("h", "s"),
     expect=Accept({"h": L(CANARY + "/secret", nlink=2)}))
case("hardlink-forward", hard("h", "later") + file("later", "x"),
     expect=Reject(INVALID, "not in this layer"))
case("hardlink-self", file("h", "x") + hard("h", "h"), expect=Accept({"h": F("x", nlink=1)}))
case("hardlink-twice", file("a", "x") + hard("b", "a") + hard("b", "a"),
     expect=Accept({"b": F("x", nlink=2)}))
case("hardlink-dir", dir("d") + hard("h", "d"), expect=Reject(INVALID, "is a directory"))
case("hardlink-root", hard("h", "/"), expect=Reject(INVALID, "is a directory"))
case("hardlink-lower", file("low", "x"), hard("h", "low"),
     expect=Reject(INVALID, "not in this layer"))
case("hardlink-size", file("f", "x") + hard("h", "f", size=512) + file("g", "y"),
     expect=Accept({"h": F("x", nlink=2), "g": F("y")}))
case("hardlink-to-whiteout", file(".wh.x") + hard("h", "x"), expect=Reject(INVALID, "deleted"))
case("hardlink-over-dir", file("f", "x") + dir("d") + file("d/y") + hard("d", "f"),
     expect=Accept({"d": F("x", nlink=2)}))
case("hardlink-target-in-replaced", dir("d") + file("d/f", "x") + hard("d", "d/f"),
     expect=Reject(INVALID, "make the hard link"))
case("dup-hardlink-then-file", file("a", "one") + hard("b", "a") + file("b", "two2"),
     expect=Accept({"a": F("one", nlink=1), "b": F("two2", nlink=1)}))

# ---- one name twice ----
case("dup-file", file("a", "one") + file("a", "two2"), expect=Accept({"a": F("two2")}))
case("file-over-dir", dir("d") + file("d/f", "x") + file("d", "y"), expect=Accept({"d": F("y")}))
case("dir-over-file", file("d", "y") + dir("d", mode=0o700), expect=Accept({"d": D(mode=0o700)}))
case("dir-over-file-hides", dir("d") + file("d/old", "o"), file("d", "y") + dir("d"),
     expect=Accept(merged={"d": D(), "d/old": None}))
case("dup-dir-last-wins", dir("d", mode=0o700, mtime=1, uid=3) + file("d/f", "x") +
     dir("d", mode=0o1755, mtime=2, uid=4),
     expect=Accept({"d": D(mode=0o1755, mtime=2 * 10**9, uid=4), "d/f": F("x")}))
case("dir-file-dir", dir("d", mode=0o2700, mtime=1) + dir("d/s", mode=0o2711, mtime=2) +
     file("d", "y") + dir("d", mode=0o755, mtime=3),
     expect=Accept({"d": D(mode=0o755, mtime=3 * 10**9), "d/s": None}))
DUP = file("dup", "1") + file("dup", "2")
LONG = ["p" * 200 + "/" + ("q" * 200 + "/") * i for i in range(25)]
case("dir-through-symlink-and-dup", dir("usr") + sym("lib", "usr") +
     dir("lib/sub", mode=0o2750, mtime=5) + DUP,
     expect=Accept({"usr/sub": D(mode=0o2750, mtime=5 * 10**9), "lib": L("usr")}))
case("dir-deeper-than-path-max-and-dup", b"".join(
    pax({"path": path}) + dir("x", mode=0o2711, mtime=9) for path in LONG) + DUP,
     expect=Accept({LONG[-1]: D(mode=0o2711, mtime=9 * 10**9)}))
case("dir-whose-parent-became-a-symlink", dir("a") + dir("b") + dir("b/d", mode=0o700, mtime=3) +
     dir("a/d", mode=0o1777, mtime=5) + sym("a", "b"),
     expect=Accept({"a": L("b"), "b/d": D(mode=0o700, mtime=3 * 10**9)}))
case("dir-whose-parent-became-a-whiteout", dir("a") + dir("a/d", mtime=5) + file("a", "x") +
     file(".wh.a") + DUP, expect=Accept({"a": F("x")}))
case("dup-dir-loses-special-bits", xattr(system__posix_acl_default=acl(4)) +
     dir("d", mode=0o3755) + dir("d", mode=0o750),
     expect=Accept({"d": D(mode=0o750, xattr={})}))
case("implicit-parent", file("a/b/c", "x"),
     expect=Accept({"a": D(mode=0o755, uid=0, gid=0), "a/b": D(mode=0o755), "a/b/c": F("x")}))
case("implicit-then-explicit", file("a/b", "x") + dir("a", mode=0o750, uid=5, mtime=9),
     expect=Accept({"a": D(mode=0o750, uid=5, mtime=9 * 10**9)}))
case("implicit-parent-lower-mode", dir("p", mode=0o711, uid=7), file("p/f", "x"),
     expect=Accept({"p": D(mode=0o755, uid=0)}))
case("parent-is-file", file("f", "x") + file("f/g", "y"), expect=Reject(INVALID, "no directory"))

# ---- whiteouts ----
LOWER = dir("d") + file("d/old", "o") + dir("d/sub") + file("d/sub/oldx", "o") + \
    file("passwd", "OLD")
case("wh-simple", LOWER, file(".wh.passwd"), expect=Accept({"passwd": WHITEOUT},
                                                           merged={"passwd": None, "d": D()}))
case("wh-dotdot", file(".wh..."), expect=Reject(INVALID, "a whiteout of no name"))
case("wh-dotdot-deep", file("d/.wh..."), expect=Reject(INVALID, "a whiteout of no name"))
case("wh-dot", file(".wh.."), expect=Reject(INVALID, "a whiteout of no name"))
case("wh-empty", file(".wh."), expect=Reject(INVALID, "a whiteout of no name"))
case("wh-plnk", dir(".wh..wh.plnk") + file(".wh..wh.plnk/1.2", "x") + file("f", "y"),
     expect=Accept({"f": F("y"), ".wh..wh.plnk": None}, skipped=2))
case("wh-plnk-hardlink", dir(".wh..wh.plnk") + file(".wh..wh.plnk/1.2", "x") +
     hard("h", ".wh..wh.plnk/1.2"), expect=Reject(INVALID, "hard link's target"))
case("wh-aufs", file(".wh..wh.aufs", "x") + file("f", "y"),
     expect=Accept({"f": F("y"), ".wh..wh.aufs": None}, skipped=1))
case("wh-through-symlink", sym("s", CANARY) + file("s/.wh.secret"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("wh-dir-symlink-lower", sym("s", CANARY), file("s/.wh.secret"),
     expect=Accept({"s": D(), "s/secret": WHITEOUT}))
case("opq-through-symlink", sym("s", CANARY) + file("s/.wh..wh..opq"),
     expect=Reject(INVALID, "symbolic link to no directory"))
case("opq-first", LOWER, dir("d") + file("d/.wh..wh..opq") + file("d/new", "n"),
     expect=Accept(merged={"d/new": F("n"), "d/old": None, "d/sub": None}))
case("opq-last", LOWER, dir("d") + file("d/new", "n") + dir("d/sub") + file("d/sub/x", "x") +
     file("d/.wh..wh..opq"),
     expect=Accept(merged={"d/new": F("n"), "d/sub/x": F("x"), "d/old": None,
                           "d/sub/oldx": None}))
case("opq-no-dir-entry", LOWER, file("d/.wh..wh..opq") + file("d/new", "n"),
     expect=Accept(merged={"d/new": F("n"), "d/old": None}))
case("opq-root", LOWER, file("new", "n") + file(".wh..wh..opq"),
     expect=Accept(merged={"new": F("n"), "d": None, "passwd": None}, cut=True))
case("wh-then-file", LOWER, file(".wh.passwd") + file("passwd", "NEW"),
     expect=Accept(merged={"passwd": F("NEW")}))
case("file-then-wh", LOWER, file("passwd", "NEW") + file(".wh.passwd"),
     expect=Accept(merged={"passwd": F("NEW")}))
case("wh-then-dir", LOWER, file(".wh.d") + dir("d") + file("d/new", "n"),
     expect=Accept(merged={"d/new": F("n"), "d/old": None}))
case("wh-then-implicit-dir", LOWER, file(".wh.d") + file("d/new", "n"),
     expect=Accept(merged={"d/new": F("n"), "d/old": None}))
case("dir-then-wh", LOWER, dir("d") + file("d/new", "n") + file(".wh.d"),
     expect=Accept(merged={"d/new": F("n"), "d/old": None}))
case("wh-nonexist", LOWER, file(".wh.nothing"), expect=Accept(merged={"nothing": None, "d": D()}))
case("wh-with-data", LOWER, file(".wh.passwd", "data" * 500) + file("after", "a"),
     expect=Accept(merged={"passwd": None, "after": F("a")}))
case("wh-as-dir", LOWER, dir(".wh.d"), expect=Reject(INVALID, "whiteout that is a directory"))
case("wh-as-parent", LOWER, file(".wh.d/f"), expect=Reject(INVALID, "whiteout that is a dir"))
case("wh-as-symlink", LOWER, sym(".wh.passwd", CANARY), expect=Accept(merged={"passwd": None}))
case("wh-twice", LOWER, file(".wh.passwd") + file(".wh.passwd"),
     expect=Accept(merged={"passwd": None}))
case("whiteout-name-255", file(".wh." + "n" * 96) + pax({"path": ".wh." + "n" * 252}) + file("x"),
     expect=Reject(INVALID, "256 bytes"))
case("chr-0-0", LOWER, header("passwd", type="3"), expect=Reject(INVALID, "whiteout"))

# ---- attributes ----
case("setuid-chown", file("f", "x", mode=0o6755, uid=1000, gid=1000),
     expect=Accept({"f": F("x", mode=0o6755, uid=1000, gid=1000)}))
case("cap-chown", xattr(security__capability=capability()) + file("f", "x", uid=1000),
     expect=Accept({"f": F("x", uid=1000, xattr={"security.capability": capability()})}))
case("setgid-dir-inherit", dir("g", mode=0o2755, gid=50) + file("g/f", "x") + dir("g/sub"),
     expect=Accept({"g": D(mode=0o2755, gid=50), "g/f": F("x", gid=0),
                    "g/sub": D(mode=0o755, gid=0)}))
case("setgid-root-inherit", dir("./", mode=0o2755, gid=50) + file("f", "x") + dir("sub"),
     expect=Accept({".": D(mode=0o2755, gid=50), "f": F("x", gid=0), "sub": D(mode=0o755, gid=0)}))
case("acl-default", xattr(system__posix_acl_default=acl(4)) + dir("g") +
     file("g/f", "x", mode=0o666),
     expect=Accept({"g/f": F("x", mode=0o666), "g": D(xattr={
         "system.posix_acl_default": acl(4)})}))
case("uid-minus1", pax({"uid": "-1"}) + file("f", "x"), expect=Reject(INVALID, "uid -1"))
case("gid-4294967295", file("f", "x", gid=4294967295), expect=Reject(INVALID, "gid 4294967295"))
case("uid-huge", pax({"uid": "4294967296"}) + file("f"), expect=Reject(INVALID, "uid 4294967296"))
case("uid-base256", file("f", "x", uid=3000000, gid=4294967294),
     expect=Accept({"f": F("x", uid=3000000, gid=4294967294)}))
case("devnode", header("n", type="3", major=1, minor=3, mode=0o666, uid=1) +
     header("b", type="4", major=8, minor=1),
     expect=Accept({"n": dict(type=stat.S_IFCHR, rdev=os.makedev(1, 3), mode=0o666, uid=1),
                    "b": dict(type=stat.S_IFBLK, rdev=os.makedev(8, 1))}))
case("devnode-negative", header("n", type="3", major=-1, minor=3),
     expect=Reject(INVALID, "device number"))
case("xattr-trusted-overlay", pax([("SCHILY.xattr.trusted.overlay.opaque", "y"),
                                   ("SCHILY.xattr.trusted.overlay.redirect", "/d"),
                                   ("SCHILY.xattr.user.overlay.opaque", "y")]) + dir("d") +
     pax({"SCHILY.xattr.trusted.overlay.metacopy": ""}) + file("f", "x"),
     expect=Accept({"d": D(xattr={}), "f": F("x", xattr={})}))
case("xattr-security", pax([("SCHILY.xattr.user.ok", "v"), ("SCHILY.xattr.security.ima", "v"),
                            ("SCHILY.xattr.security.selinux", "v"),
                            ("SCHILY.xattr.trusted.x", "v")]) + file("f", "x"),
     expect=Accept({"f": F("x", xattr={"user.ok": b"v"})}))
case("xattr-binary", pax({"SCHILY.xattr.user.bin": b"a\0\n=b"}) + file("f", "x"),
     expect=Accept({"f": F("x", xattr={"user.bin": b"a\0\n=b"})}))
case("many-xattrs", pax([("SCHILY.xattr.user.n%d" % i, "v") for i in range(1025)]) + file("f"),
     expect=Reject(LARGE, "1024 extended attributes"))
case("mode-type-bits", file("f", "x", mode=0o120777), expect=Accept({"f": F("x", mode=0o777)}))
case("mode-0", file("f", "x", mode=0) + dir("d", mode=0) + file("d/g", "y"),
     expect=Accept({"f": F("x", mode=0), "d": D(mode=0), "d/g": F("y")}))
case("mtime-extreme", file("a", "x", mtime=2**63 - 1) + file("b", "x", mtime=-2**62) +
     dir("c", mtime=2**62), expect=Accept({"a": F("x"), "b": F("x"), "c": D()}))
case("mtime-ns-before-1970", pax({"mtime": "-1.25"}) + file("f", "x"),
     expect=Accept({"f": F("x", mtime=-1250000000)}))
case("dir-mode0-children", dir("d", mode=0, mtime=5) + dir("d/e", mode=0o555) + file("d/e/f", "x"),
     expect=Accept({"d": D(mode=0, mtime=5 * 10**9), "d/e": D(mode=0o555)}))
case("fifo", header("p", type="6", mode=0o600, mtime=3),
     expect=Accept({"p": dict(type=stat.S_IFIFO, mode=0o600, mtime=3 * 10**9)}))
case("write-into-fifo", header("p", type="6") + file("p", "x"), expect=Accept({"p": F("x")}))
case("write-into-dev", header("n", type="3", major=1, minor=3) + file("n", "x"),
     expect=Accept({"n": F("x")}))

# ---- the format ----
INNER = header("inner-smuggled", size=0)
case("pax-size-desync", pax({"size": "1024"}) + header("outer", size=0) + INNER + b"\1" * 512 +
     file("after", "a"), expect=Accept({"outer": F(size=1024), "after": F("a"),
                                        "inner-smuggled": None}))
case("pax-then-gnuL", pax({"size": "1024"}) + gnu_long("n" * 150) + header("x", size=0) +
     b"\2" * 1024 + file("after", "a"),
     expect=Accept({"n" * 150: F(size=1024), "after": F("a")}))
case("pax-huge", pax_raw(b"", size=2 * 1024 * 1024), expect=Reject(LARGE, "extended header"))
case("pax-bad-zero", pax_raw(b"0 path=x\n") + file("f"), expect=Reject(INVALID, "length is wrong"))
case("pax-bad-neg", pax_raw(b"-9 path=x\n") + file("f"), expect=Reject(INVALID, "without a length"))
case("pax-bad-long", pax_raw(b"99 path=x\n") + file("f"), expect=Reject(INVALID, "length is wrong"))
case("pax-bad-nonl", pax_raw(b"9 path=xy") + file("f"), expect=Reject(INVALID, "length is wrong"))
case("pax-bad-noeq", pax_raw(b"9 pathxy\n") + file("f"), expect=Reject(INVALID, "without a key"))
case("pax-bad-nul", pax({"path": "a\0b"}) + file("f"), expect=Reject(INVALID, "'path'"))
case("pax-bad-size", pax({"size": "-5"}) + file("f"), expect=Reject(INVALID, "size is negative"))
case("pax-bad-number", pax({"uid": "12x"}) + file("f"), expect=Reject(INVALID, "'uid'"))
case("pax-orphan", file("a", "x") + pax({"path": "b"}), expect=Accept({"a": F("x"), "b": None}))
case("pax-before-global", pax({"path": "evil"}) + pax({"comment": "c"}, type="g") + file("a", "x"),
     expect=Accept({"a": F("x"), "evil": None}))
case("gnu-longname-before-global", gnu_long("evil") + pax({"comment": "c"}, type="g") +
     file("a", "x"), expect=Accept({"a": F("x"), "evil": None}))
case("pax-empty-value", pax([("path", "b"), ("path", "")]) + file("a", "x"),
     expect=Accept({"a": F("x"), "b": None}))
case("pax-global-ignored", pax({"path": "evil", "uid": "77"}, type="g") + file("a", "x"),
     expect=Accept({"a": F("x", uid=0), "evil": None}))
case("gnu-longname", gnu_long("l" * 120 + "/" + "m" * 120) + file("short", "x", magic=GNU),
     expect=Accept({"l" * 120 + "/" + "m" * 120: F("x")}))
case("gnu-longlink", gnu_long("t" * 300, type="K") + sym("s", "short", magic=GNU),
     expect=Accept({"s": L("t" * 300)}))
case("gnu-longname-huge", gnu_long("", size=2 * 1024 * 1024), expect=Reject(LARGE, "extended"))
case("bad-checksum", file("f", "x")[:20] + b"!" + file("f", "x")[21:],
     expect=Reject(INVALID, "checksum"))
case("neg-size", header("f", size=-1), expect=Reject(INVALID, "size is negative"))
case("bad-octal", header("f", size=b"00000000009\0"), expect=Reject(INVALID, "size is no number"))
case("huge-size", header("f", size=2**62), expect=Reject(LARGE, "more than"))
case("size-beyond-end", header("f", size=1 << 20) + b"x" * 512,
     expect=Reject(INVALID, "cut short"))
case("unknown-type", header("f", type="Z"), expect=Reject("UNSUPPORTED", "0x5a"))
case("contiguous", file("f", "x", type="7"), expect=Accept({"f": F("x")}))
case("zero-block-middle", file("a", "x") + b"\0" * 512 + file("b", "y"),
     expect=Reject(INVALID, "single block of zeros"))
case("data-after-eof", file("a", "x") + END + file("b", "y"),
     expect=Accept({"a": F("x"), "b": None}))
case("cut-in-padding", file("a", "x")[:700], expect=Accept({"a": F("x")}), fmt="bare")
case("cut-in-data", file("a", "x" * 600)[:900], expect=Reject(INVALID, "cut short"),
     fmt="bare")
case("no-end", file("a", "x"), expect=Accept({"a": F("x")}), fmt="bare")
case("half-a-header", file("a", "x") + b"x" * 100, expect=Reject(INVALID, "cut short"), fmt="bare")
case("empty-archive", b"", expect=Accept({}))

# ---- sparse files ----
case("sparse-old", old_sparse("s", [(0, 4), (1000, 3)], 2000, b"abcdxyz"),
     expect=Accept({"s": F(b"abcd" + b"\0" * 996 + b"xyz" + b"\0" * 997)}))
case("sparse-old-extended", old_sparse("s", [(i * 10, 1) for i in range(4)], 400, b"x" * 30,
                                       more=[(i * 10, 1) for i in range(4, 30)]) + file("a", "b"),
     expect=Accept({"s": F((b"x" + b"\0" * 9) * 30 + b"\0" * 100), "a": F("b")}))
case("sparse-0.0", pax([("GNU.sparse.size", "20"), ("GNU.sparse.numblocks", "2"),
                        ("GNU.sparse.offset", "0"), ("GNU.sparse.numbytes", "2"),
                        ("GNU.sparse.offset", "10"), ("GNU.sparse.numbytes", "1")]) +
     file("s", "abc"), expect=Accept({"s": F(b"ab" + b"\0" * 8 + b"c" + b"\0" * 9)}))
case("sparse-0.1", pax({"GNU.sparse.size": "12", "GNU.sparse.numblocks": "1",
                        "GNU.sparse.map": "10,2", "GNU.sparse.name": "real"}) +
     file("GNUSparseFile.0/s", "ab"), expect=Accept({"real": F(b"\0" * 10 + b"ab")}))
case("sparse-1.0", pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                        "GNU.sparse.name": "real", "GNU.sparse.realsize": "3000"}) +
     file("x", pad(b"2\n0\n2\n2000\n1\n") + b"abc"),
     expect=Accept({"real": F(b"ab" + b"\0" * 1998 + b"c" + b"\0" * 999)}))
case("sparse-two-sizes", pax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"),
                              ("GNU.sparse.size", "10"), ("GNU.sparse.realsize", "20")]) +
     file("s", pad(b"1\n0\n2\n") + b"ab"), expect=Accept({"s": F(b"ab" + b"\0" * 8)}))
case("sparse-0.1-uncounted", pax({"GNU.sparse.size": "12", "GNU.sparse.map": "10,2"}) +
     file("s", "ab"), expect=Reject(INVALID, "map is malformed"))
case("sparse-all-hole", old_sparse("s", [], 5000, b""), expect=Accept({"s": F(b"\0" * 5000)}))
case("sparse-bomb", old_sparse("s", [(1 << 40, 1)], 1 << 41, b"x"),
     expect=Reject(LARGE, "more than"))
case("sparse-bomb-1.0", pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                             "GNU.sparse.name": "s", "GNU.sparse.realsize": str(1 << 50)}) +
     file("x", pad(b"0\n")), expect=Reject(LARGE, "more than"))
case("sparse-out-of-range", old_sparse("s", [(100, 5)], 50, b"abcde"),
     expect=Reject(INVALID, "out of range"))
case("sparse-overlap", old_sparse("s", [(0, 5), (2, 5)], 50, b"a" * 10),
     expect=Reject(INVALID, "out of range"))
case("sparse-overflow", pax({"GNU.sparse.size": "9", "GNU.sparse.map": "9223372036854775807,2"}) +
     file("s", "ab"), expect=Reject(INVALID, "out of range"))
case("sparse-wrong-sum", old_sparse("s", [(0, 3)], 50, b"abcde"),
     expect=Reject(INVALID, "for 3 bytes, the archive holds 5"))
case("sparse-map-no-number", pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                  "GNU.sparse.realsize": "9"}) + file("x", pad(b"zz\n")),
     expect=Reject(INVALID, "map is malformed"))
case("sparse-map-endless", pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                "GNU.sparse.realsize": "9"}) + file("x", pad(b"999999\n1\n")),
     expect=Reject(INVALID, "map is malformed"))
case("sparse-dir", pax({"GNU.sparse.size": "9", "GNU.sparse.map": "0,1"}) + dir("d"),
     expect=Reject(INVALID, "sparse and no file"))
case("sparse-type-in-ustar", file("s", "x", type="S"), expect=Reject(INVALID, "not GNU's"))

# ---- limits ----
case("bomb-bytes", file("f", b"\0" * 300000), args=["--max-bytes", "200000"],
     expect=Reject(LARGE, "200000 bytes"))
case("bomb-stream", file("f", b"\0" * 1000) + END + b"\0" * 300000,
     args=["--max-bytes", "200000"], expect=Reject(LARGE, "larger than 200000 bytes"))
case("bomb-gz", b"".join(file("f%d" % i, b"\0" * 1000000) for i in range(12)), fmt="gz",
     args=["--max-bytes", "4000000"], expect=Reject(LARGE, "4000000 bytes"))
case("bomb-entries", b"".join(file("f%d" % i) for i in range(50)), args=["--max-entries", "49"],
     expect=Reject(LARGE, "more than 49 entries"))
# A few compressed bytes an entry must not cost a walk through a thousand directories each.
FAR = ["d/" * 900 + "f", "d/" * 450 + "e/" * 450 + "f"]
case("bomb-walks", b"".join(pax({"path": FAR[i % 2]}) + file("x") for i in range(1500)), fmt="gz",
     expect=Reject(LARGE, "steps through directories"))
case("deep-walks-at-limit", b"".join(pax({"path": "d/" * (100 + i % 2 * 28) + "f"}) + file("x")
                                     for i in range(1500)), fmt="gz",
     expect=Accept({"d/" * 100 + "f": F("")}))
case("entries-at-limit", b"".join(file("f%d" % i) for i in range(50)),
     args=["--max-entries", "50"], expect=Accept({"f49": F("")}))
case("reserve", file("f", "x"), args=["--reserve", str(1 << 50)],
     expect=Reject("NO_SPACE", "are to stay free"))
case("enospc", b"".join(file("f%d" % i, b"x" * 8000000) for i in range(12)), fmt="gz",
     expect=Reject("NO_SPACE", "write the file: No space left"))
case("reserve-while-writing", b"".join(file("f%d" % i, b"x" * 8000000) for i in range(12)),
     fmt="gz", args=["--reserve", "12000000"], expect=Reject("NO_SPACE", "are to stay free"))
case("media-type-unknown", file("f"), args=["--media-type", "application/json"],
     expect=Reject("UNSUPPORTED", "application/json"))
case("media-type-says-gzip", file("f"), expect=Reject(INVALID, "the media type says gzip"),
     args=["--media-type", "application/vnd.oci.image.layer.v1.tar+gzip"])
case("media-type-says-tar", file("f"), fmt="gz", expect=Reject(INVALID, "the bytes are gzip"),
     args=["--media-type", "application/vnd.oci.image.layer.v1.tar"])

# ---- rootless: the same code without root's rights ----
ROOTLESS = [
    ("rootless-owner-stays", file("f", "x", uid=1000, mode=0o4711), {"f": F("x", mode=0o4711)}),
    ("rootless-device-skipped", header("n", type="3", major=1, minor=3) + file("f", "x"),
     {"f": F("x"), "n": None}),
    ("rootless-mode0", dir("d", mode=0, mtime=5) + dir("d/e", mode=0o100) + file("d/e/f", "x",
     mode=0), {"d": D(mode=0, mtime=5 * 10**9), "d/e": D(mode=0o100), "d/e/f": F("x", mode=0)}),
    ("rootless-xattr-read-only", xattr(user__a="1") + file("f", "x", mode=0o444),
     {"f": F("x", mode=0o444, xattr={"user.a": b"1"})}),
    ("rootless-replace-closed-dir", dir("d", mode=0) + dir("d/e", mode=0) + file("d/e/f", "x") +
     file("d", "y"), {"d": F("y")}),
    ("rootless-opaque", dir("d") + file("d/.wh..wh..opq"),
     {"d": D(xattr={"user.overlay.opaque": b"y"})}),
]


# ---------------------------------------------------------------------------------------------

def snapshot(top):
    """Everything below top that a write, link, chmod or setxattr would change."""
    out = {}
    for base, dirs, files in os.walk(top):
        for name in ["."] + sorted(dirs) + sorted(files):
            path = os.path.join(base, name)
            st = os.lstat(path)
            entry = [st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_mtime_ns,
                     st.st_ino]
            if stat.S_ISREG(st.st_mode):
                entry.append(open(path, "rb").read())
            entry.append(sorted((x, os.getxattr(path, x, follow_symlinks=False))
                                for x in os.listxattr(path, follow_symlinks=False)))
            out[path] = entry
    return out


def make_canary():
    os.makedirs(CANARY + "/sub")
    for name in ("secret", "sub/other"):
        with open(CANARY + "/" + name, "w") as f:
            f.write("untouched")
    os.chmod(CANARY + "/secret", 0o600)
    os.setxattr(CANARY, "user.mark", b"canary")


def look(root, path):
    """lstat below root; names may be deeper than PATH_MAX."""
    parts = [p for p in path.split("/") if p not in ("", ".")]
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            sub = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = sub
        name = parts[-1] if parts else "."
        st = os.lstat(name, dir_fd=fd) if parts else os.fstat(fd)
        found = dict(st=st, link=None, data=None, xattr={})
        if stat.S_ISLNK(st.st_mode):
            found["link"] = os.readlink(name, dir_fd=fd)
        elif stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
            sub = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
            if stat.S_ISREG(st.st_mode):
                found["data"] = open(os.dup(sub), "rb").read()
            found["xattr"] = {x: os.getxattr(sub, x) for x in os.listxattr(sub)}
            os.close(sub)
        return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    finally:
        os.close(fd)


def compare(root, path, want):
    found = look(root, path)
    if want is None:
        return [] if found is None else ["%s exists" % path]
    if found is None:
        return ["%s is missing" % path]
    st = found["st"]
    if want is WHITEOUT:
        ok = stat.S_ISCHR(st.st_mode) and st.st_rdev == 0
        return [] if ok else ["%s is no whiteout" % path]
    values = dict(type=stat.S_IFMT(st.st_mode), mode=stat.S_IMODE(st.st_mode), uid=st.st_uid,
                  gid=st.st_gid, nlink=st.st_nlink, mtime=st.st_mtime_ns, rdev=st.st_rdev,
                  size=st.st_size, link=found["link"], data=found["data"], xattr=found["xattr"])
    return ["%s: %s is %.200r, expected %.200r" % (path, k, values[k], v)
            for k, v in want.items() if values[k] != v]


def run_driver(root, blob, args, fmt, user=None):
    media = {"gz": "application/vnd.oci.image.layer.v1.tar+gzip"}.get(
        fmt, "application/vnd.oci.image.layer.v1.tar")
    cmd = [DRIVER, root, "--media-type", media] + args
    done = subprocess.run(cmd, input=blob, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          user=user, group=user, timeout=120)
    if done.returncode not in (0, 1):
        return "CRASH", "exit %d: %s" % (done.returncode, done.stderr.decode(errors="replace"))
    code, _, text = done.stdout.decode(errors="replace").rstrip("\n").partition(" ")
    return code, text


def merged_problems(roots, cuts, expect, work):
    lower = []
    for root, cut in reversed(list(zip(roots, cuts))):
        lower.append(root)
        if cut:
            break
    os.makedirs(work + "/empty", exist_ok=True)
    os.makedirs(work + "/merged", exist_ok=True)
    lower.append(work + "/empty")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "ro,lowerdir=" + ":".join(lower),
                    work + "/merged"], check=True)
    try:
        return [p for path, want in expect.merged.items()
                for p in compare(work + "/merged", path, want)]
    finally:
        subprocess.run(["umount", work + "/merged"], check=True)


def blob_of(layer, fmt):
    data = layer if fmt == "bare" else layer + END
    return gzip.compress(data, 1) if fmt == "gz" else data


def run_case(name, layers, expect, args, fmt, work):
    roots, cuts = [], []
    code = text = ""
    for i, layer in enumerate(layers):
        root = "%s/%d" % (work, i)
        os.makedirs(root, 0o700)
        code, text = run_driver(root, blob_of(layer, fmt), args, fmt)
        roots.append(root)
        cuts.append("flags=1" in text)
        if code != "ok" and (i + 1 < len(layers) or isinstance(expect, Accept)):
            return ["layer %d refused: %s %s" % (i, code, text)]
    if isinstance(expect, Reject):
        if code != expect.code or not re.search(expect.text, text):
            return ["expected %s /%s/, got %s %s" % (expect.code, expect.text, code, text)]
        return []
    problems = [p for path, want in expect.files.items() for p in compare(roots[-1], path, want)]
    if cuts[-1] != expect.cut:
        problems.append("cut flag is %s" % cuts[-1])
    if expect.skipped is not None and "skipped=%d" % expect.skipped not in text:
        problems.append("expected skipped=%d, got %s" % (expect.skipped, text))
    if expect.merged:
        problems += merged_problems(roots, cuts, expect, work)
    return problems


def run_rootless(name, layer, files, work):
    root = work + "/0"
    os.makedirs(root)
    os.chmod(work, 0o755)
    os.chown(root, 65534, 65534)
    code, text = run_driver(root, layer + END, ["--rootless"], "tar", user=65534)
    if code != "ok":
        return ["refused: %s %s" % (code, text)]
    return [p for path, want in files.items() for p in compare(root, path, want)]


def guarded(run, name, *rest):
    """One case between two looks at everything that is not its business."""
    work = BASE + "/work"
    os.makedirs(work)
    before, top = snapshot(CANARY), sorted(os.listdir(BASE))
    problems = run(name, *rest, work)
    if snapshot(CANARY) != before:
        problems.append("THE CANARY CHANGED")
    if sorted(os.listdir(BASE)) != top:
        problems.append("ESCAPED: %s" % sorted(os.listdir(BASE)))
    subprocess.run(["rm", "-rf", work], check=True)  # deeper than shutil can go
    for p in problems:
        print("FAILED %s: %s" % (name, p))
    return not problems


def main():
    global DRIVER
    tools = tempfile.mkdtemp(prefix="loci-attack-tools-")
    os.chmod(tools, 0o755)
    DRIVER = shutil.copy(sys.argv[1], tools)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0755", "tmpfs", BASE], check=True)
    try:
        make_canary()
        os.umask(0)
        results = [guarded(run_case, *c) for c in CASES]
        results += [guarded(run_rootless, *c) for c in ROOTLESS]
    finally:
        subprocess.run(["umount", BASE], check=True)
        os.rmdir(BASE)
        shutil.rmtree(tools)
    print("%d of %d cases as expected" % (sum(results), len(results)))
    return 0 if all(results) else 1


sys.exit(main())
