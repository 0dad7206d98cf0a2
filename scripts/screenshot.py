"""Make the README's picture: `uv run python scripts/screenshot.py [FOLDER]` against a running `healthbrain demo`.

Takes the village doctor's one-time sign-in link, which `demo` prints, as --link.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", required=True, help="the village doctor's one-time sign-in link")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs/images/village-doctor.png")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        page.goto(given.link)
        page.click("main form button.primary")  # a one-time link is used up by its button, not by a preview
        page.wait_for_selector("#list")
        page.wait_for_timeout(500)
        page.screenshot(path=given.out)
        browser.close()


if __name__ == "__main__":
    main()
