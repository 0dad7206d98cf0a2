"""healthbrain rotate-key: another secret key, and every sealed file passed on to it."""

from __future__ import annotations

import os
from typing import Any

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option
from healthbrain.kernel import home, vault
from healthbrain.kernel.errors import HealthBrainError


@click.command("rotate-key")
@click.option("--forget-old", is_flag=True, help="Also drop the old keys, if no file needs them any more.")
@json_option
def rotate_key(forget_old: bool, as_json: bool) -> None:
    """Make a new secret key and seal photos, papers and uploaded files anew with it.

    The installation may go on working: what is sealed with an old key is read all the while; restart serve afterwards,
    so that it signs with the new key too. Where HEALTHBRAIN_SECRET_KEY gives the key, first set it to the new one and
    HEALTHBRAIN_OLD_SECRET_KEYS to the old one(s); the command then only seals anew. Run again, it goes on where it
    broke off.
    """
    boot()
    given = home.KEY in os.environ
    before = vault.fingerprint()
    if not given:
        home.change_key()
    passed, there, lost = vault.reseal()
    if forget_old and not lost:
        home.forget_old_keys()
    result: dict[str, Any] = {
        "key": vault.fingerprint(),
        "sealed_anew": passed,
        "already": there,
        "not_opened": len(lost),
        "old_keys": len(home.old_keys()),
    }
    _record(result, before)
    emit(result, as_json=as_json, title="换密钥 Key rotation")
    if lost:
        raise HealthBrainError(
            f"{len(lost)} 个文件没有密钥能打开 No key given opens {len(lost)} files, the first: {lost[0].name}",
            hint=f"把当时的密钥加进 {home.OLD_KEYS} 再运行 add the key of then to it and run again",
        )


def _record(result: dict[str, Any], before: str) -> None:
    from django.db import transaction

    from healthbrain.access.rules import SYSTEM
    from healthbrain.audit import actions as audit

    with transaction.atomic():
        audit.record(by=SYSTEM, action="vault.rotate", subject="vault", detail=result | {"key_before": before})


COMMANDS = [rotate_key]
