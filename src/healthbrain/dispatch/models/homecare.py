"""Home care (云家康, 家庭病床, 居家护理): application, assessment, plan with goals, visits, what was done there."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from healthbrain.access.models import Account
from healthbrain.county.models import Organisation
from healthbrain.residents.models import Resident


class CareNurse(models.Model):
    """A nurse who visits at home: skills, where the tour begins, the shift."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="home_care")
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    skills = ArrayField(models.TextField(), default=list)  # knowledge/homecare/services.yaml: skills
    x = models.FloatField()
    y = models.FloatField()
    shift_from = models.TimeField()
    shift_until = models.TimeField()
    active = models.BooleanField(default=True)


class Application(models.Model):
    """Somebody asks for care at home, for oneself or another."""

    class Channel(models.TextChoices):
        SELF = "self", "本人"
        FAMILY = "family", "家属"
        WORKER = "worker", "社区健康工作者"
        DOCTOR = "doctor", "家庭医生推荐"
        HOSPITAL = "hospital", "医院转介"

    class Status(models.TextChoices):
        APPLIED = "applied", "待评估"
        ACCEPTED = "accepted", "已收治"
        DECLINED = "declined", "不符合条件"
        WITHDRAWN = "withdrawn", "已撤回"

    resident = models.ForeignKey(Resident, models.PROTECT, related_name="home_care_applications")
    channel = models.TextField(choices=Channel.choices)
    applied_by = models.BigIntegerField()
    applied_at = models.DateTimeField()
    contact_name = models.TextField(default="")
    contact_phone = models.TextField(default="")
    need = models.TextField()
    recommended_by = models.BigIntegerField(null=True)  # the family doctor's account
    recommendation = models.TextField(default="")
    status = models.TextField(choices=Status.choices, default=Status.APPLIED)
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(default="")
    idempotency = models.UUIDField(unique=True)

    SCOPE = "resident__home_organisation__path"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["resident"], condition=Q(status="applied"), name="one_open_application_a_resident"
            )
        ]


class HomeBed(models.Model):
    """A resident cared for at home: admitted on an assessment, reviewed, discharged."""

    resident = models.ForeignKey(Resident, models.PROTECT, related_name="home_beds")
    application = models.OneToOneField(Application, models.PROTECT, null=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    assessment = models.JSONField(default=dict)  # answers and scores of knowledge/homecare/assessment.yaml
    assessed_by = models.BigIntegerField()
    admitted_on = models.DateField()
    review_due = models.DateField()
    discharged_on = models.DateField(null=True)
    outcome = models.TextField(default="")
    address = models.TextField()
    x = models.FloatField()
    y = models.FloatField()

    SCOPE = "organisation__path"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["resident"], condition=Q(discharged_on__isnull=True), name="one_home_bed_a_resident"
            )
        ]


class PlanItem(models.Model):
    """One line of the care plan: a goal, a service, how often, how long, by whom."""

    bed = models.ForeignKey(HomeBed, models.CASCADE, related_name="plan")
    service = models.TextField()  # knowledge/homecare/services.yaml
    goal = models.TextField()
    weekdays = ArrayField(models.SmallIntegerField())  # 0 = Monday
    minutes = models.SmallIntegerField()
    window_from = models.TimeField()
    window_until = models.TimeField()
    people = models.SmallIntegerField(default=1)
    starts = models.DateField()
    ends = models.DateField(null=True)
    reached = models.TextField(default="")  # at review: reached, partly, not


class HomeVisit(models.Model):
    """One visit of one day: planned, told, made, recorded."""

    class Status(models.TextChoices):
        PLANNED = "planned", "待上门"
        ARRIVED = "arrived", "已到达"
        DONE = "done", "已完成"
        NO_SHOW = "no-show", "家中无人"
        CANCELLED = "cancelled", "已取消"
        UNCOVERED = "uncovered", "未能安排"

    bed = models.ForeignKey(HomeBed, models.PROTECT, related_name="visits")
    item = models.ForeignKey(PlanItem, models.SET_NULL, null=True)
    day = models.DateField()
    urgent = models.BooleanField(default=False)
    service = models.TextField()
    minutes = models.SmallIntegerField()
    window_from = models.FloatField()  # minutes since midnight
    window_until = models.FloatField()
    people = models.SmallIntegerField(default=1)
    begins = models.FloatField(null=True)  # planned
    promised_from = models.FloatField(null=True)  # told to the family
    promised_until = models.FloatField(null=True)
    status = models.TextField(choices=Status.choices, default=Status.PLANNED)
    arrived_at = models.DateTimeField(null=True)
    arrived_x = models.FloatField(null=True)  # by the phone's position
    arrived_y = models.FloatField(null=True)
    arrived_metres = models.FloatField(null=True)  # from the address
    finished_at = models.DateTimeField(null=True)
    record = models.JSONField(default=dict)  # form answers: vital signs, wound length, width, depth (mm), done items
    taught = models.JSONField(default=dict)  # teach-the-carer checklist: item → shown, done alone
    signature = models.BinaryField(null=True)  # the carer's, SVG path as drawn
    signed_by = models.TextField(default="")
    client_id = models.UUIDField(null=True, unique=True)  # the same record sent twice is one

    SCOPE = "bed__organisation__path"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "day"], name="one_visit_an_item_a_day")]
        indexes = [models.Index(fields=["day", "status"], name="home_visit_of_day")]


class VisitNurse(models.Model):
    """Who comes."""

    visit = models.ForeignKey(HomeVisit, models.CASCADE, related_name="nurses")
    nurse = models.ForeignKey(CareNurse, models.PROTECT)
    position = models.SmallIntegerField()  # order on the nurse's tour
    arrives = models.FloatField(null=True)  # minutes since midnight, planned

    class Meta:
        constraints = [models.UniqueConstraint(fields=["visit", "nurse"], name="visit_nurse_once")]


class VisitPhoto(models.Model):
    """A picture taken at the visit. Its file lies in the data folder under its own hash (`dispatch.photos`)."""

    visit = models.ForeignKey(HomeVisit, models.PROTECT, related_name="photos")
    taken_at = models.DateTimeField()
    taken_by = models.BigIntegerField()  # account
    kind = models.TextField()  # knowledge/homecare/services.yaml: photo_kinds
    digest = models.TextField()
    width = models.IntegerField()
    height = models.IntegerField()
    bytes = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["visit", "digest"], name="photo_once_a_visit")]


class ServiceCharge(models.Model):
    """One thing done that is to be paid, kept for whoever settles: written with the deed, never changed.

    Published as `events.ServicesCharged`; a room that comes later reads the rows written before it.
    """

    class Payer(models.TextChoices):
        INSURANCE = "insurance", "医保家庭病床"
        VOUCHER = "voucher", "服务券"

    organisation = models.ForeignKey(Organisation, models.PROTECT)
    resident = models.ForeignKey(Resident, models.PROTECT, related_name="+")
    bed = models.ForeignKey(HomeBed, models.PROTECT, related_name="charges")
    visit = models.ForeignKey(HomeVisit, models.PROTECT, null=True, related_name="charges")
    item = models.TextField()  # knowledge/homecare/services.yaml: items
    quantity = models.SmallIntegerField(default=1)
    price = models.DecimalField(max_digits=9, decimal_places=2, null=True)  # yuan each, as of that day; null: not set
    price_source = models.TextField()  # source of the price by the same file
    payer = models.TextField(choices=Payer.choices)
    voucher = models.TextField(default="")  # its number
    day = models.DateField()
    booked_at = models.DateTimeField()

    SCOPE = "organisation__path"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visit", "item"], name="charged_once_a_visit"),
            models.UniqueConstraint(fields=["voucher"], condition=~Q(voucher=""), name="voucher_once"),
            models.CheckConstraint(
                condition=Q(payer="voucher", voucher__gt="") | Q(payer="insurance", voucher=""), name="voucher_named"
            ),
        ]
        indexes = [models.Index(fields=["organisation", "day"], name="charge_of_month")]


class NurseAbsence(models.Model):
    """A nurse does not come that day."""

    nurse = models.ForeignKey(CareNurse, models.CASCADE)
    day = models.DateField()
    since = models.FloatField(default=0)  # minutes since midnight
    reason = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["nurse", "day"], name="absent_once_a_day")]
