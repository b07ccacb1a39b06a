#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an OCI layout with one small, real image out of static busybox binaries.

    make_busybox.py OUT --binary amd64=/bin/busybox [--binary arm64=FILE] [--tag 3.19] [--compression gzip]

The image has two layers (the second changes a file and hides another by a whiteout), a non-trivial config,
and one manifest an architecture in an index.
"""
import argparse
import subprocess
import sys

from oci_image import Layout, directory, file, hardlink, symlink, whiteout

PASSWD = "root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:guest:/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:root\nwheel:x:10:root\nusers:x:100:guest\nnobody:x:65534:\n"
OS_RELEASE = 'NAME="Loci test image"\nID=loci-test\nVERSION_ID=3.19\nPRETTY_NAME="busybox in two layers"\n'


def applets(binary):
    """What the binary can be called as; asked of the machine's own one, since a foreign one cannot be run."""
    names = subprocess.run([binary, "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    return [n for n in names if n not in ("busybox", "init", "linuxrc")]


def layers(binary, names):
    with open(binary, "rb") as f:
        data = f.read()
    base = [directory(d) for d in ("bin", "dev", "etc", "home", "proc", "sbin", "sys", "usr", "usr/bin", "var")]
    base += [directory("root", 0o700), directory("tmp", 0o1777), directory("run")]
    base += [file("bin/busybox", data, 0o755)]
    base += [hardlink("bin/sh", "bin/busybox")]
    base += [symlink("bin/" + n, "busybox") for n in names if n != "sh"]
    base += [file("etc/passwd", PASSWD), file("etc/group", GROUP), file("etc/motd", "layer 1\n"),
             file("etc/removed-above", "a whiteout in layer 2 hides this file\n")]
    top = [directory("etc"), file("etc/os-release", OS_RELEASE), file("etc/alpine-release", "3.19.0\n"),
           file("etc/motd", "layer 2\n"), whiteout("etc/removed-above")]
    return [base, top]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--binary", action="append", required=True, metavar="ARCH=FILE")
    parser.add_argument("--tag", default="3.19")
    parser.add_argument("--compression", default="gzip", choices=("gzip", "zstd", ""))
    args = parser.parse_args()
    binaries = [b.split("=", 1) for b in args.binary]
    names = applets(binaries[0][1])
    layout = Layout(args.out)
    manifests = [
        layout.image(layers(path, names), arch=arch, variant="v8" if arch == "arm64" else None,
                     compression=args.compression, Cmd=["/bin/sh"], WorkingDir="/",
                     Env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                     Labels={"org.opencontainers.image.title": "busybox in two layers"})
        for arch, path in binaries
    ]
    top = layout.index(manifests)
    layout.tag(args.tag, top)
    layout.close()
    print(top["digest"])


if __name__ == "__main__":
    sys.exit(main())
