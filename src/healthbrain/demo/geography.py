"""The fictional county's institutions, places, teams and sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from healthbrain.demo.parameters import Parameters

TOWNSHIPS = [
    "望潮",
    "青萝",
    "石笕",
    "枕溪",
    "云岫",
    "沙湾里",
    "柳塘",
    "鹤汀",
    "白蘋",
    "听松",
    "归帆",
    "梅坞口",
    "半塘",
    "稻香",
    "清漪",
    "竹里",
    "桑榆",
    "浣纱渚",
    "横塘里",
    "晚渡",
    "芦浦",
    "渔梁",
    "橘洲",
    "蓼汀",
    "霁川",
]
HEADS = "东西南北上下前后里外新老大小长石金银青白高平古"
TAILS = "溪塘桥浦湾埠坞岙渡汀洲墩坪泾浜"
HOSPITALS = ("第一人民医院", "中医院", "第二人民医院", "妇幼保健院", "第三人民医院", "康复医院", "第四人民医院")
BUREAU, CDC, EMS, FIRST_HOSPITAL = 1, 2, 3, 4  # rows of `organisations`


@dataclass(frozen=True)
class County:
    """Dimension tables, and index arrays by village. Organisations are addressed by their row."""

    organisations: pl.DataFrame
    places: pl.DataFrame
    teams: pl.DataFrame
    sources: pl.DataFrame
    hospitals: np.ndarray  # organisation rows
    centres: np.ndarray
    unconnected: int  # organisation row of the centre that feeds nothing yet
    dark: int  # organisation row of the centre that fell silent
    village_codes: list[str]
    village_names: list[str]
    village_township: np.ndarray
    village_station: np.ndarray  # organisation row: the station, or the centre where there is none
    village_centre: np.ndarray
    village_share: np.ndarray
    township_names: list[str]
    township_teams: list[np.ndarray]

    @property
    def codes(self) -> list[str]:
        return self.organisations["code"].to_list()


def size_of(p: Parameters, residents: int) -> dict[str, int]:
    return next(size for size in p.tree["sizes"].values() if residents < size["below"])


def county(p: Parameters, residents: int, rng: np.random.Generator) -> County:
    size = size_of(p, residents)
    code, name, prefix = p("county.code"), p("county.name"), p("county.organisation_prefix")
    rows = [(code, name, "county", ""), (f"{prefix}00001", f"{name}卫生健康局", "bureau", code)]
    bureau = rows[1][0]
    rows += [
        (f"{prefix}00002", f"{name}疾病预防控制中心", "cdc", bureau),
        (f"{prefix}00003", f"{name}急救中心", "ems", bureau),
    ]
    rows += [(f"{prefix}{101 + i:05}", name + HOSPITALS[i], "hospital", bureau) for i in range(size["hospitals"])]
    first_centre = len(rows)
    centres, stations = size["centres"], size["stations"]
    kinds = ["街道" if i % 3 == 0 else "镇" for i in range(centres)]
    for i in range(centres):
        suffix = "社区卫生服务中心" if kinds[i] == "街道" else "卫生院"
        rows.append((f"{prefix}{1001 + i:05}", TOWNSHIPS[i] + kinds[i] + suffix, "township", bureau))
    village = _villages(centres, stations, rng)
    station_row = first_centre + centres
    village_org = []
    for township, vname, has_station in village:
        centre = rows[first_centre + township]
        if not has_station:
            village_org.append(first_centre + township)
            continue
        rows.append(
            (f"{prefix}{10001 + station_row - first_centre - centres:05}", f"{vname}卫生室", "village", centre[0])
        )
        village_org.append(station_row)
        station_row += 1
    unconnected = first_centre + centres - 1
    organisations = pl.DataFrame(rows, schema=["code", "name", "kind", "parent_code"], orient="row").with_columns(
        connected=pl.int_range(pl.len()) != unconnected
    )
    of_village = np.array([v[0] for v in village])
    codes = _village_codes(code, of_village)
    share = rng.lognormal(0, 0.45, len(village))
    teams, township_teams = _teams(
        organisations, first_centre, centres, size["teams"], np.array(village_org), of_village
    )
    return County(
        organisations,
        _places(p, organisations, first_centre, kinds, village, codes, village_org),
        teams,
        _sources(organisations),
        np.arange(FIRST_HOSPITAL, FIRST_HOSPITAL + size["hospitals"]),
        np.arange(first_centre, first_centre + centres),
        unconnected,
        first_centre,
        codes,
        [v[1] for v in village],
        of_village,
        np.array(village_org),
        first_centre + of_village,
        share / share.sum(),
        [TOWNSHIPS[i] + kinds[i] for i in range(centres)],
        township_teams,
    )


def _villages(centres: int, stations: int, rng: np.random.Generator) -> list[tuple[int, str, bool]]:
    """(township, name, has its own station): one residents' committee a township is served by the centre itself."""
    names = [a + b for a in HEADS for b in TAILS]
    order = rng.permutation(len(names))
    out: list[tuple[int, str, bool]] = []
    for township in range(centres):
        out.append((township, names[order[len(out)]] + "社区", False))
        here = stations // centres + (township < stations % centres)
        for _ in range(here):
            out.append((township, names[order[len(out)]] + "村", True))
    return out


def _village_codes(county_code: str, township: np.ndarray) -> list[str]:
    """Last three digits: 001–099 residents' committee, 101–199 village (GEN-02 of the national specification)."""
    codes: list[str] = []
    seen: dict[int, int] = {}
    for t in township.tolist():
        seen[t] = seen.get(t, -1) + 1
        codes.append(f"{county_code}{t + 1:03}{(1 if seen[t] == 0 else 100 + seen[t]):03}")
    return codes


def _tiles(count: int) -> list[tuple[int, int]]:
    """Cells of a blob on a square grid, nearest to the middle first: a schematic map, no real boundary."""
    side = int(np.ceil(np.sqrt(count))) + 2
    middle = (side - 1) / 2
    cells = sorted(
        ((x - middle) ** 2 + 1.3 * (y - middle) ** 2 + 0.01 * x, x, y) for x in range(side) for y in range(side)
    )
    chosen = sorted((y, x) for _, x, y in cells[:count])
    left, top = min(x for _, x in chosen), min(y for y, _ in chosen)
    return [(x - left, y - top) for y, x in chosen]


def _places(
    p: Parameters,
    organisations: pl.DataFrame,
    first_centre: int,
    kinds: list[str],
    village: list[tuple[int, str, bool]],
    codes: list[str],
    village_org: list[int],
) -> pl.DataFrame:
    """Tiles of a township are on the county's grid; those of a village on the grid of its township."""
    county_code, org = p("county.code"), organisations["code"].to_list()
    rows: list[tuple[str, str, str, str, int | None, int | None]] = [
        (county_code, p("county.name"), "", org[BUREAU], None, None)
    ]
    for i, (x, y) in enumerate(_tiles(len(kinds))):
        rows.append((f"{county_code}{i + 1:03}", TOWNSHIPS[i] + kinds[i], county_code, org[first_centre + i], x, y))
    for i in range(len(kinds)):
        own = [k for k, v in enumerate(village) if v[0] == i]
        for k, (x, y) in zip(own, _tiles(len(own)), strict=True):
            rows.append((codes[k], village[k][1], f"{county_code}{i + 1:03}", org[village_org[k]], x, y))
    schema = ["code", "name", "parent_code", "organisation_code", "tile_x", "tile_y"]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _teams(
    organisations: pl.DataFrame,
    first_centre: int,
    centres: int,
    count: int,
    village_org: np.ndarray,
    township: np.ndarray,
) -> tuple[pl.DataFrame, list[np.ndarray]]:
    """Teams sit at the stations of their township in turn; the index lists say which teams a township has."""
    org, names = organisations["code"].to_list(), organisations["name"].to_list()
    rows: list[tuple[str, str, str]] = []
    by_township: list[np.ndarray] = []
    for t in range(centres):
        here = count // centres + (t < count % centres)
        seats = village_org[(township == t) & (village_org != first_centre + t)]
        by_township.append(np.arange(len(rows), len(rows) + here))
        for k in range(here):
            seat = int(seats[k % len(seats)])
            rows.append((f"T{t + 1:02}{k + 1:02}", f"{names[first_centre + t]}家庭医生团队{k + 1}", org[seat]))
    return pl.DataFrame(rows, schema=["code", "name", "organisation_code"], orient="row"), by_township


def _sources(organisations: pl.DataFrame) -> pl.DataFrame:
    """PH: public health. Hospitals: HIS (FHIR, HL7v2 where older) and LIS, the first also IPD, an old ward system."""
    rows = [("PH", "区域基本公共卫生服务系统", organisations["code"][CDC], 48)]
    hospital = centre = 0
    for code, name, kind, connected in organisations.select("code", "name", "kind", "connected").iter_rows():
        if kind == "hospital":
            hospital += 1
            rows.append((f"HIS{hospital:02}", f"{name}信息系统", code, 48))
            rows.append((f"LIS{hospital:02}", f"{name}检验系统", code, 48))
            if hospital == 1:
                rows.append(("IPD01", f"{name}住院系统（旧）", code, 72))
        elif kind == "township":
            centre += 1
            if connected:
                rows.append((f"CHC{centre:02}", f"{name}门诊系统", code, 48))
    return pl.DataFrame(rows, schema=["code", "name", "organisation_code", "expected_every_hours"], orient="row")
