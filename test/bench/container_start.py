#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start to end of a container that does nothing: ocirun against runc, on the same bundle, interleaved.

    container_start.py --bin BUILD/bin [--rounds 40] [--runtime NAME=PROGRAM…]

The bundle is what `ocirun spec` writes (six namespaces, docker's capabilities and seccomp policy) around a static
busybox. Prints median and minimum of wall and CPU milliseconds (with all children), and the ratio of the medians.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def make_bundle(ocirun, path):
    os.makedirs(path + "/rootfs/bin")
    shutil.copy("/bin/busybox", path + "/rootfs/bin/true")
    subprocess.run([ocirun, "spec", "--bundle", path], check=True)
    with open(path + "/config.json") as f:
        config = json.load(f)
    config["process"]["args"] = ["/bin/true"]
    config["process"]["terminal"] = False
    with open(path + "/config.json", "w") as f:
        json.dump(config, f)


def cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def one(program, state, bundle, name):
    start, used = time.perf_counter(), cpu()
    subprocess.run([program, "--root", state, "run", "--bundle", bundle, name], check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000, (cpu() - used) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--runtime", action="append", default=[], metavar="NAME=PROGRAM")
    args = parser.parse_args()
    ocirun = os.path.abspath(args.bin) + "/ocirun"
    runtimes = {"ocirun": ocirun, "runc": "runc", **dict(r.split("=", 1) for r in args.runtime)}
    work = tempfile.mkdtemp(prefix="loci-bench-")
    samples = {name: [] for name in runtimes}
    try:
        make_bundle(ocirun, work + "/bundle")
        for i in range(args.rounds + 2):  # the first two warm the caches
            for name, program in runtimes.items():
                sample = one(program, "%s/%s" % (work, name), work + "/bundle", "loci-bench-%d-%d" % (os.getpid(), i))
                if i >= 2:
                    samples[name].append(sample)
    finally:
        shutil.rmtree(work)
    ours = statistics.median(s[0] for s in samples["ocirun"])
    for name, rows in samples.items():
        wall, used = [s[0] for s in rows], [s[1] for s in rows]
        print("%-8s wall median %6.1f ms, min %6.1f ms; CPU median %6.1f ms; %.2f × ocirun" % (
            name, statistics.median(wall), min(wall), statistics.median(used), statistics.median(wall) / ours))


if __name__ == "__main__":
    sys.exit(main())
