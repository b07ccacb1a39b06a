# SPDX-License-Identifier: Apache-2.0
"""Small but real OCI images, made from nothing but Python's standard library.

An Image collects layers (each a list of entries) and a config; a Layout is a directory in the form of
image-spec image-layout.md that any client can push. The same input gives the same bytes, so digests in
two runs can be compared.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = {
    "": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
EPOCH = 1700000000  # every time in the images: the same bytes each time


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def directory(name, mode=0o755):
    return ("dir", name, mode, None)


def file(name, data, mode=0o644):
    return ("file", name, mode, data.encode() if isinstance(data, str) else data)


def symlink(name, target):
    return ("symlink", name, 0o777, target)


def hardlink(name, target):
    return ("link", name, 0o755, target)


def whiteout(name):
    """Hides `name` of the layers below (layer.md "Whiteouts")."""
    head, tail = os.path.split(name)
    return ("file", os.path.join(head, ".wh." + tail), 0o644, b"")


TAR_TYPES = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE}


def tar_bytes(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind, name, mode, data in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = TAR_TYPES[kind], mode, EPOCH
            info.uname = info.gname = ""
            if kind == "file":
                info.size = len(data)
            elif kind in ("symlink", "link"):
                info.linkname = data
            tar.addfile(info, io.BytesIO(data) if kind == "file" else None)
    return out.getvalue()


def compress(data, compression):
    if compression == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if compression == "zstd":
        return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class Layout:
    def __init__(self, path):
        self.path = path
        self.tags = []
        os.makedirs(os.path.join(path, "blobs", "sha256"), exist_ok=True)

    def blob(self, data, media_type, **fields):
        """Stores bytes, returns their descriptor."""
        digest = digest_of(data)
        with open(os.path.join(self.path, "blobs", *digest.split(":")), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **fields}

    def json(self, document, media_type, **fields):
        return self.blob(json.dumps(document, separators=(",", ":")).encode(), media_type, **fields)

    def image(self, layers, arch="amd64", variant=None, compression="gzip", **config):
        """layers: lists of entries. Returns the manifest's descriptor, with its platform."""
        tars = [tar_bytes(entries) for entries in layers]
        platform = {"architecture": arch, "os": "linux", **({"variant": variant} if variant else {})}
        image_config = {
            "created": "2023-11-14T22:13:20Z", **platform, "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]},
            "history": [{"created_by": "layer %d" % i} for i in range(len(tars))],
        }
        manifest = {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": self.json(image_config, OCI_CONFIG),
            "layers": [self.blob(compress(t, compression), LAYER[compression]) for t in tars],
        }
        return self.json(manifest, OCI_MANIFEST, platform=platform)

    def index(self, manifests):
        return self.json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}, OCI_INDEX)

    def artifact(self, artifact_type, data, media_type="application/octet-stream", subject=None):
        """An artifact manifest as oras makes it: the empty config and one blob."""
        manifest = {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
            "config": self.blob(b"{}", OCI_EMPTY), "layers": [self.blob(data, media_type)],
        }
        if subject:
            manifest["subject"] = {k: subject[k] for k in ("mediaType", "digest", "size")}
        return self.json(manifest, OCI_MANIFEST)

    def tag(self, name, descriptor):
        self.tags.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})

    def close(self):
        for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                               ("index.json", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.tags})):
            with open(os.path.join(self.path, name), "w") as f:
                json.dump(document, f)
