"""Forms of field work: contacts, samples, measures."""

from __future__ import annotations

from healthbrain.desks.disease_control import words
from healthbrain.desks.disease_control.asked import Asked
from healthbrain.desks.disease_control.forms import Answers, Item, Sheet, local_minute, options
from healthbrain.desks.i18n import said, t
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import fieldwork
from healthbrain.surveillance.actions.fieldwork import ContactInput


def contacts(asked: Asked) -> Sheet:
    days = handbook.diseases().get(asked.event.disease, {}).get("incubation_days")

    def then(a: Answers) -> str:
        last = a.date("last_contact_on") or asked.now.date()
        rows = [
            ContactInput(
                parts[0],
                last,
                phone=parts[1] if len(parts) > 1 else None,
                relation=a.text("relation"),
                group=a.text("group"),
                case_id=a.number("case"),
            )
            for line in a.text("people").splitlines()
            if (parts := line.replace("，", " ").replace(",", " ").split())
        ]
        count = fieldwork.add_contacts(
            by=asked.by, event_id=asked.event.pk, rows=rows, at=asked.at, days=a.number("days")
        )
        return t("已登记 {n} 名密切接触者", "{n} contacts added", n=count)

    return Sheet(
        t("登记密切接触者", "Add contacts"),
        [
            Item("people", t("姓名和电话，一行一人", "Name and phone, one a line"), "area", required=True),
            Item("case", t("接触的病例", "Contact of"), "choice", [("", "—"), *asked.case_options()]),
            Item("relation", t("关系", "Relation"), hint=t("同桌、同寝、家人", "Desk mate, room mate, family")),
            Item("group", t("班级或部门", "Class or unit")),
            Item(
                "last_contact_on",
                t("末次接触", "Last contact"),
                "date",
                value=asked.now.date().isoformat(),
                required=True,
            ),
            Item(
                "days",
                t("随访天数", "Days to follow up"),
                "number",
                value=days or "",
                required=not days,
                unit=t("天", "days"),
                hint=t("默认为最长常见潜伏期", "By default the longest usual incubation"),
            ),
        ],
        t("登记并开始随访", "Add and follow up"),
        then,
    )


def sample(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        fieldwork.take_sample(
            by=asked.by,
            event_id=asked.event.pk,
            code=a.text("code"),
            kind=a.text("kind"),
            test=a.text("test"),
            taken_at=a.moment("taken_at") or asked.now,
            at=asked.at,
            laboratory=a.text("laboratory"),
            case_id=a.number("case"),
        )
        return t("已登记标本", "Sample recorded")

    disease = said(handbook.title(asked.event.disease, asked.event.syndrome))
    return Sheet(
        t("登记采样", "Record a sample"),
        [
            Item("code", t("标本编号", "Label"), required=True),
            Item("kind", t("标本", "Specimen"), "choice", options(handbook.words("specimens")), "stool"),
            Item(
                "case",
                t("病例", "Case"),
                "choice",
                [("", t("环境或食品", "Environment or food")), *asked.case_options()],
            ),
            Item("taken_at", t("采样时间", "Taken at"), "moment", value=local_minute(asked.now), required=True),
            Item("test", t("检测项目", "Test"), value=disease),
            Item("laboratory", t("送检实验室", "Laboratory")),
        ],
        t("登记标本", "Record the sample"),
        then,
    )


def result(asked: Asked) -> Sheet:
    row = asked.one(asked.room.samples)

    def then(a: Answers) -> str:
        fieldwork.record_result(
            by=asked.by,
            sample_id=row.pk,
            result=a.text("result"),
            result_at=a.moment("result_at") or asked.now,
            at=asked.at,
            note=a.text("note"),
        )
        return t("已登记检测结果", "Result recorded")

    shown = [(k, t(zh, en)) for k, (_, zh, en) in words.RESULTS.items() if k != "pending"]
    return Sheet(
        t("标本 {c} 的结果", "Result of {c}", c=row.code),
        [
            Item(
                "result",
                t("结果", "Result"),
                "choice",
                shown,
                "positive",
                True,
                hint=t("阳性会把来源病例改为确诊", "Positive confirms the case it came from"),
            ),
            Item("result_at", t("报告时间", "Reported at"), "moment", value=local_minute(asked.now)),
            Item("note", t("备注", "Note")),
        ],
        t("保存结果", "Save the result"),
        then,
    )


def measure(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        fieldwork.order_measure(
            by=asked.by,
            event_id=asked.event.pk,
            kind=a.text("kind"),
            at=asked.at,
            text=a.text("text"),
            owner=a.text("owner"),
            deadline=a.instant("deadline"),
        )
        return t("已部署措施", "Measure ordered")

    return Sheet(
        t("部署措施", "Order a measure"),
        [
            Item("kind", t("措施", "Measure"), "choice", options(handbook.measures()), "disinfection", True),
            Item("text", t("具体要求", "What exactly"), "area", hint=t("留空用措施名称", "Empty: the measure's name")),
            Item("owner", t("责任单位或人", "Owner"), hint=t("留空用常规责任方", "Empty: the usual one")),
            Item("deadline", t("完成期限", "Deadline"), "moment", hint=t("留空用常规时限", "Empty: the usual time")),
        ],
        t("部署这项措施", "Order this measure"),
        then,
    )


def finish(asked: Asked) -> Sheet:
    row = asked.one(asked.room.measures)

    def then(a: Answers) -> str:
        fieldwork.finish_measure(by=asked.by, measure_id=row.pk, evidence=a.text("evidence"), at=asked.at)
        return t("措施已完成：{x}", "Done: {x}", x=row.text)

    return Sheet(
        t("完成：{x}", "Finish: {x}", x=row.text),
        [
            Item(
                "evidence",
                t("完成的依据", "What shows it is done"),
                "area",
                required=True,
                hint=t("记录、照片编号、现场人员", "Record, photo number, who was there"),
            ),
        ],
        t("标为完成", "Mark as done"),
        then,
    )


def cancel(asked: Asked) -> Sheet:
    row = asked.one(asked.room.measures)

    def then(a: Answers) -> str:
        fieldwork.cancel_measure(by=asked.by, measure_id=row.pk, reason=a.text("reason"), at=asked.at)
        return t("已取消措施", "Measure cancelled")

    return Sheet(
        t("取消：{x}", "Cancel: {x}", x=row.text),
        [Item("reason", t("原因", "Why"), required=True)],
        t("取消这项措施", "Cancel this measure"),
        then,
    )
