"""Take pictures of pages of a running installation: sizes × languages × views. For eyes, not for assertions.

python tests/desks/look.py OUT BASE SIGN_IN_TOKEN /today /today/group …
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SIZES = {"pc": (1366, 768), "wall": (1920, 1080), "phone": (390, 844)}
LOOKS = [
    ("pc", "zh-hans", "standard"), ("pc", "en", "standard"), ("pc", "zh-hans", "elder"), ("pc", "zh-hans", "dark"),
    ("phone", "zh-hans", "standard"), ("phone", "en", "standard"), ("phone", "zh-hans", "elder"),
]  # fmt: skip
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def clipped(page: Page) -> list[str]:
    """Elements wider than the window, and text cut off by its own box."""
    return page.evaluate("""() => [...document.querySelectorAll('main *, header *, nav *')].filter((n) => {
        const r = n.getBoundingClientRect();
        const inside = n.closest('.hidden-visually, .scroll, .chips, .tabs, .paper-sheet, .panel, svg');
        if (!r.width || inside || getComputedStyle(n).position === 'fixed') return false;
        return r.right > innerWidth + 1;
    }).slice(0, 8).map((n) => n.tagName + '.' + n.className + ' ' + (n.textContent || '').trim().slice(0, 40))""")


def main(out: str, base: str, token: str, *paths: str) -> None:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = browser.new_context()
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda m: problems.append(f"{m.type}: {m.text}") if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: problems.append(str(e)))
        if token.startswith("session="):
            context.add_cookies([{"name": "sessionid", "value": token[8:], "url": base}])
        else:
            page.goto(f"{base}/sign-in/{token}")
            page.click("main button")
        for size, language, view in LOOKS:
            width, height = SIZES[size]
            page.set_viewport_size({"width": width, "height": height})
            context.add_cookies([
                {"name": "hb_view", "value": view, "url": base},
                {"name": "django_language", "value": language, "url": base},
            ])  # fmt: skip
            for path in paths:
                page.goto(base + path)
                page.wait_for_timeout(250)
                name = path.strip("/").replace("/", "-").replace("?", "-").replace("#", "-").replace("=", "-") or "home"
                page.screenshot(path=folder / f"{name}.{size}.{language}.{view}.png")
                for found in clipped(page):
                    problems.append(f"{path} {size} {language} {view}: beyond the edge: {found}")
        browser.close()
    sys.stdout.write("\n".join(dict.fromkeys(problems)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
