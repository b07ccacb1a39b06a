#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stock clients against the real ociregistry: client x (image, index, zstd layer, artifact), each pushed and pulled
back with digests compared.

    matrix.py --bin BUILD/bin [--tls] [CLIENT…]       all clients when none is named

Prints a table; exit status 1 when a cell failed. docker gets a dockerd of its own, and it and the registry a network
namespace of their own, so that nothing of the machine changes.
"""
import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import traceback

from clients import CLIENTS, OPERATIONS
from images import Made, Registry

IN_NAMESPACE = "LOCI_INTEROP_IN_NAMESPACE"
PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".cache", "peers", "bin")


def run_client(name, bin_dir, work, tls):
    """{operation: cell}; a cell is "ok", "FAILED" or "- reason"."""
    made = Made(os.path.join(work, "images"))
    registry = Registry(bin_dir, os.path.join(work, "store"), keys=work if tls else None)
    cells, client = {}, None
    try:
        client = CLIENTS[name](registry, work)
        for operation in OPERATIONS:
            if operation in client.lacks:
                cells[operation] = "- " + client.lacks[operation]
                continue
            try:
                getattr(client, operation)(made)
                cells[operation] = "ok"
            except Exception:
                traceback.print_exc()
                cells[operation] = "FAILED"
    finally:
        if client:
            client.close()
        registry.close()
    return cells


def make_work():
    """buildah makes a name of a layout's path, in which mkdtemp's underscores may be in places where none may be."""
    path = os.path.join(tempfile.gettempdir(), "loci-interop-" + secrets.token_hex(8))
    os.mkdir(path, 0o700)
    return path


def enter_namespace(args):
    """Runs this script again with a loopback interface and mounts of its own. In place: nothing to clean up after."""
    command = 'ip link set lo up && mount --make-rprivate / && exec "$@"'
    os.environ[IN_NAMESPACE] = "1"
    return subprocess.run(["unshare", "--net", "--mount", "sh", "-c", command, "sh", sys.executable,
                           os.path.abspath(__file__), "--bin", args.bin, *(["--tls"] if args.tls else []), "docker"]).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="directory of the programs under test")
    parser.add_argument("--tls", action="store_true", help="by HTTPS, with a certificate that all but ocipull and docker check")
    parser.add_argument("clients", nargs="*", choices=[[], *CLIENTS], metavar="CLIENT")
    args = parser.parse_args()
    args.bin = os.path.abspath(args.bin)
    os.environ["PATH"] += os.pathsep + os.path.abspath(PEERS)  # crane and oras, by script/peers
    failed = False
    for name in args.clients or CLIENTS:
        if name == "docker" and not os.environ.get(IN_NAMESPACE):
            failed |= enter_namespace(args) != 0
            continue
        work = make_work()
        try:
            cells = run_client(name, args.bin, work, args.tls)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print("%-8s " % name + "  ".join("%s: %s" % cell for cell in cells.items()), flush=True)
        failed |= "FAILED" in cells.values()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
