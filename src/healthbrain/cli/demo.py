"""healthbrain demo: embedded database, synthetic county, feeds in, brain on, web."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance, emit, json_option, progress
from healthbrain.kernel.errors import Conflict
from healthbrain.kernel.home import folder, home, mark_synthetic, synthetic

if TYPE_CHECKING:
    from healthbrain.residents.contracts import ContractRow


@click.command()
@click.option("--residents", default=50_000, show_default=True, help="How many people the synthetic county has.")
@click.option("--seed", default=1, show_default=True)
@click.option("--serve/--no-serve", "serving", default=True, help="Open the web afterwards, or end with the summary.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--fresh", is_flag=True, help="Throw an earlier demo away and build it anew.")
@json_option
def demo(residents: int, seed: int, serving: bool, host: str, port: int, fresh: bool, as_json: bool) -> None:
    """Everything: a synthetic county, its feeds taken in, the brain on, and a sign-in link for each role.

    All people are made up. Run again, it opens the county that is there; --fresh builds a new one.
    """
    from healthbrain.cli.serving import children, insist_on_free, run_system_checks, supervise

    started = time.monotonic()
    if serving:
        insist_on_free(host, port, port + 1)
    boot()
    if fresh:
        _empty()
    with progress("演示 demo", quiet=as_json) as advance:
        summary = _existing(residents, seed) or _build(residents, seed, advance)
    summary["seconds"] = round(time.monotonic() - started, 1)
    links = _links(f"http://{host}:{port}")
    if as_json:
        emit({**summary, "sign_in": links}, as_json=True)
    else:
        emit(summary, as_json=False, title="合成县区 Synthetic county 安澜区 (made-up people only)")
        _show(links)
    if serving:
        run_system_checks()
        click.echo(f"打开 Open http://{host}:{port}  (Ctrl-C 停止 stops)")
        supervise(children(host, port, None))


def _existing(residents: int, seed: int) -> dict[str, Any] | None:
    """The summary of the demo that is here already, or None when the database is empty. Raises Conflict otherwise."""
    from healthbrain.residents.models import Resident

    text = synthetic()
    if text is None:
        if Resident.objects.exists():
            raise Conflict(
                "这里有真实居民数据，演示不会覆盖。 This installation holds residents; the demo will not touch them.",
                hint="用 HEALTHBRAIN_HOME 指定另一个文件夹 name another folder in HEALTHBRAIN_HOME.",
            )
        return None
    found: dict[str, Any] = orjson.loads(text)
    if not found.get("complete"):
        _empty()  # an earlier demo was interrupted while it was built
        return None
    if found["residents_asked"] != residents or found["seed"] != seed:
        raise Conflict(
            f"这里已有 {found['residents_asked']} 人的演示 A demo of {found['residents_asked']} residents is here.",
            hint="加 --fresh 重建，或另设 HEALTHBRAIN_HOME add --fresh, or set another HEALTHBRAIN_HOME.",
        )
    return found


def _empty() -> None:
    """Remove a demo: only where the installation is marked synthetic."""
    if synthetic() is None:
        return
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    call_command("migrate", verbosity=0, skip_checks=True)
    for name in ("demo", "lake"):
        shutil.rmtree(home() / name, ignore_errors=True)
    (home() / "synthetic.json").unlink()


def _build(residents: int, seed: int, advance: Advance) -> dict[str, Any]:
    """Generate, take in, match, think. Each step's seconds go into the summary."""
    import numpy as np

    from healthbrain.access.rules import SYSTEM
    from healthbrain.care import actions as care
    from healthbrain.cli import warming
    from healthbrain.county import actions as county
    from healthbrain.demo import emergency, generate, surroundings
    from healthbrain.dispatch.rules.compiled import interpreted
    from healthbrain.kernel.clock import now, today
    from healthbrain.records import actions as records
    from healthbrain.residents import actions as people
    from healthbrain.surveillance import knowledge

    with interpreted():
        from healthbrain.demo import transport
    detector = warming.ahead("detector")  # compiled by the time the watch needs it
    asked = {"residents_asked": residents, "seed": seed}
    mark_synthetic(orjson.dumps({**asked, "complete": False}).decode())
    as_of, place = today(), folder("demo")
    timings: dict[str, float] = {}

    def step[T](name: str, work: Callable[[], T]) -> T:
        advance(len(timings), 9, name)
        begun = time.monotonic()
        result = work()
        timings[name] = round(time.monotonic() - begun, 1)
        return result

    step("generate", lambda: generate(place, residents=residents, seed=seed, as_of=as_of))
    school_day = knowledge.calendar().is_school_day
    step(
        "surroundings",
        lambda: surroundings.write(place, residents=residents, seed=seed, as_of=as_of, is_school_day=school_day),
    )
    step("register", lambda: county.load_register(place / "register", by=SYSTEM))
    report = step("ingest", lambda: records.ingest([place / "feeds"], by=SYSTEM))
    people.load_contracts(_contracts(place / "register" / "contracts.csv"), by=SYSTEM)
    step("emergency", lambda: emergency.build(residents=residents, seed=seed, now=now()))
    with np.errstate(over="ignore"):  # hashes wrap around; compiled loops say nothing of it, interpreted ones do
        step("transport", lambda: transport.build(now=now()))
    step("lake", records.refresh_lake)
    care.publish_programmes(by=SYSTEM)
    step("think", lambda: care.catch_up(as_of=as_of))
    detector.wait()
    step("watch", lambda: _watch(place))
    summary = {**asked, "intake": report.as_dict(), **_counts(), "steps": timings}
    mark_synthetic(orjson.dumps({**summary, "complete": True}).decode())
    return summary


def _watch(place: Path) -> None:
    """A year of reports in, a past event worked to its closing by the demo's officer, then today's watch."""
    from healthbrain.access.rules import SYSTEM
    from healthbrain.cli.accounts import disease_control
    from healthbrain.demo import responding, settling
    from healthbrain.kernel.clock import now
    from healthbrain.surveillance.actions import signals

    settling.settle(place, by=SYSTEM, now=now())
    officer = disease_control()
    responding.play_past(place, by=officer)
    signals.watch(now=now())
    responding.play_present(now=now(), by=officer)


def _contracts(path: Path) -> list[ContractRow]:
    """The register's family-doctor contracts: source, source_id, team_code, starts, ends."""
    from healthbrain.county import actions as county
    from healthbrain.residents.contracts import ContractRow

    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    sources = county.sources({row["source"] for row in rows})
    day = dt.date.fromisoformat
    return [
        ContractRow(sources[r["source"]], r["source_id"], r["team_code"], day(r["starts"]), day(r["ends"]))
        for r in rows
    ]


def _counts() -> dict[str, int]:
    from healthbrain.kernel.db import select

    counted = {
        "residents": "SELECT count(*) FROM residents_resident r WHERE EXISTS "
        "(SELECT 1 FROM residents_link l WHERE l.resident_id = r.id)",
        "identities": "SELECT count(*) FROM residents_identity",
        "resources": "SELECT count(*) FROM records_resource",
        "events": "SELECT count(*) FROM records_event",
        "enrolments": "SELECT count(*) FROM care_enrolment WHERE status = 'active'",
        "open_tasks": "SELECT count(*) FROM care_task WHERE status IN ('due', 'overdue')",
        "key_places": "SELECT count(*) FROM surveillance_site",
        "open_signals": "SELECT count(*) FROM surveillance_signal WHERE life <> 'over' AND answer = ''",
    }
    return {name: int(select(sql)[0][0]) for name, sql in counted.items()}


def _links(base: str) -> dict[str, str]:
    """A one-time sign-in link for each role."""
    from healthbrain.cli.accounts import demo_accounts

    return {role: f"{base}/sign-in/{token}" for role, token in demo_accounts().items()}


def _show(links: dict[str, str]) -> None:
    from healthbrain.access.roles import ROLES

    click.echo("\n一次性登录链接 One-time sign-in links (24 h):")
    for role, link in links.items():
        click.echo(f"  {ROLES[role].zh} {ROLES[role].en}: {link}")


COMMANDS = [demo]
