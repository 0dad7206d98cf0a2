"""The "who looked" list in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from healthbrain.access.roles import PURPOSES, ROLES
from healthbrain.audit.queries import AuditRow
from healthbrain.desks.i18n import english, moment, t
from healthbrain.kernel.clock import COUNTY_ZONE

ACTIONS = {  # verb.noun of the audit log → words
    "record.open": ("打开档案", "opened the record"),
    "record.print": ("打印档案", "printed the record"),
    "record.reveal": ("显示完整信息", "showed a whole value"),
    "record.break_glass": ("紧急打开档案", "opened it in an emergency"),
    "record.take_along": ("带走随访表，在没有网络处使用", "took the visit form along, for use without network"),
    "record.form": ("记录随访", "recorded a visit"),
    "records.record_form": ("记录随访", "recorded a visit"),
    "residents.merge": ("合并档案", "merged records"),
    "residents.unmerge": ("拆分档案", "split the record"),
    "residents.undo": ("撤销合并或拆分", "undid a merge or split"),
    "review.open": ("复核时看过身份信息", "saw the identity in a match review"),
    "residents.review": ("复核是否同一人", "decided whether two entries are one person"),
    "people.list": ("看名单", "saw a list with this person"),
    "proxy.grant": ("登记代办授权", "registered who may act"),
    "proxy.revoke": ("撤回代办授权", "ended who may act"),
    "proxy.document_open": ("看代办证明文件", "saw the paper of who may act"),
    "proxy.use": ("代办时打开页面", "opened a page on behalf"),
    "transport.ask": ("询问转运车次", "asked for transport"),
    "transport.book": ("预约转运", "booked transport"),
    "transport.cancel": ("取消转运", "cancelled transport"),
    "transport.open": ("看转运预约", "saw a transport booking"),
    "transport.rate": ("评价转运", "rated a transport"),
    "transport.restore": ("恢复转运预约", "brought a booking back"),
    "transport.change": ("改转运时间", "moved a transport"),
    "transport.phoned": ("电话告知转运变动", "phoned about a transport"),
    "transport.settle": ("结算转运费用", "settled a transport fee"),
    "transport.set_off": ("转运车出发来接", "set off to fetch him"),
    "transport.pick_up": ("转运上车", "took him on board"),
    "transport.deliver": ("转运送达", "set him down"),
    "transport.no_show": ("转运没接到人", "found nobody to fetch"),
    "homecare.apply": ("申请居家护理", "applied for home care"),
    "homecare.withdraw": ("撤回居家护理申请", "withdrew an application for home care"),
    "homecare.open": ("看居家护理记录", "saw a home-care record"),
    "homecare.record": ("记录居家护理", "recorded a home visit"),
    "homecare.recommend": ("推荐居家护理", "recommended home care"),
    "homecare.admit": ("建立家庭病床", "opened a home bed"),
    "homecare.decline": ("答复不收治", "declined home care"),
    "homecare.review": ("复评护理目标", "reviewed the goals of care"),
    "homecare.discharge": ("撤销家庭病床", "closed the home bed"),
    "homecare.urgent": ("安排加急上门", "planned an urgent visit"),
    "homecare.arrive": ("护士上门到达", "arrived for a visit"),
    "homecare.no_show": ("上门时家中无人", "found nobody at home"),
    "homecare.photo": ("上门拍照", "took a picture at the visit"),
    "homecare.photo_open": ("看上门照片", "saw a picture of a visit"),
}
FIELDS = {
    "name": ("姓名", "name"),
    "id_number": ("身份证号", "ID number"),
    "phone": ("电话", "phone"),
    "address": ("住址", "address"),
}


@dataclass(frozen=True, slots=True)
class Look:
    id: int
    at_words: str
    actor: str
    role_words: str
    action_words: str
    purpose_words: str
    detail_words: str


def action_words(action: str) -> str:
    zh, en = ACTIONS.get(action, (action, action))
    return t(zh, en)


def _detail(row: AuditRow) -> str:
    field = FIELDS.get(str(row.detail.get("field", "")))
    behalf = t("受委托代办", "on behalf of the resident") if "proxy" in row.detail else ""
    named = row.detail.get("agent") and t("代办人 {name}", "agent {name}", name=row.detail["agent"])
    page = row.subject if row.action == "proxy.use" else ""
    parts = [t(*field) if field else "", behalf, str(named or ""), page, str(row.detail.get("reason", ""))]
    return " · ".join(filter(None, parts))


def in_words(rows: Iterable[AuditRow]) -> list[Look]:
    """Audit rows as a person reads them, in county time."""
    found = []
    for row in rows:
        role = ROLES.get(row.role)
        local = row.at.astimezone(COUNTY_ZONE)
        year = "" if english() else f"{local.year}年"
        found.append(
            Look(
                id=row.id,
                at_words=f"{year}{moment(local)}" + (f" {local.year}" if english() else ""),
                actor=row.actor,
                role_words=t(role.zh, role.en) if role else row.role,
                action_words=action_words(row.action),
                purpose_words=t(*PURPOSES[row.purpose]) if row.purpose in PURPOSES else row.purpose or "—",
                detail_words=_detail(row),
            )
        )
    return found
