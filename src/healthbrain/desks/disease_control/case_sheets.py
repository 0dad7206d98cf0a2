"""Forms about cases: added, imported, corrected, asked, linked."""

from __future__ import annotations

from healthbrain.desks.disease_control import words
from healthbrain.desks.disease_control.asked import Asked
from healthbrain.desks.disease_control.forms import Answers, Item, Sheet, local_minute, options
from healthbrain.desks.i18n import said, t
from healthbrain.kernel.errors import NotFound
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import cases
from healthbrain.surveillance.rules.case_rows import CaseInput


def case(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        row = CaseInput(
            name=a.text("name"),
            sex=a.text("sex") or "0",
            age=a.number("age"),
            id_number=a.text("id_number") or None,
            phone=a.text("phone") or None,
            group=a.text("group"),
            household=a.text("household"),
            onset_at=a.moment("onset_at"),
            classification=a.text("classification") or "suspected",
            symptoms=tuple(a.many("symptoms")),
            hospitalised=a.text("hospitalised") == "yes",
        )
        done = cases.add_cases(by=asked.by, event_id=asked.event.pk, rows=[row], at=asked.at)
        return _outcome(done)

    groups = [(group, group) for group in asked.event.groups]
    return Sheet(
        t("添加病例", "Add a case"),
        [
            Item("name", t("姓名", "Name"), required=True),
            Item(
                "sex",
                t("性别", "Sex"),
                "choice",
                [("1", t("男", "M")), ("2", t("女", "F")), ("0", t("不详", "Unknown"))],
                "1",
            ),
            Item("age", t("年龄", "Age"), "number", unit=t("岁", "years")),
            Item(
                "group",
                t("班级或部门", "Class or unit"),
                "choice" if groups else "text",
                [("", "—"), *groups] if groups else (),
            ),
            Item("household", t("寝室或家庭", "Dormitory or household")),
            Item("onset_at", t("发病时间", "Onset"), "moment", required=True),
            Item("symptoms", t("症状", "Symptoms"), "choices", options(handbook.words("symptoms"))),
            Item(
                "classification",
                t("病例分类", "Classification"),
                "choice",
                options(handbook.words("classes")),
                "suspected",
            ),
            Item("hospitalised", t("住院", "In hospital"), "choice", _yes_no(), "no"),
            Item("id_number", t("身份证号", "ID number"), hint=t("填了就与居民索引核对", "Checked against the index")),
            Item("phone", t("电话", "Phone")),
        ],
        t("添加这个病例", "Add this case"),
        then,
    )


def import_cases(asked: Asked) -> Sheet:
    def then(a: Answers) -> str:
        file = a.files.get("file")
        if file is None:
            raise NotFound(t("请选择文件", "Choose a file"))
        done = cases.import_cases(
            by=asked.by, event_id=asked.event.pk, name=file.name or "", data=file.read(), at=asked.at
        )
        return _outcome(done)

    return Sheet(
        t("导入病例名单", "Import a line list"),
        [
            Item("file", t("文件（.xlsx 或 .csv）", "File (.xlsx or .csv)"), "file", required=True),
        ],
        t("导入名单", "Import the list"),
        then,
        note="template",
    )


def _outcome(done: cases.Outcome) -> str:
    said_now = t(
        "共 {n} 行：入库 {s}，待核对身份 {w}，重复 {d}，退回 {r}",
        "{n} rows: {s} stored, {w} waiting, {d} duplicate, {r} rejected",
        n=done.rows_in,
        s=done.stored,
        w=done.waiting,
        d=done.duplicates,
        r=done.rejected,
    )
    why = [t("第 {n} 行：{w}", "line {n}: {w}", n=line, w=said(text)) for line, _, text in done.rejects[:5]]
    return "；".join([said_now, *why])


def _yes_no() -> list[tuple[str, str]]:
    return [("no", t("否", "No")), ("yes", t("是", "Yes"))]


def correct(asked: Asked) -> Sheet:
    row = asked.one(asked.room.cases)

    def then(a: Answers) -> str:
        cases.correct_case(
            by=asked.by,
            case_id=row.id,
            at=asked.at,
            group=a.text("group"),
            household=a.text("household"),
            onset_at=a.moment("onset_at"),
            visit_at=a.moment("visit_at"),
            symptoms=a.many("symptoms"),
            hospitalised=a.text("hospitalised") == "yes",
            outcome=a.text("outcome"),
        )
        return t("已更正 {n} 号病例", "Case {n} corrected", n=row.number)

    kept = [(code, code) for code in row.symptoms if code not in handbook.words("symptoms")]
    return Sheet(
        t("更正 {n} 号病例 {x}", "Correct case {n} {x}", n=row.number, x=row.name),
        [
            Item("group", t("班级或部门", "Class or unit"), value=row.group),
            Item("household", t("寝室或家庭", "Dormitory or household"), value=row.household),
            Item(
                "onset_at", t("发病时间", "Onset"), "moment", value=local_minute(row.onset_at) if row.onset_at else ""
            ),
            Item(
                "visit_at", t("就诊时间", "Visit"), "moment", value=local_minute(row.visit_at) if row.visit_at else ""
            ),
            Item(
                "symptoms",
                t("症状", "Symptoms"),
                "choices",
                [*options(handbook.words("symptoms")), *kept],
                list(row.symptoms),
            ),
            Item("hospitalised", t("住院", "In hospital"), "choice", _yes_no(), "yes" if row.hospitalised else "no"),
            Item(
                "outcome",
                t("转归", "Outcome"),
                "choice",
                [("", "—"), *options(handbook.words("outcomes"))],
                row.outcome,
            ),
        ],
        t("保存更正", "Save the correction"),
        then,
    )


def answers(asked: Asked) -> Sheet:
    row, form = asked.one(asked.room.cases), handbook.form_of(asked.event.disease)

    def then(a: Answers) -> str:
        given = {item["id"]: a.text(f"a-{item['id']}") for item in form["items"]}
        count = cases.record_answers(by=asked.by, case_id=row.id, form=form["id"], answers=given, at=asked.at)
        return t("已保存 {k} 项个案调查", "{k} answers saved", k=count)

    known = [("yes", t("是", "Yes")), ("no", t("否", "No")), ("unknown", t("不知道", "Unknown"))]
    items = [
        Item(
            f"a-{item['id']}",
            said(item["label"]),
            {"answer": "choice", "number": "decimal"}.get(item["kind"], "text"),
            [("", "—"), *known] if item["kind"] == "answer" else (),
            row.exposures.get(item["id"], ""),
            unit=said(item.get("unit", "")),
        )
        for item in form["items"]
    ]
    title = t("{f}：{n} 号 {x}", "{f}: no. {n} {x}", f=said(form["title"]), n=row.number, x=row.name)
    return Sheet(
        title, items, t("保存调查", "Save the answers"), then, note=words.source_words(form["source"], form["verified"])
    )


def link(asked: Asked) -> Sheet:
    row = asked.one(asked.room.cases)

    def then(a: Answers) -> str:
        infector = a.number("infector")
        cases.link_cases(
            by=asked.by,
            infectee_id=row.id,
            infector_id=infector,
            at=asked.at,
            kind=a.text("kind"),
            sure=a.text("sure") == "yes",
        )
        return t("已登记传播关系", "Link recorded") if infector else t("已取消传播关系", "Link removed")

    return Sheet(
        t("谁传染了 {n} 号 {x}", "Who infected no. {n} {x}", n=row.number, x=row.name),
        [
            Item(
                "infector",
                t("传染源", "Source"),
                "choice",
                [("", t("不明", "Unknown")), *asked.case_options(without=row.id)],
            ),
            Item("kind", t("途径", "How"), "choice", options(handbook.words("links")), "class"),
            Item("sure", t("证据充分", "Well proven"), "choice", _yes_no(), "no"),
        ],
        t("保存传播关系", "Save the link"),
        then,
    )
