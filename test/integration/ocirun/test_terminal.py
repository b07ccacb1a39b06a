#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-t and -it, on a pty of the test's."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import sandbox
from ociregistry import DEADLINE, until


class Typist:
    """A person at a terminal in front of ocirun."""

    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvp(command[0], command)
            finally:
                os._exit(127)  # the tests are the parent's
        self.seen = b""
        self.status = None

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, text):
        """What came up to and with the text."""
        end = time.monotonic() + DEADLINE
        while text.encode() not in self.seen:
            if time.monotonic() > end:
                raise AssertionError("%r never came, but %r" % (text, self.seen))
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096)
        at = self.seen.index(text.encode()) + len(text)
        before, self.seen = self.seen[:at], self.seen[at:]
        return before.decode()

    def wait(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass  # EIO: everybody else has closed it
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.hang_up()
        return self.status

    def hang_up(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def gone(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def end(self):
        """However far the test came."""
        if not self.gone():
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.hang_up()


class Terminal(sandbox.Sandbox):
    def setUp(self):
        self.addCleanup(self.remove_what_is_left)
        self.addCleanup(self.assert_nothing_left)

    def background(self, *args, **more):
        process = subprocess.Popen(self.command(*args), **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if process.stdout:
            self.addCleanup(process.stdout.close)
        return process

    def shell(self):
        typist = Typist(self.command("-it", "-e", "PS1=prompt: ", self.image, "sh"))
        self.addCleanup(typist.end)
        typist.until("prompt: ")
        return typist

    def test_a_session(self):
        typist = self.shell()
        typist.type("tty; echo $TERM\n")
        self.assertIn("/dev/pts/0", typist.until("xterm\r\n"))
        typist.type("exit 6\n")
        self.assertEqual(typist.wait(), 6)

    def test_the_window(self):
        typist = self.shell()
        typist.resize(33, 99)  # the kernel sends SIGWINCH
        typist.type("until stty size | grep '33 99'; do sleep 0.02; done\n")
        typist.until("33 99\r\n")
        typist.type("exit\n")
        self.assertEqual(typist.wait(), 0)

    def test_keys_reach_the_container(self):
        typist = self.shell()
        # Not the shell says so but what the key is to end: by then it has the terminal.
        typist.type("sh -c 'echo started; exec sleep 1000'\n")
        typist.until("started\r\n")
        typist.type("\x03")
        typist.until("prompt: ")
        typist.type("\x04")  # the shell's end of input
        self.assertEqual(typist.wait(), 130)

    def test_the_callers_terminal_is_as_it_was(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        before = termios.tcgetattr(slave)
        process = self.background("-it", self.image, "sh", stdin=slave, stdout=slave, stderr=slave)
        until("the terminal is raw", lambda: not termios.tcgetattr(slave)[3] & termios.ICANON)
        os.write(master, b"exit 2\n")
        self.assertEqual(process.wait(DEADLINE), 2)
        self.assertEqual(termios.tcgetattr(slave), before)

    def test_all_output_comes_through(self):
        done = self.ocirun("-t", self.image, "sh", "-c", "test -t 1 && seq 1 5000; exit 4")
        self.assertEqual(done.returncode, 4)
        self.assertEqual(done.stdout.split(), [str(n) for n in range(1, 5001)])

    def test_a_terminal_without_input(self):
        process = self.background("-t", self.image, "sh", "-c", "trap 'exit 9' TERM; echo ready; "
                                  "while :; do sleep 0.02; done", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\r\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 9)

    def test_a_terminal_that_goes_away(self):
        """A shell would wait for ever for the next command."""
        typist = self.shell()
        typist.hang_up()
        until("ocirun ends with its terminal", typist.gone)

    def test_a_terminal_that_goes_away_under_a_program(self):
        typist = self.shell()
        typist.type("sh -c 'echo here; exec sleep 1000'\n")  # nothing tells it that nobody is there any more
        typist.until("here\r\n")
        typist.hang_up()
        until("ocirun ends with its terminal", typist.gone)
        self.assertEqual(typist.status, 128 + signal.SIGKILL)

    def test_a_reader_that_goes_away(self):
        process = self.background("-t", self.image, "sh", "-c", "while echo x; do :; done; exit 5",
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"x\r\n")
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE), 5)


if __name__ == "__main__":
    sandbox.main()
