# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a process, and the registry of the interop tests, for the benches."""
import os
import re
import sys

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
