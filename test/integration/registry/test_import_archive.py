# SPDX-License-Identifier: Apache-2.0
"""ociregistry import of OCI layouts and of what docker save writes: directories, archives, hostile archives."""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from docker_registry import skopeo
from ociregistry import DEADLINE, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Registry, digest_of

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "interop")]
import images  # noqa: E402
from oci_image import Layout, file, tar_bytes  # noqa: E402

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
HAS_SKOPEO = bool(shutil.which("skopeo"))


def tar_of(members):
    """(name, bytes or TarInfo) pairs as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if isinstance(content, bytes):
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def special(kind, target=""):
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def files_of(directory):
    """Everything below it, in the order of names."""
    found = []
    for base, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                found.append((os.path.relpath(path, directory), f.read()))
    return sorted(found)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made_dir = tempfile.mkdtemp(prefix="loci-import-layout-")
        cls.addClassCleanup(shutil.rmtree, cls.made_dir)
        cls.layout = os.path.join(cls.made_dir, "layout")
        images.Made(cls.layout)
        cls.add_referrer(cls.layout)

    @classmethod
    def add_referrer(cls, path):
        """An artifact for the image, in the index without a name, as a layout's referrers are."""
        with open(os.path.join(path, "index.json")) as f:
            index = json.load(f)
        layout = Layout(path)
        subject = index["manifests"][0]
        index["manifests"].append(layout.artifact("application/vnd.example.signature", b"signed", subject=subject))
        cls.subject, cls.referrer = subject["digest"], index["manifests"][-1]["digest"]
        with open(os.path.join(path, "index.json"), "w") as f:
            json.dump(index, f)

    def setUp(self):
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="loci-import-"))
        self.store = os.path.join(self.dir, "store")

    def take(self, *args, status=0, stdin=None):
        done = subprocess.run([os.environ["OCIREGISTRY"], "import", "--store", self.store, *args], capture_output=True,
                              timeout=DEADLINE, **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def tags(self, ours, repo):
        return json.loads(ours.expect(200, "GET", "/v2/%s/tags/list" % repo).body)["tags"]

    def check_tree(self, ours, repo, digest, media_type=None):
        response = ours.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, digest))
        self.assertEqual(digest_of(response.body, digest.split(":")[0]), digest)
        if media_type:
            self.assertEqual(response.header("content-type"), media_type)
        document = json.loads(response.body)
        for child in document.get("manifests", []):
            self.check_tree(ours, repo, child["digest"], child["mediaType"])
        for blob in document.get("layers", []) + ([document["config"]] if "config" in document else []):
            ours.blob(repo, blob["digest"])
        return document

    def check_layout(self, repo="team/app"):
        """All of the class's layout is in the repository."""
        with open(os.path.join(self.layout, "index.json")) as f:
            index = json.load(f)["manifests"]
        with Registry(store=self.store) as ours:
            for entry in index:
                self.check_tree(ours, repo, entry["digest"], entry["mediaType"])
                name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
                if name:
                    got = ours.expect(200, "HEAD", "/v2/%s/manifests/%s" % (repo, name)).header("docker-content-digest")
                    self.assertEqual(got, entry["digest"])
            self.assertEqual(self.tags(ours, repo), ["artifact", "image", "index", "zstd"])
            listed = json.loads(ours.expect(200, "GET", "/v2/%s/referrers/%s" % (repo, self.subject)).body)["manifests"]
            self.assertEqual([d["digest"] for d in listed], [self.referrer])

    def left_behind(self):
        return os.listdir(os.path.join(self.store, "uploads"))


class Layouts(Case):
    def test_directory(self):
        done = self.take("--repo", "team/app", self.layout)
        self.assertIn("linked 0 B", done.stdout)
        self.check_layout()
        done = self.take("--repo", "team/app", self.layout)
        self.assertIn("manifests: 0 new", done.stdout)
        self.assertIn("blobs: 0 new", done.stdout)

    def test_links_when_asked(self):
        """On the same file system not a byte is copied."""
        layout = os.path.join(self.dir, "layout")
        shutil.copytree(self.layout, layout)
        done = self.take("--link", "--repo", "team/app", layout)
        self.assertIn("copied 0 B", done.stdout)
        self.check_layout()

    def test_without_a_name(self):
        done = self.take(self.layout, status=1)
        self.assertIn("--repo", done.stderr)

    def test_whole_names(self):
        """Row: annotation, value, --repo → repository, tag."""
        ref, whole = "org.opencontainers.image.ref.name", "io.containerd.image.name"
        for i, (annotations, repo, want_repo, want_tag) in enumerate((
                ({ref: "1.0"}, "a/b", "a/b", "1.0"),
                ({ref: "registry.example:5000/team/app:1.0"}, None, "team/app", "1.0"),
                ({ref: "3.19", whole: "docker.io/library/alpine:3.19"}, None, "library/alpine", "3.19"),
                ({ref: "3.19", whole: "docker.io/library/alpine:3.19"}, "mirror", "mirror/library/alpine", "3.19"),
                ({whole: "team/app:v1"}, None, "team/app", "v1"))):
            with self.subTest(annotations):
                path = os.path.join(self.dir, "named%d" % i)
                layout = Layout(path)
                layout.tags.append({**layout.image([[file("a", "b")]]), "annotations": annotations})
                layout.close()
                self.store = os.path.join(self.dir, "store%d" % i)
                self.take(*(("--repo", repo) if repo else ()), path)
                with Registry(store=self.store) as ours:
                    ours.expect(200, "GET", "/v2/%s/manifests/%s" % (want_repo, want_tag))

    def test_archives(self):
        """Plain and compressed, from a file and from standard input, the index first and last."""
        members = files_of(self.layout)
        last = tar_of(members)
        first = tar_of(sorted(members, key=lambda m: m[0] != "index.json"))
        dotted = tar_of([("./" + name, data) for name, data in members])
        zstd = subprocess.run(["zstd", "-q", "-c"], input=last, stdout=subprocess.PIPE, check=True).stdout
        for name, data in (("last", last), ("first", first), ("dotted", dotted), ("gzip", gzip.compress(last)), ("zstd", zstd)):
            for by_stdin in (False, True):
                with self.subTest((name, by_stdin)):
                    source = "-" if by_stdin else self.write(name, data)
                    self.take("--repo", "team/app", source, stdin=data if by_stdin else None)
                    self.check_layout()
                    self.assertEqual(self.left_behind(), [])
                    done = self.take("--repo", "team/app", source, stdin=data if by_stdin else None)
                    self.assertIn("blobs: 0 new", done.stdout)
                    shutil.rmtree(self.store)

    def test_sha512(self):
        path = os.path.join(self.dir, "sha512")
        layout = Layout(path)
        os.makedirs(os.path.join(path, "blobs/sha512"))

        def blob(data, media_type):
            digest = "sha512:" + hashlib.sha512(data).hexdigest()
            with open(os.path.join(path, "blobs", *digest.split(":")), "wb") as f:
                f.write(data)
            return {"mediaType": media_type, "digest": digest, "size": len(data)}
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob(b"{}", OCI_CONFIG),
                    "layers": [blob(b"layer", "application/vnd.oci.image.layer.v1.tar")]}
        top = blob(json.dumps(manifest).encode(), OCI_MANIFEST)
        layout.tag("big", top)
        layout.close()
        for source in (path, self.write("sha512.tar", tar_of(files_of(path)))):
            with self.subTest(source):
                self.take("--repo", "a", source)
                with Registry(store=self.store) as ours:
                    self.check_tree(ours, "a", top["digest"])
                    ours.expect(200, "GET", "/v2/a/manifests/big")
                shutil.rmtree(self.store)

    def test_indexes_that_list_each_other_over_and_over(self):
        """As many ways down as 40 to the power of 7; two in turn, which would push each other out of a small table."""
        layout = Layout(os.path.join(self.dir, "maze"))
        below = [layout.image([[file("a", "b")]])]

        def index(n):
            return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": {"n": str(n)},
                               "manifests": below * (40 // len(below))}).encode()

        def slot(data):
            return int(digest_of(data).split(":")[1][:4], 16) & 0xff0f  # of 4096, by the first two bytes

        for _ in range(7):
            first = index(0)
            second = next(data for data in map(index, range(1, 1 << 20)) if slot(data) == slot(first))
            below = [layout.blob(data, OCI_INDEX) for data in (first, second)]
        layout.tag("v1", below[0])
        layout.close()
        done = self.take("--repo", "a", os.path.join(self.dir, "maze"))
        self.assertIn("manifests: 14 new", done.stdout)

    def test_dry_run(self):
        done = self.take("--dry-run", "--repo", "a", self.layout)
        self.assertIn("dry run: ", done.stdout)
        done = self.take("--dry-run", "--repo", "a", self.write("a.tar", tar_of([])), status=2)
        self.assertIn("directory", done.stderr)

    @unittest.skipUnless(HAS_SKOPEO, "needs skopeo")
    def test_skopeo_archive(self):
        """What skopeo calls oci-archive: comes over with its digest."""
        archive = os.path.join(self.dir, "skopeo.tar")
        skopeo("copy", "--all", "oci:%s:index" % self.layout, "oci-archive:%s:v1" % archive)
        self.take("--repo", "a/b", archive)
        with open(os.path.join(self.layout, "index.json")) as f:
            want = [e["digest"] for e in json.load(f)["manifests"]
                    if e.get("annotations", {}).get("org.opencontainers.image.ref.name") == "index"]
        with Registry(store=self.store) as ours:
            self.assertEqual([ours.expect(200, "HEAD", "/v2/a/b/manifests/v1").header("docker-content-digest")], want)


class Saved(Case):
    """docker save in its old form."""

    LAYERS = [tar_bytes([file("a", "first\n")]), tar_bytes([file("b", "second\n")])]

    def config(self, layers):
        return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/a"]},
                           "rootfs": {"type": "layers", "diff_ids": [digest_of(l) for l in layers]}}).encode()

    def members(self, tags=("team/app:1.0",), layers=None, stored=None, **changes):
        layers = layers or self.LAYERS
        config = self.config(layers)
        name = hashlib.sha256(config).hexdigest() + ".json"
        paths = ["%d%s/layer.tar" % (i, "0" * 10) for i in range(len(layers))]
        image = {"Config": name, "RepoTags": list(tags) if tags else None, "Layers": paths, **changes}
        return ([(path, data) for path, data in zip(paths, stored or layers)] +
                [("0" + "0" * 10 + "/VERSION", b"1.0"), (name, config), ("repositories", b"{}"),
                 ("manifest.json", json.dumps([image]).encode())])

    def check(self, repo="team/app", tag="1.0", layers=None, media_type=DOCKER_TAR):
        layers = layers or self.LAYERS
        with Registry(store=self.store) as ours:
            response = ours.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, tag))
            self.assertEqual(response.header("content-type"), DOCKER_MANIFEST)
            manifest = json.loads(response.body)
            self.assertEqual(ours.blob(repo, manifest["config"]["digest"]), self.config(layers))
            self.assertEqual([l["mediaType"] for l in manifest["layers"]], [media_type] * len(layers))
            return [ours.blob(repo, l["digest"]) for l in manifest["layers"]]

    def unpack(self, members):
        path = os.path.join(self.dir, "unpacked")
        for name, content in members:
            os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
            if isinstance(content, bytes):
                with open(os.path.join(path, name), "wb") as f:
                    f.write(content)
            else:
                os.symlink(content.linkname, os.path.join(path, name))
        return path

    def test_archive_and_directory(self):
        for source in (self.write("saved.tar", tar_of(self.members())), self.unpack(self.members())):
            with self.subTest(source):
                self.take(source)
                self.assertEqual(self.check(), self.LAYERS)
                done = self.take(source)
                self.assertIn("manifests: 0 new", done.stdout)
                shutil.rmtree(self.store)

    def test_names(self):
        """Row: RepoTags, --repo → where it is."""
        for tags, repo, want in ((("alpine:3.19",), None, ("alpine", "3.19")), (("localhost:5000/a/b:c",), None, ("a/b", "c")),
                                 (("alpine:3.19",), "mirror", ("mirror/alpine", "3.19"))):
            with self.subTest(tags):
                self.take(*(("--repo", repo) if repo else ()), self.write("saved.tar", tar_of(self.members(tags))))
                self.check(*want)
                shutil.rmtree(self.store)
        archive = self.write("saved.tar", tar_of(self.members(tags=None)))
        self.assertIn("--repo", self.take(archive, status=1).stderr)
        self.assertIn("1 new", self.take("--repo", "untagged", archive).stdout)

    def test_shared_layer(self):
        """The second layer is the first one's, by a symlink between directories, as docker writes it."""
        layers = [self.LAYERS[0], self.LAYERS[0]]
        for kind in ("archive", "directory", "hard link"):
            with self.subTest(kind):
                members = self.members(layers=layers)
                link = special(tarfile.LNKTYPE, members[0][0]) if kind == "hard link" else \
                    special(tarfile.SYMTYPE, "../" + members[0][0])
                members[1] = (members[1][0], link)
                self.take(self.unpack(members) if kind == "directory" else self.write("saved.tar", tar_of(members)))
                self.assertEqual(self.check(layers=layers), layers)
                shutil.rmtree(self.store)

    def test_compressed_layers(self):
        packed = [gzip.compress(l, mtime=0) for l in self.LAYERS]
        self.take(self.write("saved.tar", tar_of(self.members(stored=packed))))
        self.assertEqual(self.check(media_type=DOCKER_TAR + ".gzip"), packed)

    def test_wrong(self):
        """Row: what the archive holds → what is said of it."""
        good = self.members()
        other = tar_bytes([file("c", "other\n")])
        for name, members, said in (
                ("other layer", self.members(stored=[self.LAYERS[0], other]), "expected " + digest_of(self.LAYERS[1])),
                ("no layer", good[1:], "is not in the archive"),
                ("no config", [m for m in good if not re.fullmatch(r"[0-9a-f]{64}\.json", m[0])], "is not in the archive"),
                ("too few layers", self.members(Layers=["00000000000/layer.tar"]), "diff IDs"),
                ("no list", good[:-1] + [("manifest.json", b'{"Config": 1}')], "manifest.json: $: expected"),
                ("no JSON", good[:-1] + [("manifest.json", b"[")], "manifest.json"),
                ("layer out of the archive", self.members(Layers=["../x", "../y"]), "without '..'"),
                ("config is a number", self.members(Config=7), "$[0].Config"),
                ("bad name", self.members(tags=("UPPER/Case:1",)), "UPPER")):
            with self.subTest(name):
                done = self.take(self.write("saved.tar", tar_of(members)), status=1)
                self.assertIn(said, done.stderr)
                with Registry(store=self.store) as ours:
                    ours.expect(404, "GET", "/v2/team/app/manifests/1.0")
                shutil.rmtree(self.store)

    @unittest.skipUnless(HAS_SKOPEO, "needs skopeo")
    def test_skopeo_archive(self):
        """Two images in one docker-archive, as skopeo writes it; skopeo pulls the same image back."""
        archive, out = os.path.join(self.dir, "skopeo.tar"), os.path.join(self.dir, "out")
        skopeo("copy", "oci:%s:image" % self.layout, "docker-archive:%s:docker.io/team/app:1.0" % archive)
        self.take(archive)
        with Registry(store=self.store) as ours:
            skopeo("copy", "--src-tls-verify=false", "docker://%s/team/app:1.0" % ours.address, "dir:" + out)
            manifest = json.loads(ours.expect(200, "GET", "/v2/team/app/manifests/1.0").body)
            config = json.loads(ours.blob("team/app", manifest["config"]["digest"]))
        self.assertEqual([l["digest"] for l in manifest["layers"]], config["rootfs"]["diff_ids"])
        for layer in manifest["layers"]:
            self.assertTrue(os.path.exists(os.path.join(out, layer["digest"].split(":")[1])))


class Hostile(Case):
    def test_archives(self):
        """Row: the archive → what is said of it. Whatever it says, nothing outside the store is touched, no session stays."""
        layout = files_of(self.layout)
        big = json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {"a": "x" * (65 << 20)}}).encode()
        whole = tar_of(layout)
        deep = [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", b"[" * 100000)]
        rows = (
            ("absolute", [("/etc/loci-was-here", b"x")] + layout, "'/etc/loci-was-here'"),
            ("dotdot", [("../../loci-was-here", b"x")] + layout, "'../../loci-was-here'"),
            ("dotdot inside", [("a/../b.json", b"x")] + layout, "'a/../b.json'"),
            ("symlink out", [("layer.tar", special(tarfile.SYMTYPE, "../../etc/passwd"))] + layout, "'layer.tar'"),
            ("symlink absolute", [("layer.tar", special(tarfile.SYMTYPE, "/etc/passwd"))] + layout, "'/etc/passwd'"),
            ("hard link out", [("layer.tar", special(tarfile.LNKTYPE, "/etc/passwd"))] + layout, "'/etc/passwd'"),
            ("device", [("sda", special(tarfile.BLKTYPE))] + layout, "'sda'"),
            ("fifo", [("pipe", special(tarfile.FIFOTYPE))] + layout, "'pipe'"),
            ("long name", [("x" * 2000 + ".json", b"x")] + layout, "less than 1024 bytes"),
            ("version", [("oci-layout", b'{"imageLayoutVersion": "2.0.0"}')] + [m for m in layout if m[0] != "oci-layout"],
             "2.0.0"),
            ("version of another kind", [("oci-layout", b"7")] + [m for m in layout if m[0] != "oci-layout"], "oci-layout"),
            ("large oci-layout", [("oci-layout", b" " * 5000)], "oci-layout"),
            ("large index", [m for m in layout if m[0] != "index.json"] + [("index.json", big)], "index.json"),
            ("deep index", deep, "index.json"),
            ("index is a list", deep[:1] + [("index.json", b"[]")], "index.json"),
            ("nothing known", [("readme.txt", b"x")], "neither"),
            ("no index", [m for m in layout if m[0] != "index.json"], "neither"),
            ("truncated", whole[:len(whole) // 2], "archive"),
            ("truncated gzip", gzip.compress(whole)[:-2000], "archive"),
            ("no tar", b"\x7fELF" + b"x" * 5000, "archive"),
            ("empty", b"", "archive"),
        )
        for name, members, said in rows:
            with self.subTest(name):
                data = members if isinstance(members, bytes) else tar_of(members)
                done = self.take("--repo", "a", self.write("hostile.tar", data), status=1)
                self.assertIn(said, done.stderr)
                self.assertIn("hostile.tar", done.stderr)
                self.assertEqual(self.left_behind(), [])
                shutil.rmtree(self.store)
        self.assertFalse(os.path.exists("/etc/loci-was-here"))

    def test_bad_blobs(self):
        """A blob that is not what its name says: named, and only its image is left out."""
        members = files_of(self.layout)
        with open(os.path.join(self.layout, "index.json")) as f:
            index = json.load(f)["manifests"]
        zstd = next(e for e in index if e.get("annotations", {}).get("org.opencontainers.image.ref.name") == "zstd")
        with open(os.path.join(self.layout, "blobs", *zstd["digest"].split(":"))) as f:
            layer = json.load(f)["layers"][0]["digest"]
        path = "blobs/" + layer.replace(":", "/")
        changed = [(n, d[:-1] + bytes([d[-1] ^ 1]) if n == path else d) for n, d in members]
        done = self.take("--repo", "a", self.write("bad.tar", tar_of(changed)), status=1)
        self.assertIn(path, done.stderr)
        self.assertIn("a:zstd", done.stderr)
        with Registry(store=self.store) as ours:
            self.assertEqual(self.tags(ours, "a"), ["artifact", "image", "index"])
        self.assertEqual(self.left_behind(), [])

    def test_links_in_circles(self):
        saved = Saved()
        members = saved.members()
        a, b = members[0][0], members[1][0]
        members[0], members[1] = (a, special(tarfile.SYMTYPE, "../" + b)), (b, special(tarfile.SYMTYPE, "../" + a))
        done = self.take(self.write("circle.tar", tar_of(members)), status=1)
        self.assertIn("links to links", done.stderr)

    def test_directories(self):
        """A layout whose blobs are symlinks or more; a docker save that leads out."""
        for name, replace in (("symlink", lambda p: os.symlink("/etc/passwd", p)), ("fifo", os.mkfifo),
                              ("directory", os.mkdir)):
            with self.subTest(name):
                path = os.path.join(self.dir, name)
                shutil.copytree(self.layout, path)
                with open(os.path.join(path, "index.json")) as f:
                    top = json.load(f)["manifests"][0]["digest"]
                blob = os.path.join(path, "blobs", *top.split(":"))
                os.unlink(blob)
                replace(blob)
                done = self.take("--repo", "a", path, status=1)
                self.assertIn("a:image", done.stderr)
                shutil.rmtree(self.store)
        saved = Saved()
        saved.dir = self.dir
        members = saved.members()
        members[0] = (members[0][0], special(tarfile.SYMTYPE, "../../../../../../etc/passwd"))
        done = self.take(saved.unpack(members), status=1)
        self.assertIn("layer.tar", done.stderr)


if __name__ == "__main__":
    unittest.main()
