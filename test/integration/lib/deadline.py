# SPDX-License-Identifier: Apache-2.0
"""Waiting for a thing that should happen at once: polled, with an end."""
import time

DEADLINE = 60  # seconds: a slow machine under a sanitizer


def until(what, condition):
    """Polls until the condition holds and returns its value."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("never happened: " + what)
        time.sleep(0.01)
