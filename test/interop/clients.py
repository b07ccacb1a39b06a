# SPDX-License-Identifier: Apache-2.0
"""How each stock client pushes and pulls. One class a client, one method an operation of the matrix.

A method raises (a failing command, a digest that differs) or returns; an operation that a client does not have is
named in .lacks with the reason, so that an empty cell of the matrix is a statement and not a gap.
"""
import json
import os
import re
import shutil
import subprocess
import time

import images


def run(*args, env=None, timeout=300, **kw):
    """Runs a command; its output, or an error that carries all it said."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          env={**os.environ, **env} if env else None, **kw)
    if done.returncode:
        raise RuntimeError("%s: exit %d\n%s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
    return done.stdout.strip()


def same(what, expected, found):
    if expected != found:
        raise AssertionError("%s: expected %s, found %s" % (what, expected, found))


def layout_digest(path, tag=None):
    """The digest that an OCI layout's index.json names (under a tag)."""
    with open(os.path.join(path, "index.json")) as f:
        entries = json.load(f)["manifests"]
    if tag:
        entries = [e for e in entries if e.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
    return entries[0]["digest"]


class Client:
    lacks = {}

    def __init__(self, registry, work):
        self.registry = registry  # images.Registry: address, and look-ups to check by
        self.work = work

    def plain(self, *flags):
        """What a client is told when the registry has no TLS; with it, the certificate must do."""
        return () if self.registry.tls else flags

    def dir(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def ref(self, repo, tag):
        return "%s/%s:%s" % (self.registry.address, repo, tag)

    def push_pull(self, layout, tag):
        """What the operations are where a client needs nothing special: this tag of the layout, there and back."""
        raise NotImplementedError

    def image(self, made):
        self.push_pull(made.layout, "image")

    def index(self, made):
        self.push_pull(made.layout, "index")

    def zstd(self, made):
        self.push_pull(made.layout, "zstd")

    def artifact(self, made):
        self.push_pull(made.layout, "artifact")

    def close(self):
        pass


class Skopeo(Client):
    def copy(self, *args):
        run("skopeo", "copy", "-q", *args)

    def push_pull(self, layout, tag, *flags):
        expected, repo = layout_digest(layout, tag), "skopeo/" + tag
        self.copy(*flags, *self.plain("--dest-tls-verify=false"), "oci:%s:%s" % (layout, tag), "docker://" + self.ref(repo, tag))
        same("digest in the registry", expected, self.registry.digest(repo, tag))
        out = self.dir("skopeo-" + tag)
        self.copy(*flags, *self.plain("--src-tls-verify=false"), "docker://" + self.ref(repo, tag), "oci:%s:%s" % (out, tag))
        same("digest pulled", expected, layout_digest(out, tag))

    def index(self, made):
        self.push_pull(made.layout, "index", "--all")


class Crane(Client):
    def crane(self, *args):
        return run("crane", *args, *self.plain("--insecure"))

    def push_pull(self, layout, tag):
        # crane pushes the one thing that a layout holds: make one for each tag.
        one, repo, expected = self.dir("crane-one"), "crane/" + tag, layout_digest(layout, tag)
        run("skopeo", "copy", "-q", "--all", "oci:%s:%s" % (layout, tag), "oci:%s:%s" % (one, tag))
        self.crane("push", one, self.ref(repo, tag))
        same("digest in the registry", expected, self.registry.digest(repo, tag))
        same("digest by crane", expected, self.crane("digest", self.ref(repo, tag)))
        out = self.dir("crane-out")
        self.crane("pull", "--format=oci", self.ref(repo, tag), out)
        same("digest pulled", expected, layout_digest(out))

    def image(self, made):
        self.push_pull(made.layout, "image")
        self.crane("validate", "--remote", self.ref("crane/image", "image"))

    def artifact(self, made):
        one = self.ref("crane/artifact", "copied")
        self.registry.push_layout(made.layout, "artifact", "crane/from", "artifact")
        self.crane("copy", self.ref("crane/from", "artifact"), one)
        same("digest copied", layout_digest(made.layout, "artifact"), self.registry.digest("crane/artifact", "copied"))


class Oras(Client):
    def push_pull(self, layout, tag):
        repo, expected = "oras/" + tag, layout_digest(layout, tag)
        run("oras", "cp", "--from-oci-layout", *self.plain("--to-plain-http"), "%s:%s" % (layout, tag), self.ref(repo, tag))
        same("digest in the registry", expected, self.registry.digest(repo, tag))
        out = self.dir("oras-out")
        run("oras", "cp", *self.plain("--from-plain-http"), "--to-oci-layout", self.ref(repo, tag), "%s:%s" % (out, tag))
        same("digest pulled", expected, layout_digest(out, tag))

    def artifact(self, made):
        out, ref = self.dir("oras-files"), self.ref("oras/files", "v1")
        os.makedirs(out)
        with open(os.path.join(out, "report.json"), "w") as f:
            f.write('{"sbom": true}\n')
        run("oras", "push", *self.plain("--plain-http"), "--artifact-type", "application/vnd.example.report", ref,
            "report.json:application/json", cwd=out)
        os.rename(os.path.join(out, "report.json"), os.path.join(out, "sent"))
        run("oras", "pull", *self.plain("--plain-http"), ref, cwd=out)
        with open(os.path.join(out, "report.json")) as f:
            same("file pulled", '{"sbom": true}\n', f.read())
        os.rename(os.path.join(out, "report.json"), os.path.join(out, "signature.bin"))
        run("oras", "attach", *self.plain("--plain-http"), "--artifact-type", "application/vnd.example.signature", ref,
            "signature.bin:application/octet-stream", cwd=out)
        found = json.loads(run("oras", "discover", *self.plain("--plain-http"), "--format", "json", ref))
        referrers = found.get("referrers", found.get("manifests"))
        same("referrers", ["application/vnd.example.signature"], [r["artifactType"] for r in referrers])


class ContainersStorage(Client):
    """podman and buildah: the same library below, two programs above."""
    program = None
    lacks = {"artifact": "no command for artifacts before podman 5.2"}

    def __init__(self, registry, work):
        super().__init__(registry, work)
        self.store = os.path.join(work, self.program)
        self.options = [self.program, "--root", self.store + "/root", "--runroot", self.store + "/run",
                        "--storage-driver", "vfs"]
        # podman 4.3 does not heed --tls-verify in `manifest create`.
        self.env = {"CONTAINERS_REGISTRIES_CONF": os.path.join(work, "registries.conf")}
        with open(self.env["CONTAINERS_REGISTRIES_CONF"], "w") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = %s\n' % (registry.address, "false" if registry.tls else "true"))

    def cmd(self, *args):
        return run(*self.options, *args, env=self.env)

    def push_pull(self, layout, tag):
        repo = "%s/%s" % (self.program, tag)
        name = self.cmd("pull", "-q", "oci:%s:%s" % (layout, tag)).splitlines()[-1]
        digest_file = os.path.join(self.work, self.program + ".digest")
        self.cmd("push", "-q", *self.plain("--tls-verify=false"), "--digestfile", digest_file, name, "docker://" + self.ref(repo, tag))
        with open(digest_file) as f:
            same("digest in the registry", f.read().strip(), self.registry.digest(repo, tag))
        self.cmd("rmi", "-f", name)
        back = self.cmd("pull", "-q", *self.plain("--tls-verify=false"), self.ref(repo, tag)).splitlines()[-1]
        same("image ID", name, back)
        self.cmd("rmi", "-f", back)

    def index(self, made):
        repo, tag = self.program + "/index", "index"
        self.registry.push_layout(made.layout, "index", repo, "source")
        # Makes a manifest list of what an index in the registry names, and pushes it with all its images.
        self.cmd("manifest", "create", "--all", *self.plain("--tls-verify=false"), "list-of-it", "docker://" + self.ref(repo, "source"))
        self.cmd("manifest", "push", "--all", *self.plain("--tls-verify=false"), "list-of-it", "docker://" + self.ref(repo, tag))
        sent = self.registry.manifest(repo, tag)
        same("architectures", ["amd64", "arm64"], sorted(m["platform"]["architecture"] for m in sent["manifests"]))
        same("digests", sorted(m["digest"] for m in self.registry.manifest(repo, "source")["manifests"]),
             sorted(m["digest"] for m in sent["manifests"]))
        pulled = self.cmd("pull", "-q", *self.plain("--tls-verify=false"), self.ref(repo, tag)).splitlines()[-1]
        same("image ID", made.config_digest["index"].split(":")[1], pulled)

    def close(self):
        # --all: what a failed operation left would keep the store's layers busy.
        subprocess.run([*self.options, "rmi", "--all", "--force"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Podman(ContainersStorage):
    program = "podman"


class Buildah(ContainersStorage):
    program = "buildah"


class Docker(Client):
    """With a dockerd of its own; the caller has put us into a network namespace of our own."""
    lacks = {"artifact": "the engine knows images only"}

    def __init__(self, registry, work):
        super().__init__(registry, work)
        self.socket = "unix://%s/docker.sock" % work
        self.log = open(os.path.join(work, "dockerd.log"), "w")
        self.daemon = subprocess.Popen(
            ["dockerd", "--data-root", work + "/data", "--exec-root", work + "/exec", "--pidfile", work + "/pid",
             "-H", self.socket, "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs"],
            stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.server = self.cmd("version", "--format", "{{.Server.Version}}")
                break
            except RuntimeError:
                if self.daemon.poll() is not None or time.monotonic() > deadline:
                    with open(self.log.name) as f:
                        raise RuntimeError("dockerd did not come up\n" + f.read()[-3000:])
                time.sleep(0.1)
        # An engine without the containerd image store learnt zstd layers in 23.0.
        if int(self.server.split(".")[0]) < 23:
            self.lacks = {**self.lacks, "zstd": "engine %s cannot unpack zstd layers" % self.server}

    def cmd(self, *args):
        return run("docker", "-H", self.socket, *args)

    def image(self, made):
        archive, ref = os.path.join(self.work, "image.tar"), self.ref("docker/image", "image")
        run("skopeo", "copy", "-q", "oci:%s:image" % made.layout, "docker-archive:%s:%s" % (archive, ref))
        self.cmd("load", "-q", "-i", archive)
        os.remove(archive)
        said = self.cmd("push", ref)
        digest = re.search(r"digest: (sha256:[0-9a-f]{64})", said).group(1)
        same("digest in the registry", digest, self.registry.digest("docker/image", "image"))
        image_id = self.cmd("inspect", "--format", "{{.Id}}", ref)
        self.cmd("rmi", ref)
        said = self.cmd("pull", ref)
        same("digest pulled", digest, re.search(r"Digest: (\S+)", said).group(1))
        same("image ID", image_id, self.cmd("inspect", "--format", "{{.Id}}", ref))
        # A second push of the same layers under another name: mounted, not sent.
        other = self.ref("docker/other", "image")
        self.cmd("tag", ref, other)
        said = self.cmd("push", other)
        if "Mounted from docker/image" not in said:
            raise AssertionError("docker did not mount:\n" + said)
        same("digest of the second name", digest, self.registry.digest("docker/other", "image"))

    def index(self, made):
        repo = "docker/index"
        self.registry.push_layout(made.layout, "index", repo, "index")
        said = self.cmd("pull", self.ref(repo, "index"))
        same("digest pulled", layout_digest(made.layout, "index"), re.search(r"Digest: (\S+)", said).group(1))
        same("image ID", made.config_digest["index"], self.cmd("inspect", "--format", "{{.Id}}", self.ref(repo, "index")))
        if self.registry.tls:
            return  # `docker manifest push` speaks plain HTTP to whatever is on loopback
        # The client's own way to make an index: of an image that it pushed (20.10 takes no OCI manifest for it).
        listed = self.ref("docker/image", "list")
        run("docker", "manifest", "create", "--insecure", listed, self.ref("docker/image", "image"),
            env={"DOCKER_CONFIG": self.work})
        digest = run("docker", "manifest", "push", "--insecure", listed, env={"DOCKER_CONFIG": self.work})
        same("digest of the list", digest.splitlines()[-1], self.registry.digest("docker/image", "list"))

    def zstd(self, made):
        self.registry.push_layout(made.layout, "zstd", "docker/zstd", "zstd")
        said = self.cmd("pull", self.ref("docker/zstd", "zstd"))
        same("digest pulled", layout_digest(made.layout, "zstd"), re.search(r"Digest: (\S+)", said).group(1))

    def close(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()


class Curl(Client):
    """Nothing but HTTP: what a shell script in CI does."""

    def curl(self, *args):
        return run("curl", "-sS", "--fail-with-body", *(("--cacert", self.registry.ca) if self.registry.tls else ()), *args)

    def push_pull(self, layout, tag):
        scheme = "https" if self.registry.tls else "http"
        base = "%s://%s/v2/curl/%s" % (scheme, self.registry.address, tag)
        expected = layout_digest(layout, tag)
        for digest, path, media_type in images.walk(layout, expected):
            if media_type in images.MANIFEST_TYPES:
                self.curl("-X", "PUT", "-H", "Content-Type: " + media_type, "--data-binary", "@" + path,
                          "%s/manifests/%s" % (base, tag if digest == expected else digest))
            else:
                head = self.curl("-X", "POST", "-D", "-", "-o", "/dev/null", base + "/blobs/uploads/")
                where = re.search(r"(?im)^location: *(\S+)", head).group(1)
                where = where if "://" in where else "%s://%s%s" % (scheme, self.registry.address, where)
                glue = "&" if "?" in where else "?"
                self.curl("-X", "PUT", "-T", path, "-H", "Content-Type: application/octet-stream",
                          "%s%sdigest=%s" % (where, glue, digest))
        same("digest in the registry", expected, self.registry.digest("curl/" + tag, tag))
        for digest, path, media_type in images.walk(layout, expected):
            kind = "manifests" if media_type in images.MANIFEST_TYPES else "blobs"
            out = os.path.join(self.work, "curl.out")
            self.curl("-L", "-H", "Accept: " + media_type, "-o", out, "%s/%s/%s" % (base, kind, digest))
            same("bytes of " + digest, digest, images.file_digest(out))


class Ocipull(Client):
    """Our own puller against our own registry: pull only."""
    lacks = {"artifact": "pulls images"}

    def push_pull(self, layout, tag):
        repo = "ocipull/" + tag
        self.registry.push_layout(layout, tag, repo, tag)
        store = self.dir("ocipull-store")
        said = run(os.path.join(self.registry.bin, "ocipull"), "--store", store, "-q",
                   *(("--insecure",) if self.registry.tls else ()), self.ref(repo, tag))
        same("digest pulled", layout_digest(layout, tag), said.splitlines()[-1])
        shutil.rmtree(store)


CLIENTS = {"curl": Curl, "skopeo": Skopeo, "podman": Podman, "buildah": Buildah, "crane": Crane, "oras": Oras,
           "docker": Docker, "ocipull": Ocipull}
OPERATIONS = ("image", "index", "zstd", "artifact")
