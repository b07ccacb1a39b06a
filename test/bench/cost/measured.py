# SPDX-License-Identifier: Apache-2.0
"""ociregistry below valgrind's callgrind, and below strace: what it executes and calls between two moments."""
import collections
import os
import re
import signal
import subprocess
import time

import paths
from deadline import until
from ociregistry import Registry

# One thread of each kind, so that counts repeat. Valgrind has no room for a map of 1 TiB.
OPTIONS = ("--loops", "1", "--workers", "1", "--map-size", "1GiB")
SETTLE = 0.1  # seconds in which threads end what a response does not wait for


class Callgrind(Registry):
    def __init__(self, store, work, *options):
        self.work = work
        self.part = 0
        super().__init__(*OPTIONS, *options, store=store, prefix=[
            "valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=%s/callgrind" % work, "--vgdb-prefix=%s/vgdb" % work,
            "--compress-strings=no", "--compress-pos=no"])

    def _dump(self):
        """Writes the counts since the last time, and sets them to 0."""
        time.sleep(SETTLE)
        self.part += 1
        subprocess.run(["vgdb", "--vgdb-prefix=%s/vgdb" % self.work, "--pid=%d" % self.process.pid, "dump"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return "%s/callgrind.%d" % (self.work, self.part)

    def count(self, act):
        """The Profile of an act."""
        os.unlink(self._dump())
        act()
        name = self._dump()
        profile = Profile(name)
        os.unlink(name)
        return profile


class Profile:
    """Instructions by (object, function): own ones, and with all that is called."""

    def __init__(self, name):
        self.own = collections.Counter()
        self.inclusive = collections.Counter()
        obj = fn = None
        call = False
        with open(name) as f:
            for line in f:
                if line.startswith("ob="):
                    obj = self._object(line[3:].strip())
                elif line.startswith("fn="):
                    fn = line[3:].strip()
                elif line.startswith("calls="):
                    call = True
                elif line[:1].isdigit():
                    n = int(line.split()[1])
                    self.inclusive[obj, fn] += n
                    if not call:
                        self.own[obj, fn] += n
                    call = False

    @staticmethod
    def _object(path):
        return re.sub(r"\.so\b.*", "", os.path.basename(path))

    def objects(self):
        sums = collections.Counter()
        for (obj, _), n in self.own.items():
            sums[obj] += n
        return sums


class Strace(Registry):
    """Counts what is called between two requests that bear a mark."""

    def __init__(self, store, work, *options):
        self.trace = work + "/strace"
        self.serial = 0
        self.mark = None  # what one costs
        super().__init__(*OPTIONS, *options, store=store,
                         prefix=["strace", "-f", "-q", "-s", "120", "-o", self.trace])

    def _server(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            return int(f.read().split()[0])

    def stop(self):
        """strace blocks signals: its child gets them, and it ends with its child's status."""
        os.kill(self._server(), signal.SIGTERM)
        return self.wait()

    def kill(self):
        os.kill(self._server(), signal.SIGKILL)
        return self.wait()

    def _mark(self, client):
        self.serial += 1
        mark = "cost-mark-%d-" % self.serial
        client.ask(200, "GET", "/v2/", "X: %s\r\n" % mark)
        return mark

    def _window(self, client, act):
        begin = self._mark(client)
        act()
        time.sleep(SETTLE)
        end = self._mark(client)
        until("the trace has " + end, lambda: self._has(end))
        counts = collections.Counter()
        inside = False
        with open(self.trace, errors="replace") as f:
            for line in f:
                inside = inside or begin in line
                if inside and end in line:
                    break
                called = re.match(r"\d+ +(\w+)\(", line)
                if inside and called:
                    counts[called.group(1)] += 1
        return counts

    def _has(self, text):
        with open(self.trace, errors="replace") as f:
            return text in f.read()

    def count(self, client, act):
        """System calls of an act by name. What a mark itself calls is taken off."""
        if not self.mark:
            self._mark(client)
            self.mark = self._window(client, lambda: None)
        counts = self._window(client, act)
        counts.subtract(self.mark)
        return counts


def repeat(path, client, n):
    def act():
        for _ in range(n):
            path.once(client)
    return act


def instructions(store, work, n, chosen, options):
    """{path: (times, Profile)}, and the Profile of an idle second."""
    found = {}
    with Callgrind(store, work, *options) as server:
        client = paths.Client(server.address, "instructions")
        for path in chosen:
            times = max(1, int(n * path.share))
            repeat(path, client, 3)()
            found[path.name] = times, server.count(repeat(path, client, times))
        idle = server.count(lambda: time.sleep(2))
        client.close()
    return found, 2, idle


def system_calls(store, work, n, chosen, options):
    """{path: {name: calls each time}}: the least of three rounds, as other threads wake now and then."""
    found = {}
    with Strace(store, work, *options) as server:
        client = paths.Client(server.address, "system calls")
        for path in chosen:
            times = max(1, int(n * path.share))
            repeat(path, client, 3)()
            rounds = [server.count(client, repeat(path, client, times)) for _ in range(3)]
            least = {name: min(r[name] for r in rounds) / times for r in rounds for name in r}
            found[path.name] = {name: round(calls, 2) for name, calls in sorted(least.items()) if calls >= 0.01}
        client.close()
    return found
