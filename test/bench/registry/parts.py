# SPDX-License-Identifier: Apache-2.0
"""The work: each part takes one sample of one or more rows from one peer."""
import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import ssl
import struct
import subprocess
import time

import fill
import idle  # found by peers
import peers

GIB = 1 << 30
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = "Accept: %s, application/vnd.oci.image.index.v1+json" % MANIFEST
CONNECTIONS, PAGE_CONNECTIONS, IMAGE_CLIENTS = 32, 4, 16
FLOOR_ANSWER = 2048  # about what a manifest GET of these images answers
FEW, REFERRERS, REFERRERS_FEW = 1000, 10000, 100
IMAGES_LEAST = 64
INODES_REST = 6  # seconds: an ext4 without a journal steps over each inode that was freed in the last five


class NotThere(Exception):
    """What a peer does not have; the text becomes its note."""


class Bench:
    """What parts share: programs, sizes, directories, the servers that stay up."""

    def __init__(self, args, binaries, work, certificate):
        self.args, self.binaries, self.work, self.certificate = args, binaries, work, certificate
        self.prefix = "bench-" + secrets.token_hex(4)  # of repositories: a peer may be one that others use
        self.standing = {}
        self.have_image = set()  # addresses of registries that are never new
        self.serial = 0
        self.removed_at = -INODES_REST
        self.size = args.size_mib << 20

    def directory(self):
        self.serial += 1
        return os.path.join(self.work, "store-%d" % self.serial)

    @contextlib.contextmanager
    def fresh(self, peer, certificate=None, options=()):
        """A server on a new store, both gone afterwards, and the disk quiet before."""
        store = self.directory()
        os.sync()
        time.sleep(max(0, self.removed_at + INODES_REST - time.monotonic()))
        try:
            with peer.start(store, certificate, options) as server:
                yield server
        finally:
            shutil.rmtree(store, ignore_errors=True)
            self.removed_at = time.monotonic()

    def stand(self, peer, kind):
        """A server that stays up to the end, with so many things in its store: kind 'many' or 'few'."""
        key = peer.name, kind
        if key not in self.standing:
            store = self.directory()
            if peer.has_store and peer.name != peers.FLOOR:
                if kind == "many":
                    fill.fill(peer, store, self.binaries["fill"], tags={self.args.many, FEW},
                              repositories=self.args.many,
                              referrers=(REFERRERS, REFERRERS_FEW))
                else:
                    fill.fill(peer, store, self.binaries["fill"], repositories=FEW)
            self.standing[key] = server = peer.start(store)
            if peer.name != peers.FLOOR:
                self.push_image(server)
        return self.standing[key]

    def close(self):
        for server in self.standing.values():
            server.stop()

    # ---- the load

    def command(self, server, verb, *options):
        return [self.binaries["load"], verb, "--to", server.address, *(["--tls"] if server.tls else []),
                *map(str, options)]

    def load(self, server, verb, *options):
        """(its result, CPU seconds of the server meanwhile)."""
        before = server.cpu()
        done = subprocess.run(self.command(server, verb, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        must_be_well(done.returncode, done.stderr)
        return json.loads(done.stdout), server.cpu() - before if before is not None else None

    def push_image(self, server):
        """One image of known content, as PREFIX/image/0:v0."""
        if server.address in self.have_image:
            return
        if not server.store:
            self.have_image.add(server.address)
        self.load(server, "images", "--count", 1, "--repositories", 1, "--repository", self.prefix + "/image",
                  "--seed", 4711)

    def path(self, rest):
        return "/v2/%s/image/0/%s" % (self.prefix, rest)

    def ask(self, server, path):
        with connect(server, 120) as connection:
            connection.request("GET", path, headers=dict([ACCEPT.split(": ", 1)]))
            response = connection.getresponse()
            return response.status, response.read()


def must_be_well(returncode, said):
    if returncode:
        raise RuntimeError(said.strip() or "bench_load ended with %d" % returncode)


def begin(command, **options):
    """A load that is under way when this returns."""
    process = subprocess.Popen([*command, "--say-begun"], stderr=subprocess.PIPE, text=True, **options)
    said = process.stderr.readline()
    if said != "begun\n":
        raise RuntimeError((said + process.stderr.read()).strip() or "bench_load ended with %d" % process.wait())
    return process


def connect(server, timeout):
    """Whatever its certificate, as the load does."""
    tls = {"context": ssl._create_unverified_context()} if server.tls else {}
    kind = http.client.HTTPSConnection if server.tls else http.client.HTTPConnection
    return contextlib.closing(kind(server.address, timeout=timeout, **tls))


# ---- small requests

def per_unit(result, cpu):
    return {"rate": result["units_per_second"], "cpu": cpu / result["units"] if cpu is not None else None}


def requests(bench, server, path, *options, connections=CONNECTIONS):
    return per_unit(*bench.load(server, "requests", "--path", path, "--connections", connections, "--seconds",
                                bench.args.seconds, "--header", ACCEPT, *options))


def manifest_requests(*options, path="manifests/v0"):
    def run(bench, peer, key):
        return {key: requests(bench, bench.stand(peer, "many"), bench.path(path), *options)}
    return run


def layer_of(bench, server):
    """The digest of a small layer."""
    if server is None:
        return "sha256:" + "0" * 64
    status, body = bench.ask(server, bench.path("manifests/v0"))
    if status != 200:
        raise RuntimeError("manifest: %d %r" % (status, body[:200]))
    return json.loads(body)["layers"][0]["digest"]


def blob_requests(*options):
    def run(bench, peer, key):
        server = bench.stand(peer, "many")
        layer = layer_of(bench, None if peer.name == peers.FLOOR else server)
        return {key: requests(bench, server, bench.path("blobs/" + layer), *options)}
    return run


def page(path, kind="many"):
    """path: with the places {total}, and {middle} for the serial of an entry half-way."""
    def run(bench, peer, key):
        if not peer.has_store:
            raise NotThere("its store cannot be filled from outside")
        total = bench.args.many if kind == "many" else FEW
        return {key: requests(bench, bench.stand(peer, kind), path.format(total=total, middle="%06d" % (total // 2)),
                              connections=PAGE_CONNECTIONS)}
    return run


def all_referrers(bench, server, path):
    """Digests of all pages; None where the API is missing."""
    digests, query = [], ""
    while True:
        status, body = bench.ask(server, path + query)
        if status == 404:
            return None
        page_of = [m["digest"] for m in json.loads(body)["manifests"]]
        if not page_of:
            return digests
        digests += page_of
        query = "?last=" + digests[-1]


def referrers(n):
    def run(bench, peer, key):
        server = bench.stand(peer, "many")
        path = "/v2/fill/referrers-%d/referrers/%s" % (n, fill.SUBJECT)
        if not peer.has_store:
            raise NotThere("its store cannot be filled from outside")
        digests = all_referrers(bench, server, path)
        if digests is None:
            raise NotThere("has no referrers API")
        if len(digests) != n:
            raise RuntimeError("%d referrers, expected %d" % (len(digests), n))
        if n > REFERRERS_FEW:
            path += "?last=" + digests[-REFERRERS_FEW - 1]
        return {key: requests(bench, server, path, connections=PAGE_CONNECTIONS)}
    return run


# ---- beside transfers

SCHED_SETATTR = 314  # x86-64
CLIENT_NICE, CLIENT_SLICE_NS = -10, 100_000
BESIDE = 4  # transfers


def first_served():
    """The client that measures would be on a machine of its own: nobody holds it up here, so that what it sees is what
    the server does. Of more weight, and with a short slice (Linux 6.12), without which it waits for the end of others'."""
    attributes = struct.pack("IIQiIQQQ", 48, 0, 0, CLIENT_NICE, 0, CLIENT_SLICE_NS, 0, 0)
    ctypes.CDLL(None).syscall(SCHED_SETATTR, 0, attributes, 0)  # or not, without privileges


def latency_beside(bench, server, transfers, *options):
    """Of small requests, for as long as these transfers last."""
    transfers = begin(transfers, stdout=subprocess.DEVNULL)
    try:
        gets = begin(bench.command(server, "requests", "--path", bench.path("manifests/v0"), "--connections", CONNECTIONS,
                                   "--header", ACCEPT, *options), stdout=subprocess.PIPE, preexec_fn=first_served)
    except BaseException:
        transfers.kill()
        transfers.wait()
        raise
    failed = transfers.communicate()[1]
    gets.send_signal(signal.SIGINT)
    out, err = gets.communicate()
    must_be_well(transfers.returncode, failed)
    must_be_well(gets.returncode, err)
    result = json.loads(out)
    return {"rate": result["units_per_second"],
            **{name: result["latency_us"][name] / 1e6 for name in ("p50", "p99", "max")}}


def beside_pushes(*options):
    def run(bench, peer, key):
        with bench.fresh(peer) as server:
            bench.push_image(server)
            peers.measure.warm_memory(BESIDE * bench.size)
            return {key: latency_beside(bench, server, bench.command(
                server, "upload", "--connections", BESIDE, "--size", bench.size, "--repository", bench.prefix + "/big"),
                *options)}
    return run


def drop_from_memory(store):
    os.sync()
    for directory, _, names in os.walk(store):
        for name in names:
            fd = os.open(os.path.join(directory, name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def beside_cold_pulls(bench, peer, key):
    with bench.fresh(peer) as server:
        if not server.store:
            raise NotThere("its store cannot be dropped from memory")
        bench.push_image(server)
        digests = push_big(bench, server, BESIDE)[1]
        drop_from_memory(server.store)
        return {key: latency_beside(bench, server, bench.command(server, "download",
                                                                 *pull_options(bench, digests, BESIDE, 1)))}


# ---- big transfers

def per_gib(result, cpu, size):
    total = size * result["units"]
    return {"rate": total / result["seconds"], "cpu": cpu / (total / GIB) if cpu is not None else None}


def push_big(bench, server, clients):
    """(figures, digests)."""
    peers.measure.warm_memory(clients * bench.size)
    result, cpu = bench.load(server, "upload", "--connections", clients, "--size", bench.size, "--repository",
                             bench.prefix + "/big")
    return per_gib(result, cpu, bench.size), result["digests"]


def pull_options(bench, digests, clients, each):
    paths = [word for d in digests for word in ("--path", "/v2/%s/big/blobs/%s" % (bench.prefix, d))]
    return ["--connections", clients, "--count", each, "--size", bench.size, *paths]


def pull_big(bench, server, digests, clients):
    result, cpu = bench.load(server, "download", *pull_options(bench, digests, clients, max(1, 4 // clients)))
    return per_gib(result, cpu, bench.size)


def check_blob(bench, server, digest):
    """What comes back is what was sent: hashed once, as the load only counts."""
    with connect(server, 600) as connection:
        connection.request("GET", "/v2/%s/big/blobs/%s" % (bench.prefix, digest))
        response, h = connection.getresponse(), hashlib.sha256()
        while part := response.read(1 << 20):
            h.update(part)
    if "sha256:" + h.hexdigest() != digest:
        raise RuntimeError("%s came back as sha256:%s" % (digest, h.hexdigest()))


def transfers(clients):
    def run(bench, peer, *_):
        with bench.fresh(peer) as server:
            pushed, digests = push_big(bench, server, clients)
            if clients == 1 and peer.name != peers.FLOOR:
                check_blob(bench, server, digests[0])
            os.sync()
            return {"push-%d" % clients: pushed, "pull-%d" % clients: pull_big(bench, server, digests, clients)}
    return run


def peak(bench, peer, key):
    with bench.fresh(peer) as server:
        if not server.pid:
            raise NotThere("its process is not known (--peer-pid)")
        digests = push_big(bench, server, 1)[1]
        pulls = subprocess.Popen(bench.command(server, "download", *pull_options(bench, digests, 8, 4)),
                                 stdout=subprocess.DEVNULL)
        push_big(bench, server, 8)
        if pulls.wait():
            raise RuntimeError("the pulls failed")
        return {key: {"rss": server.memory("VmHWM") * 1024}}


# ---- images

def images(bench, peer, *_):
    """As many as some seconds take, 1000 at most: a slow peer is measured by fewer."""
    with bench.fresh(peer) as server:
        common = ["--connections", IMAGE_CLIENTS, "--seed"]
        warm, _ = bench.load(server, "images", "--count", IMAGE_CLIENTS * 2, "--repository", bench.prefix + "/warm",
                             *common, secrets.randbits(60) + 1)
        count = min(bench.args.images, max(IMAGES_LEAST, int(warm["units_per_second"] * bench.args.image_seconds)))
        common += [secrets.randbits(60) + 1, "--count", count, "--repository"]
        pushed = per_unit(*bench.load(server, "images", *common, bench.prefix + "/first"))
        again = per_unit(*bench.load(server, "again", *common, bench.prefix + "/second", "--from",
                                     bench.prefix + "/first"))
        return {"images": pushed, "again": again}


# ---- TLS

def tls(bench, peer, *_):
    if not peer.has_tls:
        raise NotThere("is not here with TLS")
    with bench.fresh(peer, bench.certificate) as server:
        bench.push_image(server)
        gets = requests(bench, server, bench.path("manifests/v0"))
        pushed, digests = push_big(bench, server, 1)
        os.sync()
        return {"tls-manifest-get": gets, "tls-push": pushed, "tls-pull": pull_big(bench, server, digests, 1)}


# ---- at rest

def rest(bench, peer, *_):
    if not peer.has_store:
        raise NotThere("was started by somebody else")
    n, store = bench.args.connections, bench.directory()
    try:
        with peer.start(store, options=peer.many_connections(n)) as server:
            time.sleep(1)
            at_rest = server.memory("VmRSS") * 1024
            clients = idle.connect(server.port, n)
            time.sleep(0.5)
            connected = server.memory("VmRSS") * 1024
            for c in clients:
                c.close()
        return {"idle": {"rss": at_rest}, "idle-connections": {"rss": connected},
                "start": {"start": start(peer, store)}}
    finally:
        shutil.rmtree(store, ignore_errors=True)


def start(peer, store):
    with peer.start(store):
        return peer.first


def start_full(bench, peer, key):
    """On a store that a run of its own fills, as that takes minutes: --store."""
    if peer.name != peers.OURS:
        raise NotThere("not measured")
    if not bench.args.store:
        raise NotThere("not measured: --store DIRECTORY keeps such a store, 6 minutes to fill it")
    if not os.path.exists(os.path.join(bench.args.store, "index")):
        subprocess.run([bench.binaries["fill"], bench.args.store, "1000000"], check=True, stdout=subprocess.DEVNULL)
    return {key: {"start": start(peer, bench.args.store)}}


class Part:
    """run(bench, peer, key) → figures by row. floor: the floor that stands beside it; most: rounds at most."""

    def __init__(self, rows, run, floor=None, most=100):
        self.rows, self.run, self.floor, self.most = rows.split(), run, floor, most


PARTS = [
    Part("manifest-get", manifest_requests(), floor="answers"),
    Part("manifest-head", manifest_requests("--method", "HEAD")),
    Part("blob-head", blob_requests("--method", "HEAD")),
    Part("blob-get", blob_requests()),
    Part("manifest-404", manifest_requests("--expect", 404, path="manifests/missing")),
    Part("tags", page("/v2/fill/tags-{total}/tags/list?n=1000&last=t{middle}")),
    Part("tags-few", page("/v2/fill/tags-%d/tags/list?n=1000" % FEW)),
    Part("catalog", page("/v2/_catalog?n=100&last=fill/{middle}")),
    Part("catalog-few", page("/v2/_catalog?n=100&last=fill/{middle}", kind="few")),
    Part("referrers", referrers(REFERRERS)),
    Part("referrers-few", referrers(REFERRERS_FEW)),
    Part("beside", beside_pushes(), most=2),
    Part("beside-paced", beside_pushes("--rate", 1000), most=2),
    Part("beside-cold", beside_cold_pulls, most=2),
    Part("pull-1 push-1", transfers(1), floor="files"),
    Part("pull-8 push-8", transfers(8), floor="files", most=2),
    Part("images again", images),
    Part("tls-manifest-get tls-pull tls-push", tls),
    Part("idle idle-connections start", rest),
    Part("peak", peak, most=1),
    Part("start-full", start_full),
]
