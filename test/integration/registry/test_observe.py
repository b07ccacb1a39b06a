# SPDX-License-Identifier: Apache-2.0
"""/metrics, /readyz and the access log of the real program."""

import json
import os
import re
import signal
import subprocess
import unittest

from ociregistry import DEADLINE, Registry, until

DOCS = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/observing.md"))


class Observe(unittest.TestCase):
    def metrics(self, registry):
        return registry.expect(200, "GET", "/metrics").body.decode()

    def test_every_family_is_documented(self):
        with open(DOCS, encoding="utf-8") as f:
            docs = f.read()
        with Registry() as registry:
            registry.push_image("team/app", "v1")
            registry.expect(200, "GET", "/v2/team/app/manifests/v1")
            text = until("the pushes are counted", lambda: re.search(
                r"(?s).*blob_upload_chunk.*", self.metrics(registry))).group()
        families = re.findall(r"(?m)^# TYPE (\S+)", text)
        self.assertGreater(len(families), 30)
        self.assertEqual([f for f in families if "`%s`" % f not in docs], [])
        self.assertNotIn("team/app", text)  # no repository is a label

    def test_numbers(self):
        with Registry() as registry:
            registry.push_image("team/app", "v1")
            digest = registry.push_image("team/app", "v2", config={"v": 2})
            registry.expect(202, "DELETE", "/v2/team/app/manifests/" + digest)
            registry.expect(404, "GET", "/v2/team/app/manifests/nothing")
            registry.start_upload("team/app")

            def counted():
                said = dict(line.rsplit(" ", 1) for line in self.metrics(registry).splitlines() if line[0] != "#")
                return said if 'registry_http_requests_total{handler="blob_upload",method="post",code="202"}' in said else None
            said = until("all is counted", counted)
            for series, value in [
                    ('registry_http_requests_total{handler="manifest",method="put",code="201"}', 2),
                    ('registry_http_requests_total{handler="manifest",method="delete",code="202"}', 1),
                    ('registry_http_requests_total{handler="manifest",method="get",code="404"}', 1),
                    ("loci_repositories_manifests", 1), ("loci_repositories_blobs", 3), ("loci_repositories_tags", 1),
                    ("loci_uploads_open", 1), ("loci_index_queue_operations", 0)]:
                self.assertEqual(float(said[series]), value, series)
            for series in ["loci_http_accepted_total", "loci_index_batch_operations_count", "loci_index_size_bytes",
                           "process_open_fds", "loci_process_anonymous_memory_bytes"]:
                self.assertGreater(float(said[series]), 0, series)

    def test_collections_that_were_not_to_be(self):
        """A store at rest is as it should be: nothing to wake an operator for."""
        with Registry("--gc-interval", "1s", "--log-level", "debug") as registry:
            mark = [os.environ["OCIREGISTRY"], "read-only", "on", "--store", registry.store]
            subprocess.run(mark, check=True, timeout=DEADLINE, env=registry.env)
            # When the second is put off, the first one is counted if it ever is.
            until("two are put off", lambda: sum("garbage collection" in line for line in list(registry.log)) > 1)
            text = self.metrics(registry)
            self.assertIn('loci_gc_passes_total{result="failed"} 0\n', text)

    def test_switched_off(self):
        with Registry("--no-metrics") as registry:
            registry.expect(404, "GET", "/metrics")

    def test_little_space(self):
        with Registry("--ready-min-free", "4096TiB") as registry:
            response = registry.expect(503, "GET", "/readyz")
            self.assertIn("bytes free on the disk", response.body.decode())
            registry.expect(200, "GET", "/livez")
            registry.push_image("team/app", "v1")

    def test_draining(self):
        """Whoever holds a connection while the server drains is told to go."""
        with Registry() as registry:
            where = registry.start_upload("team/app")
            busy, probe = registry.connect(), registry.connect()
            busy.putrequest("PATCH", where)
            busy.putheader("Content-Length", "10")
            busy.endheaders(b"01234")
            probe.request("GET", "/readyz")
            self.assertEqual(probe.getresponse().read(), b"ok\n")
            # A request whose head is half sent keeps its connection from being closed as idle.
            probe.sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
            until("the half head arrived", lambda: re.search(
                r"loci_http_connections [3-9]", self.metrics(registry)))
            registry.signal(signal.SIGTERM)
            until("it drains", lambda: registry.logged("stopping"))
            probe.sock.sendall(b"\r\n")
            self.assertIn(b" 503 ", probe.sock.recv(65536).split(b"\r\n")[0])
            busy.send(b"56789")
            self.assertEqual(busy.getresponse().status, 202)
            busy.close()
            probe.close()
            self.assertEqual(registry.wait(), 0)

    def test_access_log(self):
        with Registry("--log-format", "json") as registry:
            registry.ask("GET", "/v2/team/app/manifests/v1", headers={"User-Agent": "a \"b\" \\n", "X-Request-Id": "id-7"})

            def found():
                for line in list(registry.log):
                    said = json.loads(line)
                    if said.get("target") == "/v2/team/app/manifests/v1":
                        return said
                return None
            said = until("the line", found)
            for key, value in [("method", "GET"), ("status", "404"), ("peer", "127.0.0.1"), ("request_id", "id-7"),
                               ("user_agent", "a \"b\" \\n"), ("bytes_in", "0")]:
                self.assertEqual(str(said[key]), value, key)
            for key in ("time", "bytes_out", "duration_ms"):
                self.assertIn(key, said)


if __name__ == "__main__":
    unittest.main()
