"""Copy built files of npm packages into the source tree, with name, version, licence and hash in `vendor.json`.

    python scripts/vendor_npm.py            # fetch through the ordinary npm client and write
    python scripts/vendor_npm.py --check    # offline: do the files still match vendor.json?

htmx is pinned to the 2.x line: 4.x changes attribute inheritance and history, and gives these pages nothing they use.
Nothing is loaded from a third party when the pages run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = Path("src/healthbrain/desks/static/vendor")
TESTS = Path("tests/vendor")


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str
    files: tuple[tuple[str, Path], ...]  # path in the package → path in this tree
    why: str


PACKAGES = (
    Package(
        "htmx.org",
        "2.0.11",
        "0BSD",
        (("dist/htmx.min.js", STATIC / "htmx.min.js"), ("LICENSE", STATIC / "htmx.LICENSE")),
        "a list renews itself without reloading the page",
    ),
    Package(
        "echarts",
        "6.1.0",
        "Apache-2.0",
        (
            ("dist/echarts.common.min.js", STATIC / "echarts.common.min.js"),
            ("LICENSE", STATIC / "echarts.LICENSE"),
            ("NOTICE", STATIC / "echarts.NOTICE"),
        ),
        "charts",
    ),
    Package(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        (("axe.min.js", TESTS / "axe.min.js"), ("LICENSE", TESTS / "axe.LICENSE")),
        "accessibility rules; used by tests only, never served",
    ),
)

ICONS = Package("lucide-static", "1.62.0", "ISC", (("LICENSE", STATIC / "lucide.LICENSE"),), "icons, one sprite")
ICON_NAMES = """
    activity arrow-down arrow-up arrow-up-down baby ban bell building-2 calendar calendar-check calendar-clock
    chart-line check chevron-down chevron-left chevron-right chevron-up circle circle-alert circle-check circle-
    question-mark circle-user clipboard-list clipboard-pen clock columns-3 copy database download ellipsis
    external-link eye eye-off file-down file-spreadsheet file-text funnel git-merge heart-pulse history hospital
    house inbox info key-round keyboard languages layout-dashboard link list list-checks log-out map map-pin menu
    message-circle-warning monitor moon octagon-alert panel-left pencil phone pill plus printer refresh-cw rotate-
    ccw save search send settings shield shield-check siren square-check stethoscope syringe table test-tube
    trash-2 triangle-alert undo-2 unlink upload user user-plus users volume-2 wifi wifi-off x zoom-in
"""


def fetch(package: Package, folder: Path) -> Path:
    """Unpack the published tarball of `package` below `folder`; the package's own folder."""
    packed = subprocess.run(  # noqa: S603 - fixed command, names from this file
        ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", str(folder)],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()[-1]
    target = folder / package.name.replace("/", "_")
    with tarfile.open(folder / packed) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def entry(package: Package, path: Path) -> dict[str, str]:
    digest = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    return {
        "file": path.as_posix(),
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "why": package.why,
        "sha256": digest,
    }


def sprite(folder: Path) -> str:
    """One SVG with a symbol an icon, shapes only: colour and size come from the stylesheet."""
    symbols = []
    for name in sorted(set(ICON_NAMES.split())):
        source = (folder / "icons" / f"{name}.svg").read_text()
        found = re.search(r"<svg[^>]*>(.*)</svg>", source, re.S)
        if found is None:
            raise SystemExit(f"{name}.svg is not an svg file")
        shapes = " ".join(found.group(1).split())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def vendor() -> list[dict[str, str]]:
    """Fetch and copy everything; the entries of vendor.json."""
    entries = []
    with tempfile.TemporaryDirectory() as name:
        for package in (*PACKAGES, ICONS):
            source = fetch(package, Path(name))
            if package is ICONS:
                (ROOT / STATIC / "icons.svg").write_text(sprite(source))
                entries.append(entry(package, STATIC / "icons.svg"))
            for inside, path in package.files:
                (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
                (ROOT / path).write_bytes((source / inside).read_bytes())
                entries.append(entry(package, path))
    return sorted(entries, key=lambda item: item["file"])


def check() -> list[str]:
    """Files that are missing or differ from vendor.json."""
    listed = json.loads((ROOT / STATIC / "vendor.json").read_text())
    bad = []
    for item in listed:
        path = ROOT / item["file"]
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != item["sha256"]:
            bad.append(item["file"])
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the files with vendor.json, offline")
    if parser.parse_args().check:
        bad = check()
        for name in bad:
            sys.stderr.write(f"{name} differs from vendor.json: run scripts/vendor_npm.py\n")
        return 1 if bad else 0
    text = json.dumps(vendor(), indent=2, ensure_ascii=False) + "\n"
    (ROOT / STATIC / "vendor.json").write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
