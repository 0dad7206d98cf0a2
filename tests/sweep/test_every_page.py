"""Every page of every role of a demo county, at every size and in every view: nothing is wrong with any of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from tests.sweep.walk import LOOKS


@pytest.fixture(scope="module")
def demo():
    """A demo county of 2,000 residents, served; its address and the environment that names its folder.

    Not under pytest's folder: its next run shuts that for the database's own user.
    """
    home = tempfile.mkdtemp(prefix="healthbrain-sweep-")
    ours = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "HEALTHBRAIN_AS_OF"}}
    ours |= {"HEALTHBRAIN_HOME": home, "DJANGO_SETTINGS_MODULE": "healthbrain.settings"}
    command = [sys.executable, "-m", "healthbrain"]
    asked = [*command, "demo", "--residents", "2000", "--no-serve"]
    made = subprocess.run(asked, env=ours, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-2000:]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving = subprocess.Popen([*command, "serve", "--port", str(port)], env=ours, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{base}/sign-in")
            break
        except OSError:
            time.sleep(0.5)
    yield base, ours
    serving.terminate()
    serving.wait(30)
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("look", [f"{one.language}.{one.view}" for one in LOOKS])
def test_every_page_of_every_role(demo, chromium_path, look):
    base, ours = demo
    command = [sys.executable, "-m", "tests.sweep.walk", base, "--looks", look]
    walked = subprocess.run(command, env=ours, capture_output=True, text=True)
    findings = [line for line in walked.stdout.splitlines() if "\t" in line]
    assert findings == []
    assert walked.stdout.count(" queries ") > 100, walked.stderr[-2000:]
