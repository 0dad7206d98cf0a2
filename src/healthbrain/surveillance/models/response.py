"""The response: an event with its timeline, cases, contacts, samples, measures, judgements and papers."""

from __future__ import annotations

from typing import Any

from django.db import models

from healthbrain.county.models import Organisation
from healthbrain.kernel.db import LocalDateTimeField
from healthbrain.residents.models import Resident


class PublicHealthEvent(models.Model):
    """事件: what signals turn into when somebody says "verify". Its clock moments are read by `rules.clocks`."""

    class Status(models.TextChoices):
        VERIFYING = "verifying", "核实中"
        CONFIRMED = "confirmed", "已确认"
        EXCLUDED = "excluded", "已排除"
        CLOSED = "closed", "已结案"

    number = models.TextField(unique=True)  # E2026-0007: year of opening, running number
    title = models.TextField()
    syndrome = models.TextField()  # a key of knowledge/syndromes, as the signals say it
    disease = models.TextField(default="")  # a key of knowledge/surveillance/diseases.yaml; "" not yet known
    setting = models.TextField(default="")  # school, childcare, nursing-home, workplace, village, hospital, other
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")  # the place it is in
    place_code = models.TextField(default="")  # administrative division
    place_words = models.TextField(default="")  # grade, class, building: where exactly
    population = models.IntegerField(null=True)  # persons exposed, the denominator of the attack rate
    groups = models.JSONField(default=dict)  # class or unit → persons exposed
    status = models.TextField(choices=Status.choices, default=Status.VERIFYING)
    grade = models.TextField(default="")  # I, II, III, IV or "" (not graded)
    reason = models.TextField(default="")  # of confirming or excluding
    first_case_on = models.DateField(null=True)
    data_at = models.DateTimeField(null=True)  # the newest data behind the first signal reached us
    signal_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)  # first handling
    verified_at = models.DateTimeField(null=True)
    notified_at = models.DateTimeField(null=True)  # entered in the national system by the person responsible
    responded_at = models.DateTimeField(null=True)  # early response complete: all measures ordered by then are done
    closed_at = models.DateTimeField(null=True)

    SCOPE = "organisation__path"

    class Meta:
        indexes = [models.Index(fields=["status", "-opened_at"]), models.Index(fields=["organisation", "-opened_at"])]


class EventStep(models.Model):
    """The timeline of an event, append-only: a withdrawal is a new step, never a missing one."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    kind = models.TextField()  # opened, verified, cases, contact, sample, measure, risk, report, warning, closed, …
    detail = models.JSONField(default=dict)  # numbers and names behind the words; never a person's data
    note = models.TextField(default="")
    account_id = models.BigIntegerField(null=True)
    actor = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["event", "-at", "-id"])]

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("the timeline of an event is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("the timeline of an event is append-only")


class CaseRow(models.Model):
    """One row of the line list. `match`: linked (in the index), none (nobody found), waiting (a person must choose)."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="cases")
    number = models.IntegerField()  # within the event
    resident = models.ForeignKey(Resident, models.PROTECT, null=True, related_name="+")
    match = models.TextField(default="none")
    candidates = models.JSONField(default=list)  # of a waiting row: [[resident id, grade], …]
    name = models.TextField(default="")
    sex = models.CharField(max_length=1, default="0")
    age = models.SmallIntegerField(null=True)
    birth_date = models.DateField(null=True)
    id_number = models.TextField(null=True)
    phone = models.TextField(null=True)
    group = models.TextField(default="")  # class, ward, workshop
    household = models.TextField(default="")  # dormitory or household
    role = models.TextField(default="")  # pupil, staff, cook, …
    onset_at = LocalDateTimeField(null=True)
    visit_at = LocalDateTimeField(null=True)
    report_at = LocalDateTimeField(null=True)
    classification = models.TextField(default="suspected")  # suspected, probable, confirmed, excluded
    symptoms = models.JSONField(default=list)
    hospitalised = models.BooleanField(default=False)
    outcome = models.TextField(default="")  # "", recovered, ill, dead
    source = models.TextField()  # signal, hand, import, card
    added_at = models.DateTimeField()

    SCOPE = "event__organisation__path"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "number"], name="case_number_once"),
            models.UniqueConstraint(
                fields=["event", "resident"], name="case_resident_once", condition=models.Q(resident__isnull=False)
            ),
        ]


class Exposure(models.Model):
    """One answer of an investigation form about one case. The form is data: knowledge/surveillance/investigation."""

    case = models.ForeignKey(CaseRow, models.PROTECT, related_name="exposures")
    form = models.TextField()
    item = models.TextField()
    value = models.TextField()
    at = models.DateTimeField()
    account_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "form", "item"], name="exposure_answer_once")]


class Transmission(models.Model):
    """Who infected whom. One infector a case; circles are refused by `rules.chains`."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="transmissions")
    infector = models.ForeignKey(CaseRow, models.CASCADE, related_name="infected")
    infectee = models.OneToOneField(CaseRow, models.CASCADE, related_name="infected_by")
    kind = models.TextField(default="")  # class, dormitory, household, meal, care, other
    sure = models.BooleanField(default=False)
    at = models.DateTimeField()


class Contact(models.Model):
    """A contact under follow-up until a day. `status`: following, finished, case, lost."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="contacts")
    case = models.ForeignKey(CaseRow, models.PROTECT, null=True, related_name="contacts")
    resident = models.ForeignKey(Resident, models.PROTECT, null=True, related_name="+")
    name = models.TextField()
    phone = models.TextField(null=True)
    relation = models.TextField(default="")
    group = models.TextField(default="")
    last_contact_on = models.DateField()
    until = models.DateField()
    status = models.TextField(default="following")
    added_at = models.DateTimeField()

    SCOPE = "event__organisation__path"

    class Meta:
        indexes = [models.Index(fields=["event", "status", "until"])]


class FollowUpDay(models.Model):
    """One day of one contact: temperature in °C, symptoms, or not reached."""

    contact = models.ForeignKey(Contact, models.PROTECT, related_name="days")
    day = models.DateField()
    reached = models.BooleanField(default=True)
    temperature = models.DecimalField(max_digits=3, decimal_places=1, null=True)
    symptoms = models.JSONField(default=list)
    abnormal = models.BooleanField(default=False)
    note = models.TextField(default="")
    at = models.DateTimeField()
    account_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "day"], name="follow_up_once_a_day")]


class Sample(models.Model):
    """A specimen of a person, food, water or surface, and what the laboratory said."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="samples")
    case = models.ForeignKey(CaseRow, models.PROTECT, null=True, related_name="samples")
    code = models.TextField()  # the label on the tube
    kind = models.TextField()  # stool, vomit, throat-swab, blood, csf, food, water, surface
    taken_at = LocalDateTimeField()
    laboratory = models.TextField(default="")
    test = models.TextField(default="")  # what was looked for
    result = models.TextField(default="pending")  # pending, positive, negative, invalid
    result_at = LocalDateTimeField(null=True)
    note = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "code", "test"], name="sample_once")]


class Measure(models.Model):
    """A control measure with an owner and a deadline. `source`: the document that advises it; the place decides."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="measures")
    kind = models.TextField()  # a key of knowledge/surveillance/measures.yaml
    text = models.TextField()
    owner = models.TextField()
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")
    source = models.TextField(default="")
    ordered_at = models.DateTimeField()
    deadline = models.DateTimeField()
    status = models.TextField(default="open")  # open, done, cancelled
    done_at = models.DateTimeField(null=True)
    evidence = models.TextField(default="")


class RiskAssessment(models.Model):
    """Judgement in four tiers, with what other departments say beside it."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="risks")
    at = models.DateTimeField()
    tier = models.TextField()  # low, medium, high, very-high
    likelihood = models.TextField(default="")
    impact = models.TextField(default="")
    reason = models.TextField()
    opinions = models.JSONField(default=list)  # [{department, tier, text}, …]
    account_id = models.BigIntegerField(null=True)
    actor = models.TextField()


class OutgoingReport(models.Model):
    """A report drafted here and entered by a person in the national system. We never send it."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, related_name="reports")
    kind = models.TextField()  # initial, progress, closing
    text = models.TextField()
    rule = models.TextField(default="")  # key of the criterion that asks for it
    drafted_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(null=True)  # 已由本人在国家系统填报
    entered_by = models.TextField(default="")
    entered_number = models.TextField(default="")  # what the national system called it


class WarningNotice(models.Model):
    """One of the three outputs of the 2025 measures: hint, alert or advice. Formed → sent → answered → fed back."""

    event = models.ForeignKey(PublicHealthEvent, models.PROTECT, null=True, related_name="warnings")
    number = models.TextField(unique=True)
    kind = models.TextField()  # hint 公共卫生风险提示, alert 预警通报, advice 预警决策建议
    tier = models.TextField(default="")
    title = models.TextField()
    text = models.TextField()
    formed_at = models.DateTimeField()
    formed_by = models.TextField()
    sent_at = models.DateTimeField(null=True)
    fed_back_at = models.DateTimeField(null=True)
    feedback = models.TextField(default="")


class WarningRecipient(models.Model):
    """Who got a warning, when it was answered and what the answer says."""

    warning = models.ForeignKey(WarningNotice, models.CASCADE, related_name="recipients")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True)
    answered_by = models.TextField(default="")
    answer = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["warning", "organisation"], name="warning_recipient_once")]


class SurgeResource(models.Model):
    """Beds, rooms, sampling points, laboratory tubes, staff: how many there are and how many are in use."""

    kind = models.TextField()  # a key of knowledge/surveillance/surge.yaml
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    capacity = models.IntegerField()
    used = models.IntegerField(default=0)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "organisation"], name="surge_once_a_place"),
            models.CheckConstraint(condition=models.Q(capacity__gte=0, used__gte=0), name="surge_not_negative"),
        ]


class GuidanceVisit(models.Model):
    """Guidance on the spot: back to school, back to work. Findings are answers to a checklist kept as data."""

    kind = models.TextField()  # back-to-school, enterprise
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    planned_on = models.DateField()
    visited_on = models.DateField(null=True)
    visitor = models.TextField(default="")
    findings = models.JSONField(default=dict)  # checklist item → yes, no, not-applicable
    to_correct = models.TextField(default="")
    correct_by = models.DateField(null=True)
    corrected_on = models.DateField(null=True)
