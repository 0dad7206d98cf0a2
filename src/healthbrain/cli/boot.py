"""Start Django and bring the database to the code's shape, once a command."""

from __future__ import annotations

import os

TURN = 0x4842_4D49  # the advisory lock of who migrates ("HBMI")


def boot(*, migrate: bool = True) -> None:
    """Set Django up. With `migrate`, apply what is pending (nothing pending: one query); two commands take turns."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")
    import django

    django.setup()
    if migrate:
        _migrate()


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    def pending() -> bool:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))

    if not pending():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [TURN])
        try:
            if pending():
                call_command("migrate", verbosity=0, skip_checks=True)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [TURN])
