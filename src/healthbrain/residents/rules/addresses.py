"""Addresses as the matcher sees them: variants of one address written alike, and its door numbers."""

from __future__ import annotations

import re
import unicodedata

_REGION = re.compile(r"^(.{2,8}?省)?(.{2,6}?市)?(.{2,6}?(县|(?<!小)(?<!社)(?<!园)区|市))?")
_NOISE = re.compile(r"[\s,。;:、，；：.()()（）_/]+")
_GROUP = re.compile(r"第(?=[\d一二三四五六七八九十〇零百]+(?:村民)?小?组)|(?:村民)?小(?=组)")
_SHARED = re.compile(r"\d(组|社|队|幢|栋|座|号楼|单元|弄|楼|层)$")  # what many doors stand behind
_DOOR = re.compile(r"号楼|单元|大道|村委会|居委会|门牌|[幢栋座号室组层楼#＃-]+")
_NUMERAL = re.compile(r"[一二三四五六七八九十〇零百]+(?=号|幢|栋|座|单元|室|组|层|楼|弄|队)")
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0}


def _number(text: str) -> str:
    """Chinese numerals below a thousand in figures: 二十三 → 23, 一〇二 → 102."""
    if not set(text) & set("十百"):
        return "".join(str(_DIGITS[character]) for character in text)
    total, digit = 0, 0
    for character in text:
        if character in "十百":
            total += (digit or 1) * (10 if character == "十" else 100)
            digit = 0
        else:
            digit = _DIGITS[character]
    return str(total + digit)


def key(text: str | None) -> str:
    """What stays of an address when region, punctuation and the words for door and storey are taken off.

    One that ends with something many households share (a villagers' group, a building) keeps a dash there.
    """
    if not text:
        return ""
    plain = _GROUP.sub("", _NOISE.sub("", unicodedata.normalize("NFKC", text)))
    plain = _NUMERAL.sub(lambda found: _number(found.group()), plain)
    plain = _REGION.sub("", plain, count=1) or plain
    return _DOOR.sub("-", plain).strip("-") + ("-" if _SHARED.search(plain) else "")


def doors(address_key: str) -> str:
    """The numbers of an address in order: 3-2-501. Empty when they lead to no single door."""
    return "" if address_key.endswith("-") else "-".join(re.findall(r"\d+", address_key))
