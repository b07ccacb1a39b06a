# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a process, and the registry of the interop tests, for the benches."""
import os
import re
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), os.path.join(HERE, "..", "images")]


def cpu(pid):
    """Seconds of user and system time so far, of all threads."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid, key):
    """A memory figure of /proc/PID/status in KiB: VmRSS, VmHWM (its peak), RssAnon …"""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"%s:\s+(\d+)" % key, f.read()).group(1))


def warm_memory(size):
    """Touches so many bytes and gives them back. What a virtual machine has not used for some seconds its host may have taken away; to
    fill the page cache then costs a fault in the host for each page, ten times what the copying costs, and whoever comes first pays for it."""
    subprocess.run([sys.executable, "-c", "import mmap, sys; mmap.mmap(-1, int(sys.argv[1])).madvise(23)", str(size)],
                   check=False, stderr=subprocess.DEVNULL)  # MADV_POPULATE_WRITE; without it nothing is lost


REQUEST = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """ociregistry, its log in a file or nowhere."""

    def __init__(self, binary, store, *options, log=os.devnull):
        self.port = free_port()
        with open(log, "w") as out:
            self.begin = time.monotonic()
            self.process = subprocess.Popen(
                [binary, "--store", store, "--listen", "127.0.0.1:%d" % self.port, *options], stderr=out)

    def first_answer(self, request=REQUEST):
        """Seconds from the start of the program; no pause between two tries, as that would be measured."""
        while True:
            s = socket.socket()
            try:
                s.connect(("127.0.0.1", self.port))
                s.sendall(request)
                answer = s.recv(65536)
                s.close()
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit("%s: %s" % (request, answer.decode()))
                return time.monotonic() - self.begin
            except ConnectionRefusedError:
                s.close()
            if self.process.poll() is not None:
                raise SystemExit("the server ended with %d" % self.process.returncode)

    def cpu_ns(self):
        """Of all threads that are there."""
        tasks, total = "/proc/%d/task" % self.process.pid, 0
        for task in os.listdir(tasks):
            with open("%s/%s/schedstat" % (tasks, task)) as f:
                total += int(f.read().split()[0])
        return total

    def memory(self):
        with open("/proc/%d/smaps_rollup" % self.process.pid) as f:
            pss = next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return "RSS %6.1f MiB (anonymous %.1f), Pss %.1f" % (
            status(self.process.pid, "VmRSS") / 1024, status(self.process.pid, "RssAnon") / 1024, pss / 1024)

    def stop(self):
        self.process.terminate()
        self.process.wait()
