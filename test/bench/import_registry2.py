#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry:2 storage directory into a store, by each way, against cp -a; then a scrub of it.

    import_registry2.py --bin BUILD/bin [--images 500] [--mib 2000] [--rounds 3] [--dir DIR]

The directory is made here: images of two layers, one of them shared by twenty. All of it is in the page cache. Prints
for each way the medians of wall and CPU seconds, and the disk space it took beside the source's.
"""
import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
SHARED_BY = 20


class Source:
    def __init__(self, path):
        self.v2 = os.path.join(path, "docker/registry/v2")

    def write(self, path, data):
        path = os.path.join(self.v2, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def blob(self, data, media_type):
        hex = hashlib.sha256(data).hexdigest()
        self.write("blobs/sha256/%s/%s/data" % (hex[:2], hex), data)
        return {"mediaType": media_type, "digest": "sha256:" + hex, "size": len(data)}

    def image(self, repo, tag, layers):
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
                    "config": self.blob(json.dumps({"repo": repo, "tag": tag}).encode(), OCI_CONFIG)}
        digest = self.blob(json.dumps(manifest).encode(), OCI_MANIFEST)["digest"]
        below = "repositories/%s/_manifests/" % repo
        self.write(below + "revisions/%s/link" % digest.replace(":", "/"), digest.encode())
        self.write(below + "tags/%s/current/link" % tag, digest.encode())


def make(path, images, mib):
    """Half of the bytes in shared layers, half in own ones."""
    source = Source(path)
    own, shared = mib * (1 << 20) // 2 // images, mib * (1 << 20) // 2 * SHARED_BY // images
    base = None
    for i in range(images):
        if i % SHARED_BY == 0:
            base = source.blob(os.urandom(shared), OCI_LAYER)
        source.image("team%d/app%d" % (i // 100, i // 10), "v%d" % (i % 10), [base, source.blob(os.urandom(own), OCI_LAYER)])


def timed(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def space(*directories):
    """MiB of the last one that are not the others'."""
    said = subprocess.run(["du", "-sB1", *directories], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    return int(said[-1].split()[0]) / (1 << 20) if len(said) == len(directories) else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--mib", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=os.environ.get("TMPDIR", "/var/tmp"))
    args = parser.parse_args()
    program = os.path.join(args.bin, "ociregistry")
    with tempfile.TemporaryDirectory(prefix="loci-bench-import-", dir=args.dir) as work:
        source, store = os.path.join(work, "source"), os.path.join(work, "store")
        make(source, args.images, args.mib)
        os.sync()
        take = [program, "import", "--store", store]
        ways = {
            "import, by hard link": [*take, source],
            "import, by hard link, --trust-digests": [*take, "--trust-digests", source],
            "import --copy": [*take, "--copy", source],
            "cp -a, then sync": ["sh", "-c", "cp -a '%s' '%s' && sync -f '%s'" % (source, store, store)],
        }
        print("%d images, %.0f MiB in %d blobs" % (args.images, space(source), sum(
            len(f) for _, _, f in os.walk(os.path.join(source, "docker/registry/v2/blobs")))))
        figures = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, command in ways.items():
                shutil.rmtree(store, ignore_errors=True)
                os.sync()
                wall, cpu = timed(command)
                figures[name].append((wall, cpu, space(source, store)))
        for name, rows in figures.items():
            print("%-40s %6.2f s wall, %6.2f s CPU, %8.1f MiB more on disk" % (
                name, *(statistics.median(column) for column in zip(*rows))))
        shutil.rmtree(store, ignore_errors=True)
        timed(ways["import, by hard link"])
        print("%-40s %6.2f s wall, %6.2f s CPU" % ("import, again", *timed(ways["import, by hard link"])))
        wall, cpu = timed([program, "scrub", "--store", store, "--rate", "0"])
        print("%-40s %6.2f s wall, %6.2f s CPU: %.0f MiB/s" % ("scrub --rate 0", wall, cpu, args.mib / wall))


if __name__ == "__main__":
    sys.exit(main())
