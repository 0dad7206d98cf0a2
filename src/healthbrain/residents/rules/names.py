"""Chinese names as the matcher sees them: one clean form, pinyin, what sounds like it, what looks like it."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from healthbrain.residents.rules.characters import VARIANT_OF, alike

_DOTS = "·•・‧∙⋅●。.．｡丶"
_BLANKS = re.compile(r"[\s\u200b\ufeff]+")
_REMARK = re.compile(r"[((\[【].*?[))\]】]|\d+$")
_TONES = str.maketrans("āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüńňǹḿ", "aaaaeeeeiiiioooouuuuvvvvvnnnm")
_NOT_LETTER = re.compile(r"[^a-z]+")

# Readings of a character as a surname where they differ from its most common reading (Xinhua dictionary).
SURNAME_READINGS = dict(
    pair.split("=")
    for pair in (  # noqa: SIM905
        "单=shan 曾=zeng 仇=qiu 解=xie 朴=piao 区=ou 查=zha 任=ren 华=hua 盖=ge 缪=miao 洗=xian 冼=xian 覃=qin "
        "员=yun 召=shao 乜=nie 翟=zhai 纪=ji 燕=yan 种=chong 秘=bi 繁=po 折=she 黑=he 盛=sheng 石=shi 褚=chu "
        "能=nai 逄=pang 隗=wei 郗=xi 佴=nai 句=gou 那=na 宁=ning 车=che 柏=bai 乐=yue 祭=zhai 晁=chao 牟=mu "
        "应=ying 谌=chen 薄=bo 尉=wei 万=wan 沈=shen 贾=jia 叶=ye 阚=kan 过=guo 教=jiao 曲=qu 宿=su 邵=shao "
        "尹=yin 撒=sa 洪=hong 重=chong 长=zhang 瞿=qu 台=tai 都=du 费=fei 卜=bu 卞=bian 牛=niu 参=shen 钻=zuan "
        "行=xing 适=kuo 炅=gui 眭=sui 妫=gui 芮=rui 郇=xun 亓=qi"
    ).split()
)
COMPOUND_SURNAMES = dict(
    pair.split("=")
    for pair in (  # noqa: SIM905
        "欧阳=ouyang 司马=sima 上官=shangguan 诸葛=zhuge 夏侯=xiahou 东方=dongfang 皇甫=huangfu 尉迟=yu.chi "
        "公孙=gongsun 慕容=murong 令狐=linghu 宇文=yuwen 长孙=zhang.sun 司徒=situ 司空=sikong 端木=duanmu "
        "南宫=nangong 澹台=tantai 万俟=mo.qi 闻人=wenren 轩辕=xuanyuan 申屠=shentu 西门=ximen 东郭=dongguo "
        "独孤=dugu 呼延=huyan 百里=baili 淳于=chunyu 单于=chan.yu 太叔=taishu 钟离=zhongli 濮阳=puyang "
        "赫连=helian 拓跋=tuoba 公羊=gongyang 公冶=gongye 宗政=zongzheng 鲜于=xianyu 仲孙=zhongsun 第五=diwu "
        "梁丘=liangqiu 左丘=zuoqiu 东门=dongmen 南门=nanmen 完颜=wanyan"
    ).split()
)
# A newborn before it has a name is written as its mother's child; that is nobody's name.
_UNNAMED = re.compile(
    r".*之[大小长次双]?[子女婴]([一二三甲乙AB])?|.*(婴儿|新生儿|宝宝|毛毛头|小毛头)|未命名|未取名|无名氏?|不详|未知|无|佚名|.*某+"
)
_NEWBORN = re.compile(r".*之[大小长次双]?[子女婴].*|.*(婴儿|新生儿|宝宝|毛毛头|小毛头)|未命名|未取名")
WHOLE = 3  # characters from which on a name inside a longer one is a name, not a part of one
LONGEST = 6  # characters of a name in which look-alikes are sought; the SQL twin looks no further
# Sounds that eastern dialects and hurried typists do not keep apart.
_NEAR_SOUNDS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"), ("yu", "y"), ("lv", "lu"), ("l", "n"), ("hu", "f"))


@dataclass(frozen=True, slots=True)
class NameForm:
    """`name` tidied; the rest is derived from it. All empty when there is no usable name."""

    name: str = ""
    pinyin: str = ""  # all syllables joined: zhangxiaoming
    surname: str = ""  # pinyin of the surname
    given: str = ""  # pinyin of the given name
    initials: str = ""  # zxm


@functools.cache
def _readings() -> dict[int, str]:
    """Each character's most common reading without tone, for `str.translate`."""
    from pypinyin.constants import PINYIN_DICT

    return {code: readings.split(",")[0].translate(_TONES) + " " for code, readings in PINYIN_DICT.items()}


def tidy(text: str | None) -> str:
    """One writing of a name: half-width, no blanks between characters, one kind of middle dot, no remark behind it."""
    if not text:
        return ""
    name = _REMARK.sub("", unicodedata.normalize("NFKC", text).strip())
    for dot in _DOTS:
        name = name.replace(dot, "·")
    name = name.strip("·")
    if name.isascii():
        return _BLANKS.sub(" ", name.replace("·", " ").replace(",", " ")).strip().upper()
    return _BLANKS.sub("", name)


def clean(text: str | None) -> str:
    """`tidy`, simplified characters, no middle dot (买买提·阿依 and 买买提阿依): what names are compared by."""
    name = "".join(VARIANT_OF.get(character, character) for character in tidy(text)).replace("·", "")
    return unicodedata.normalize("NFKC", name)  # what stood between a letter and its accent is gone


def is_unnamed(name: str) -> bool:
    """Whether a (cleaned) name is a stand-in: 王芳之子, 新生儿, 未知."""
    return not name or _UNNAMED.fullmatch(name) is not None


def is_newborn(name: str) -> bool:
    """Whether a (cleaned) stand-in is a child's: a number that comes with it may be its mother's."""
    return _NEWBORN.fullmatch(name) is not None


def within(a: str, b: str) -> bool:
    """Whether one name is the other cut short (阿依古丽 of 阿依古丽买买提) or behind a husband's surname (王李秀英)."""
    short, long = sorted((a, b), key=len)
    if len(short) < WHOLE or len(short) == len(long):
        return False
    return long.startswith(short) or (len(long) == len(short) + 1 and long.endswith(short))


def syllables(name: str) -> list[str]:
    """Pinyin of each character; the words of a name in Latin letters."""
    if name.isascii():
        return name.lower().split()
    return name.translate(_readings()).replace("·", " ").split()


def sorted_syllables(name: str) -> str:
    """Equal for any order of a name's characters, and for characters that sound alike."""
    return " ".join(sorted(syllables(name)))


def _chinese(name: str) -> NameForm:
    compound = COMPOUND_SURNAMES.get(name[:2]) if len(name) > 2 else None
    surname = (compound or "").replace(".", "") or SURNAME_READINGS.get(name[0]) or (syllables(name[0]) or [""])[0]
    given = syllables(name[2:] if compound else name[1:])
    parts = compound.split(".") if compound and "." in compound else syllables(name[:2])
    heads = [part[0] for part in parts] if compound else [surname[:1]]
    joined = _NOT_LETTER.sub("", "".join(given).lower())
    initials = "".join(heads) + "".join(s[0] for s in given)
    return NameForm(name, surname + joined, surname, joined, initials.lower())


def _latin(name: str) -> NameForm:
    words = [w for w in (_NOT_LETTER.sub("", w.translate(_TONES)) for w in name.lower().split()) if w]
    given = "".join(words[1:])
    return NameForm(name, "".join(words), words[0] if words else "", given, "".join(w[0] for w in words))


@functools.lru_cache(maxsize=65536)
def form(text: str | None) -> NameForm:
    """The tidied name and its sounds."""
    name = tidy(text)
    if not name:
        return NameForm()
    return _latin(name) if name.isascii() else _chinese(name)


def near_sound(pinyin: str) -> str:
    """Pinyin with the pairs that dialects merge made one: zhang and zan, lin and nin are the same."""
    for sound, merged in _NEAR_SOUNDS:
        pinyin = pinyin.replace(sound, merged)
    return pinyin


def letters(pinyin: str) -> str:
    """The letters in alphabetical order: equal for any order of the parts of a name."""
    return "".join(sorted(pinyin))


def looks_like(a: str, b: str) -> bool:
    """Whether two names differ in one character only, and by a look-alike."""
    if len(a) != len(b) or len(a) > LONGEST:
        return False
    differing = [x + y for x, y in zip(a, b, strict=True) if x != y]
    return len(differing) == 1 and differing[0] in alike()
