"""Masking of personal data: the default on every screen; the whole value needs a reason and is audited."""

from __future__ import annotations


def mask_name(name: str | None) -> str:
    """张三 → 张*, 张小明 → 张*明, 欧阳建国 → 欧**国."""
    if not name:
        return "—"
    if len(name) == 1:
        return name
    if len(name) == 2:
        return name[0] + "*"
    return name[0] + "*" * (len(name) - 2) + name[-1]


def mask_id_number(number: str | None) -> str:
    """First three and last four characters stay."""
    if not number:
        return "—"
    return number if len(number) <= 7 else number[:3] + "*" * (len(number) - 7) + number[-4:]


def mask_phone(phone: str | None) -> str:
    """138****5678."""
    if not phone:
        return "—"
    return phone if len(phone) < 8 else phone[:3] + "****" + phone[-4:]
