"""The command line as tools outside the project call it: in a process of its own, judged by exit code and JSON."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from healthbrain.kernel import vault

COMMANDS = [
    "demo",
    "register",
    "administrator",
    "ingest",
    "export",
    "token",
    "evaluate",
    "what-if",
    "serve",
    "worker",
    "doctor",
    "backup",
    "restore",
    "rotate-key",
    "bench",
]


def healthbrain(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    if home:
        environment["HEALTHBRAIN_HOME"] = str(home)
    command = [sys.executable, "-m", "healthbrain", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str) -> None:
    done = healthbrain(command, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout


def test_an_unknown_command_is_one_line(home: Path) -> None:
    done = healthbrain("ingset", home=home)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "ingset" in done.stderr


REGISTER = "code,name,kind,parent_code\nC1,湖山镇卫生院,township,C\nC,安澜区,county,\n"
LINK = re.compile(r"https://hb\.example/sign-in/[\w-]{32}")


def test_a_county_with_its_own_data_begins(home: Path, tmp_path: Path) -> None:
    """Nobody can sign in before there is an administrator, and he belongs to the county of the register."""
    early = healthbrain("administrator", "boss", home=home)
    assert (early.returncode, "register FOLDER" in early.stderr) == (1, True)
    empty = healthbrain("register", str(tmp_path), home=home)
    assert (empty.returncode, len(empty.stderr.splitlines())) == (1, 1)
    (tmp_path / "organisations.csv").write_text(REGISTER, encoding="gb18030")
    for _ in range(2):
        counts = answer(healthbrain("register", str(tmp_path), "--json", home=home))
        assert counts == {"organisations": 2, "places": 0, "teams": 0, "sources": 0}
        made = answer(healthbrain("administrator", "boss", "--url", "https://hb.example/", "--json", home=home))
        assert LINK.fullmatch(str(made["sign_in"]))
    for wrong in (REGISTER.replace("township", "clinic"), REGISTER.replace("kind", "type")):
        (tmp_path / "organisations.csv").write_text(wrong, encoding="utf-8")
        refused = healthbrain("register", str(tmp_path), home=home)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)


PERSONS = """source,source_id,name,sex,birth_date,id_number,phone,address,division_code
H1,1,张小明,1,1966-05-02,,13800000001,湖山镇1号,
H1,2,李桂芳,2,1955-11-20,,13800000002,湖山镇2号,
CHC,77,李桂芳,2,1955-11-20,,13800000002,湖山镇2号,
H1,3,王五,男,20260230,,,,
"""
CONDITIONS = "source,source_id,code,onset,organisation\nH1,1,I10.x00x002,2020-01-01,C1\nCHC,77,I10,2019-01-01,C1\n"
OBSERVATIONS = """source,source_id,code,effective,value,unit,organisation
H1,1,8480-6,2026-03-20,152,mmHg,C1
H1,1,8462-4,2026-03-20,94,mmHg,C1
CHC,77,8480-6,2026-03-10,146,mm[Hg],C1
CHC,77,8462-4,2026-03-10,86,mm[Hg],C1
NOBODY,9,8480-6,2026-03-10,120,mm[Hg],C1
"""


@pytest.fixture(scope="module")
def fed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("feeds")
    (folder / "persons.csv").write_text(PERSONS, encoding="utf-8")
    (folder / "conditions.csv").write_text(CONDITIONS, encoding="gbk")
    (folder / "observations.csv").write_text(OBSERVATIONS, encoding="utf-8")
    return folder, answer(healthbrain("ingest", str(folder), "--json", home=home))


def export(what: str, home: Path, tmp_path: Path) -> list[dict[str, str]]:
    import csv

    path = tmp_path / f"{what}.csv"
    answer(healthbrain("export", what, "--csv", str(path), "--json", home=home))
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_counts_add_up(fed) -> None:
    report = fed[1]
    assert report["files"] == 3
    assert report["rows_in"] == 11
    assert report["rejected"] == 1  # 30 February
    assert report["waiting"] == 1  # nobody has sent person 9 of NOBODY
    assert report["rows_in"] == report["stored"] + report["duplicates"] + report["rejected"] + report["waiting"]


def test_sending_again_is_harmless(fed, home: Path) -> None:
    again = answer(healthbrain("ingest", str(fed[0]), "--json", home=home))
    assert again["stored"] == 0
    assert again["rejected"] == 1
    assert again["duplicates"] + again["waiting"] == 10


def test_one_record_per_resident_and_todays_work(fed, home: Path, tmp_path: Path) -> None:
    """The table of definition_sketch.md, end to end: 152/94 first uncontrolled; 146/86 at 70 is controlled."""
    links = {(row["source"], row["source_id"]): row["resident_id"] for row in export("links", home, tmp_path)}
    assert links["H1", "2"] == links["CHC", "77"]
    assert links["H1", "1"] != links["H1", "2"]
    answer(healthbrain("evaluate", "--as-of", "2026-04-01", "--json", home=home))
    enrolments = {
        row["resident_id"]: (row["status"], row["risk_level"])
        for row in export("enrolments", home, tmp_path)
        if row["programme"] == "hypertension"
    }
    assert enrolments[links["H1", "1"]] == ("active", "uncontrolled")
    assert enrolments[links["H1", "2"]] == ("active", "controlled")
    tasks = {
        row["resident_id"]: row
        for row in export("tasks", home, tmp_path)
        if (row["programme"], row["task"]) == ("hypertension", "follow-up") and row["status"] in {"upcoming", "due"}
    }
    assert tasks[links["H1", "1"]]["due"] == "2026-04-03"
    assert tasks[links["H1", "2"]]["due"] == "2026-06-10"


def test_a_backup_comes_back_whole(fed, home: Path, tmp_path: Path) -> None:
    before, waiting = export("links", home, tmp_path), home / "uploads" / "sheet.csv"
    waiting.parent.mkdir(exist_ok=True)
    waiting.write_text("来源,人员编号\n")  # a sheet that waits for the steward is part of the truth too
    kept = tmp_path / "kept"
    answer(healthbrain("backup", str(kept), "--json", home=home))
    waiting.unlink()
    refused = healthbrain("restore", str(kept), home=home)
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    restored = answer(healthbrain("restore", str(kept), "--replace", "--json", home=home))
    assert restored["audit_chain"] == "ok"
    assert export("links", home, tmp_path) == before
    assert waiting.exists()
    elsewhere = tmp_path / "elsewhere"
    answer(healthbrain("restore", str(kept), "--json", home=elsewhere))
    assert export("links", elsewhere, tmp_path) == before
    assert (elsewhere / "secret_key").read_text() == (home / "secret_key").read_text()  # it opens the sealed photos
    manifest = json.loads((kept / "manifest.json").read_text())
    (kept / "manifest.json").write_text(json.dumps(manifest | {"sealed_by": "0123456789abcdef"}))
    refused = healthbrain("restore", str(kept), "--replace", home=elsewhere)  # its key was given from outside
    assert (refused.returncode, "HEALTHBRAIN_SECRET_KEY" in refused.stderr) == (1, True)


def test_a_changed_key_opens_everything_kept_with_the_old_one(fed, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(home))
    vault.put("photos", b"a made-up wound")
    name, before = hashlib.sha256(b"a made-up wound").hexdigest(), (home / "secret_key").read_text()
    done = answer(healthbrain("rotate-key", "--json", home=home))
    assert (done["sealed_anew"], done["not_opened"], done["old_keys"]) == (1, 0, 1)
    assert (home / "secret_key").read_text() != before
    assert vault.get("photos", name) == b"a made-up wound"
    again = answer(healthbrain("rotate-key", "--forget-old", "--json", home=home))
    assert (again["sealed_anew"], again["old_keys"]) == (1, 0)
    assert before not in "".join(path.read_text() for path in home.glob("secret_key*"))
    assert vault.get("photos", name) == b"a made-up wound"


def test_a_damaged_backup_leaves_what_is_there(fed, home: Path, tmp_path: Path) -> None:
    before, kept = export("links", home, tmp_path), tmp_path / "kept"
    answer(healthbrain("backup", str(kept), "--json", home=home))
    dump = kept / "healthbrain.dump"
    dump.write_bytes(dump.read_bytes()[:20_000])
    refused = healthbrain("restore", str(kept), "--replace", home=home)
    assert (refused.returncode, "healthbrain.dump" in refused.stderr) == (1, True)
    manifest = json.loads((kept / "manifest.json").read_text())
    manifest["files"]["healthbrain.dump"]["sha256"] = hashlib.sha256(dump.read_bytes()).hexdigest()
    (kept / "manifest.json").write_text(json.dumps(manifest))
    failed = healthbrain("restore", str(kept), "--replace", home=home)  # breaks off in the middle
    assert failed.returncode == 1
    assert export("links", home, tmp_path) == before


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "mysql://a/b"])
def test_a_database_that_does_not_answer_is_one_line(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    done = healthbrain("doctor", home=home)
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_doctor_finds_a_healthy_installation(fed, home: Path) -> None:
    found = answer(healthbrain("doctor", "--json", home=home))
    assert found["audit chain"].startswith("ok")
