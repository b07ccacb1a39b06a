# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points under load, again and again: what was acknowledged is there and right, nothing else is visible.

usage: test_kill.py [KILLS [SEED]]    (25; the figures are printed at the end)
"""

import random
import sys
import threading
import time

from kill_model import Broken, Client
from ociregistry import DEADLINE, Registry

CLIENTS = 4
ACKS_MAX = 60  # the server dies after a random number of them below this, whatever else is going on
EVERYTHING = 25  # rounds between two looks at all there is


class Trigger:
    """Fires when so many things were acknowledged, by whomever."""

    def __init__(self, acks):
        self.left, self.lock, self.fired = acks, threading.Lock(), threading.Event()

    def count(self, n):
        with self.lock:
            self.left -= n
            if self.left <= 0:
                self.fired.set()


def live(client, address, round_, trigger, failures):
    try:
        client.live(address, round_, trigger.count)
    except BaseException as e:  # pylint: disable=broad-except
        failures.append(e)
        trigger.fired.set()


def one_round(registry, clients, round_, rng):
    trigger, failures = Trigger(rng.randrange(1, ACKS_MAX)), []
    threads = [threading.Thread(target=live, args=(c, registry.address, round_, trigger, failures)) for c in clients]
    for thread in threads:
        thread.start()
    fired = trigger.fired.wait(DEADLINE)
    # Not always behind an answer: somewhere in the steps that follow it.
    for _ in range(rng.randrange(2000)):
        pass
    registry.kill()
    for thread in threads:
        thread.join(DEADLINE)
    if failures:
        raise failures[0]
    if not fired:
        raise Broken("nothing was acknowledged for %d s" % DEADLINE)


def share(clients):
    """What others may mount from now on."""
    for client in clients:
        blobs = [(client.repo, d, size) for (kind, d), size in client.state.items() if kind == "blob"]
        client.offered = client.random.sample(blobs, min(4, len(blobs)))
    return [blob for client in clients for blob in client.offered]


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    print("%d kills, seed %d" % (kills, seed), flush=True)
    rng, begun, unanswered = random.Random(seed), time.monotonic(), 0
    shared = []
    clients = [Client(i, seed, shared) for i in range(CLIENTS)]
    with Registry("--no-access-log") as registry:
        for round_ in range(1, kills + 1):
            one_round(registry, clients, round_, rng)
            unanswered += sum(c.pending is not None for c in clients)
            registry.start()
            for client in clients:
                client.check(registry.address, everything=round_ % EVERYTHING == 0 or round_ == kills)
            shared[:] = share(clients)
    steps = {}
    for client in clients:
        for step, n in client.done.items():
            steps[step] = steps.get(step, 0) + n
    print("%d kills in %d s: %d requests acknowledged (%s), %d cut off in mid-request, %d objects there at the end; lost: 0" % (
        kills, time.monotonic() - begun, sum(c.acks for c in clients),
        ", ".join("%s %d" % (s, n) for s, n in sorted(steps.items())), unanswered, sum(len(c.state) for c in clients)))


if __name__ == "__main__":
    main()
