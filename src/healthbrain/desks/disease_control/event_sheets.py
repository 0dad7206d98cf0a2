"""Forms about the event itself: verified, described, judged, reported, warned of, closed."""

from __future__ import annotations

from healthbrain.desks.disease_control import words
from healthbrain.desks.disease_control.asked import Asked
from healthbrain.desks.disease_control.forms import Answers, Item, Sheet, options
from healthbrain.desks.i18n import said, t
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import fieldwork, papers, response
from healthbrain.surveillance.models import OutgoingReport


def verify(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        confirmed = a.text("confirmed") == "yes"
        response.verify_event(
            by=asked.by,
            event_id=asked.event.pk,
            at=asked.at,
            confirmed=confirmed,
            reason=a.text("reason"),
            disease=a.text("disease") if confirmed else None,
        )
        return (
            t("已确认，分级和上报时限已算好", "Confirmed; grade and deadline are set")
            if confirmed
            else t("已排除", "Excluded")
        )

    return Sheet(
        t("核实事件", "Verify the event"),
        [
            Item(
                "confirmed",
                t("结论", "Verdict"),
                "choice",
                [("yes", t("确认", "Confirm")), ("no", t("排除", "Exclude"))],
                "yes",
                True,
            ),
            Item("disease", t("病种", "Disease"), "choice", words.disease_options(), asked.event.disease),
            Item(
                "reason",
                t("依据", "Grounds"),
                "area",
                required=True,
                hint=t("电话、现场、检测各看到什么", "What the call, the visit and the laboratory found"),
            ),
        ],
        t("保存核实结论", "Save the verdict"),
        then,
    )


def describe(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        response.describe_event(
            by=asked.by,
            event_id=asked.event.pk,
            at=asked.at,
            title=a.text("title") or asked.event.title,
            disease=a.text("disease"),
            setting=a.text("setting"),
            place_words=a.text("place_words"),
            population=a.number("population"),
        )
        return t("已修改", "Changed")

    event = asked.event
    return Sheet(
        t("修改事件信息", "Describe the event"),
        [
            Item("title", t("名称", "Title"), value=event.title, required=True),
            Item("disease", t("病种", "Disease"), "choice", words.disease_options(), event.disease),
            Item("setting", t("场所", "Setting"), "choice", options(handbook.words("settings")), event.setting),
            Item(
                "place_words",
                t("具体位置", "Where exactly"),
                value=event.place_words,
                hint=t("年级、班级、楼栋", "Grade, class, building"),
            ),
            Item(
                "population",
                t("暴露人数", "Persons exposed"),
                "number",
                value=event.population or "",
                unit=t("人", "people"),
            ),
        ],
        t("保存", "Save changes"),
        then,
    )


def risk(asked: Asked) -> Sheet:
    departments = handbook.words("departments")

    def then(a: Answers) -> str:
        opinions = [{"department": key, "tier": a.text("tier"), "text": a.text(f"o-{key}")} for key in departments]
        fieldwork.assess_risk(
            by=asked.by,
            event_id=asked.event.pk,
            tier=a.text("tier"),
            reason=a.text("reason"),
            at=asked.at,
            likelihood=a.text("likelihood"),
            impact=a.text("impact"),
            opinions=opinions,
        )
        return t("已保存风险研判", "Risk saved")

    tiers = handbook.words("risk")
    levels = [("low", t("低", "Low")), ("medium", t("中", "Medium")), ("high", t("高", "High"))]
    return Sheet(
        t("风险研判", "Assess the risk"),
        [
            Item("tier", t("风险等级", "Tier"), "choice", options(tiers["tiers"]), "medium", True),
            Item("likelihood", t("扩散可能性", "Likelihood"), "choice", levels, "medium"),
            Item("impact", t("后果", "Impact"), "choice", levels, "low"),
            Item("reason", t("依据", "Grounds"), "area", required=True),
            *(Item(f"o-{key}", t("{d}意见", "{d}: opinion", d=said(name))) for key, name in departments.items()),
        ],
        t("保存研判", "Save the judgement"),
        then,
        note=words.source_words(tiers["source"], tiers["verified"]),
    )


def edit_report(asked: Asked) -> Sheet:
    row: OutgoingReport = asked.one(asked.room.reports)

    def then(a: Answers) -> str:
        papers.edit_report(by=asked.by, report_id=row.pk, text=a.text("text"), at=asked.at)
        return t("草稿已修改", "Draft changed")

    return Sheet(
        t("修改报告草稿", "Edit the draft"),
        [
            Item("text", t("内容", "Text"), "area", value=row.text, required=True),
        ],
        t("保存草稿", "Save the draft"),
        then,
    )


def entered(asked: Asked) -> Sheet:
    row: OutgoingReport = asked.one(asked.room.reports)

    def then(a: Answers) -> str:
        papers.mark_reported(by=asked.by, report_id=row.pk, at=asked.at, number=a.text("number"))
        return t("已标记：已由本人在国家系统填报", "Marked as entered by you in the national system")

    return Sheet(
        t("已由本人在国家系统填报", "Entered by me in the national system"),
        [
            Item(
                "number",
                t("国家系统里的编号", "Its number there"),
                hint=t("本系统不向国家系统发送任何数据", "We send nothing there"),
            ),
        ],
        t("标记已填报", "Mark as entered"),
        then,
    )


def warning(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        papers.form_warning(
            by=asked.by,
            kind=a.text("kind"),
            title=a.text("title"),
            text=a.text("text"),
            at=asked.at,
            event_id=asked.event.pk,
            tier=a.text("tier"),
        )
        return t("预警已形成，还没有发送", "Formed, not sent yet")

    title = said(handbook.title(asked.event.disease, asked.event.syndrome))
    return Sheet(
        t("形成预警", "Form a warning"),
        [
            Item("kind", t("种类", "Kind"), "choice", options(handbook.words("warnings")), "hint", True),
            Item("tier", t("风险等级", "Tier"), "choice", options(handbook.words("risk")["tiers"]), "medium"),
            Item("title", t("标题", "Title"), value=t("{d}防控提示", "{d}: what to do", d=title), required=True),
            Item(
                "text",
                t("内容", "Text"),
                "area",
                required=True,
                hint=t("发生了什么、意味着什么、请做什么", "What happened, what it means, what to do"),
            ),
        ],
        t("形成预警", "Form the warning"),
        then,
    )


def close(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        response.close_event(by=asked.by, event_id=asked.event.pk, at=asked.at, summary=a.text("summary"))
        return t("已结案，结案报告已拟好", "Closed; the closing report is drafted")

    return Sheet(
        t("结案", "Close the event"),
        [
            Item(
                "summary",
                t("小结", "Summary"),
                "area",
                required=True,
                hint=t("末例后多久没有新病例、原因、教训", "How long without a new case, the cause, what was learnt"),
            ),
        ],
        t("结案", "Close the event"),
        then,
    )


def reopen(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        response.reopen_event(by=asked.by, event_id=asked.event.pk, at=asked.at, reason=a.text("reason"))
        return t("事件已重新打开", "Reopened")

    return Sheet(
        t("重新打开事件", "Reopen the event"),
        [Item("reason", t("原因", "Why"), required=True)],
        t("重新打开", "Reopen the event"),
        then,
    )
