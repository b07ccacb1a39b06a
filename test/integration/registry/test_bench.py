# SPDX-License-Identifier: Apache-2.0
"""script/bench registry does its work ($BUILD): small sizes, one round, some rows. What comes out is whole; how fast it
was is asserted nowhere."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

RUN = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/registry/run.py"))
sys.path.insert(0, os.path.dirname(RUN))
import parts  # noqa: E402
import table  # noqa: E402

SMALL = ["--rounds", "1", "--seconds", "1", "--many", "300", "--size-mib", "1", "--images", "4", "--connections", "20"]
ROWS = ["manifest-head", "tags", "referrers", "beside-paced", "beside-cold", "pull-1", "push-1", "images", "again", "tls-push", "idle"]


def run(work, *options):
    files = {name: os.path.join(work, name) for name in ("json", "svg")}
    done = subprocess.run([sys.executable, "-B", RUN, "--build", os.environ["BUILD"], "--work", work, *SMALL, *options,
                           "--json", files["json"], "--svg", files["svg"]], capture_output=True, text=True)
    return done, files


class Bench(unittest.TestCase):
    def test_each_row_has_a_part(self):
        self.assertEqual(sorted(row.key for row in table.ROWS), sorted(key for part in parts.PARTS for key in part.rows))

    def test_run(self):
        with tempfile.TemporaryDirectory() as work:
            done, files = run(work, "--rows", ",".join(ROWS))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(os.listdir(work)), ["json", "svg"])
            with open(files["json"]) as f:
                rows = {row["row"]: row for row in json.load(f)["rows"]}
            self.assertEqual(sorted(rows), sorted(ROWS))
            figures = {row.key: {figure.name for figure in row.figures} for row in table.ROWS}
            for key, row in rows.items():
                measured = row["measured"]["ociregistry"]
                self.assertEqual(set(measured), figures[key], key)
                self.assertTrue(all(len(f["samples"]) == 1 for f in measured.values()), key)
                self.assertIn(row["title"], done.stdout)
            self.assertGreater(rows["push-1"]["measured"]["floor"]["rate"]["median"], 0)
            xml.etree.ElementTree.parse(files["svg"])

    def test_peer_that_is_none(self):
        """Its rows say what failed; the run goes on, and is none of ours."""
        with tempfile.TemporaryDirectory() as work:
            done, files = run(work, "--rows", "manifest-head", "--peer", "nobody=http://127.0.0.1:1")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(files["json"]) as f:
                row, = json.load(f)["rows"]
            self.assertIn("Connection refused", row["notes"]["nobody"])
            self.assertTrue(row["measured"]["ociregistry"])
        done = subprocess.run([sys.executable, "-B", RUN, "--build", "x", "--rows", "no-such"], capture_output=True, text=True)
        self.assertIn("no such row", done.stderr)


if __name__ == "__main__":
    unittest.main()
