#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One generated tree with everything a layer may hold, packed in several dialects, unpacked by the
real code and by GNU tar; the two trees must be equal in type, mode, owner, time (ns), link count,
device, extended attributes, link target and content. The same for every compression and both thread
arrangements, with diff IDs checked against hashlib.

Must run in a mount namespace of its own (see in_namespace).
"""

import gzip
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile

from tarmaker import capability

DRIVER = sys.argv[1]
MEDIA = "application/vnd.oci.image.layer.v1.tar"
NS = 123456789


def write(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def make_plain(top, rng):
    """What every image is full of."""
    for d in range(40):
        os.makedirs("%s/usr/share/p%02d/locale" % (top, d))
        for f in range(12):
            size = rng.choice([0, 1, 100, 511, 512, 513, 4096, 20000])
            write("%s/usr/share/p%02d/locale/f%d" % (top, d, f), rng.randbytes(size),
                  rng.choice([0o644, 0o755, 0o600, 0o444]))
    write(top + "/usr/large", rng.randbytes(3 << 20))
    os.symlink("usr", top + "/link")
    os.symlink("/nowhere/" + "x" * 200, top + "/dangling")


def make_odd(top, rng):
    """What some layers have."""
    deep = top
    for _ in range(12):
        deep += "/" + "d" * 60
    os.makedirs(deep)
    write(deep + "/bottom", b"deep")
    odd = top + "/odd"
    os.mkdir(odd)
    for name in ("new\nline", "t\u00e4st \u4e2d\u6587", "n" * 255, " blank ", "a\\b", "-rf", "...",
                 "wh.x", os.fsdecode(b"\xff\xfe")):
        write(odd + "/" + name, name.encode(errors="surrogateescape"))
    write(odd + "/suid", b"s", 0o4755)
    write(odd + "/sgid", b"s", 0o2755)
    write(odd + "/none", b"s", 0)
    write(odd + "/owner", b"o")
    os.chown(odd + "/owner", 3000000, 4000000)
    write(odd + "/suid-owner", b"o")
    os.chown(odd + "/suid-owner", 1000, 1000)
    os.chmod(odd + "/suid-owner", 0o6755)
    write(odd + "/attr", b"a")
    os.setxattr(odd + "/attr", "user.a", b"one")
    os.setxattr(odd + "/attr", "user.b", b"t\0wo\n")
    write(odd + "/cap", b"c", 0o755)
    os.setxattr(odd + "/cap", "security.capability", capability())
    os.mkdir(odd + "/attrdir")
    os.setxattr(odd + "/attrdir", "user.d", b"dir")
    for name, mode in (("sgid-dir", 0o2775), ("sticky-dir", 0o1777), ("closed", 0o000)):
        os.mkdir(odd + "/" + name)
        write(odd + "/" + name + "/in", b"i")
        os.chown(odd + "/" + name, 0, 50)
        os.chmod(odd + "/" + name, mode)
    os.mknod(odd + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(odd + "/disk", 0o660 | stat.S_IFBLK, os.makedev(259, 300))
    os.mkfifo(odd + "/fifo", 0o640)
    for i in range(3):
        os.link(odd + "/attr", top + "/usr/share/p0%d/hard" % i)
    os.symlink("attr", odd + "/sym")
    os.link(odd + "/sym", odd + "/sym-hard", follow_symlinks=False)
    with open(odd + "/sparse", "wb") as f:
        for at in (0, 100000, 5000000):
            f.seek(at)
            f.write(rng.randbytes(5000))
        f.truncate(7000000)


def set_times(top):
    """Distinct nanoseconds everywhere, some of them before 1970; children before parents."""
    n = 0
    for base, dirs, files in os.walk(top, topdown=False):
        for name in files + dirs + ["."]:
            n += 1
            when = (-50000000 if n % 7 == 0 else 1500000000 + n * 1000) * 10**9 + NS + n
            os.utime(os.path.join(base, name), ns=(when, when), follow_symlinks=False)


def describe(top):
    out, inodes = {}, {}
    for base, dirs, files in os.walk(top):
        for name in dirs + files + (["."] if base == top else []):
            path = os.path.join(base, name)
            st = os.lstat(path)
            kind = stat.S_IFMT(st.st_mode)
            # Numbers of inodes differ, groups of names that share one must not.
            group = inodes.setdefault(st.st_ino, os.path.relpath(path, top))
            out[os.path.relpath(path, top)] = dict(
                mode=oct(st.st_mode), uid=st.st_uid, gid=st.st_gid, mtime=st.st_mtime_ns,
                rdev=st.st_rdev, group=group,
                nlink=0 if kind == stat.S_IFDIR else st.st_nlink,
                size=0 if kind == stat.S_IFDIR else st.st_size,
                link=os.readlink(path) if kind == stat.S_IFLNK else None,
                sha=hashlib.sha256(open(path, "rb").read()).hexdigest()
                if kind == stat.S_IFREG else None,
                xattr={x: os.getxattr(path, x, follow_symlinks=False)
                       for x in os.listxattr(path, follow_symlinks=False)})
    return out


def report(name, got, want, limit=10):
    wrong = [p for p in sorted(set(got) | set(want)) if got.get(p) != want.get(p)]
    for p in wrong[:limit]:
        a, b = got.get(p), want.get(p)
        what = "only on one side" if not a or not b else \
            ", ".join("%s: %s, expected %s" % (k, a[k], b[k]) for k in a if a[k] != b[k])
        print("FAILED %s: %r: %s" % (name, p, what))
    return not wrong


def unpack(root, blob, media, args=()):
    os.mkdir(root, 0o700)
    done = subprocess.run([DRIVER, root, "--media-type", media, *args], input=blob,
                          stdout=subprocess.PIPE)
    text = done.stdout.decode().split()
    if done.returncode or text[0] != "ok":
        print("FAILED unpack %s: %s" % (media, done.stdout.decode()))
        return None
    return text[1]


# Dialects that GNU tar writes; ustar cannot hold all of it (long names, large ids, times).
DIALECTS = [
    ("pax", ["--format=pax", "--xattrs", "--xattrs-include=*"]),
    ("pax-sparse-1.0", ["--format=pax", "--sparse", "--xattrs", "--xattrs-include=*"]),
    ("pax-sparse-0.1", ["--format=pax", "--sparse", "--sparse-version=0.1"]),
    ("pax-sparse-0.0", ["--format=pax", "--sparse", "--sparse-version=0.0"]),
    ("gnu", ["--format=gnu"]),
    ("gnu-sparse", ["--format=gnu", "--sparse"]),
]


def compare_dialects(base):
    good = True
    for name, options in DIALECTS:
        tar = subprocess.run(["tar", "-C", base + "/tree", "--numeric-owner", "-cf", "-", *options,
                              "."], stdout=subprocess.PIPE, check=True).stdout
        want_dir, got_dir = base + "/want", base + "/got"
        os.mkdir(want_dir)
        subprocess.run(["tar", "-C", want_dir, "--numeric-owner", "--same-owner", "-p", "--xattrs",
                        "--warning=no-timestamp",
                        "--xattrs-include=*", "-xf", "-"], input=tar, check=True)
        want = describe(want_dir)
        digest = unpack(got_dir, tar, MEDIA)
        good &= digest == "sha256:" + hashlib.sha256(tar).hexdigest()
        good &= report(name, describe(got_dir), want)
        shutil.rmtree(want_dir)
        shutil.rmtree(got_dir)
    return good


def compare_compressions(base):
    tar = subprocess.run(["tar", "-C", base + "/tree", "--numeric-owner", "-cf", "-", *DIALECTS[0][1],
                          "."], stdout=subprocess.PIPE, check=True).stdout
    want, good = None, True
    digest = "sha256:" + hashlib.sha256(tar).hexdigest()
    blobs = [(MEDIA, tar), (MEDIA + "+gzip", gzip.compress(tar, 6))]
    if shutil.which("zstd"):
        blobs.append((MEDIA + "+zstd", subprocess.run(["zstd", "-qc"], input=tar, check=True,
                                                      stdout=subprocess.PIPE).stdout))
    else:
        print("zstd is not installed: its row is left out")
    for media, blob in blobs:
        for stages in "12":
            name = "%s in %s threads" % (media, stages)
            got_dir = base + "/got"
            if unpack(got_dir, blob, media, ["--stages", stages]) != digest:
                print("FAILED %s: diff ID" % name)
                good = False
            got = describe(got_dir)
            want = want or got
            good &= report(name, got, want)
            shutil.rmtree(got_dir)
    return good


def main():
    base = tempfile.mkdtemp(prefix="loci-differential-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", base], check=True)
    try:
        os.umask(0o022)
        rng = random.Random(3)
        os.mkdir(base + "/tree")
        make_plain(base + "/tree", rng)
        make_odd(base + "/tree", rng)
        set_times(base + "/tree")
        good = compare_dialects(base) & compare_compressions(base)
    finally:
        subprocess.run(["umount", base], check=True)
        os.rmdir(base)
    print("equal" if good else "different")
    return 0 if good else 1


sys.exit(main())
