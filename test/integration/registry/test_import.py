# SPDX-License-Identifier: Apache-2.0
"""ociregistry import from a storage directory that docker-registry made, beside a running server."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from deadline import until
from docker_registry import IS_INSTALLED, DockerRegistry, skopeo_push
from ociregistry import DEADLINE, OCI_INDEX, OCI_MANIFEST, Registry, digest_of

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "interop")]
import images  # noqa: E402
from oci_image import Layout, file  # noqa: E402

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def run(store, *args, stdin=None):
    return subprocess.run([os.environ["OCIREGISTRY"], "import", "--store", store, *args], capture_output=True, text=True,
                          timeout=DEADLINE, stdin=stdin or subprocess.DEVNULL)


class Import(unittest.TestCase):
    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-import-"))
        self.store = os.path.join(self.dir, "store")

    def take(self, *args, status=0):
        done = run(self.store, *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done


@unittest.skipUnless(IS_INSTALLED, "needs docker-registry and skopeo (script/bootstrap interop)")
class FromRegistry(Import):
    """One directory made by docker-registry for all tests, copied for those that break it."""

    @classmethod
    def setUpClass(cls):
        cls.made_dir = tempfile.mkdtemp(prefix="loci-import-made-")
        cls.addClassCleanup(shutil.rmtree, cls.made_dir)
        cls.made = images.Made(os.path.join(cls.made_dir, "layout"))
        cls.source = os.path.join(cls.made_dir, "registry")
        cls.served = {}  # (repository, reference) → (media type, bytes), as docker-registry serves them
        with DockerRegistry(cls.source) as theirs:
            for tag, name in (("image", "team/app:1.0"), ("image", "team/app:latest"), ("index", "team/app/multi:1.0"),
                              ("zstd", "plain:z"), ("artifact", "artifacts/sbom:1")):
                skopeo_push(cls.made.layout, tag, theirs.address, name)
            cls.referrer = cls.push_referrer(theirs)
            cls.collect(theirs)

    @classmethod
    def push_referrer(cls, theirs):
        """An untagged manifest with a subject, as oras pushes it to a registry of 1.0."""
        status, headers, subject = theirs.ask("GET", "/v2/team/app/manifests/1.0", headers={"Accept": OCI_MANIFEST})
        assert status == 200
        blob = b"signature"
        _, headers, _ = theirs.ask("POST", "/v2/team/app/blobs/uploads/")
        where = headers["location"].split(theirs.address, 1)[1]
        assert theirs.ask("PUT", where + "&digest=" + digest_of(blob), blob)[0] == 201
        document = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.signature",
            "config": {"mediaType": "application/vnd.example.signature", "digest": digest_of(blob), "size": len(blob)},
            "layers": [], "subject": {"mediaType": OCI_MANIFEST, "digest": digest_of(subject), "size": len(subject)},
        }).encode()
        status, _, said = theirs.ask("PUT", "/v2/team/app/manifests/" + digest_of(document), document,
                                     {"Content-Type": OCI_MANIFEST})
        assert status == 201, said
        return digest_of(subject), digest_of(document)

    @classmethod
    def collect(cls, theirs):
        repositories = json.loads(theirs.ask("GET", "/v2/_catalog")[2])["repositories"]
        wanted = [(r, t) for r in repositories for t in json.loads(theirs.ask("GET", "/v2/%s/tags/list" % r)[2])["tags"]]
        wanted.append(("team/app", cls.referrer[1]))
        for repo, reference in wanted:
            status, headers, body = theirs.ask("GET", "/v2/%s/manifests/%s" % (repo, reference),
                                               headers={"Accept": ", ".join(images.ACCEPT)})
            assert status == 200, (repo, reference, body)
            cls.served[repo, reference] = (headers["content-type"], body)

    def copy_source(self):
        """One that a test may break."""
        path = os.path.join(self.dir, "copy")
        shutil.copytree(self.source, path)
        return path

    def check_all(self, ours, prefix=""):
        """Every manifest as it was served there, every blob below it by its digest."""
        for (repo, reference), (media_type, body) in self.served.items():
            self.check_manifest(ours, prefix + repo, reference, media_type, body)

    def check_manifest(self, ours, repo, reference, media_type, body):
        response = ours.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, reference))
        self.assertEqual((response.header("content-type"), response.body), (media_type, body))
        document = json.loads(body)
        for child in document.get("manifests", []):
            there = ours.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, child["digest"])).body
            self.assertEqual(digest_of(there), child["digest"])
            self.check_manifest(ours, repo, child["digest"], child["mediaType"], there)
        for blob in document.get("layers", []) + ([document["config"]] if "config" in document else []):
            ours.blob(repo, blob["digest"])

    def blob_files(self, source):
        base = os.path.join(source, "docker/registry/v2/blobs/sha256")
        return {hex: os.path.join(base, xx, hex, "data") for xx in os.listdir(base) for hex in os.listdir(os.path.join(base, xx))}

    def layer_of(self, source, repo="team/app", tag="1.0"):
        """The path of the first layer's bytes."""
        digest = json.loads(self.served[repo, tag][1])["layers"][0]["digest"]
        return digest, self.blob_files(source)[digest.split(":")[1]]

    def test_all_beside_a_server(self):
        with Registry(store=self.store) as ours:
            done = self.take(self.source)
            self.check_all(ours)
            self.assertEqual(done.stderr, "")
            self.assertIn("4 repositories, 5 tags", done.stdout)
            subject, referrer = self.referrer
            listed = json.loads(ours.expect(200, "GET", "/v2/team/app/referrers/" + subject).body)["manifests"]
            self.assertEqual([d["digest"] for d in listed], [referrer])
            catalog = json.loads(ours.expect(200, "GET", "/v2/_catalog").body)["repositories"]
            self.assertEqual(catalog, ["artifacts/sbom", "plain", "team/app", "team/app/multi"])
            # A push goes on top of it.
            ours.push_image("team/app", "2.0")
            ours.expect(200, "GET", "/v2/team/app/manifests/1.0")

    def inodes(self):
        return {os.stat(os.path.join(base, f)).st_ino for base, _, files in os.walk(os.path.join(self.store, "blobs"))
                for f in files}

    def test_links(self):
        """Not a byte is copied, and the source is as it was."""
        before = {p: (os.stat(p).st_mode, os.stat(p).st_mtime_ns) for p in self.blob_files(self.source).values()}
        done = self.take(self.source)
        self.assertIn("cloned 0 B, copied 0 B", done.stdout)
        theirs = {os.stat(p).st_ino for p in before}
        self.assertLessEqual(self.inodes(), theirs)
        self.assertEqual(before, {p: (os.stat(p).st_mode, os.stat(p).st_mtime_ns) for p in before})
        self.assertEqual(os.listdir(os.path.join(self.store, "uploads")), [])

    def test_copy(self):
        done = self.take("--copy", self.source)
        self.assertIn("linked 0 B", done.stdout)
        self.assertFalse(self.inodes() & {os.stat(p).st_ino for p in self.blob_files(self.source).values()})
        with Registry(store=self.store) as ours:
            self.check_all(ours)

    def test_lives_without_the_source(self):
        source = self.copy_source()
        self.take(source)
        shutil.rmtree(source)
        with Registry(store=self.store) as ours:
            self.check_all(ours)

    def test_again(self):
        self.take(self.source)
        inodes = self.inodes()
        done = self.take(self.source)
        self.assertIn("manifests: 0 new", done.stdout)
        self.assertIn("blobs: 0 new", done.stdout)
        self.assertEqual(self.inodes(), inodes)

    def test_places_and_prefix(self):
        """The mount of the volume, or any directory down to v2."""
        for below in ("", "docker", "docker/registry", "docker/registry/v2"):
            with self.subTest(below):
                store = os.path.join(self.dir, "store" + below.replace("/", "-"))
                done = run(store, "--repo", "old/hub", os.path.join(self.source, below))
                self.assertEqual(done.returncode, 0, done.stderr)
                with Registry(store=store) as ours:
                    self.check_all(ours, "old/hub/")

    def test_dry_run(self):
        done = self.take("--dry-run", self.source)
        self.assertIn("dry run: 4 repositories, 5 tags", done.stdout)
        with Registry(store=self.store) as ours:
            self.assertEqual(json.loads(ours.expect(200, "GET", "/v2/_catalog").body)["repositories"], [])
        self.assertEqual(self.inodes(), set())

    def test_tags_move_or_stay(self):
        with Registry(store=self.store) as ours:
            own = ours.push_image("team/app", "1.0", layers=[b"ours"])
            self.take("--keep-tags", self.source)
            self.assertEqual(ours.expect(200, "GET", "/v2/team/app/manifests/1.0").header("docker-content-digest"), own)
            self.assertEqual(ours.expect(200, "GET", "/v2/team/app/manifests/latest").body, self.served["team/app", "latest"][1])
            self.take(self.source)
            self.check_all(ours)

    def test_a_broken_image_does_not_stop_the_rest(self):
        """Row: what is done to the source, what the message says, which references are not there then."""
        def cut(path):
            with open(path, "r+b") as f:
                f.truncate(10)

        def symlink(path):
            os.rename(path, path + ".real")
            os.symlink("data.real", path)

        def fifo(path):
            os.unlink(path)
            os.mkfifo(path)

        for break_it, said in ((os.unlink, "is not in the source"), (cut, "expected sha256:"),
                               (symlink, "symbolic link"), (fifo, "regular file")):
            with self.subTest(break_it.__name__):
                source = self.copy_source()
                digest, path = self.layer_of(source)
                break_it(path)
                done = self.take(source, status=1)
                shutil.rmtree(source)
                self.assertRegex(done.stderr, r"team/app:1\.0: .*" + re.escape(said))
                with Registry(store=self.store) as ours:
                    ours.expect(404, "GET", "/v2/team/app/manifests/1.0")
                    ours.expect(404, "GET", "/v2/team/app/blobs/" + digest)
                    self.check_manifest(ours, "plain", "z", *self.served["plain", "z"])
                    self.check_manifest(ours, "artifacts/sbom", "1", *self.served["artifacts/sbom", "1"])
                # Whole again: the second run brings the rest.
                self.take(self.source)
                with Registry(store=self.store) as ours:
                    self.check_all(ours)
                shutil.rmtree(self.store)

    def blob_count(self):
        return sum(len(files) for _, _, files in os.walk(os.path.join(self.store, "blobs")))

    def test_killed(self):
        """kill -9 after each blob, more or less, beside a server; the last run finishes, and every byte is right."""
        with Registry(store=self.store) as ours:
            kills = 0
            while True:
                before = self.blob_count()
                run_ = subprocess.Popen([os.environ["OCIREGISTRY"], "import", "-q", "--copy", "--jobs", "1", "--store", self.store,
                                         self.source])
                until("another blob, or the end", lambda: run_.poll() is not None or self.blob_count() > before)
                run_.kill()
                if run_.wait() == 0:
                    break
                kills += 1
            self.assertGreater(kills, 3)
            self.check_all(ours)
        done = subprocess.run([os.environ["OCIREGISTRY"], "scrub", "--rate", "0", "--store", self.store], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_stopped(self):
        """SIGTERM: what stands stays, the status says so."""
        done = subprocess.Popen([os.environ["OCIREGISTRY"], "import", "--copy", "--jobs", "2", "--store", self.store, self.source],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until("a blob", lambda: done.poll() is not None or self.blob_count() > 0)
        done.terminate()
        said = done.communicate(timeout=DEADLINE)[1]
        if done.returncode:  # else it was faster
            self.assertIn("canceled", said)
        self.take(self.source)
        with Registry(store=self.store) as ours:
            self.check_all(ours)

    def test_hostile_links(self):
        """Row: content of the tag's link file → message."""
        link = "docker/registry/v2/repositories/team/app/_manifests/tags/1.0/current/link"
        for content, said in (("", "digest"), ("sha256:" + "A" * 64, "digest"), ("../../../../../etc/passwd", "digest"),
                              ("sha256:" + "0" * 64, "which was deleted"), ("x" * 5000, "more than 256 bytes"),
                              ("sha1:" + "0" * 40, "")):
            with self.subTest(content[:20]):
                source = self.copy_source()
                with open(os.path.join(source, link), "w") as f:
                    f.write(content)
                done = self.take(source, status=1)
                shutil.rmtree(source)
                shutil.rmtree(self.store)
                self.assertIn("team/app:1.0: ", done.stderr)
                self.assertIn(said, done.stderr)

    def test_symlinks_lead_nowhere(self):
        """A repository, a tag and the blobs' directory as symbolic links to somewhere good."""
        for path in ("repositories/team/app/_manifests/tags/1.0", "repositories/plain", "blobs/sha256"):
            with self.subTest(path):
                source = self.copy_source()
                full = os.path.join(source, "docker/registry/v2", path)
                os.rename(full, os.path.join(self.dir, "elsewhere"))
                os.symlink(os.path.join(self.dir, "elsewhere"), full)
                done = self.take(source, status=1)
                self.assertIn("symbolic link", done.stderr)
                shutil.rmtree(source)
                shutil.rmtree(os.path.join(self.dir, "elsewhere"))
                shutil.rmtree(self.store)

    def test_schema1_is_refused_by_name(self):
        source = self.copy_source()
        document = json.dumps({"schemaVersion": 1, "name": "team/app", "tag": "old", "architecture": "amd64", "fsLayers": [],
                               "history": []}).encode()
        hexes = hashlib.sha256(document).hexdigest()
        v2 = os.path.join(source, "docker/registry/v2")
        for path, content in (("blobs/sha256/%s/%s/data" % (hexes[:2], hexes), document),
                              ("repositories/team/app/_manifests/revisions/sha256/%s/link" % hexes, b"sha256:" + hexes.encode()),
                              ("repositories/team/app/_manifests/tags/old/current/link", b"sha256:" + hexes.encode())):
            os.makedirs(os.path.dirname(os.path.join(v2, path)))
            with open(os.path.join(v2, path), "wb") as f:
                f.write(content)
        done = self.take(source, status=1)
        self.assertIn("team/app:old: ", done.stderr)
        self.assertIn("schema 1", done.stderr)
        self.assertRegex(done.stdout, r"left out: 0 that are broken, \d of docker schema 1")
        with Registry(store=self.store) as ours:
            self.check_all(ours)


UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
SMALL = 'mount -t tmpfs -o size=16m,mode=700 small "$0" && "$@"; status=$?; cp -a "$0" "$0.kept"; exit $status'


class Refused(Import):
    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_somebody_elses_store(self):
        empty = os.path.join(self.dir, "empty")
        os.mkdir(empty)
        with Registry(store=self.store):
            pass
        os.chown(os.path.join(self.store, "index"), 4242, -1)
        self.assertIn("4242", self.take(empty, status=2).stderr)

    @unittest.skipIf(subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL).returncode, "needs mount namespaces")
    def test_full_disk(self):
        """It ends at once and says why; what stands is whole, and the next run brings the rest."""
        layout = Layout(os.path.join(self.dir, "layout"))
        for i in range(12):
            layout.tag("v%d" % i, layout.image([[file("data", os.urandom(2 << 20))]], compression=""))
        layout.close()
        mount = os.path.join(self.dir, "mount")
        os.mkdir(mount)
        command = [os.environ["OCIREGISTRY"], "import", "--store", os.path.join(mount, "store"), "--repo", "a", layout.path]
        done = subprocess.run([*UNSHARE, "sh", "-c", SMALL, mount, *command], capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("No space left", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.store = os.path.join(mount + ".kept", "store")
        said = subprocess.run([os.environ["OCIREGISTRY"], "scrub", "--rate", "0", "--store", self.store], capture_output=True,
                              text=True)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
        self.take("--repo", "a", layout.path)
        with Registry(store=self.store) as ours:
            for i in range(12):
                manifest = json.loads(ours.expect(200, "GET", "/v2/a/manifests/v%d" % i).body)
                ours.blob("a", manifest["layers"][0]["digest"])

    def test_sources(self):
        empty = os.path.join(self.dir, "empty")
        os.mkdir(empty)
        for args, status, said in (([empty], 1, "registry:2"), ([empty + "/nothing"], 1, "nothing"), ([], 2, "SOURCE"),
                                   (["--repo", "Not/A/Name", empty], 1, "Not/A/Name"),
                                   (["--link", "--copy", empty], 2, "--copy")):
            with self.subTest(args):
                self.assertIn(said, self.take(*args, status=status).stderr)


if __name__ == "__main__":
    unittest.main()
