"""`healthbrain detect`: what it reads, what it writes, and what it says about a file it cannot use."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from healthbrain.cli.detect import detect
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.surveillance.rules.methods import method
from healthbrain.surveillance.rules.series import SeriesSet


def run(*arguments: object) -> Result:
    return CliRunner().invoke(detect, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, HealthBrainError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "counts.csv"
    file.write_bytes(text.encode(encoding))
    return file


def weeks(counts: list[int], name: str = "a") -> str:
    return "".join(f"{name},{i},{count}\n" for i, count in enumerate(counts, 1))


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_the_file_written_holds_what_the_detector_says(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).poisson(4.0, 300)
    file = write(tmp_path, "series,period,count\n" + weeks(counts.tolist()))
    out = tmp_path / "out.csv"
    assert run(file, "--method", "flex_rki", "--from", "290", "--csv", out).exit_code == 0
    found = method("flex_rki").detect(SeriesSet(("a",), counts[None, :] * 1.0), from_index=289)
    rows = read(out)
    assert list(rows[0]) == ["series", "period", "observed", "expected", "bound", "alarm", "pvalue"]
    assert [row["period"] for row in rows] == [str(week) for week in range(290, 301)]
    assert [float(row["bound"]) for row in rows] == found.bound[0].tolist()
    assert [row["alarm"] == "1" for row in rows] == found.alarm[0].tolist()


@pytest.mark.parametrize(
    ("written", "frequency"),
    [
        (lambda n: f"2023年{n // 28 + 1}月{n % 28 + 1}日", "daily"),
        (lambda n: f"2023年第{n + 1}周", "weekly"),
        (lambda n: f"{2020 + n // 12}年{n % 12 + 1}月", "monthly"),
    ],
)
def test_a_table_with_chinese_headings_and_dates_is_read(tmp_path: Path, written, frequency: str) -> None:
    rows = "".join(f"手足口病,{written(n)},{5 + n % 3}\n" for n in range(28))
    file = write(tmp_path, "病种,日期,例数\n" + rows, "gbk")
    answer = json.loads(run(file, "--method", "ears_c2", "--json").output)
    assert (answer["frequency"], answer["series"]) == (frequency, 1)
    assert answer["results"][0]["series"] == "手足口病"


def test_dates_weeks_and_shuffled_rows_are_one_and_the_same(tmp_path: Path) -> None:
    import datetime as dt

    counts = np.random.default_rng(2).poisson(6.0, 290).tolist()
    monday = dt.date(2018, 1, 1)
    days = [monday + dt.timedelta(weeks=i) for i in range(290)]
    by_date = [f"{day:%Y/%m/%d},{count}" for day, count in zip(days, counts, strict=True)]
    by_week = [f"{day:%G-W%V},{count}" for day, count in zip(days, counts, strict=True)]
    np.random.default_rng(3).shuffle(by_week)
    results = []
    for header, lines in (("date,count", by_date), ("period,count", by_week)):
        file = write(tmp_path, "\n".join([header, *lines]))
        run(file, "--method", "flex_noufaily", "--from", "2023-W20", "--csv", tmp_path / "out.csv")
        results.append([(row["observed"], row["bound"], row["alarm"]) for row in read(tmp_path / "out.csv")])
    assert len(results[0]) > 5
    assert results[0] == results[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_names_in_the_encodings_people_have(tmp_path: Path, encoding: str) -> None:
    text = "series,period,count\n" + weeks([1, 2, 3, 2, 1, 2, 3, 30], "诺如病毒")
    file = write(tmp_path, text, encoding)
    result = run(file, "--method", "ears_c1", "--json")
    answer = json.loads(result.output)
    assert answer["alarms"] == 1
    assert answer["results"][0]["series"] == "诺如病毒"


def test_series_of_different_length_are_tested_as_far_as_each_goes(tmp_path: Path) -> None:
    text = "series,period,count\n" + weeks([2] * 12, "long") + "".join(f"short,{i},3\n" for i in range(3, 13))
    run(write(tmp_path, text), "--method", "ears_c1", "--csv", tmp_path / "out.csv")
    periods: dict[str, list[str]] = {}
    for row in read(tmp_path / "out.csv"):
        periods.setdefault(row["series"], []).append(row["period"])
    assert periods == {"long": ["8", "9", "10", "11", "12"], "short": ["10", "11", "12"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("series,period,count\na,1,2\na,2,x\n", "Line 3: count 'x' is not a number"),
        ("series,period,count\na,1,2\na,2,-3\n", "Line 3: count -3 is negative"),
        ("series,period,count\na,1,2\na,2,\n", "Line 3: count '' is not a number"),
        ("series,period,count\na,1,2\na,2,3\na,1,4\n", "Line 4: 1 of series a was already given in line 2"),
        ("series,period,count\na,1,2\na,4,3\n", "Line 2: series a has a gap of 2 periods after 1"),
        ("series,date,count\na,2024-01-01,2\na,2024-13-01,3\n", "Line 3: '2024-13-01' is not a date or period"),
        ("series,date,count\na,2024-01-01,2\na,7,3\n", "Line 3: '7': numbers and dates are mixed"),
        ("series,date,count\na,2021-W53,1\na,2022-W01,1\n", "Line 2: '2021-W53' is not a date or period"),
        ("series,period,count,population\na,1,2,0\na,2,2,5\n", "Line 2: population 0 must be above 0"),
        ("series,period\na,1\n", "No column count"),
        ("series,period,count\n", "no rows"),
        ("series,period,count\n,1,2\n", "Line 2: series is empty"),
        ("series,period,count\na,1,2\na,2,2\n", "needs 7 periods of history"),
        ("series,period,count\na,1,2\n\n,,\na,2,-3\n", "Line 5: count -3 is negative"),
        ("series,period,count\na,1,2\na,2,1,234\n", "Line 3: 4 cells, the first line has 3"),
        (
            "name;week;cases\na;1;2\n",
            "No column date or period and no column count in the first line, which is 'name;w",
        ),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(write(tmp_path, text), "--method", "ears_c1")


@pytest.mark.parametrize(("comma", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "gbk"), (";", "gb18030")])
def test_tables_as_spreadsheets_save_them(tmp_path: Path, comma: str, encoding: str) -> None:
    """With other separators, as "Unicode text", with empty rows and rows of empty cells at the end."""
    plain = "series,period,count\n" + weeks([3, 4, 5, 3, 4, 5, 3, 4, 5, 30], "诺如")
    wanted = json.loads(run(write(tmp_path, plain), "--method", "ears_c1", "--json").output)["results"]
    odd = (plain + "\n,,\n,,\n").replace(",", comma).replace("\n", "\r\n")
    found = run(write(tmp_path, odd, encoding), "--method", "ears_c1", "--json")
    assert json.loads(found.output)["results"] == wanted
    assert [row["alarm"] for row in wanted] == [0, 0, 1]


def test_gaps_can_be_declared_zero(tmp_path: Path) -> None:
    text = "period,count\n" + "".join(f"{i},3\n" for i in (1, 2, 3, 4, 5, 6, 7, 8, 10))
    result = run(write(tmp_path, text), "--method", "ears_c1", "--zero-gaps", "--json")
    rows = json.loads(result.output)["results"]
    assert [(row["period"], row["observed"]) for row in rows] == [("8", 3), ("9", 0), ("10", 3)]


def test_wrong_words_are_answered_with_the_right_ones(tmp_path: Path) -> None:
    file = write(tmp_path, "period,count\n1,2\n2,3\n")
    assert "flex_noufaily" in refused(file, "--method", "flex_noufally")
    assert "It has: method, baseline, min_sigma, alpha" in refused(file, "--method", "ears_c1", "--param", "w=3")
    assert "the file has 1 to 2" in refused(file, "--method", "fixed", "--from", "2024-01-01")
    assert "series has 1 to 2" in refused(file, "--method", "fixed", "--from", "9")


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("own", "alpha=0", "0 < alpha < 1"),
        ("own", "alpha=nan", "0 < alpha < 1"),
        ("own", "min_cases=-1", "min_cases >= 0"),
        ("own", "calendar=no", "It has: alpha, min_cases, follow"),
        ("own", "alpha=two", "alpha=two: expected a number"),
        ("flex_noufaily", "w=26", "windows of w=26 overlap"),
        ("flex_noufaily", "skip=500", "skip=500 leaves nothing of b=5 years"),
        ("flex_noufaily", "b=9", "needs about 471 periods of history"),
        ("cdc", "m=20", "m=20"),
        ("ladder", "alpha=0.1", "It has none"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line(tmp_path: Path, name: str, setting: str, says: str) -> None:
    file = write(tmp_path, "series,period,count\n" + weeks([3, 5, 4, 6, 2] * 84))
    assert says in refused(file, "--method", name, "--from", "400", "--param", setting)


def test_an_alpha_too_small_for_numbers_has_an_infinite_bound(tmp_path: Path) -> None:
    """R: qnbinom(1 - 1e-300) is Inf."""
    file = write(tmp_path, "series,period,count\n" + weeks([3, 5, 4, 6, 2] * 84))
    result = run(file, "--method", "flex_noufaily", "--from", "420", "--alpha", "1e-300", "--csv", "-")
    assert result.output.splitlines()[1].split(",")[4:6] == ["inf", "0"]


def test_functions_of_r_without_a_number_are_their_settings_there(tmp_path: Path) -> None:
    """R's help pages: bayes(b = 0, w = 6, actY = TRUE), rki(b = 2, w = 4, actY = FALSE)."""
    file = write(tmp_path, "series,period,count\n" + weeks([3, 5, 4, 6, 2] * 84))
    for given, same in (("bayes", "bayes1"), ("rki", "rki3")):
        assert run(file, "--method", given, "--json").output == run(file, "--method", same, "--json").output


def test_a_result_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    file = write(tmp_path, "series,period,count\n" + weeks([3, 5, 4] * 10))
    assert "No such file or directory" in refused(file, "--method", "ears_c1", "--csv", tmp_path / "no" / "x.csv")


def test_the_list_names_every_method_with_its_history() -> None:
    lines = run("--list").output.splitlines()
    assert len(lines) == len({line.split()[0] for line in lines}) > 25
    assert all("[history: " in line for line in lines)
