#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and system calls of each hot path of ociregistry, against a baseline: no quiet machine is needed.

    cost.py --bin BUILD/bin                         the table; status 1 where something costs more than the baseline
    cost.py --bin BUILD/bin --update                writes the baseline
    cost.py --bin BUILD/bin --functions 'blob GET'  the dearest functions of the paths that have this in their name

Instructions are counted by valgrind's callgrind: those of ociregistry itself, and those of the libraries, which are
other ones on another system. libcrypto's are left out: valgrind knows no SHA-NI, so hashes run other code. Neither
sees the kernel; what is asked of it are the system calls, counted by strace. Status 77: a tool is missing.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "integration", "lib"))
import measured  # noqa: E402
import paths  # noqa: E402

BASELINE = os.path.join(HERE, "baseline.json")
PROGRAM = "ociregistry"
HASHES = "libcrypto"
IDLE = "an idle second"
LIBRARIES = ("libc6", "libh2o-evloop0.13", "liblmdb0", "libjansson4", "libssl3")
# Threads that hand work to each other sometimes find the other awake, and which pages of the index a transaction takes
# depends on those before: a share more of these is no change.
LOOSE = {"futex": 0.5, "epoll_wait": 0.5, "pwrite64": 0.5}
# Pages that lie side by side go out by one of these together, others one by one.
WRITES = ("pwrite64", "writev", "lseek")
SKIPPED = 77


def said_by(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout


def made_with(binary):
    compiler = re.search(r"GCC: .*|clang version .*", said_by("readelf", "-p", ".comment", binary))
    return {"compiler": compiler.group().strip() if compiler else "unknown",
            "valgrind": said_by("valgrind", "--version").strip(),
            "libraries": {name: said_by("dpkg-query", "-W", "-f", "${Version}", name) or "unknown" for name in LIBRARIES}}


def by_object(profile, times):
    return {obj: round(n / times) for obj, n in sorted(profile.objects().items()) if n >= times}


def measure(args, chosen, work):
    """{path: {"instructions": …, "system calls": …}}, and the profiles."""
    os.environ["OCIREGISTRY"] = os.path.join(os.path.abspath(args.bin), PROGRAM)
    store = work + "/store"
    with measured.Registry(*measured.OPTIONS, store=store) as registry:
        paths.fill(registry)
    found, profiles = {path.name: {} for path in chosen}, {}
    if "instructions" in args.count:
        profiles, seconds, idle = measured.instructions(store, work, args.times, chosen, args.option)
        for name, (times, profile) in profiles.items():
            found[name]["instructions"] = by_object(profile, times)
        found[IDLE] = {"instructions": by_object(idle, seconds)}
    if "calls" in args.count:
        for name, calls in measured.system_calls(store, work, args.times, chosen, args.option).items():
            found[name]["system calls"] = calls
    return found, profiles


def split(counts):
    """Of ociregistry itself, of the libraries without the hashes."""
    own = counts.get(PROGRAM, 0)
    return own, sum(counts.values()) - own - counts.get(HASHES, 0)


def change(now, base):
    return "%+6.1f %%" % ((now - base) * 100.0 / base) if base else "     new"


def dearer(now, base, percent):
    return base and now > base * (1 + percent / 100.0) + 100


def judge_instructions(name, now, base, args, other):
    own, libraries = split(now)
    base_own, base_libraries = split(base)
    print("%-30s%9d %9d %s %9d %9d %s" % (name, own, base_own, change(own, base_own), libraries, base_libraries,
                                         change(libraries, base_libraries)))
    if name == IDLE:
        return
    if "compiler" not in other and dearer(own, base_own, args.tolerance):
        yield "%s: %d instructions of %s, were %d" % (name, own, PROGRAM, base_own)
    if "libraries" not in other and dearer(libraries, base_libraries, 3 * args.tolerance):
        yield "%s: %d instructions of libraries, were %d" % (name, libraries, base_libraries)


def judged(calls):
    """With all writes as one."""
    together = {name: n for name, n in calls.items() if name not in WRITES}
    together[WRITES[0]] = sum(calls.get(name, 0) for name in WRITES)
    return together


def judge_calls(path, now, base):
    def line(calls):
        return " ".join("%s %g" % (name, n) for name, n in calls.items())
    print("%-30s%5.1f %5.1f  %s" % (path.name, sum(now.values()), sum(base.values()), line(now)))
    if not base or not path.exact:
        return
    now, base = judged(now), judged(base)
    for name, n in now.items():
        if n > base.get(name, 0) * (1 + LOOSE.get(name, 0)) + (0.5 if name in LOOSE else 0.09):
            yield "%s: system call %s %g times, was %g" % (path.name, name, n, base.get(name, 0))


def compare(found, baseline, chosen, args, other):
    worse = []
    if "instructions" in args.count:
        print("%-30s%9s %9s %8s %9s %9s %8s\n" % ("instructions", "own", "were", "change", "libraries", "were", "change"))
        for name in [path.name for path in chosen] + [IDLE]:
            base = baseline.get(name, {}).get("instructions", {})
            worse += judge_instructions(name, found[name]["instructions"], base, args, other)
        print()
    if "calls" in args.count:
        print("%-30s%5s %5s\n" % ("system calls", "now", "were"))
        for path in chosen:
            worse += judge_calls(path, found[path.name]["system calls"], baseline.get(path.name, {}).get("system calls", {}))
        print()
    return worse


def show_functions(name, times, profile, n):
    print("== %s: instructions of one" % name)
    print("\n%9s  function itself" % "")
    for (obj, fn), own in profile.own.most_common(n):
        print("%9.0f  %s (%s)" % (own / times, fn, obj))
    print("\n%9s  with what it calls" % "")
    for (obj, fn), all_of_it in profile.inclusive.most_common(n):
        print("%9.0f  %s (%s)" % (all_of_it / times, fn, obj))
    print()


def missing_tool(args):
    tools = {"instructions": ("valgrind", "vgdb"), "calls": ("strace",)}
    for what in args.count:
        for tool in tools[what]:
            if not shutil.which(tool):
                return "%s is not installed (script/bootstrap test bench)" % tool
    if "calls" in args.count and subprocess.run(["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL).returncode:
        return "strace may not trace here"
    return None


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="directory of a release build's programs")
    parser.add_argument("--baseline", default=BASELINE)
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--functions", metavar="PATH", help="show the dearest functions of the paths with this in their name")
    parser.add_argument("--top", type=int, default=12, help="how many functions")
    parser.add_argument("--only", metavar="PATH", help="only the paths with this in their name")
    parser.add_argument("--times", type=int, default=100, help="how often a path is run")
    parser.add_argument("--tolerance", type=float, default=3, help="per cent of ociregistry's own instructions; three times "
                        "as many of the libraries'")
    parser.add_argument("--count", choices=("instructions", "calls"), action="append", help="only these")
    parser.add_argument("--option", action="append", default=[], help="an option for the server, as --option=--no-access-log")
    args = parser.parse_args()
    args.count = args.count or ["instructions", "calls"]
    if args.functions:
        args.count, args.only = ["instructions"], args.functions
    if args.update and (args.only or args.option or len(args.count) != 2):
        parser.error("--update is for the whole: without --only, --count, --functions and --option")
    return args


def main():
    args = options()
    reason = missing_tool(args)
    if reason:
        print("skipped: " + reason)
        return SKIPPED
    chosen = [path for path in paths.PATHS if not args.only or args.only in path.name]
    if not chosen:
        raise SystemExit("no path has '%s' in its name: %s" % (args.only, "; ".join(p.name for p in paths.PATHS)))
    work = tempfile.mkdtemp(prefix="loci-cost-")
    try:
        found, profiles = measure(args, chosen, work)
    finally:
        shutil.rmtree(work)
    if args.functions:
        for name, (times, profile) in profiles.items():
            show_functions(name, times, profile, args.top)
        return 0
    tools = made_with(os.environ["OCIREGISTRY"])
    baseline = {}
    if os.path.exists(args.baseline):
        with open(args.baseline) as f:
            baseline = json.load(f)
    other = [what for what in tools if baseline and baseline["made with"][what] != tools[what]]
    for what in other:
        print("Another %s than the baseline's, its instructions are not compared: %s, was %s\n"
              % (what, tools[what], baseline["made with"][what]))
    worse = compare(found, baseline.get("paths", {}), chosen, args, other)
    if args.update:
        with open(args.baseline, "w") as f:
            json.dump({"made with": tools, "paths": found}, f, indent=1)
            f.write("\n")
        return 0
    for line in worse:
        print("dearer: " + line)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
