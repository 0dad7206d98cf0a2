"""Tables of numbers, names, dates and addresses, as a registrar would check them by hand."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.residents.rules import addresses, id_number, moon, names
from healthbrain.residents.rules.clusters import Edge, cluster
from healthbrain.residents.rules.compare import ADDRESS, ALIKE_NAMES, BORN, NAME, NUMBER
from healthbrain.residents.rules.person import person


@pytest.mark.parametrize(
    ("text", "number", "born", "sex"),
    [
        # The two worked examples of GB 11643-1999 annex.
        ("11010519491231002X", "11010519491231002X", dt.date(1949, 12, 31), "2"),
        ("440524188001010014", "440524188001010014", dt.date(1880, 1, 1), "1"),
        ("11010519491231002x", "11010519491231002X", dt.date(1949, 12, 31), "2"),
        ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X", dt.date(1949, 12, 31), "2"),
        ("'110105 19491231 002X", "11010519491231002X", dt.date(1949, 12, 31), "2"),
        ("110105491231002", "11010519491231002X", dt.date(1949, 12, 31), "2"),
    ],
)
def test_numbers_that_hold(text, number, born, sex):
    parsed = id_number.parse(text)
    assert parsed is not None
    assert (parsed.number, parsed.birth_date, parsed.sex) == (number, born, sex)


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "110105194912310021",
        "11010519491331002X",
        "110105194902300022",
        "1101051949123100",
        "无",
        "000000000000000000",
    ],
)
def test_numbers_that_do_not_hold(text):
    assert id_number.parse(text) is None


@given(st.dates(dt.date(1900, 1, 1), dt.date(1999, 12, 31)), st.integers(0, 995))
def test_a_number_survives_its_first_generation_form(born, sequence):
    number = id_number.make("330197", born, sequence)
    short = number[:6] + number[8:17]
    assert id_number.parse(short) == id_number.parse(number)
    assert id_number.parse(number).birth_date == born
    assert id_number.parse(number).sex == "21"[sequence % 2]


@given(st.dates(dt.date(1900, 1, 1), dt.date(2025, 12, 31)), st.integers(0, 999), st.integers(0, 16), st.integers(1, 9))
def test_no_single_wrong_digit_passes_the_check(born, sequence, place, by):
    number = id_number.make("330199", born, sequence)
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert id_number.parse(wrong) is None


@pytest.mark.parametrize(
    ("text", "tidy", "pinyin", "initials"),
    [
        ("单 雄信", "单雄信", "shanxiongxin", "sxx"),
        ("曾国", "曾国", "zengguo", "zg"),
        ("仇英", "仇英", "qiuying", "qy"),
        ("解晓东", "解晓东", "xiexiaodong", "xxd"),
        ("欧阳明", "欧阳明", "ouyangming", "oym"),
        ("尉迟恭", "尉迟恭", "yuchigong", "ycg"),
        ("单于明", "单于明", "chanyuming", "cym"),
        ("阿依古丽.买买提", "阿依古丽·买买提", "ayigulimaimaiti", "ayglmmt"),
        ("阿依古丽•买买提", "阿依古丽·买买提", "ayigulimaimaiti", "ayglmmt"),
        ("Zhang Xiaoming", "ZHANG XIAOMING", "zhangxiaoming", "zx"),
        ("张三(女)", "张三", "zhangsan", "zs"),
        ("吕 布", "吕布", "lvbu", "lb"),
        ("", "", "", ""),
    ],
)
def test_names(text, tidy, pinyin, initials):
    form = names.form(text)
    assert (form.name, form.pinyin, form.initials) == (tidy, pinyin, initials)


@pytest.mark.parametrize("name", ["王芳之子", "李丽之大女", "新生儿", "未命名", "张某某", "不详", "陈静宝宝", ""])
def test_stand_ins_are_nobodys_name(name):
    assert names.is_unnamed(name)


@pytest.mark.parametrize("name", ["王之涣", "李子", "张宝宝贝", "无忌", "之子君"])
def test_names_that_only_look_like_stand_ins(name):
    assert not names.is_unnamed(name)


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        ("张伟", "张 伟", "exact"),
        ("張偉", "张伟", "exact"),
        ("张伟", "章玮", "homophone"),
        ("张小明", "Zhang Xiaoming", "homophone"),
        ("王未", "王末", "look-alike"),
        ("陈晨", "陈辰", "homophone"),
        ("李娜", "李哪", "homophone"),
        ("刘芳", "刘芬", "look-alike"),
        ("张小明", "小明张", "order"),
        ("张小明", "张明小", "order"),
        ("Xiaoming Zhang", "张小明", "order"),
        ("朱开方", "章福凯", "else"),  # zhukaifang, zhangfukai: the same letters
        ("张琳", "张玲", "sound"),
        ("张小明", "张明", "one-off"),
        ("张佳怡", "张佳悦", "one-off"),
        ("张佳怡", "李佳怡", "given"),
        ("蔣穎瑩", "蒋颖莹", "exact"),
        ("阿依古丽·买买提", "阿依古丽买买提", "exact"),
        ("阿依古丽•买买提", "阿依古丽", "within"),
        ("王李秀英", "李秀英", "within"),
        ("王芳", "王芳芳", "one-off"),
        ("王芳之子", "新生儿", "unnamed"),
        ("张伟", "张敏", "surname"),
        ("张伟", "李娜", "else"),
    ],
)
def test_how_two_names_compare(a, b, level):
    left, right = person(id=1, name=a), person(id=2, name=b)
    assert NAME.outcome(left, right).key == level
    assert NAME.outcome(right, left).key == level


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        ("19850312", "19850312", "exact"),
        ("19850312", "19851203", "swapped"),
        ("19850312", "19850313", "digit"),
        ("19850312", "19580312", "transposed"),
        ("19850312", "19850321", "transposed"),
        ("19850412", "19850214", "transposed"),
        ("19850101", "19850312", "placeholder"),
        ("19850101", "19850101", "placeholder"),
        ("19850312", "19850727", "year"),
        ("19850312", "19850325", "month"),
        ("19890312", "19900312", "next-year"),
        ("19860804", "19860629", "moon"),  # 1986, sixth month, 29th day
        ("19860125", "19851216", "moon"),  # before New Year: the moon's year is still 1985 …
        ("19860125", "19861216", "moon"),  # … and registers write that of the sun too
        ("20200523", "20200401", "moon"),  # the leap fourth month
        ("19850312", "19600727", "else"),
    ],
)
def test_how_two_birth_dates_compare(a, b, level):
    assert BORN.outcome(person(id=1, birth_date=a), person(id=2, birth_date=b)).key == level


def test_a_birthday_by_the_moon_calendar_is_as_the_almanac_says():
    # New Year's days as the State Council gave them for the Spring Festival holidays.
    for day in ("20230122", "20240210", "20250129", "20260217", "19490129", "20000205"):
        assert moon.of(day) == day[:4] + "0101"
    assert moon.of("") == moon.of("18500101") == moon.of("99991231") == ""


def _with(number: str, born: str, name: str, raw: str | None = None):
    return person(id=1, name=name, birth_date=born, id_number=number or None, id_number_raw=raw)


def test_how_two_numbers_compare():
    mine, other = (
        id_number.make("330197", dt.date(1985, 3, 12), 321),
        id_number.make("330197", dt.date(1985, 3, 12), 322),
    )
    typo = mine[:14] + mine[15] + mine[14] + mine[16:]
    me = _with(mine, "19850312", "王芳")
    assert NUMBER.outcome(me, _with(mine, "19850312", "王芳")).key == "same"
    assert NUMBER.outcome(me, _with("", "19850312", "王芳", typo)).key == "typo"
    assert NUMBER.outcome(me, _with(other, "19850312", "王芳")).key == "conflict"
    assert NUMBER.outcome(me, _with("", "19850312", "王芳")) is None
    newborn = _with(mine, "20260301", "王小宝")
    assert not newborn.own
    assert NUMBER.outcome(me, newborn) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("浙江省杭州市安澜区临江镇东村12号", "临江镇东村十二号"),
        ("安澜区东方小区3幢2单元501室", "东方小区 3-2-501"),
        ("东方小区3号楼2单元501", "东方小区３幢２单元５０１室"),
        ("临江镇北村一百零二号", "临江镇北村102号"),
        ("清溪镇上塘村第八村民小组一百零二号", "清溪镇上塘村８组１０２号"),
        ("清溪镇上塘村8小组102", "清溪镇上塘村八组102号"),
    ],
)
def test_variants_of_one_address(a, b):
    assert addresses.key(a) == addresses.key(b)


@pytest.mark.parametrize(
    ("address", "doors"),
    [("上塘村8组102号", "8-102"), ("上塘村8组", ""), ("东方小区3幢", ""), ("东方小区3幢2单元501室", "3-2-501"),
     ("人民路12弄", ""), ("人民路12号", "12"), ("县福利院", ""), ("清溪镇上塘村", "")],
)  # fmt: skip
def test_only_what_leads_to_one_door_is_a_door(address, doors):
    assert addresses.doors(addresses.key(address)) == doors


def _address(a, b):
    left, right = (person(id=n, address=place, division_code=code) for n, (place, code) in enumerate((a, b)))
    level, turned = ADDRESS.outcome(left, right), ADDRESS.outcome(right, left)
    assert level is turned
    return level and level.key


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        (("上塘村8组102号", "330197101"), ("上塘村8组102号", "330197101"), "same"),
        (("上塘村8组102号", "330197101"), ("上塘村8组102号", "330197102"), "else"),  # another township's 上塘
        (("上塘村8组102号", "330197101"), ("上塘8组102", "330197101"), "doors"),
        (("上塘村8组102号", ""), ("清溪镇上塘村8组102号", "330197101"), "doors"),
        (("上塘村8组", "330197101"), ("上塘村8组", "330197101"), "village"),  # thirty households
        (("县福利院", ""), ("县福利院", ""), "village"),
        (("上塘村8组102号", ""), (None, "330197101"), None),  # text against code: nothing is said
        ((None, "330197101201"), ("上塘村8组102号", "330197101201"), "village"),
    ],
)
def test_how_two_addresses_compare(a, b, level):
    assert _address(a, b) == level


EDGES = [Edge(1, 2, 9.0), Edge(2, 3, 8.0), Edge(3, 4, 7.0), Edge(5, -10, 6.0), Edge(4, 5, 5.0), Edge(4, -11, 4.0)]


def test_no_group_ever_holds_two_valid_numbers():
    numbers = {1: "A", 4: "B"}
    found = cluster(EDGES[:3], numbers=numbers, births={}, foes={})
    assert found.root_of[1] == found.root_of[2] == found.root_of[3] != found.root_of[4]
    assert found.refused == [Edge(3, 4, 7.0)]


def test_two_residents_are_never_united_by_the_matcher():
    found = cluster(EDGES, numbers={}, births={}, foes={})
    assert {node for node, root in found.root_of.items() if root == -10} == {1, 2, 3, 4, 5, -10}
    assert found.refused == [Edge(4, -11, 4.0)]


def test_what_a_steward_called_different_stays_apart():
    found = cluster(EDGES[:2], numbers={}, births={}, foes={1: frozenset({3}), 3: frozenset({1})})
    assert found.root_of[1] != found.root_of[3]


def _groups(edges):
    found = cluster(edges, numbers={1: "A", 4: "B", 6: "A"}, births={}, foes={2: frozenset({6}), 6: frozenset({2})})
    roots = sorted(found.root_of)
    return {frozenset(n for n in roots if found.root_of[n] == found.root_of[m]) for m in roots}


@given(st.permutations([Edge(a, b, float(a * 7 % 5 + b)) for a, b in itertools.combinations(range(1, 7), 2)]))
def test_groups_do_not_depend_on_the_order_of_the_pairs(edges):
    assert _groups(edges) == _groups(sorted(edges, key=lambda e: e.left))


def test_names_that_are_the_same_name_written_wrongly():
    assert {level.key for level in NAME.levels} - ALIKE_NAMES == {"unnamed", "one-off", "given", "surname", "else"}
