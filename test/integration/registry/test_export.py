# SPDX-License-Identifier: Apache-2.0
"""ociregistry export beside a running server, and its way back through import and skopeo."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from docker_registry import skopeo
from ociregistry import DEADLINE, OCI_INDEX, OCI_MANIFEST, Registry, digest_of

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "interop")]
import images  # noqa: E402
from oci_image import Layout  # noqa: E402

REF, WHOLE = "org.opencontainers.image.ref.name", "io.containerd.image.name"


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A store with image, index, zstd, artifact, and a signature of the image signed again."""
        cls.made = tempfile.mkdtemp(prefix="loci-export-made-")
        cls.addClassCleanup(shutil.rmtree, cls.made)
        layout, cls.source = os.path.join(cls.made, "layout"), os.path.join(cls.made, "store")
        images.Made(layout)
        with open(os.path.join(layout, "index.json")) as f:
            index = json.load(f)
        cls.tops = {e["annotations"][REF]: e["digest"] for e in index["manifests"]}
        more = Layout(layout)
        signature = more.artifact("application/vnd.example.signature", b"signed", subject=index["manifests"][0])
        again = more.artifact("application/vnd.example.signature", b"signed again", subject=signature)
        cls.signature, cls.again = signature["digest"], again["digest"]
        index["manifests"] += [signature, again]
        with open(os.path.join(layout, "index.json"), "w") as f:
            json.dump(index, f)
        cls.run_one("import", cls.source, "--repo", "team/app", layout)

    @classmethod
    def run_one(cls, command, store, *args, stdin=None, status=0):
        done = subprocess.run([os.environ["OCIREGISTRY"], command, "--store", store, *args], capture_output=True,
                              timeout=DEADLINE, **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        if done.returncode != status:
            raise AssertionError("%s %s: %d: %s" % (command, args, done.returncode, done.stderr.decode()))
        return done

    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-export-"))
        self.out = os.path.join(self.dir, "out")

    def export(self, *args, status=0, output=None, store=None):
        return self.run_one("export", store or self.source, "--output", output or self.out, *args, status=status)

    def index(self, path=None):
        with open(os.path.join(path or self.out, "index.json")) as f:
            return json.load(f)["manifests"]

    def blobs(self, path=None):
        """Every blob, each hashed."""
        found = {}
        for base, _, names in os.walk(os.path.join(path or self.out, "blobs")):
            for name in names:
                with open(os.path.join(base, name), "rb") as f:
                    data = f.read()
                digest = os.path.basename(base) + ":" + name
                self.assertEqual(digest_of(data, os.path.basename(base)), digest)
                found[digest] = data
        return found

    def below(self, blobs, digest):
        """All that a digest needs."""
        document = json.loads(blobs[digest])
        found = {digest}
        for child in document.get("manifests", []):
            found |= self.below(blobs, child["digest"])
        if "config" in document:
            found |= {b["digest"] for b in document["layers"] + [document["config"]]}
        return found

    def test_tags(self):
        """All of it, and nothing else; the names that tools look for."""
        with Registry(store=self.source):
            self.export("team/app:index", "team/app:zstd")
        index, blobs = self.index(), self.blobs()
        self.assertEqual([e["digest"] for e in index], [self.tops["index"], self.tops["zstd"]])
        self.assertEqual([e["annotations"] for e in index],
                         [{REF: t, WHOLE: "team/app:" + t} for t in ("index", "zstd")])
        self.assertEqual([(e["mediaType"], e["size"]) for e in index],
                         [(OCI_INDEX, len(blobs[self.tops["index"]])), (OCI_MANIFEST, len(blobs[self.tops["zstd"]]))])
        self.assertEqual(set(blobs), self.below(blobs, self.tops["index"]) | self.below(blobs, self.tops["zstd"]))

    def test_whole_repository(self):
        self.export("team/app")
        self.assertEqual({e["annotations"][REF]: e["digest"] for e in self.index()}, self.tops)

    def test_by_digest(self):
        self.export("team/app@" + self.tops["image"])
        self.assertEqual([e["annotations"] for e in self.index()], [{WHOLE: "team/app@" + self.tops["image"]}])

    def test_referrers(self):
        self.export("--referrers", "team/app:image")
        self.assertEqual([e["digest"] for e in self.index()], [self.tops["image"], self.signature, self.again])
        self.assertEqual(self.index()[1]["artifactType"], "application/vnd.example.signature")
        self.assertLessEqual({self.signature, self.again}, set(self.blobs()))
        both = ["team/app@" + self.signature, "team/app:image"]  # met twice, named once
        self.export("--referrers", *both, output=self.out + "-both")
        self.assertEqual([e["digest"] for e in self.index(self.out + "-both")], [self.signature, self.again, self.tops["image"]])
        self.export("team/app:image", output=self.out + "-without")
        self.assertNotIn(self.signature, self.blobs(self.out + "-without"))

    def check_copy(self, store):
        """Another store has the same under the same name."""
        with Registry(store=store) as ours:
            for tag, digest in self.tops.items():
                got = ours.expect(200, "GET", "/v2/team/app/manifests/" + tag)
                self.assertEqual(digest_of(got.body), digest)
            listed = json.loads(ours.expect(200, "GET", "/v2/team/app/referrers/" + self.tops["image"]).body)["manifests"]
            self.assertEqual([d["digest"] for d in listed], [self.signature])
            ours.expect(200, "GET", "/v2/team/app/manifests/" + self.again)

    def test_back_by_import(self):
        """Directory, archive, and a pipe: names need no --repo."""
        self.export("--referrers", "team/app")
        self.export("--referrers", "team/app", output=self.out + ".tar")
        stream = self.export("--referrers", "team/app", output="-").stdout
        with open(self.out + ".tar", "rb") as f:
            self.assertEqual(stream, f.read())
        for source, stdin in ((self.out, None), (self.out + ".tar", None), ("-", stream)):
            with self.subTest(source):
                store = os.path.join(self.dir, "store")
                self.run_one("import", store, source, stdin=stdin)
                self.check_copy(store)
                shutil.rmtree(store)

    def test_same_bytes_each_time(self):
        """Also out of another store, filled in another order."""
        self.export("--referrers", "team/app", output=self.out + "1.tar")
        store = os.path.join(self.dir, "store")
        for tag in reversed(list(self.tops)):
            self.export("team/app:" + tag, output=os.path.join(self.dir, tag))
            self.run_one("import", store, os.path.join(self.dir, tag))
        self.run_one("import", store, self.out + "1.tar")
        self.export("--referrers", "team/app", output=self.out + "2.tar", store=store)
        with open(self.out + "1.tar", "rb") as one, open(self.out + "2.tar", "rb") as two:
            self.assertEqual(one.read(), two.read())
        self.assertEqual(sorted(os.listdir(self.dir)), sorted([*self.tops, "out1.tar", "out2.tar", "store"]))

    def test_tar_is_plain(self):
        self.export("team/app:image", output=self.out + ".tar")
        with tarfile.open(self.out + ".tar") as tar:
            members = tar.getmembers()
        self.assertEqual((members[0].name, members[-1].name), ("oci-layout", "index.json"))
        self.assertEqual({(m.mtime, m.uid, m.gid, m.mode, m.type) for m in members}, {(0, 0, 0, 0o644, tarfile.REGTYPE)})
        self.assertEqual([m.name for m in members[1:-1]], sorted(m.name for m in members[1:-1]))

    def test_link(self):
        self.export("--link", "team/app:image")
        inodes = {os.stat(os.path.join(base, n)).st_ino for base, _, names in os.walk(os.path.join(self.source, "blobs"))
                  for n in names}
        blobs = self.blobs()
        shared = [d for d in blobs if os.stat(os.path.join(self.out, "blobs", *d.split(":"))).st_ino in inodes]
        self.assertEqual(len(shared), len(blobs) - 1)  # the manifest stands in the index
        self.export("team/app:image", output=self.out + "-copied")
        self.assertFalse({os.stat(os.path.join(self.out + "-copied", "blobs", *d.split(":"))).st_ino for d in blobs} & inodes)

    def test_goes_on(self):
        """One that was stopped: what is there is passed over, half a file is not taken for one."""
        self.export("team/app:image")
        kept = self.blobs()
        layer = json.loads(kept[self.tops["image"]])["layers"][0]["digest"]
        path = os.path.join(self.out, "blobs", *layer.split(":"))
        os.unlink(os.path.join(self.out, "index.json"))
        os.truncate(path, 10)
        with open(os.path.join(self.out, ".tmp-123"), "w") as f:
            f.write("half")
        said = self.export("team/app:image").stderr.decode()
        self.assertIn("blobs: 1 new, %d there already" % (len(kept) - 2), said)
        self.assertEqual(self.blobs(), kept)
        self.assertEqual(sorted(os.listdir(self.out)), ["blobs", "index.json", "oci-layout"])

    def test_link_is_no_file(self):
        """Where one that was stopped left a manifest, there is a symlink of its size now."""
        self.export("team/app:image")
        kept = self.blobs()
        path = os.path.join(self.out, "blobs", *self.tops["image"].split(":"))
        os.unlink(os.path.join(self.out, "index.json"))
        os.unlink(path)
        os.symlink("/" * len(kept[self.tops["image"]]), path)
        self.export("team/app:image")
        self.assertFalse(os.path.islink(path))
        self.assertEqual(self.blobs(), kept)

    def test_refused(self):
        """Row: names, what is said; and that nothing is made."""
        for names, said in ((["team/app:nothing"], "nothing"), (["nobody/here"], "nobody/here"), (["Team/App"], "Team/App"),
                            (["team/app:image", "team/app@" + "sha256:" + "0" * 64], "0" * 64), (["team/app:"], "team/app:"),
                            (["team/app@sha256:0"], "digest")):
            for output in (self.out, self.out + ".tar"):
                with self.subTest((names, output)):
                    done = self.export(*names, status=1, output=output)
                    self.assertIn(said, done.stderr.decode())
                    self.assertEqual(os.listdir(self.dir), [])
        self.run_one("export", self.source, "team/app", status=2)

    def test_where_something_is(self):
        os.mkdir(self.out)
        with open(os.path.join(self.out, "mine.txt"), "w") as f:
            f.write("mine")
        self.assertIn("mine.txt", self.export("team/app:image", status=1).stderr.decode())
        self.assertEqual(os.listdir(self.out), ["mine.txt"])
        done = self.export("team/app:image", output=self.out + "2") and self.export("team/app:zstd", output=self.out + "2", status=1)
        self.assertIn("is a layout already", done.stderr.decode())

    def test_damaged_blob(self):
        """A blob of the store that went bad is not handed on."""
        store = os.path.join(self.dir, "store")
        shutil.copytree(self.source, store)
        self.export("team/app:image")
        layer = json.loads(self.blobs()[self.tops["image"]])["layers"][0]["digest"]
        hex = layer.split(":")[1]
        with open(os.path.join(store, "blobs/sha256", hex[:2], hex), "r+b") as f:
            f.write(b"\0\0\0\0")
        for output in (self.out + "2", self.out + "2.tar"):
            with self.subTest(output):
                self.assertIn(hex, self.export("team/app:image", output=output, store=store, status=1).stderr.decode())
                self.assertFalse(os.path.exists(os.path.join(output, "index.json")))
        self.assertEqual([n for n in os.listdir(self.dir) if n.endswith((".tar", ".tmp"))], [])

    @unittest.skipUnless(shutil.which("skopeo"), "needs skopeo")
    def test_skopeo_reads_it(self):
        self.export("team/app")
        self.export("team/app:image", output=self.out + ".tar")
        with Registry() as other:
            for tag, digest in self.tops.items():
                skopeo("copy", "--quiet", "--all", "--dest-tls-verify=false", "oci:%s:%s" % (self.out, tag),
                       "docker://%s/copied:%s" % (other.address, tag))
                self.assertEqual(other.expect(200, "HEAD", "/v2/copied/manifests/" + tag).header("docker-content-digest"), digest)
            skopeo("copy", "--quiet", "--dest-tls-verify=false", "oci-archive:%s.tar:image" % self.out,
                   "docker://%s/copied:archive" % other.address)
            self.assertEqual(other.expect(200, "HEAD", "/v2/copied/manifests/archive").header("docker-content-digest"),
                             self.tops["image"])


if __name__ == "__main__":
    unittest.main()
