# SPDX-License-Identifier: Apache-2.0
"""The images of the matrix, and the registry under test with plain HTTP look-ups to check the clients by."""
import hashlib
import json
import os
import re
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "images"), os.path.join(HERE, "..", "integration", "lib")]
import make_busybox  # noqa: E402
import ociregistry  # noqa: E402
from tls import make_certificate  # noqa: E402
from oci_image import OCI_INDEX, OCI_MANIFEST, Layout, file  # noqa: E402

MANIFEST_TYPES = (OCI_MANIFEST, OCI_INDEX)
ACCEPT = (*MANIFEST_TYPES, "application/vnd.docker.distribution.manifest.v2+json",
          "application/vnd.docker.distribution.manifest.list.v2+json")


def file_digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return "sha256:" + h.hexdigest()


def blob_path(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def walk(layout, digest, media_type=None):
    """(digest, path, media type) of all that a manifest holds, blobs before what names them."""
    with open(blob_path(layout, digest)) as f:
        document = json.load(f)
    for child in document.get("manifests", []):
        yield from walk(layout, child["digest"], child["mediaType"])
    for child in [document["config"]] + document["layers"] if "layers" in document else []:
        yield child["digest"], blob_path(layout, child["digest"]), child["mediaType"]
    yield digest, blob_path(layout, digest), media_type or document["mediaType"]


class Made:
    """A layout with the tags image, index, zstd and artifact."""

    def __init__(self, path, busybox="/bin/busybox"):
        self.layout = path
        self.config_digest = {}
        layout = Layout(path)
        layers = make_busybox.layers(busybox, make_busybox.applets(busybox))
        config = {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "WorkingDir": "/"}
        plain = layout.image(layers, **config)
        # The other architecture's binary is never run here: its bytes only have to differ.
        other = layout.image([[file("bin/app", b"\x7fELF arm64\n" * 1000, 0o755)]], arch="arm64", variant="v8", **config)
        layout.tag("image", plain)
        layout.tag("index", layout.index([plain, other]))
        # Content of its own: containers/image remembers what it saw compressed otherwise, and would send that instead.
        zstd = [entries + [file("etc/zstd-%d" % i, "zstd\n")] for i, entries in enumerate(layers)]
        layout.tag("zstd", layout.image(zstd, compression="zstd", **config))
        layout.tag("artifact", layout.artifact("application/vnd.example.sbom", b'{"packages": []}\n', "application/json"))
        layout.close()
        with open(blob_path(path, plain["digest"])) as f:
            self.config_digest["index"] = json.load(f)["config"]["digest"]


class Registry(ociregistry.Registry):
    """ociregistry of a build, running; with what the clients are checked by. keys: a folder for a certificate, when it is
    to speak HTTPS; programs written in Go that are started from here on trust it."""

    def __init__(self, bin_dir, store, *options, keys=None):
        context = None
        if keys:
            self.ca, key = make_certificate(keys)
            os.environ["SSL_CERT_FILE"] = self.ca
            context = ssl.create_default_context(cafile=self.ca)
            options += ("--tls-certificate", self.ca, "--tls-key", key)
        super().__init__(*options, store=store, tls=context)
        self.bin = bin_dir
        os.environ["OCIREGISTRY"] = os.path.join(bin_dir, "ociregistry")
        self.start()

    def manifest_response(self, repo, reference):
        return self.expect(200, "GET", "/v2/%s/manifests/%s" % (repo, reference), headers={"Accept": ", ".join(ACCEPT)})

    def manifest(self, repo, reference):
        return json.loads(self.manifest_response(repo, reference).body)

    def digest(self, repo, tag):
        """What a tag serves, hashed here; the header must agree."""
        response = self.manifest_response(repo, tag)
        digest = ociregistry.digest_of(response.body)
        if response.header("Docker-Content-Digest") != digest:
            raise AssertionError("Docker-Content-Digest is %s" % response.header("Docker-Content-Digest"))
        return digest

    def push_layout(self, layout, tag, repo, as_tag):
        with open(os.path.join(layout, "index.json")) as f:
            top = next(m for m in json.load(f)["manifests"]
                       if m["annotations"]["org.opencontainers.image.ref.name"] == tag)["digest"]
        for digest, path, media_type in walk(layout, top):
            with open(path, "rb") as f:
                data = f.read()
            if media_type in MANIFEST_TYPES:
                self.push_manifest(repo, as_tag if digest == top else digest, data, media_type)
            else:
                # A peer may give an absolute URL, with a query of its own.
                where = re.sub(r"^https?://[^/]*", "", self.start_upload(repo))
                self.expect(201, "PUT", "%s%sdigest=%s" % (where, "&" if "?" in where else "?", digest), data)

    def close(self):
        status = self.stop()
        if status:
            raise AssertionError("ociregistry ended with %d\n%s" % (status, "".join(self.log[-100:])))
