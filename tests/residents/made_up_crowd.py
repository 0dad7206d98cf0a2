"""A made-up crowd with labelled duplicates: the error kinds of a county's registration desks.

Independent of `healthbrain.demo`: its own look-alikes and homophones,
so that the matcher is not measured by its own table.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, replace

import polars as pl

from healthbrain.residents.rules import id_number

# Shares per thousand of the commonest surnames (Ministry of Public Security name report, rounded).
SURNAMES = (  # noqa: SIM905
    "王 71 李 71 张 67 刘 54 陈 53 杨 31 黄 23 赵 21 吴 20 周 20 徐 17 孙 16 马 13 朱 13 胡 12 郭 12 何 11 高 "
    "10 林 10 罗 9 郑 9 梁 8 谢 8 宋 7 唐 7 许 7 韩 6 冯 6 邓 6 曹 6 彭 6 曾 6 肖 6 田 5 董 5 袁 5 潘 5 于 5 "
    "蒋 5 蔡 5 余 5 杜 4 叶 4 程 4 苏 4 魏 4 吕 4 丁 4 任 4 沈 4 姚 4 卢 4 姜 4 崔 3 钟 3 谭 3 陆 3 汪 3 范 3 "
    "金 3 石 3 廖 3 贾 3 夏 3 韦 3 付 3 方 3 白 3 邹 3 孟 3 熊 3 秦 3 邱 3 江 3 尹 2 薛 2 闫 2 段 2 雷 2 侯 2 "
    "龙 2 史 2 陶 2 黎 2 贺 2 顾 2 毛 2 郝 2 龚 2 邵 2 万 2 钱 2 严 2 覃 2 欧阳 1 单 1 仇 1"
).split()
MALE = (
    "伟强磊军勇杰涛明超刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢建国志文东海峰成亮民光荣祥福贵永生根宝庆"
    "荣良春新元松柏泽轩子豪博然一诺"
)
FEMALE = (
    "芳娜敏静丽艳娟霞秀英燕玲桂兰红梅婷雪琳慧莹洁玉萍倩颖丹蓉凤云莉珍琴香月菊翠芬美佳怡欣妍梓涵雨晨诗琪可"
    "馨梦瑶思语嘉悦晓春花爱巧素"
)
HOMOPHONES = {
    "伟": "玮", "强": "蔷", "军": "君", "勇": "永", "杰": "洁", "涛": "滔", "明": "鸣", "超": "抄", "辉": "晖",
    "鹏": "朋", "华": "骅", "飞": "妃", "鑫": "欣", "波": "博", "斌": "彬", "宇": "雨", "浩": "皓", "健": "建",
    "俊": "骏", "帆": "凡", "旭": "绪", "芳": "方", "敏": "皿", "静": "净", "丽": "莉", "艳": "燕", "娟": "鹃",
    "霞": "侠", "秀": "绣", "英": "瑛", "玲": "铃", "桂": "贵", "兰": "澜", "红": "虹", "梅": "玫", "婷": "亭",
    "琳": "林", "慧": "惠", "莹": "盈", "玉": "钰", "萍": "平", "颖": "影", "丹": "单", "蓉": "容", "凤": "奉",
    "云": "芸", "珍": "真", "琴": "勤", "文": "纹", "海": "孩", "峰": "锋", "成": "诚", "良": "梁", "春": "椿",
    "松": "淞", "泽": "择", "子": "紫", "佳": "家", "怡": "仪", "欣": "新", "涵": "含", "晨": "辰", "诗": "师",
    "琪": "其", "瑶": "遥", "思": "丝", "嘉": "佳", "悦": "月", "张": "章", "陈": "谌", "徐": "许", "余": "于",
}  # fmt: skip
LOOK_ALIKES = {
    "娜": "哪", "静": "净", "玉": "王", "兰": "三", "莉": "利", "凤": "风", "明": "朋", "春": "舂", "根": "跟",
    "永": "水", "建": "健", "荣": "菜", "杰": "木", "未": "末", "俊": "骏", "晨": "辰", "清": "请", "芳": "芬",
    "颖": "颍", "雪": "雷", "海": "侮", "帆": "帜", "秀": "季", "婷": "停", "佳": "住", "元": "无", "良": "艮",
    "成": "戍", "浩": "洁", "怡": "恰", "梅": "悔", "桂": "挂", "辉": "挥", "波": "披", "栋": "拣", "子": "孑",
    "汪": "江", "崔": "催", "侯": "候", "范": "苑", "贾": "贵", "贺": "货", "邱": "丘", "薛": "薜", "袁": "哀",
    "刘": "列", "吕": "品", "陈": "阵",
}  # fmt: skip
KINDS = ("homophone", "look-alike", "order", "birth-digits", "day-month", "phone-changed", "phone-reused", "address",
         "id-15",
         "id-typo", "sparse", "spaces")  # fmt: skip


@dataclass(frozen=True)
class Row:
    person: int
    source: str
    source_id: str
    name: str
    sex: str
    birth_date: dt.date | None
    id_number: str | None
    phone: str | None
    address: str | None
    division_code: str | None
    kind: str = ""


class Crowd:
    """Families in villages, with twins and shared phones; then what the systems wrote about them."""

    def __init__(self, people: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.people: list[Row] = []
        weights = [int(w) for w in SURNAMES[1::2]]
        while len(self.people) < people:
            self._family(self.rng.choices(SURNAMES[::2], weights)[0])

    def _phone(self) -> str:
        return f"1{self.rng.choice('3578')}{self.rng.randrange(10**9):09d}"

    def _given(self, sex: str) -> str:
        pool = MALE if sex == "1" else FEMALE
        one = self.rng.choices(pool, [1 / (i + 4) for i in range(len(pool))])[0]
        if self.rng.random() < 0.17:
            return one
        return self.rng.choice(MALE + FEMALE) + one

    def _person(self, surname: str, born: dt.date, phone: str | None, address: str, division: str) -> Row:
        sex = self.rng.choice("12")
        number = id_number.make("330197", born, self.rng.randrange(500) * 2 + (sex == "1"))
        key = len(self.people)
        row = Row(key, "", "", surname + self._given(sex), sex, born, number, phone or self._phone(), address, division)
        self.people.append(row)
        return row

    def _family(self, surname: str) -> None:
        rng = self.rng
        village = rng.randrange(60)
        division = f"330197{100 + village // 6}{200 + village}"
        town = f"{'临东西南北新'[village % 6]}{'江湖山'[village % 3]}镇"
        hamlet = f"{'金银铜铁锡玉石'[village % 7]}{'桥村塘'[village % 3]}村"
        address = f"浙江省安澜市安澜区{town}{hamlet}{rng.randrange(1, 400)}号"
        born = dt.date(1935, 1, 1) + dt.timedelta(days=rng.randrange(30_000))
        phone = self._phone()
        self._person(surname, born, phone, address, division)
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
            child = born + dt.timedelta(days=rng.randrange(7_000, 14_000))
            if child > dt.date(2026, 6, 1):
                continue
            shared = phone if rng.random() < 0.5 else None
            self._person(surname, child, shared, address, division)
            if rng.random() < 0.02:
                self._person(surname, child, shared, address, division)

    def first(self, row: Row, copy: int) -> Row:
        """What a system wrote without an error: some fields it never asks for."""
        rng = self.rng
        return replace(
            row, source=f"system-{rng.randrange(6)}", source_id=f"{row.person}-{copy}",
            id_number=row.id_number if rng.random() < 0.85 else None,
            phone=row.phone if rng.random() < 0.85 else None,
            address=row.address if rng.random() < 0.8 else None,
            division_code=row.division_code if rng.random() < 0.7 else None,
        )  # fmt: skip

    def spoilt(self, row: Row, kind: str) -> Row:
        """The same with one error of a kind; unchanged where the kind does not apply."""
        rng, name = self.rng, row.name
        match kind:
            case "homophone" | "look-alike":
                table = HOMOPHONES if kind == "homophone" else LOOK_ALIKES
                places = [i for i, c in enumerate(name) if c in table]
                if places:
                    place = rng.choice(places)
                    name = name[:place] + table[name[place]] + name[place + 1 :]
                return replace(row, name=name)
            case "order":
                return replace(row, name=name[1:] + name[0])
            case "spaces":
                return replace(row, name=name[0] + " " + name[1:])
            case "birth-digits":
                return replace(row, birth_date=self._wrong_date(row.birth_date))
            case "day-month" if row.birth_date.day <= 12:
                return replace(
                    row, birth_date=row.birth_date.replace(month=row.birth_date.day, day=row.birth_date.month)
                )
            case "phone-changed":
                return replace(row, phone=self._phone())
            case "phone-reused":
                return replace(row, phone=rng.choice(self.people).phone)
            case "address":
                moved = (row.address or "").removeprefix("浙江省安澜市").replace("号", "")
                return replace(row, address=moved or None)
            case "id-15" if row.id_number and row.birth_date.year < 2000:
                return replace(row, id_number=row.id_number[:6] + row.id_number[8:17])
            case "id-typo" if row.id_number:
                i = rng.randrange(6, 17)
                return replace(row, id_number=row.id_number[:i] + str(rng.randrange(10)) + row.id_number[i + 1 :])
            case "sparse":
                return replace(row, id_number=None, phone=None, address=None, division_code=None)
        return row

    def _wrong_date(self, date: dt.date) -> dt.date:
        text = f"{date:%Y%m%d}"
        while True:
            i = self.rng.randrange(2, 7)
            tried = (
                text[:i] + text[i + 1] + text[i] + text[i + 2 :]
                if self.rng.random() < 0.5
                else (text[:i] + str(self.rng.randrange(10)) + text[i + 1 :])
            )
            try:
                return dt.date(int(tried[:4]), int(tried[4:6]), int(tried[6:]))
            except ValueError:
                continue


def identities(people: int, seed: int, *, copies: float = 2.0, errors: float = 0.06) -> pl.DataFrame:
    """Rows of all systems with `person` (truth) and `kind` (the error planted)."""
    crowd, rows = Crowd(people, seed), []
    for person in crowd.people[:people]:
        written = 1 + sum(crowd.rng.random() < copies / 4 for _ in range(4))
        for copy in range(written):
            rows.append(crowd.first(person, copy))
        if crowd.rng.random() < errors * written:
            row, made = crowd.first(person, written), []
            for kind in crowd.rng.sample(KINDS, 2 if crowd.rng.random() < 0.2 else 1):
                changed = crowd.spoilt(row, kind)
                if changed != row:
                    row, made = changed, [*made, kind]
            rows.append(replace(row, kind="+".join(made) or "none"))
    frame = pl.DataFrame([[getattr(r, f) for f in Row.__dataclass_fields__] for r in rows], orient="row",
                         schema={f: pl.Date if f == "birth_date" else pl.Int64 if f == "person" else pl.Utf8
                                 for f in Row.__dataclass_fields__})  # fmt: skip
    return frame.with_row_index("id", offset=1).with_columns(pl.col("id").cast(pl.Int64))
