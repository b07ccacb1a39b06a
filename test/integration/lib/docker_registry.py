# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry (distribution 2.8) on a free loopback port, with a storage directory of its own.

    with DockerRegistry(directory) as registry:      # storage below the directory, which stays
        skopeo_push(layout, "image", registry.address, "team/app:1.0")
"""
import http.client
import json
import os
import shutil
import socket
import subprocess

from deadline import until

IS_INSTALLED = bool(shutil.which("docker-registry") and shutil.which("skopeo"))


class DockerRegistry:
    def __init__(self, directory):
        self.storage = directory
        self.address = None

    def __enter__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % s.getsockname()[1]
        config = {"version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": self.storage}, "delete": {"enabled": True}},
                  "http": {"addr": self.address}}
        with open(self.storage + ".yml", "w") as f:
            json.dump(config, f)  # JSON is YAML
        with open(self.storage + ".log", "w") as out:
            self.process = subprocess.Popen(["docker-registry", "serve", self.storage + ".yml"], stdout=out, stderr=out)
        until("docker-registry answers", self._answers)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("docker-registry ended: " + open(self.storage + ".log").read())
        try:
            return self.ask("GET", "/v2/")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def skopeo(*args):
    env = dict(os.environ, TMPDIR=os.environ.get("TMPDIR", "/var/tmp"))
    done = subprocess.run(["skopeo", "--insecure-policy", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=env)
    if done.returncode:
        raise AssertionError("skopeo %s: %s" % (" ".join(args), done.stderr))
    return done.stdout


def skopeo_push(layout, tag, address, name):
    skopeo("copy", "--quiet", "--all", "--dest-tls-verify=false", "oci:%s:%s" % (layout, tag),
           "docker://%s/%s" % (address, name))
