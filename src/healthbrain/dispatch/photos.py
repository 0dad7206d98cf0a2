"""Pictures of home visits: checked, turned upright, stripped of everything but the picture, kept under their own hash.

A file's name is the hash of its bytes, so the same picture is stored once and a changed one cannot pass for it. What a
phone writes beside the picture (place, time, device) is not kept. Files are readable by the installation's user only;
pages hand them out through `queries.homecare_record.photo`, which asks the gate and writes the audit log.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.kernel.crypto import digest
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.kernel.home import folder

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 60_000_000  # of a phone's largest picture; a small file that claims more is a bomb
THUMB = 320
QUALITY = 88
_strict = threading.Lock()


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as kept: hash in hex, size in pixels and bytes."""

    digest: str
    width: int
    height: int
    bytes: int


def store(data: bytes) -> Stored:
    """Check a picture and keep it with its thumbnail. Raises Invalid saying what is wrong with it."""
    picture = _opened(data)
    side = int(knowledge.figure("photo_side"))
    picture.thumbnail((side, side))
    whole, small = _jpeg(picture), picture.copy()
    small.thumbnail((THUMB, THUMB))
    name = digest(whole).hex()
    _write(_path(name, thumb=False), whole)
    _write(_path(name, thumb=True), _jpeg(small))
    return Stored(name, picture.width, picture.height, len(whole))


def read(name: str, *, thumb: bool = False) -> bytes:
    """The JPEG kept under a hash. Raises NotFound, also when the bytes are no longer what was kept."""
    path = _path(name, thumb=thumb)
    if not path.exists():
        raise NotFound(
            "照片文件不在数据目录里 The picture's file is missing", hint="请从备份恢复 restore it from a backup"
        )
    data = path.read_bytes()
    if not thumb and digest(data).hex() != name:
        raise NotFound("照片文件已被改动 The picture's file was changed", hint="请从备份恢复 restore it from a backup")
    return data


def _load_whole(picture: Image.Image) -> None:
    """Decode it all. The PDF library tells Pillow, for the whole process, to fill what is missing with grey: here a
    picture that breaks off is refused. Raises OSError."""
    with _strict:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            picture.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _opened(data: bytes) -> Image.Image:
    megabytes = knowledge.figure("photo_megabytes")
    if not data:
        raise Invalid("照片是空的 The picture is empty")
    if len(data) > megabytes * 1_000_000:
        raise Invalid(
            f"照片超过 {megabytes:g} MB Larger than {megabytes:g} MB", hint="请用手机普通画质重拍 take it smaller"
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
    least = int(knowledge.figure("photo_least"))
    if min(upright.size) < least:
        raise Invalid(f"照片太小，短边至少 {least} 像素 Too small: {least} pixels at least")
    return upright


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _path(name: str, *, thumb: bool) -> Path:
    return folder("photos", name[:2]) / f"{name}{'.thumb' if thumb else ''}.jpg"


def _write(path: Path, data: bytes) -> None:
    """All or nothing: a crash leaves no half picture under a whole picture's name."""
    if path.exists():
        return
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
