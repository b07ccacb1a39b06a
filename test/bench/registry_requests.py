#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small requests a second, by wrk: ociregistry against Debian's docker-registry, same image, interleaved.

    registry_requests.py --bin BUILD/bin [--rounds 3] [--seconds 3]

Requests a second and requests a CPU second of the server: medians over the rounds. docker-registry is left out with
a word where it is not installed.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import measure
import images  # found by measure

ACCEPT = ", ".join(images.ACCEPT)


class DockerRegistry(images.Registry):
    def __init__(self, store):
        self.log = store + ".log"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % s.getsockname()[1]
        with open(store + ".yml", "w") as f:
            f.write("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                    "storage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n" % (store, self.address))
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(["docker-registry", "serve", store + ".yml"], stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("GET", "/v2/")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait()


def wrk(registry, path, seconds):
    before = measure.cpu(registry.process.pid)
    said = subprocess.run(["wrk", "-t1", "-c32", "-d%ds" % seconds, "-H", "Accept: " + ACCEPT,
                           "http://%s%s" % (registry.address, path)],
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    if "Non-2xx" in said and "missing" not in path:
        raise RuntimeError(said)
    done = int(re.search(r"(\d+) requests in", said).group(1))
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1)), done / (measure.cpu(registry.process.pid) - before)


def report(what, medians):
    line = "; ".join("%s %.0f req/s, %.0f req per CPU s" % (name, *both) for name, both in medians.items())
    if "docker-registry" in medians:
        line += "; ratios %.0f and %.0f" % tuple(
            a / b for a, b in zip(medians["ociregistry"], medians["docker-registry"]))
    print("%-22s%s" % (what, line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="loci-bench-")
    registries = {}
    try:
        made = images.Made(work + "/images")
        registries["ociregistry"] = images.Registry(os.path.abspath(args.bin), work + "/ours", "--no-access-log")
        if shutil.which("docker-registry"):
            registries["docker-registry"] = DockerRegistry(work + "/theirs")
        else:
            print("docker-registry is not installed (script/bootstrap bench): ours alone")
        for registry in registries.values():
            registry.push_layout(made.layout, "image", "bench/app", "v1")
        manifest = registries["ociregistry"].manifest("bench/app", "v1")
        # wrk waits for the body of a HEAD: GET alone.
        rows = [("manifest GET by tag", "/v2/bench/app/manifests/v1"),
                ("blob GET, %d bytes" % manifest["config"]["size"],
                 "/v2/bench/app/blobs/" + manifest["config"]["digest"]),
                ("manifest 404", "/v2/bench/app/manifests/missing")]
        for what, path in rows:
            samples = {name: [] for name in registries}
            for _ in range(args.rounds):
                for name, registry in registries.items():
                    samples[name].append(wrk(registry, path, args.seconds))
            report(what, {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in samples.items()})
    finally:
        for registry in registries.values():
            registry.close()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
