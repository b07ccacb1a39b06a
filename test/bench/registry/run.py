#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ociregistry beside other registries: the same work for each, in turn, on loopback.

    run.py --build BUILD [--quick] [--rounds N] [--rows ROW,…] [--json FILE] [--svg FILE] [--peer NAME=URL]…

Prints medians, how many times better ociregistry is (in the wall's time, and in CPU seconds of the server for a unit
of work), and what was wanted. Rows: --list. A row's name with a star stands for several: --rows 'tls-*'.
"""
import argparse
import datetime
import fnmatch
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import peers
import parts
import picture
import table


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", help="the build directory, of the preset release")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="*", help="names with commas between them")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--quick", action="store_true", help="one round of less of everything: does it work?")
    parser.add_argument("--json", help="write all samples there")
    parser.add_argument("--svg", help="write a picture there")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL",
                        help="a registry that is running; what is pushed stays there")
    parser.add_argument("--peer-pid", action="append", default=[], metavar="NAME=PID", help="whose CPU and memory that is")
    parser.add_argument("--work", help="directory for the stores, 20 GB (the system's temporary one)")
    parser.add_argument("--store", help="one of 1 000 000 manifests, made when it is not there")
    parser.add_argument("--seconds", type=int, default=3, help="of each row of small requests")
    parser.add_argument("--size-mib", type=int, default=1024, help="of a big blob")
    parser.add_argument("--images", type=int, default=1000, help="at most")
    parser.add_argument("--image-seconds", type=float, default=10, help="about so long, if they take longer")
    parser.add_argument("--connections", type=int, default=10000, help="idle ones")
    parser.add_argument("--many", type=int, default=100000, help="tags and repositories whose pages are asked for")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds, args.size_mib, args.images, args.connections = 1, 1, 64, 100, 1000
        args.many, args.image_seconds = 10000, 2
    return parser, args


def wanted(args):
    patterns = args.rows.split(",")
    keys = [row.key for row in table.ROWS if any(fnmatch.fnmatchcase(row.key, p) for p in patterns)]
    if not keys:
        raise SystemExit("--rows %s: no such row; there are %s" % (args.rows, " ".join(r.key for r in table.ROWS)))
    return keys


def certificate(work):
    """(certificate, key): P-256, as everyone's is today."""
    files = os.path.join(work, "certificate.pem"), os.path.join(work, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", "/CN=127.0.0.1", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def sample(bench, part, peer, results, keys):
    """One; False when ours failed."""
    begin = time.monotonic()
    try:
        for key, figures in part.run(bench, peer, part.rows[0]).items():
            if key in keys:
                results.add(key, peer.name, figures)
    except parts.NotThere as e:
        for key in set(part.rows) & set(keys):
            results.note(key, peer.name, str(e))
    except (RuntimeError, OSError) as e:
        for key in set(part.rows) & set(keys):
            results.note(key, peer.name, "failed: " + str(e)[:200])
        print("%s, %s: %s" % (" ".join(part.rows), peer.name, e), file=sys.stderr)
        return peer.name not in (peers.OURS, peers.FLOOR)
    finally:
        print("  %-36s %-16s %6.1f s" % (" ".join(part.rows), peer.name, time.monotonic() - begin), file=sys.stderr)
    return True


def run(bench, args, everyone, floors, results, keys):
    ok = True
    for part in parts.PARTS:
        if not set(part.rows) & set(keys):
            continue
        for _ in range(min(args.rounds, part.most)):
            for peer in everyone + ([floors[part.floor]] if part.floor else []):
                ok &= sample(bench, part, peer, results, keys)
    return ok


def about(args):
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    return {"date": datetime.date.today().isoformat(), "cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "rounds": args.rounds, "seconds": args.seconds, "blob_bytes": args.size_mib << 20}


def spaced(n):
    return format(n, ",").replace(",", " ")


def tell(args, results):
    print(table.text(results), end="")
    said = about(args)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(table.as_json(results, said), f, indent=1)
            f.write("\n")
    if args.svg:
        with open(args.svg, "w") as f:
            f.write(picture.svg(results, said))


def main():
    parser, args = arguments()
    if args.list:
        print("\n".join("%-20s %s" % (row.key, row.title) for row in table.ROWS))
        return 0
    if not args.build:
        parser.error("--build is missing")
    keys = wanted(args)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # children have it from here
    build = os.path.abspath(args.build)
    binaries = {"ociregistry": build + "/bin/ociregistry",
                **{name: "%s/test/bench_%s" % (build, name) for name in ("load", "floor", "fill")}}
    results = table.Results({
        "many": spaced(args.many), "few": spaced(parts.FEW), "referrers": spaced(parts.REFERRERS),
        "connections": spaced(args.connections),
        "size": "1 GiB" if args.size_mib == 1024 else "%d MiB" % args.size_mib})
    work = tempfile.mkdtemp(prefix="loci-bench-", dir=args.work)
    bench = parts.Bench(args, binaries, work, certificate(work))
    try:
        everyone = peers.available(args, binaries)
        floors = {"answers": peers.Floor(binaries["floor"], parts.FLOOR_ANSWER), "files": peers.Floor(binaries["floor"])}
        ok = run(bench, args, everyone, floors, results, keys)
    except KeyboardInterrupt:
        print("interrupted: this is what there is", file=sys.stderr)
        ok = False
    finally:
        bench.close()
        try:
            tell(args, results)  # before the removal: so many directories take a while
        finally:
            shutil.rmtree(work)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
