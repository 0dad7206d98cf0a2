"""Pin every version, transitive ones too, into pyproject.toml: `uv run python scripts/pin.py`.

Pins stand in `[tool.uv] constraint-dependencies` instead of a lock file, because a lock file holds download addresses
and a county installs from whatever index it has.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"constraint-dependencies = \[.*?\n?\]\n", re.DOTALL)


def resolved() -> list[str]:
    """Every package of every group as `name==version ; marker`, sorted."""
    command = [
        "uv",
        "export",
        "--quiet",
        "--all-groups",
        "--no-hashes",
        "--no-header",
        "--no-annotate",
        "--no-emit-project",
    ]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return sorted(line.strip() for line in text.splitlines() if "==" in line)


def main() -> None:
    path = ROOT / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    lines = "".join(f'  "{line.replace(chr(34), chr(39))}",\n' for line in resolved())
    block = f"constraint-dependencies = [\n{lines}]\n"
    path.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")


if __name__ == "__main__":
    main()
