# SPDX-License-Identifier: Apache-2.0
"""The bash library that other tests start the server with."""

import os
import subprocess
import tempfile
import unittest

SCRIPT = """
set -euo pipefail
. "$1/ociregistry.sh"
trap 'registry_stop || true' EXIT
registry_start "$2/store"
[ "$(curl -fsS "http://$REGISTRY_ADDRESS/v2/")" = "{}" ]
registry_stop
! registry_start "$2/other" --no-such-option 2>/dev/null
echo good
"""


class Shell(unittest.TestCase):
    def test_library(self):
        with tempfile.TemporaryDirectory() as directory:
            lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")
            done = subprocess.run(["bash", "-c", SCRIPT, "bash", lib, directory], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "good\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
