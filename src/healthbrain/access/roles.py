"""Roles as classes: who may hold each, in a sentence, and what it permits. The roles page is made from this file."""

from __future__ import annotations

from typing import ClassVar

PERMISSIONS: dict[str, tuple[str, str]] = {
    "care.work": ("处理本机构的任务、记录随访", "Work the tasks of one's organisation and record visits"),
    "record.search": ("查找居民", "Find a resident"),
    "record.read": ("查看居民健康档案", "Open a resident's record"),
    "record.break_glass": ("紧急情况下查看辖区外居民档案", "Open a record outside one's scope in an emergency"),
    "indicators.read": ("查看全区指标", "See the county's figures"),
    "people.list": ("查看指标背后的名单", "Open the list of people behind a figure"),
    "steward.work": ("管理数据批次、匹配复核、合并与拆分", "Work batches, rejects, match reviews, merges"),
    "intake.upload": ("上传数据", "Upload data"),
    "accounts.manage": ("管理账号", "Manage accounts"),
    "signals.read": ("查看传染病预警信号和事件", "See signals and outbreaks"),
    "signals.work": ("处置预警信号、调查和关闭事件", "Answer signals, investigate and close outbreaks"),
    "absence.report": ("报告本校（园）晨检和缺课", "Report morning checks and absence of one's school"),
    "places.report": ("报告本单位的病人数或药品销量", "Report the ill, or the sales, of one's own place"),
    "counts.write": ("通过接口报送本部门的每日数据", "Send a department's daily counts through the interface"),
    "cases.report": ("填写传染病报告卡", "Fill in a notifiable-disease card"),
    "emergency.dispatch": ("受理 120 呼救、调派车辆", "Take 120 calls and dispatch vehicles"),
    "emergency.crew": ("车组任务和院前记录", "Work a crew's missions and record them"),
    "emergency.arrivals": ("查看急救到院预报", "See ambulances on their way to the hospital"),
    "emergency.feed": ("上报救护车位置和来电振铃", "Send ambulances' positions and ringing lines"),
    "emergency.plan": ("急救站点和车辆规划", "Plan stations and vehicles"),
    "transport.book": ("预约非急救转运", "Book non-emergency transport"),
    "transport.plan": ("安排非急救转运", "Plan non-emergency transport"),
    "transport.drive": ("驾驶转运车、记录行程", "Drive a transport vehicle and log its trips"),
    "homecare.apply": ("为居民申请居家护理", "Apply for home care for a resident"),
    "homecare.plan": ("评估、计划和安排居家护理", "Assess, plan and schedule home care"),
    "homecare.visit": ("上门护理和记录", "Visit at home and record it"),
    "thresholds.read": ("查看阈值和出处", "See thresholds and their sources"),
    "audit.read": ("查询审计日志", "Search the audit log"),
    "fhir.read": ("通过 FHIR 接口读取", "Read through the FHIR API"),
    "fhir.write": ("通过 FHIR 接口写入", "Write through the FHIR API"),
    "self.read": ("查看本人档案", "See one's own record"),
    "self.family": ("授权家人代办、代家人办理", "Let family act for oneself, and act for family"),
    "proxy.register": ("登记监护人和纸质委托", "Register guardians and authorisations signed on paper"),
}

SCOPES: dict[str, tuple[str, str, frozenset[str]]] = {  # what one resident may do for another → what that permits
    "record": ("查看健康事项和档案", "See what is due, and the record", frozenset({"self.read"})),
    "transport": ("预约转运", "Book transport", frozenset({"transport.book"})),
    "homecare": ("申请居家护理", "Apply for home care", frozenset({"homecare.apply"})),
    "messages": ("接收消息", "Receive messages", frozenset()),
}


class Role:
    """Base of all roles. `county_wide` roles see the whole county; the others see their organisation's subtree."""

    key: ClassVar[str]
    zh: ClassVar[str]
    en: ClassVar[str]
    held_by_zh: ClassVar[str]
    held_by: ClassVar[str]
    permissions: ClassVar[frozenset[str]]
    county_wide: ClassVar[bool] = False
    machine: ClassVar[bool] = False  # a system that comes with a token, no person
    home: ClassVar[str] = "/"  # the desk this role lands on
    on_watch: ClassVar[bool] = False  # waits for calls: an open page without a press is work, for a whole shift


class VillageDoctor(Role):
    key, zh, en = "village_doctor", "村医", "Village doctor"
    held_by_zh = "村卫生室或社区卫生服务站的在岗医生，只看本站责任区的居民。"
    held_by = "A doctor on duty at a village or community station; sees the residents that station is responsible for."
    permissions = frozenset(
        {
            "care.work", "record.search", "record.read", "record.break_glass", "cases.report", "homecare.apply",
            "proxy.register",
        }
    )  # fmt: skip
    home = "/today"


class TownshipDoctor(Role):
    key, zh, en = "township_doctor", "卫生院医生", "Township doctor"
    held_by_zh = "乡镇卫生院或社区卫生服务中心的医生和公卫人员，看本中心及下属站点的居民。"
    held_by = "A doctor or public-health worker of a township centre; sees the centre's and its stations' residents."
    permissions = VillageDoctor.permissions | {
        "people.list", "indicators.read", "transport.book", "thresholds.read"
    }  # fmt: skip
    home = "/today"


class HospitalDoctor(Role):
    key, zh, en = "hospital_doctor", "医院医生", "Hospital doctor"
    held_by_zh = "县级医院接诊医生；为诊疗目的可查任何前来就诊的居民，每次查看都留痕。"
    held_by = (
        "A doctor who treats patients at a county hospital; opens any patient's record for treatment, every look kept."
    )
    permissions = frozenset(
        {
            "record.search", "record.read", "record.break_glass", "cases.report", "emergency.arrivals",
            "transport.book", "homecare.apply", "thresholds.read",
        }
    )  # fmt: skip
    home = "/find"


class Bureau(Role):
    key, zh, en = "bureau", "卫健局管理人员", "Bureau officer"
    held_by_zh = "卫生健康局业务科室人员，看全区数字；看名单需要说明目的并留痕。"
    held_by = (
        "An officer of the health bureau; sees the county's figures, and lists behind them with a purpose, audited."
    )
    permissions = frozenset({"indicators.read", "people.list", "signals.read", "emergency.plan", "thresholds.read"})
    county_wide = True
    home = "/county"


class Steward(Role):
    key, zh, en = "steward", "数据管理员", "Data steward"
    held_by_zh = "负责数据质量的人员：处理批次、退回行、匹配复核、合并与拆分。"
    held_by = "The person responsible for data quality: batches, rejected rows, match reviews, merges and un-merges."
    permissions = frozenset(
        {"steward.work", "intake.upload", "record.search", "record.read", "indicators.read", "thresholds.read"}
    )
    county_wide = True
    home = "/steward"


class Administrator(Role):
    key, zh, en = "administrator", "系统管理员", "Administrator"
    held_by_zh = "管理账号和角色的人员，看不到任何居民的档案（三员分立）。"
    held_by = "Manages accounts and roles; sees no resident's record (separation of duties, GB/T 22239-2019 8.1.4)."
    permissions = frozenset({"accounts.manage"})
    county_wide = True
    home = "/administrator"


class Auditor(Role):
    key, zh, en = "auditor", "审计员", "Auditor"
    held_by_zh = "查阅审计日志的人员，不得兼任系统管理员。"
    held_by = "Reads the audit log; never the same person as the administrator."
    permissions = frozenset({"audit.read"})
    county_wide = True
    home = "/administrator/audit"


class ResidentRole(Role):
    key, zh, en = "resident", "居民", "Resident"
    held_by_zh = "本人，只看自己的档案以及谁看过它；得到家人授权时可代家人办理。"
    held_by = "The person himself; sees his own record and who looked at it; acts for family who let him."
    permissions = frozenset({"self.read", "self.family", "transport.book", "homecare.apply"})
    home = "/me"


class DiseaseControl(Role):
    key, zh, en = "disease_control", "疾控人员", "Disease-control officer"
    held_by_zh = "疾病预防控制中心负责监测预警和现场处置的人员，看全区信号、事件和病例名单。"
    held_by = "An officer of the CDC who works signals and outbreaks; sees the county's signals and their line lists."
    permissions = frozenset(
        {
            "signals.read", "signals.work", "places.report", "cases.report", "record.search", "record.read",
            "people.list", "thresholds.read",
        }
    )  # fmt: skip
    county_wide = True
    home = "/signals"


class SchoolNurse(Role):
    key, zh, en = "school_nurse", "校医/保健教师", "School nurse"
    held_by_zh = "学校校医、班主任或托幼机构保健教师，只报告和查看本校（园）的晨检和缺课。"
    held_by = "A school nurse, class teacher or childcare health teacher; reports and sees one's own school only."
    permissions = frozenset({"absence.report"})
    home = "/absence"


class PlaceReporter(Role):
    key, zh, en = "place_reporter", "场所报告员", "Place reporter"
    held_by_zh = "养老机构、宾馆、用人单位、药店等重点场所的报告人，只报告和查看本单位的每日人数或销量。"
    held_by = "Reports for a nursing home, hotel, work site or pharmacy: its own daily counts, nothing else."
    permissions = frozenset({"places.report"})
    home = "/place"


class Department(Role):
    key, zh, en = "department", "部门接入系统", "Connected department"
    held_by_zh = "教育、民政、市场监管等部门的信息系统，用令牌报送本部门单位的每日数据；不是人，看不到任何数据。"
    held_by = "Another department's system: sends the daily counts of its own places with a token; reads nothing."
    permissions = frozenset({"counts.write"})
    machine = True


class AmbulanceSystem(Role):
    key, zh, en = "ambulance_system", "急救接入系统", "Connected ambulance system"
    held_by_zh = "车载定位平台和 120 电话交换系统，用令牌上报车辆位置和来电振铃；不是人，看不到任何数据。"
    held_by = "The vehicle tracking platform and the 120 telephone exchange: send positions and rings; read nothing."
    permissions = frozenset({"emergency.feed"})
    machine = True


class Dispatcher(Role):
    key, zh, en = "dispatcher", "120 调度员", "Emergency dispatcher"
    held_by_zh = "急救中心调度席位人员，受理呼救、调派车辆、通知医院。"
    held_by = "Sits at a seat of the ambulance centre: takes calls, sends vehicles, tells hospitals."
    permissions = frozenset({"emergency.dispatch", "emergency.arrivals", "emergency.plan", "thresholds.read"})
    county_wide = True
    home = "/dispatch"
    on_watch = True


class Crew(Role):
    key, zh, en = "crew", "急救车组", "Ambulance crew"
    held_by_zh = "救护车当班医生、护士或驾驶员，只看派给本车的任务。"
    held_by = "The doctor, nurse or driver on duty in an ambulance; sees only the missions of one's own vehicle."
    permissions = frozenset({"emergency.crew"})
    home = "/crew"
    on_watch = True


class TransportPlanner(Role):
    key, zh, en = "transport_planner", "转运调度员", "Transport planner"
    held_by_zh = "非急救转运中心人员，受理预约、安排车次、调整和结算。"
    held_by = "Works at the non-emergency transport centre: takes bookings, plans trips, changes and settles them."
    permissions = frozenset({"transport.book", "transport.plan", "thresholds.read"})
    county_wide = True
    home = "/transport"


class TransportDriver(Role):
    key, zh, en = "transport_driver", "转运车组", "Transport crew"
    held_by_zh = "非急救转运车当班驾驶员和护送员，只看本车的行程；群伤征调时也接本车的急救任务。"
    held_by = "The crew on duty in a transport vehicle; sees its trips only, and its missions when a disaster calls it."
    permissions = frozenset({"transport.drive", "emergency.crew"})
    home = "/transport/drive"
    on_watch = True


class HomeNurse(Role):
    key, zh, en = "home_nurse", "居家护理护士", "Home-care nurse"
    held_by_zh = "承担家庭病床和居家护理的护士，评估、计划并上门服务派给本机构的居民。"
    held_by = "A nurse of home beds and home care: assesses, plans and visits the residents one's unit serves."
    permissions = frozenset({"homecare.apply", "homecare.plan", "homecare.visit"})
    home = "/homecare"


class System(Role):
    key, zh, en = "system", "接入系统", "Connected system"
    held_by_zh = "医院、检验等机构的信息系统，用令牌接入 FHIR 接口；不是人。"
    held_by = "An institution's information system that talks FHIR with a token; not a person."
    permissions = frozenset({"fhir.read", "fhir.write"})
    county_wide = True
    machine = True


ROLES: dict[str, type[Role]] = {
    role.key: role
    for role in (
        VillageDoctor, TownshipDoctor, HospitalDoctor, Bureau, Steward, Administrator, Auditor, ResidentRole, System,
        DiseaseControl, SchoolNurse, PlaceReporter, Department, AmbulanceSystem, Dispatcher, Crew, TransportPlanner,
        TransportDriver, HomeNurse,
    )
}  # fmt: skip
MACHINES = frozenset(key for key, role in ROLES.items() if role.machine)

PURPOSES: dict[str, tuple[str, str]] = {
    "treatment": ("诊疗", "Treatment"),
    "public-health": ("公共卫生服务", "Public-health service"),
    "quality": ("质量与考核", "Quality and assessment"),
    "data-quality": ("数据质量", "Data quality"),
    "emergency": ("紧急救治", "Emergency"),
    "self": ("本人查看", "One's own record"),
    "proxy": ("受托代办", "On the resident's behalf"),
}
