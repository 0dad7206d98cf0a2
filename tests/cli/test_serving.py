"""Ending an installation: who is busy is asked, not waited for beyond the patience of whoever stops it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import click
import pytest

from healthbrain.cli.serving import end, insist_on_free

BUSY = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
POLITE = BUSY.replace("signal.SIG_IGN", "lambda *_: exit(0)")


def started(code: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"on\n"
    return child


def test_the_polite_end_by_themselves_and_the_busy_are_ended():
    polite, busy = started(POLITE), started(BUSY)
    end([polite], 600)
    assert polite.returncode == 0
    began = time.monotonic()
    end([busy], 0.2)
    assert busy.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 300


ORPHANING = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; print('on', flush=True); time.sleep(600)"])
signal.signal(signal.SIGTERM, lambda *_: exit(0))
signal.pause()
"""


def test_what_a_process_leaves_behind_is_ended_too():
    """A server asked to end while it starts leaves its workers serving: nobody may hold the pipe afterwards."""
    left = subprocess.Popen([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, start_new_session=True)
    assert left.stdout is not None
    assert left.stdout.readline() == b"on\n"
    end([left], 600)
    assert left.stdout.read() == b""  # would wait ten minutes for a survivor


def test_a_port_in_use_is_said_in_one_line_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(click.ClickException, match=str(port)):
            insist_on_free("127.0.0.1", port)
    insist_on_free("127.0.0.1", port)
    with pytest.raises(click.ClickException, match="twice"):
        insist_on_free("127.0.0.1", port, port)
    with pytest.raises(click.ClickException, match="99999"):
        insist_on_free("127.0.0.1", 99999)
