# SPDX-License-Identifier: Apache-2.0
"""Stores with very many tags, repositories and referrers, made without a server: what their pages must not notice."""
import os
import subprocess

import peers

SUBJECT = "sha256:" + "7" * 64


def _directories(root, names, below):
    for name in names:
        os.makedirs(os.path.join(root, name, below))  # below may be ""


def _registry2(store, tags, repositories):
    """What registry:2 looks at when it lists: a directory a tag, one with _layers a repository."""
    root = os.path.join(store, "docker/registry/v2/repositories/fill")
    for n in tags:
        _directories(os.path.join(root, "tags-%d/_manifests/tags" % n), ("t%06d" % i for i in range(n)), "")
    _directories(root, ("%06d" % i for i in range(repositories)), "_layers")


def fill(peer, store, fill_binary, tags=(), repositories=0, referrers=()):
    """Of each kind so many; tags and referrers in a repository fill/KIND-COUNT for each count."""
    os.makedirs(store, exist_ok=True)
    if peer.name == peers.DOCKER:
        return _registry2(store, tags, repositories)
    wanted = [(n, "tags") for n in tags] + [(repositories, "repositories")] + [(n, "referrers") for n in referrers]
    for n, kind in wanted:
        if n:
            subprocess.run([fill_binary, store, str(n), kind], check=True, stdout=subprocess.DEVNULL)
