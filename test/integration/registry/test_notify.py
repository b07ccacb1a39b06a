# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what end-points get, in which order, and what they get when somebody dies."""

import hashlib
import hmac
import json
import os
import random
import re
import subprocess
import tempfile
import threading
import unittest

from hook import Hook
from ociregistry import OCI_CONFIG, OCI_MANIFEST, Registry, digest_of, until

FAST = ("--notify-retry", "10ms", "--notify-retry-max", "100ms", "--notify-timeout", "30s")


def types(events):
    return [e["type"] for e in events]


class Notify(unittest.TestCase):
    def hook(self, **how):
        return self.enterContext(Hook(**how))

    def registry(self, *options, **how):
        return self.enterContext(Registry(*FAST, *options, **how))

    def wait_for(self, hook, n, what="events"):
        return until("%d %s" % (n, what), lambda: hook.events() if len(hook.events()) >= n else None)

    # ---- what is said

    def test_cloudevents(self):
        hook = self.hook()
        registry = self.registry("--notify", "h=%s events=push,delete,pull repos=team/**" % hook.url,
                                 "--notify-source", "https://registry.example/",
                                 "--notify-header", "h: Authorization: Bearer let-me-in", "--notify-secret", "h=hush")
        registry.push_image("other/app", "v1")
        digest = registry.push_image("team/app", "v1")
        event = self.wait_for(hook, 1)[0]
        size = len(registry.expect(200, "GET", "/v2/team/app/manifests/" + digest, headers={"User-Agent": "puller/1"}).body)
        registry.expect(200, "HEAD", "/v2/team/app/manifests/v1")  # no pull
        registry.expect(202, "DELETE", "/v2/team/app/manifests/v1")
        registry.expect(202, "DELETE", "/v2/team/app/manifests/" + digest)
        events = self.wait_for(hook, 4)
        self.assertEqual(types(events), ["loci.manifest.pushed", "loci.manifest.pulled", "loci.tag.deleted",
                                         "loci.manifest.deleted"])
        self.assertEqual(event["specversion"], "1.0")
        self.assertEqual(event["source"], "https://registry.example")
        self.assertEqual(event["subject"], "team/app:v1")
        self.assertEqual(event["datacontenttype"], "application/json")
        self.assertRegex(event["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(len({e["id"] for e in events}), 4)
        data = event["data"]
        self.assertEqual((data["name"], data["reference"], data["digest"], data["mediaType"], data["size"], data["tags"]),
                         ("team/app", "v1", digest, OCI_MANIFEST, size, ["v1"]))
        self.assertEqual((data["request"]["method"], data["request"]["addr"]), ("PUT", "127.0.0.1"))
        self.assertEqual(data["request"]["host"], registry.address)
        self.assertTrue(data["request"]["id"])
        self.assertEqual(events[1]["subject"], "team/app@" + digest)
        self.assertEqual(events[1]["data"]["request"]["useragent"], "puller/1")
        self.assertEqual(events[2]["data"]["tags"], ["v1"])
        self.assertEqual(events[3]["data"]["digest"], digest)
        for request in hook.taken:
            self.assertEqual(request.path, "/hook")
            self.assertTrue(request.headers["Content-Type"].startswith("application/cloudevents+json"))
            self.assertEqual(request.headers["Authorization"], "Bearer let-me-in")
            self.assertRegex(request.headers["User-Agent"], r"^loci/\d")
            self.assertEqual(request.headers["X-Loci-Signature"],
                             "sha256=" + hmac.new(b"hush", request.body, hashlib.sha256).hexdigest())

    def test_distribution(self):
        hook = self.hook()
        registry = self.registry("--notify", "h=%s format=distribution events=push+blobs" % hook.url,
                                 "--notify-source", "http://registry.example")
        digest = registry.push_image("team/app", "v1")
        events = self.wait_for(hook, 3)
        self.assertTrue(all(r.headers["Content-Type"] == "application/vnd.docker.distribution.events.v1+json"
                            for r in hook.taken))
        self.assertEqual([e["action"] for e in events], ["push"] * 3)
        target = events[2]["target"]
        self.assertEqual((target["repository"], target["tag"], target["digest"], target["mediaType"], target["url"]),
                         ("team/app", "v1", digest, OCI_MANIFEST, "http://registry.example/v2/team/app/manifests/" + digest))
        self.assertEqual(target["size"], target["length"])
        self.assertEqual(events[2]["request"]["method"], "PUT")
        self.assertEqual(events[0]["target"]["mediaType"], "application/octet-stream")
        self.assertTrue(events[0]["source"]["instanceID"])

    def test_batches(self):
        hook = self.hook()
        hook.answer = lambda request: 503
        registry = self.registry("--notify", "h=%s batch=100" % hook.url)
        digests = [registry.push_image("team/app", "v%d" % i, config={"i": i}) for i in range(20)]
        hook.answer = lambda request: 200
        events = self.wait_for(hook, 20)
        self.assertEqual([e["data"]["digest"] for e in events], digests)
        self.assertLess(len(hook.taken), 20)
        self.assertTrue(all(r.headers["Content-Type"].startswith("application/cloudevents-batch+json") for r in hook.taken))

    def test_batch_that_fits_into_no_body(self):
        hook = self.hook()
        hook.answer = lambda request: 503
        registry = self.registry("--notify", "h=%s batch=100 format=distribution" % hook.url,
                                 "--notify-source", "https://registry.example")
        repo = "team/" + "a" * 200  # all of it stands with each of the tags
        config = registry.push_blob(repo, b"{}")
        tags = ["%02d%s" % (i, "t" * 98) for i in range(64)]
        digests = []
        for i in range(60):
            manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "annotations": {"i": str(i)},
                                   "config": {"mediaType": OCI_CONFIG, "digest": config, "size": 2}}).encode()
            digests.append(digest_of(manifest))
            registry.expect(201, "PUT", "/v2/%s/manifests/%s?tag=%s" % (repo, digests[-1], "&tag=".join(tags)), manifest,
                            {"Content-Type": OCI_MANIFEST, "User-Agent": '"' * 250})
        hook.answer = lambda request: 204
        until("all of it", lambda: sum(r.body.count(b'"target":') for r in list(hook.taken)) == 60 * 64)
        targets = [e["target"] for e in hook.events()]
        self.assertEqual([(t["digest"], t["tag"]) for t in targets], [(d, t) for d in digests for t in tags])
        self.assertGreater(len(hook.taken), 1)

    # ---- trouble

    def test_refused_events_are_given_up(self):
        hook = self.hook()
        registry = self.registry("--notify", "h=" + hook.url, "--notify-rejects-max", "3")
        hook.answer = lambda request: 400 if request.json["data"]["reference"] == "bad" else 204
        registry.push_image("team/app", "bad")
        registry.push_image("team/app", "good")
        events = self.wait_for(hook, 1)
        self.assertEqual([e["data"]["reference"] for e in events], ["good"])
        self.assertEqual(len(hook.tried), 4)
        registry.expect_logged("given up after 3 answers of 400")
        metrics = registry.expect(200, "GET", "/metrics").body.decode()
        self.assertIn('registry_notifications_events_total{type="Rejected",endpoint="h"} 1', metrics)
        self.assertIn('registry_notifications_events_total{type="Successes",endpoint="h"} 1', metrics)
        self.assertIn('registry_notifications_status_total{code="400",endpoint="h"} 3', metrics)

    def test_refused_event_takes_no_others_along(self):
        hook = self.hook()
        hook.answer = lambda request: 503
        registry = self.registry("--notify", "h=%s batch=100" % hook.url, "--notify-rejects-max", "3")
        for i in range(20):
            registry.push_image("team/app", "bad" if i == 13 else "v%d" % i, config={"i": i})
        hook.answer = lambda request: 400 if b'"reference":"bad"' in request.body else 204
        events = self.wait_for(hook, 19)
        self.assertEqual([e["data"]["reference"] for e in events], ["v%d" % i for i in range(20) if i != 13])
        registry.expect_logged("given up after 3 answers of 400")
        metrics = registry.expect(200, "GET", "/metrics").body.decode()
        self.assertIn('registry_notifications_events_total{type="Rejected",endpoint="h"} 1', metrics)

    def test_redirects_are_not_followed(self):
        hook, elsewhere = self.hook(), self.hook()
        registry = self.registry("--notify", "h=" + hook.url)
        hook.answer = lambda request: (307, {"Location": elsewhere.url})
        registry.push_image("team/app", "v1")
        until("three tries", lambda: len(hook.tried) >= 3)
        hook.answer = lambda request: 204
        self.wait_for(hook, 1)
        self.assertEqual(elsewhere.tried, [])

    def test_dead_one_blocks_nobody(self):
        alive, dead = self.hook(), self.hook()
        dead.close()
        registry = self.registry("--notify", "dead=" + dead.url, "--notify", "alive=" + alive.url,
                                 "--notify-queue-max", "5")
        digests = [registry.push_image("team/app", "v%d" % i, config={"i": i}) for i in range(12)]
        self.assertEqual([e["data"]["digest"] for e in self.wait_for(alive, 12)], digests)
        metrics = registry.expect(200, "GET", "/metrics").body.decode()
        self.assertIn("loci_events_waiting 5\n", metrics)
        self.assertIn("loci_events_dropped_total 7\n", metrics)
        risen = self.hook(port=dead.port)
        self.assertEqual([e["data"]["digest"] for e in self.wait_for(risen, 5)], digests[7:])
        registry.expect_logged("7 events fell out of the queue")
        until("the queue is empty",
              lambda: b"loci_events_waiting 0\n" in registry.expect(200, "GET", "/metrics").body)

    def test_hanging_one_ends_with_the_server(self):
        hook = self.hook()
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        hook.lock = threading.Semaphore(100)
        hook.answer = lambda request: let_go.wait() and 204
        registry = self.registry("--notify", "h=" + hook.url)
        registry.push_image("team/app", "v1")
        until("it hangs", lambda: hook.tried)
        self.assertEqual(registry.stop(), 0)
        let_go.set()
        hook.answer = lambda request: 204
        registry.start()
        self.assertEqual(self.wait_for(hook, 1)[0]["data"]["reference"], "v1")

    def test_tls_is_verified(self):
        certificate = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certificate + ".key", "-out", certificate],
                       check=True, stderr=subprocess.DEVNULL)
        with open(certificate, "a") as whole, open(certificate + ".key") as key:
            whole.write(key.read())
        hook = self.hook(certificate=certificate)
        registry = self.registry("--notify", "strict=" + hook.url, "--notify", "lax=%s tls=insecure" % hook.url)
        registry.push_image("team/app", "v1")
        self.wait_for(hook, 1)
        until("the strict one failed", lambda: re.search(
            r'events_total\{type="Errors",endpoint="strict"\} [2-9]',
            registry.expect(200, "GET", "/metrics").body.decode()))
        self.assertEqual(len(hook.tried), 1)

    def test_second_process_takes_over(self):
        hook = self.hook()
        first = self.registry("--notify", "h=" + hook.url)
        second = self.registry("--notify", "h=" + hook.url, store=first.store)
        digests = [second.push_image("team/app", "a")]
        self.wait_for(hook, 1)
        hook.answer = lambda request: 503
        digests.append(first.push_image("team/app", "b", config={"b": 1}))
        until("it was tried", lambda: len(hook.tried) > 1)
        first.kill()
        hook.answer = lambda request: 204
        digests.append(second.push_image("team/app", "c", config={"c": 1}))
        self.assertEqual([e["data"]["digest"] for e in self.wait_for(hook, 3)], digests)
        second.expect_logged("this process delivers from now on")
        self.assertEqual(second.stop(), 0)
        first.start()

    def test_nobody_any_more(self):
        hook = self.hook()
        hook.answer = lambda request: 503
        registry = self.registry("--notify", "h=" + hook.url)
        registry.push_image("team/app", "v1")
        until("it was tried", lambda: hook.tried)
        self.assertEqual(registry.stop(), 0)
        options, registry.options = registry.options, FAST
        registry.start()
        self.assertEqual(registry.stop(), 0)
        registry.options = options
        hook.answer = lambda request: 204
        registry.start()
        registry.push_image("team/app", "v2")
        self.assertEqual([e["data"]["reference"] for e in self.wait_for(hook, 1)], ["v2"])

    # ---- crashes

    def test_every_acknowledged_push_arrives_in_order(self):
        """The server is killed at random, the hook fails at random: what was acknowledged arrives, in order, and
        nothing else does."""
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        hook = self.hook()
        hook.answer = lambda request: chance.choice([204, 204, 204, 200, 500, 429, 404, None])
        registry = self.registry("--notify", "h=" + hook.url)
        acknowledged, lost = [], []
        for kill in range(8):
            for i in range(chance.randrange(3, 12)):
                acknowledged.append(registry.push_image("team/app", "t%d-%d" % (kill, i), config={"kill": kill, "i": i}))
            manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "annotations": {
                "kill": str(kill)}, "config": {"mediaType": "application/x", "size": 5, "digest": registry.push_blob(
                    "team/app", b"layer")}}).encode()
            connection = registry.connect()
            connection.request("PUT", "/v2/team/app/manifests/in-flight-%d" % kill, manifest, {"Content-Type": OCI_MANIFEST})
            registry.kill()
            connection.close()
            lost.append("sha256:" + hashlib.sha256(manifest).hexdigest())
            registry.start()
        hook.answer = lambda request: 204

        def arrived():
            first = {}
            for e in hook.events():
                first.setdefault(e["data"]["digest"], len(first))
            return first
        until("all arrive (seed %d)" % seed, lambda: set(acknowledged) <= set(arrived()))
        order = arrived()
        places = [order[d] for d in acknowledged]
        self.assertEqual(places, sorted(places), "seed %d" % seed)
        for digest in set(order) - set(acknowledged):
            self.assertIn(digest, lost)
            registry.expect(200, "GET", "/v2/team/app/manifests/" + digest)
        for digest in lost:  # and the other way round: what is there was told
            if registry.ask("GET", "/v2/team/app/manifests/" + digest).status == 200:
                until("%s arrives (seed %d)" % (digest, seed), lambda: digest in arrived())


if __name__ == "__main__":
    unittest.main()
