#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a store does by the size of its index: filled to one size after the other, measured at each.

    scale.py --build BUILD [--keys 100000,1000000,10000000] [--store DIR --images N] [--whole-up-to 30000000]

Keys are rows of all tables, 19.5 an image, at about 200 bytes of index each: 100 000 000 keys want 20 GB of disk, and as
much of memory for the figures called warm. The store is made in a temporary directory ($TMPDIR, which should be on the
disk in question and not in memory), or in --store, which stays; --images says how many such a one has.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import measure  # noqa: E402

KEYS_AN_IMAGE = 19.5
PAGE = 4096
FIRST = b"GET /v2/_catalog?n=1 HTTP/1.1\r\nHost: x\r\n\r\n"  # reads the index


def pages(store):
    """{table: (depth, branch pages, other pages, rows)} from mdb_stat."""
    said = subprocess.run(["mdb_stat", "-a", store + "/index"], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = {}
    for table, rest in re.findall(r"Status of (\S+).*?\n(.*?)(?=Status|\Z)", said, re.S):
        n = {key: int(value) for key, value in re.findall(r"  (\w[\w ]*): (\d+)", rest)}
        if n["Entries"]:
            found[table] = (n["Tree depth"], n["Branch pages"], n["Leaf pages"] + n["Overflow pages"], n["Entries"])
    return found


def show_pages(store):
    found = pages(store)
    print("%-12s %5s %12s %12s %10s %12s" % ("table", "depth", "branch, KiB", "rest, MiB", "rows", "bytes a row"))
    for table, (depth, branch, rest, rows) in sorted(found.items()):
        print("%-12s %5d %12d %12.1f %10d %12.0f"
              % (table, depth, branch * PAGE / 1024, rest * PAGE / 2**20, rows, (branch + rest) * PAGE / rows))
    rows = sum(t[3] for t in found.values())
    branch, used = sum(t[1] for t in found.values()), sum(t[1] + t[2] for t in found.values())
    print("%-12s %5d %12d %12.1f %10d %12.0f  data.mdb %.0f MiB"
          % ("all", max(t[0] for t in found.values()), branch * PAGE / 1024, (used - branch) * PAGE / 2**20, rows,
             used * PAGE / rows, os.stat(store + "/index/data.mdb").st_size / 2**20), flush=True)


def start(binary, store):
    times = []
    for _ in range(9):
        server = measure.Server(binary, store, "--no-access-log")
        times.append(server.first_answer(FIRST) * 1000)
        server.stop()
    print("start of a server to its first answer: %.1f ms (least %.1f)" % (statistics.median(times), min(times)), flush=True)


def copy(store, work):
    """What a backup of the index takes, and one that leaves out free pages."""
    for what, command in (("cp", ["cp", store + "/index/data.mdb", work + "/copy/data.mdb"]),
                          ("mdb_copy -c", ["mdb_copy", "-c", store + "/index", work + "/copy"])):
        os.mkdir(work + "/copy")
        begin = time.monotonic()
        subprocess.run(command, check=True)
        subprocess.run(["sync", "-f", work + "/copy"], check=True)
        seconds = time.monotonic() - begin
        size = os.stat(work + "/copy/data.mdb").st_size
        print("%s: %.0f MiB in %.1f s (%.0f MiB/s)" % (what, size / 2**20, seconds, size / 2**20 / seconds), flush=True)
        shutil.rmtree(work + "/copy")


def measure_at(args, bench, store, images, work):
    show_pages(store)
    start(os.path.join(args.build, "bin", "ociregistry"), store)
    subprocess.run([bench, "warm", store, str(images)], check=True)
    subprocess.run([bench, "cold", store, str(images)], check=True)
    if images * KEYS_AN_IMAGE <= args.whole_up_to:
        copy(store, work)
        subprocess.run([bench, "collect", store], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--keys", default="100000,1000000,10000000")
    parser.add_argument("--store")
    parser.add_argument("--images", type=int, default=0, help="that are in the store already")
    parser.add_argument("--whole-up-to", type=float, default=3e7, help="so many keys are copied and collected, too")
    parser.add_argument("--files", type=int, default=1000000, help="blobs that are made as files")
    args = parser.parse_args()
    if not shutil.which("mdb_stat"):
        raise SystemExit("mdb_stat is not installed (script/bootstrap bench)")
    bench = os.path.join(args.build, "test", "bench_scale")
    work = tempfile.mkdtemp(prefix="loci-scale-")
    store = args.store or work + "/store"
    images = args.images
    try:
        if not images:
            print("Calls of the seams by an operation:", flush=True)
            subprocess.run([bench, "calls", work + "/calls"], check=True)
        for keys in map(int, args.keys.split(",")):
            print("\n== %d keys" % keys, flush=True)
            want = int(keys / KEYS_AN_IMAGE)
            if want > images:
                subprocess.run([bench, "fill", store, str(images), str(want)], check=True, stderr=subprocess.DEVNULL)
                images = want
            measure_at(args, bench, store, images, work)
        if args.files:
            print("\n== %d files" % args.files, flush=True)
            subprocess.run([bench, "files", work + "/files", str(args.files)], check=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
