"""Pictures people send: checked, turned upright, stripped of everything but the picture.

What a phone writes beside the picture (place, time, device) is not kept.
"""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from healthbrain.kernel.errors import Invalid

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 60_000_000  # of a phone's largest picture; a small file that claims more is a bomb
QUALITY = 88
_strict = threading.Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """megabytes: of a file that comes; side: longest side kept in pixels; least: shortest side accepted."""

    megabytes: float
    side: int
    least: int


def opened(data: bytes, limits: Limits) -> Image.Image:
    """A picture turned upright, its longest side within the limit. Raises Invalid saying what is wrong with it."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise Invalid("照片是空的 The picture is empty")
    if len(data) > limits.megabytes * 1_000_000:
        raise Invalid(
            f"照片超过 {limits.megabytes:g} MB Larger than {limits.megabytes:g} MB",
            hint="请用手机普通画质重拍 take it smaller",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise Invalid("照片像素过大 Too many pixels")
            _load_whole(picture)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError as error:
        raise Invalid(
            "不是 JPEG、PNG 或 WebP 照片 No JPEG, PNG or WebP picture",
            hint="苹果手机请在“设置-相机-格式”选“兼容性最佳” on an iPhone choose Most Compatible",
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Invalid("照片文件损坏，请重拍 The picture is broken: take it again") from error
    if min(upright.size) < limits.least:
        raise Invalid(f"照片太小，短边至少 {limits.least} 像素 Too small: {limits.least} pixels at least")
    upright.thumbnail((limits.side, limits.side))
    return upright


def _load_whole(picture: Image.Image) -> None:
    """Decode it all. The PDF library tells Pillow, for the whole process, to fill what is missing with grey: here a
    picture that breaks off is refused. Raises OSError."""
    from PIL import ImageFile

    with _strict:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            picture.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
