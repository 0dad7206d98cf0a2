"""Vendored files are what vendor.json says, and pages load nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DESKS = ROOT / "src" / "healthbrain" / "desks"


def test_vendored_files_match_their_hashes():
    script = [sys.executable, str(ROOT / "scripts" / "vendor_npm.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_templates_hold_no_inline_script_style_or_foreign_address():
    """The content policy forbids them; a page that needs one breaks silently. Paper templates are no pages."""
    bad = []
    for path in (DESKS / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if "@page" in text:
            continue
        for pattern in (
            r"<style",
            r"\sstyle=",
            r"\son[a-z]+=\"",
            r"(src|href)=\"https?://",
            r"<script(?![^>]*(src=|application/json))",
        ):
            if re.search(pattern, text):
                bad.append(f"{path.name}: {pattern}")
    assert not bad


def test_icons_used_are_in_the_sprite():
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (DESKS / "static" / "vendor" / "icons.svg").read_text()))
    used = set()
    for path in (DESKS / "templates").rglob("*.html"):
        used |= set(re.findall(r'icon\("([a-z0-9-]+)"\)', path.read_text(encoding="utf-8")))
    assert used <= sprite
