# SPDX-License-Identifier: Apache-2.0
"""The registries that are compared, each started on loopback with a store of its own, and the floors below them."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import measure  # noqa: E402

TRY_AGAIN = 0.0001  # seconds
OURS, DOCKER, FLOOR = "ociregistry", "docker-registry", "floor"


class Server:
    """A registry that answers. pid, store: None when nobody told it."""

    def __init__(self, address, pid=None, process=None, tls=False, store=None):
        self.address, self.pid, self.process, self.tls, self.store = address, pid, process, tls, store

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def cpu(self):
        """Seconds of all threads so far, or None."""
        return measure.cpu(self.pid) if self.pid else None

    def memory(self, key):
        """KiB, or None."""
        return measure.status(self.pid, key) if self.pid else None

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Peer:
    """One that can be started. first: seconds from its start to the first answer, of the last start."""
    has_store = True
    has_tls = True

    def start(self, store, certificate=None, options=()):
        port = measure.free_port()
        os.makedirs(store, exist_ok=True)
        command = self.command(store, port, certificate, options)
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.first = self._until_it_answers(process, port, certificate, begin)
        return Server("127.0.0.1:%d" % port, process.pid, process, bool(certificate), store)

    def _until_it_answers(self, process, port, certificate, begin):
        """A short pause between two tries: without, they take half of the core that the server starts on, where two share
        one."""
        while process.poll() is None and time.monotonic() < begin + 60:
            time.sleep(TRY_AGAIN)
            with socket.socket() as s:
                try:
                    s.connect(("127.0.0.1", port))
                except ConnectionRefusedError:
                    continue
                if certificate:
                    return None  # it listens, and no start is measured with TLS
                s.settimeout(60)
                s.sendall(measure.REQUEST)
                answer = s.recv(65536)
                if not answer.startswith(b"HTTP/1.1 "):
                    raise RuntimeError("%s: %r" % (self.name, answer))
                return time.monotonic() - begin
        if process.poll() is None:
            process.kill()
        raise RuntimeError("%s did not start" % self.name)


class Ours(Peer):
    name = OURS

    def __init__(self, binary):
        self.binary = binary
        said = subprocess.run([binary, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.has_tls = "--tls-certificate" in said

    def command(self, store, port, certificate, options):
        tls = ["--tls-certificate", certificate[0], "--tls-key", certificate[1]] if certificate else []
        return [self.binary, "--store", store, "--listen", "127.0.0.1:%d" % port, "--no-access-log", *tls, *options]

    def many_connections(self, n):
        return ["--idle-timeout", "1h", "--max-connections", str(n + 100)]


class DockerRegistry(Peer):
    """Debian's, as its own configuration has it: the file system driver, descriptors of blobs kept in memory. It syncs
    each file it writes, as strace shows, but no directory."""
    name = DOCKER

    def command(self, store, port, certificate, options):
        http = {"addr": "127.0.0.1:%d" % port}
        if certificate:
            http["tls"] = {"certificate": certificate[0], "key": certificate[1], "minimumtls": "tls1.2"}
        config = {"version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": store}, "cache": {"blobdescriptor": "inmemory"}},
                  "http": http}
        with open(store + ".yml", "w") as f:
            json.dump(config, f)  # JSON is YAML
        return ["docker-registry", "serve", store + ".yml"]

    def many_connections(self, _):
        return []


class Floor(Peer):
    """What the machine itself costs: bench_floor, which is no registry."""
    name = FLOOR
    has_tls = False

    def __init__(self, binary, answer_bytes=None):
        self.binary, self.answer_bytes = binary, answer_bytes

    def command(self, store, port, certificate, options):
        if self.answer_bytes is not None:
            return [self.binary, "answers", str(port), str(self.answer_bytes)]
        return [self.binary, "files", str(port), store]


class Remote(Peer):
    """One that somebody else started. What is pushed stays there; its store cannot be filled from outside."""
    has_store = False

    def __init__(self, name, url, pid=None):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SystemExit("--peer %s=%s: expected http://HOST:PORT or https://HOST:PORT" % (name, url))
        self.name, self.pid, self.tls = name, pid, parts.scheme == "https"
        self.has_tls = self.tls
        self.address = "%s:%d" % (socket.gethostbyname(parts.hostname), parts.port or (443 if self.tls else 80))

    def start(self, store, certificate=None, options=()):
        return Server(self.address, self.pid, tls=self.tls)


def available(args, binaries):
    """Those of this run, ours first."""
    peers = [Ours(binaries["ociregistry"])]
    if shutil.which("docker-registry"):
        peers.append(DockerRegistry())
    else:
        print("docker-registry is not installed (script/bootstrap bench)", file=sys.stderr)
    pids = dict(pair.split("=", 1) for pair in args.peer_pid)
    for pair in args.peer:
        name, _, url = pair.partition("=")
        peers.append(Remote(name, url, int(pids[name]) if name in pids else None))
    return peers
