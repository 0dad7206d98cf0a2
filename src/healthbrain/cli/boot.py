"""Start Django and bring the database to the code's shape, once a command."""

from __future__ import annotations

import os


def boot(*, migrate: bool = True) -> None:
    """Set Django up. With `migrate`, apply what is pending (nothing pending: one query)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")
    import django

    django.setup()
    if migrate:
        _migrate()


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, skip_checks=True)
