"""Make knowledge/matching/similar_glyphs.txt: for each common character, those that look most like it.

Every character of GB 2312 level 1, and rarer ones that names use, is drawn, blurred and compared: the whole glyph, and
its right and lower halves, which typists and character recognition keep while they mistake the rest. Needs Pillow and
a Chinese font: `python scripts/similar_glyphs.py FONT.ttc`. Run by hand when the table of characters changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

NEIGHBOURS = 14
SIZE, SMALL = 64, 32
OUT = Path(__file__).parents[1] / "src" / "healthbrain" / "knowledge" / "matching" / "similar_glyphs.txt"
RARE = (
    "彧昱煜晔烨炜玮珏琰瑾瑜璇璐琦琪珂珺玥玟琬琨瑞钰铭钧锴锋鑫淼森焱垚昊旻旸晗晟晞曦暄皓浚淇淳湉沁泓洵滢潇灏芊芃苒茜荃莎菡萱蓓蔓薇蕾妍妤姝娅"
    "婉婧嫣媛羿翊翌翎翰祺禧笙筱箐綦纭绮绫缇聿臻芮茗逸遥邈郁酉钊铄锦闵阅霁霖霏颀颢馨骁骏鹏麒黛戌戍孑仝伫佘侬俪倩偲傅僖儒冼凇刈劭勖匡卉厍叵囡囯"
    "圻埏堃墉奕妘妮娴婕嬅孜宓宸尧屹岑峻嵘嵩巍弪彤忐恺悝愫懋戬扈捷擎昕昶晁晏晖晰暲杞栩桓梓梵楷槿樾橦殷毓汐汨沅沣沩泠洺浠涓涵淙渌渲湄溪滟漪澍"
    "炘烜焓煊熠燚爻犇珉珩琛琮琳琹瑄瑶璟甯畅皑皎盱睿矜砚磊祎祯禹秣稷穆竺筠粲絮纾羲翡耿聪苡苪荀荧莅莹菊菲葳蒨蓁蔚蕙藜虔蟠衍衿裴褚觅诩诺谌谟豫赟"
    "跞轶辕迪迩逯邢邰郝郦酆采鄢钗钲铎铖铠锌锐镕阚陌隗雍雯霈靓靖韫韬颉颍颖飏骐骥鲍鸢鸾黎龚"
)


def characters() -> list[str]:
    """GB 2312 level 1, row by row, then the rarer ones."""
    common = []
    for high in range(0xB0, 0xD8):
        for low in range(0xA1, 0xFF):
            try:
                common.append(bytes([high, low]).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return list(dict.fromkeys([*common, *RARE]))


def drawn(texts: list[str], font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Blurred glyphs, one SMALL × SMALL image each."""
    images = []
    for text in texts:
        image = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(image).text((4, -8), text, font=font, fill=255)
        small = image.filter(ImageFilter.GaussianBlur(1.6)).resize((SMALL, SMALL))
        images.append(np.asarray(small, dtype=np.float32))
    return np.stack(images)


def alike(images: np.ndarray) -> np.ndarray:
    """Correlation of every two images."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(0)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat @ flat.T


def main(font: str) -> None:
    texts = characters()
    images = drawn(texts, ImageFont.truetype(font, 56, index=2))
    half = SMALL // 2
    score = alike(images) + np.maximum(alike(images[:, :, half - 3 :]), alike(images[:, half - 1 :, :]))
    np.fill_diagonal(score, -9)
    near = np.argsort(-score, axis=1)[:, :NEIGHBOURS]
    found: dict[str, set[str]] = {}
    for row, text in enumerate(texts):
        for column in near[row]:
            first, second = sorted((text, texts[column]))
            found.setdefault(first, set()).add(second)
    lines = (f"{text}{''.join(sorted(found[text]))}\n" for text in sorted(found))
    OUT.write_text("".join(lines), "utf-8")
    print(sum(map(len, found.values())), "pairs", OUT.stat().st_size, "bytes")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
