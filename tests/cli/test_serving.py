"""Ending an installation: who is busy is asked, not waited for beyond the patience of whoever stops it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from healthbrain.cli.serving import end

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
