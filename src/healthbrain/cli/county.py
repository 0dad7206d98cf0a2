"""healthbrain register, administrator: how a county with its own data begins. Everything else has a page."""

from __future__ import annotations

from pathlib import Path

import click

from healthbrain.cli.boot import boot
from healthbrain.cli.output import emit, json_option


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def register(folder: Path, as_json: bool) -> None:
    """Load the county's units, divisions, teams and sources from FOLDER; again is harmless.

    \b
    organisations.csv  code, name, kind, parent_code
    places.csv         code, name, parent_code, organisation_code (who is responsible)
    teams.csv          code, name, organisation_code
    sources.csv        code, name, organisation_code, expected_every_hours
    """
    boot()
    from healthbrain.access.rules import SYSTEM
    from healthbrain.county import actions as county
    from healthbrain.kernel.errors import Invalid

    if not any((folder / f"{name}.csv").exists() for name in ("organisations", "places", "teams", "sources")):
        raise Invalid(f"{folder} 里没有登记表 No register in there", hint="healthbrain register --help")
    emit(county.load_register(folder, by=SYSTEM), as_json=as_json)


@click.command()
@click.argument("username")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the pages are served.")
@json_option
def administrator(username: str, url: str, as_json: bool) -> None:
    """A one-time sign-in link for the administrator USERNAME, made if new; all other accounts are his to make."""
    boot()
    from healthbrain.access import actions as access
    from healthbrain.access.models import Account
    from healthbrain.access.rules import SYSTEM
    from healthbrain.county.models import Organisation
    from healthbrain.kernel.errors import Conflict, NotFound

    account = Account.objects.filter(username=username).first()
    if account and account.role != "administrator":
        raise Conflict(f"{username} 是另一种角色的账号 has an account of another role: {account.role}")
    if account is None:
        county = Organisation.objects.filter(kind=Organisation.Kind.COUNTY).order_by("id").first()
        if county is None:
            raise NotFound(
                "还没有机构登记 The register of units is empty", hint="先运行 First: healthbrain register FOLDER"
            )
        account = access.create_account(
            by=SYSTEM, username=username, name=username, role="administrator", organisation_id=county.pk
        )
    link = f"{url.rstrip('/')}/sign-in/{access.sign_in_link(by=SYSTEM, account_id=account.pk)}"
    emit({"account": username, "sign_in": link}, as_json=as_json)


COMMANDS = [register, administrator]
