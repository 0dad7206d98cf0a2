"""Chinese names by birth cohort, and the ways a clerk gets them wrong."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from pypinyin import lazy_pinyin

# Order of size in Zhejiang: 陈 is the largest (Ministry of Public Security 2019); shares follow a rank law fitted to
# two published facts, top 100 = 85.9 % and sum of squares 0.0268.
SURNAMES = (
    "陈王张李徐沈吴朱周胡俞叶林许金刘钱赵孙黄蒋杨蔡郑何方潘戴章傅马陆汪姚赖施楼冯严裘高谢罗郭余洪董梁杜邵应范夏韩唐倪毛诸"
    "宋曹包阮邱顾曾鲍卢丁程苏萧任宣骆邬魏项翁屠池梅江史凌童田石葛温郎柯柴卓桑单华袁谭贾康尹邓侯熊孟秦白邹薛龙段雷钟"
    "虞娄祝占褚竺来劳丰寿茅舒庄费闻干应岑裴樊巫鲁甘符莫房游詹欧牟纪滕左崔常乔齐庞兰向牛安乐于付伍祁米贝明臧计伏成谈"
    "茹强路危颜支咎管经解宗宓蓬全郗班仰秋仲伊宫宁仇栾暴钭厉戎祖武景束幸司韶郜黎蓟薄印宿怀蒲邰从鄂索咸籍"
)
GIVEN = {
    (
        "1",
        0,
    ): "根荣祥福生兴法海水金宝富贵有财元德仁义忠良才庆寿松柏泉林土木火阿关永长连炳炎灿焕尧舜禹汤茂盛昌隆顺利来阳明清善正方国家邦民安康乐发达光宗耀祖",
    (
        "2",
        0,
    ): "英珍凤仙花香菊梅兰桂芬芳秀素云彩翠玉珠宝金银娥美丽琴阿妹囡大小惠爱莲荷桃杏柳月月娟宝娣招来根水仁雅文静慧贤淑贞洁巧娜秋冬春夏",
    (
        "1",
        1,
    ): "建国军华平伟强明勇志刚峰民东红兵卫革文海林庆祥永新利江波涛忠良成春生荣根泉水法兴富国生才德宏亮辉斌武立正方家光耀跃进援朝向阳胜利开天全",
    (
        "2",
        1,
    ): "红英华芳萍丽霞燕琴珍玲娟美秀菊梅兰凤云桂芬爱国玉平小亚建卫群惠敏月仙素香春花雅文静莉莲娥娣佩水金青秋慧贞琼素珠彩翠飞虹露晓",
    (
        "1",
        2,
    ): "杰伟超鹏斌磊俊波涛浩刚峰勇军强辉明亮晓飞宇翔凯锋健龙洋帆坤鑫毅栋威旭东晨阳亚江海涛国庆建永志文武立佳祥荣海良剑钢炜烨彬琦琪航雷霆震",
    (
        "2",
        2,
    ): "婷丽娜燕静敏莉洁琼瑶霞艳倩雯玲蓉蕾芳红梅晓佳琳琴慧颖媛莎萍云丹薇妮娟君雪莹璐露双双思嘉亚飞海虹青春兰美彩巧婕琪琦珊姗怡虹月",
    (
        "1",
        3,
    ): "宇轩浩然子涵梓睿俊杰泽博文昊天辰奕豪铭晨逸皓瑞佳煜霖嘉懿景一诺柏屿熙承安以宸恒哲翰墨言谦知远行舟弘毅书航启乐凡可思源沐阳晟烨楷桐诚彦",
    (
        "2",
        3,
    ): "欣怡梓涵子萱雨桐诗琪语嫣可馨佳怡思雅依诺若曦芷若汐玥沐瑶悦妍心蕊一诺艺涵雅静书瑶清妙钰灵婉婷颖彤珂舒念安安澜苒柠夏晴朵琳菲乐溪茉",
}
# Share of one-character given names by cohort: common only among people born about 1970–95.
SINGLE = (0.06, 0.14, 0.30, 0.06)
COHORT_FROM = (1900, 1958, 1978, 2003)
LOOK_ALIKE = (
    "晓-哓 日-曰 己-已 未-末 王-玉 土-士 干-千 林-琳 杨-扬 陈-阵 徐-涂 孙-逊 沈-沉 朱-米 胡-湖 方-万 周-同 金-全 "
    "钱-线 何-河 潘-蟠 余-佘 戴-截 章-童 姚-桃 汪-江 陆-际 蒋-将 蔡-菜 许-汗 俞-喻 叶-吐 鑫-金 婷-停 玲-铃 娟-捐 "
    "梅-悔 明-朋 刚-钢 伟-纬 芳-芬 燕-雁 峰-锋 海-悔 荣-荧 祥-样 根-银 英-央 珍-诊 凤-风 菊-匊 兰-三 秀-季 琴-琹 "
    "国-囯 平-乎 华-毕 军-车 强-弪 志-忐 建-健 红-江 丽-俪 霞-暇 萍-苹 静-净 敏-繁 杰-木 超-赵 鹏-朋 磊-垒 俊-浚 "
    "波-坡 涛-寿 浩-皓 宇-字 轩-轻 梓-锌 涵-函 睿-容 欣-炘 怡-冶 雨-两 桐-铜 诗-持 琪-棋 可-司 佳-隹 思-恩 瑶-摇"
)


@cache
def _surnames() -> tuple[list[str], np.ndarray]:
    unique = list(dict.fromkeys(SURNAMES))
    weight = 1.0 / (np.arange(len(unique)) + 2.75) ** 1.10
    return unique, np.cumsum(weight / weight.sum())


@cache
def _given() -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    """All characters once; for each (cohort × 2 + sex − 1) the indices into them and the cumulative weights."""
    every = list(dict.fromkeys("".join(GIVEN.values())))
    place = {char: i for i, char in enumerate(every)}
    members, edges = [], []
    for cohort in range(4):
        for sex in ("1", "2"):
            own = list(dict.fromkeys(GIVEN[sex, cohort]))
            near = [c for other in (cohort - 1, cohort + 1) for c in GIVEN.get((sex, other), "") if c not in own]
            chars = own + list(dict.fromkeys(near))
            weight = np.r_[1.0 / (np.arange(len(own)) + 18.0) ** 0.7, np.full(len(chars) - len(own), 0.022)]
            members.append(np.array([place[c] for c in chars]))
            edges.append(np.cumsum(weight / weight.sum()))
    return every, members, edges


def cohort(year: np.ndarray) -> np.ndarray:
    return (np.searchsorted(COHORT_FROM, year, side="right") - 1).clip(0, 3)


def draw_surnames(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.searchsorted(_surnames()[1], rng.random(n)).clip(0, len(_surnames()[0]) - 1)


def draw_given(rng: np.random.Generator, sex: np.ndarray, year: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second given-name character (index + 1; 0 = none)."""
    every, members, edges = _given()
    group = cohort(year) * 2 + (sex == 2)
    first, second = np.zeros(len(sex), np.int32), np.zeros(len(sex), np.int32)
    u, v, single = rng.random(len(sex)), rng.random(len(sex)), rng.random(len(sex))
    for g in range(8):
        at = np.flatnonzero(group == g)
        last = len(members[g]) - 1
        first[at] = members[g][np.searchsorted(edges[g], u[at]).clip(0, last)] + 1
        second[at] = members[g][np.searchsorted(edges[g], v[at]).clip(0, last)] + 1
    second[single < np.array(SINGLE)[group // 2]] = 0
    return first, second


def surnames(index: np.ndarray) -> pl.Series:
    return pl.Series(_surnames()[0]).gather(index)


def given(index: np.ndarray) -> pl.Series:
    return pl.Series(["", *_given()[0]]).gather(index)


@cache
def homophones() -> dict[str, str]:
    """Another character of our lists with the same pinyin, tones aside: what is heard, not what is written."""
    every = list(dict.fromkeys("".join(_given()[0])))
    groups: dict[str, list[str]] = {}
    for char in every:
        groups.setdefault(lazy_pinyin(char)[0], []).append(char)
    return {c: g[(i + 1) % len(g)] for g in groups.values() if len(g) > 1 for i, c in enumerate(g)}


@cache
def look_alikes() -> dict[str, str]:
    pairs = [pair.split("-") for pair in LOOK_ALIKE.split()]
    return {b: a for a, b in pairs} | dict(pairs)
