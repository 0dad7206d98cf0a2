"""Walk every page of every role of a running demo county, at every size and in every view, and say what is wrong.

    HEALTHBRAIN_HOME=… python -m tests.sweep.walk http://127.0.0.1:8000 [--out FOLDER] [--roles bureau] [--only /c]

The pages are found as people find them, by following links from each role's home; the real ids come from there. What
a page asks of the database is counted on the way; what it looks like is measured in Chromium (measure.js, axe).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import html
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
MEASURE = (HERE / "measure.js").read_text(encoding="utf-8")
TEXTS = (HERE / "words.js").read_text(encoding="utf-8")
AXE = (HERE.parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MOST_QUERIES = 15  # what one page may ask of the database, its entry in the audit log and the session included
MOST_OF = {"/county": 17, "/outbreaks/N": 20, "/outbreaks/N/do/N": 17}  # all figures anew; a room of twelve tables
TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")  # these ask nothing
MOST_ALIKE = 3  # the same question with other numbers: more is a question a row

PC, PHONE, WALL, WALL_4K, ZOOMED = (1366, 768), (390, 844), (1920, 1080), (3840, 2160), (683, 384)


@dataclasses.dataclass(frozen=True)
class Look:
    """One way to look at a page: language, view, the sizes of the window; on paper and through axe when asked."""

    language: str
    view: str
    sizes: tuple[tuple[int, int], ...]
    axe: bool = False
    paper: bool = False


LOOKS = (
    Look("zh-hans", "standard", (PC, WALL, WALL_4K, ZOOMED, PHONE), axe=True, paper=True),
    Look("en", "standard", (PC, PHONE), axe=True),
    Look("zh-hans", "elder", (PC, PHONE), axe=True),
    Look("zh-hans", "dark", (PC,), axe=True),
    Look("zh-hans", "contrast", (PC,), axe=True),
)


@dataclasses.dataclass
class Visited:
    """One page as the server gave it."""

    role: str
    path: str
    status: int
    queries: int
    alike: tuple[int, str]
    bytes: int
    seconds: float


def shape(path: str) -> str:
    """The page without its numbers: one of a kind is looked at."""
    bare, query = urlsplit(path).path, urlsplit(path).query
    view = re.search(r"view=[a-z-]+", query)
    bare = re.sub(r"(definition|results|sign-in|do|template|export|roads)/[^/]+.*", r"\1/N", bare)
    return re.sub(r"/(\d+|[0-9a-f-]{32,36})(?=/|$|\.)", "/N", bare) + (f"?{view[0]}" if view else "")


def links(text: str) -> Iterator[str]:
    """Addresses of our own that a page names."""
    for found in re.findall(r'(?:href|data-href)="(/[^"#]*)', text):
        address = html.unescape(found)
        if not address.startswith(("/static/", "//")):
            yield address


def crawl(role: str, client: Any) -> list[Visited]:
    """Every kind of page a role reaches by links, with what each costs. Downloads are opened and not counted."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    queue, seen, found = collections.deque(["/", "/account", "/inbox", "/find?q=王"]), set[str](), []
    while queue:
        path = queue.popleft()
        if shape(path) in seen:
            continue
        seen.add(shape(path))
        started = time.perf_counter()
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path, headers={"Accept": "text/html"})
        took = time.perf_counter() - started
        if answer.status_code in {301, 302}:
            queue.appendleft(answer["Location"])
            continue
        if "html" not in answer.get("Content-Type", ""):
            continue
        text = answer.content.decode()
        queue.extend(links(text))
        said = [one["sql"] for one in asked if not one["sql"].startswith(TRANSACTION)]
        plain = collections.Counter(re.sub(r"'[^']*'|\d+", "?", sql)[:400] for sql in said)
        most = plain.most_common(1)[0] if plain else ("", 0)
        found.append(Visited(role, path, answer.status_code, len(said), (most[1], most[0]), len(answer.content), took))
    return found


def sign_in(account: Any) -> Any:
    """A client of Django signed in as an account; a hospital doctor also says why records are opened."""
    from django.test import Client

    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    if account.role == "hospital_doctor":
        client.post("/find/purpose", {"purpose": "treatment"})
    return client


def our_words() -> tuple[set[str], set[str]]:
    """The Chinese and the English halves of every t(…) in the source: none may stand in the other language's page."""
    source = HERE.parents[1] / "src" / "healthbrain"
    text = "\n".join(p.read_text(encoding="utf-8") for kind in ("*.py", "*.html") for p in source.rglob(kind))
    pairs = re.findall(r"""\bt\(\s*(["'])((?:(?!\1).)+)\1,\s*(["'])((?:(?!\3).)+)\3""", text)
    chinese = {zh for _, zh, _, en in pairs if zh != en and "{" not in zh}
    said = " ".join(chinese)  # Excel, FHIR: words of both languages
    return chinese, {en for _, zh, _, en in pairs if "{" not in en and en not in said}


DRAWN = """() => [...document.querySelectorAll('[data-chart] .plot')].every((p) => p.dataset.drawn && p.firstChild)
  && !document.querySelector('.htmx-request')"""
RULES = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .flatMap((v) => v.nodes.slice(0, 3)
  .map((n) => `${v.impact} ${v.id}: ${n.html.slice(0, 140)} ${n.any[0] ? n.any[0].message.slice(0, 140) : ''}`))"""


class Eye:
    """Looks at pages of one role in one way; keeps what it finds as (look, page, kind, words)."""

    def __init__(self, page: Any, look: Look, words: tuple[set[str], set[str]], out: Path | None):
        self.page, self.look, self.words, self.out = page, look, words, out
        self.found: list[tuple[str, str, str, str]] = []
        self.noise: list[str] = []
        page.on("console", lambda m: self.noise.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: self.noise.append(str(e)))

    def say(self, size: str, path: str, kind: str, words: str) -> None:
        self.found.append((f"{self.look.language}.{self.look.view}.{size}", path, kind, words))
        sys.stderr.write(f"{kind}: {self.look.language}.{self.look.view}.{size} {path} {words}\n")

    def language(self, path: str) -> None:
        """Words of ours in the wrong language; what people wrote stays as they wrote it."""
        wrong = self.words[0] if self.look.language == "en" else self.words[1]
        for text in self.page.evaluate(TEXTS):
            if text in wrong:
                self.say("any", path, "wrong language", text)

    def picture(self, name: str, size: str, *, whole: bool = False) -> None:
        if self.out:
            self.page.screenshot(
                path=self.out / f"{name}.{self.look.language}.{self.look.view}.{size}.png", full_page=whole
            )

    def open(self, base: str, path: str, name: str) -> None:
        """Look at one page at every size, then on paper."""
        self.noise.clear()
        width, height = self.look.sizes[0]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(base + path, wait_until="load")
        with contextlib.suppress(Exception):  # what is never drawn is told by measure.js
            self.page.wait_for_function(DRAWN, timeout=5_000)
        self.language(path)
        for width, height in self.look.sizes:
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            for kind, words in self.page.evaluate(MEASURE):
                self.say(str(width), path, kind, words)
            self.picture(name, str(width))
            if self.look.axe and width in {PC[0], PHONE[0]}:
                self.page.evaluate(AXE)
                for words in self.page.evaluate(RULES):
                    self.say(str(width), path, "axe", words)
        if self.look.paper:
            self.page.set_viewport_size({"width": 794, "height": 1123})
            self.page.emulate_media(media="print")
            for kind, words in self.page.evaluate(MEASURE):
                if kind in {"page wider than window", "beyond the edge", "text over text", "cut off"}:
                    self.say("paper", path, kind, words)
            self.picture(name, "paper", whole=True)
            self.page.emulate_media(media="screen")
        for words in dict.fromkeys(self.noise):
            self.say("any", path, "script error", words[:200])


def look_at(
    base: str, pages: dict[str, list[str]], sessions: dict[str, str], out: Path | None, looks: Any
) -> list[Any]:
    """All findings of all roles' pages."""
    from playwright.sync_api import sync_playwright

    words, found = our_words(), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for look in looks:
            for role, paths in pages.items():
                context = browser.new_context(locale="zh-CN")
                cookies = {"sessionid": sessions[role], "django_language": look.language, "hb_view": look.view}
                context.add_cookies([{"name": n, "value": v, "url": base} for n, v in cookies.items() if v])
                eye = Eye(context.new_page(), look, words, out)
                for path in paths:
                    name = role + "__" + (shape(path).strip("/").replace("/", "-") or "home")
                    try:
                        eye.open(base, path, name)
                    except Exception as error:  # one page that breaks must not hide the others
                        eye.say("any", path, "did not open", str(error)[:200])
                found += [(role, *one) for one in eye.found]
                context.close()
        browser.close()
    return found


def costs(visited: list[Visited]) -> list[tuple[str, str, str, str, str]]:
    """Pages that ask too much of the database, in the form of findings."""
    found = []
    for one in visited:
        if one.status >= 400 and not one.path.startswith("/find?"):
            found.append((one.role, "server", one.path, "refused", str(one.status)))
        if one.queries > MOST_OF.get(shape(one.path), MOST_QUERIES):
            found.append((one.role, "server", one.path, "too many queries", f"{one.queries}, {one.bytes >> 10} KiB"))
        if one.alike[0] > MOST_ALIKE:
            found.append((one.role, "server", one.path, "a query a row", f"{one.alike[0]} × {one.alike[1][:160]}"))
    return found


def pages_of(roles: list[str]) -> tuple[list[Visited], dict[str, str]]:
    """Crawl as each role's first account; what was visited, and the sessions."""
    from healthbrain.access.models import Account

    visited, sessions = [], {}
    for role in roles:
        account = Account.objects.filter(role=role, is_active=True).order_by("pk").first()
        client = sign_in(account)
        visited += crawl(role, client)
        sessions[role] = client.cookies["sessionid"].value
    return visited, sessions


def once(visited: list[Visited]) -> dict[str, list[str]]:
    """Each kind of page once, with the role that reached it first."""
    seen, chosen = set[str](), collections.defaultdict(list)
    for one in visited:
        if one.status < 400 and shape(one.path) not in seen:
            seen.add(shape(one.path))
            chosen[one.role].append(one.path)
    return chosen


def main() -> int:
    import django

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--roles", default="")
    parser.add_argument("--only", default="", help="pages whose address begins so")
    parser.add_argument("--looks", default="", help="views, e.g. standard,elder")
    given = parser.parse_args()
    django.setup()
    from healthbrain.access.models import Account

    roles = sorted(set(Account.objects.filter(is_active=True).values_list("role", flat=True)))
    roles = [role for role in roles if not given.roles or role in given.roles.split(",")]
    visited, sessions = pages_of(roles)
    chosen = {r: [p for p in ps if p.startswith(given.only)] for r, ps in once(visited).items()}
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    looks = [look for look in LOOKS if not given.looks or f"{look.language}.{look.view}" in given.looks.split(",")]
    found = costs(visited) + look_at(given.base, chosen, sessions, given.out, looks)
    for one in sorted(visited, key=lambda v: -v.queries):
        sys.stdout.write(
            f"{one.queries:4d} queries {one.bytes >> 10:5d} KiB {one.seconds * 1000:6.0f} ms  {one.role} {one.path}\n"
        )
    for role, look, path, kind, words in found:
        sys.stdout.write(f"{kind}\t{role}\t{look}\t{path}\t{' '.join(words.split())}\n")
    return 1 if found else 0


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    raise SystemExit(main())
