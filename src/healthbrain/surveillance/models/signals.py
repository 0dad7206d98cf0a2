"""Signals in: key places, direct reports, cases of the ledger, counts by day; and what they say: signals."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from healthbrain.county.models import Organisation, Place, Source
from healthbrain.residents.models import Resident


class Site(models.Model):
    """A key place (重点场所) or an institution whose reporting is watched: denominators and the rhythm it promised."""

    organisation = models.OneToOneField(Organisation, models.PROTECT, primary_key=True, related_name="+")
    kind = models.TextField()  # Organisation.Kind
    township = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    population = models.IntegerField(null=True)  # pupils, residents of a home, workers
    workdays_only = models.BooleanField(default=False)  # schools report on school days
    due_hour = models.SmallIntegerField(default=10)  # the report of a day is due by this hour
    national_front_end = models.BooleanField(default=False)  # runs the national front-end software

    SCOPE = "organisation__path"


class SchoolClass(models.Model):
    """A class of a school or a group of a kindergarten."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    grade = models.TextField()
    name = models.TextField()
    pupils = models.IntegerField()
    active = models.BooleanField(default=True)

    SCOPE = "organisation__path"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "grade", "name"], name="class_once")]

    def __str__(self) -> str:
        return f"{self.grade}{self.name}"


class DirectReport(models.Model):
    """One sending of a place: the classes of a day (desk, phone, XLSX). Withdrawn ones stay, marked."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    day = models.DateField()
    channel = models.TextField(default="desk")  # desk, xlsx, feed
    reported_at = models.DateTimeField()
    account_id = models.BigIntegerField(null=True)
    reporter = models.TextField(default="")
    withdrawn_at = models.DateTimeField(null=True)

    SCOPE = "organisation__path"

    class Meta:
        indexes = [models.Index(fields=["organisation", "-day"])]


class ReportLine(models.Model):
    """A class on a day: morning check and absence. The newest line of a class and day holds; older ones are history."""

    report = models.ForeignKey(DirectReport, models.CASCADE, related_name="lines")
    school_class = models.ForeignKey(SchoolClass, models.PROTECT, related_name="+")
    day = models.DateField()
    pupils = models.SmallIntegerField()  # enrolled that day
    absent_ill = models.SmallIntegerField(default=0)
    absent_other = models.SmallIntegerField(default=0)  # leave, injury
    symptoms = models.JSONField(default=dict)  # symptom → pupils who have it today (absent or found in the morning)
    fresh = models.JSONField(default=dict)  # symptom → of these, since today
    current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["school_class", "day"], name="class_day_current", condition=models.Q(current=True)
            )
        ]
        indexes = [models.Index(fields=["day"], name="report_line_day")]


class AbsentPupil(models.Model):
    """A pupil named in a morning check: what a line list needs, and no more."""

    line = models.ForeignKey(ReportLine, models.CASCADE, related_name="pupil_rows")
    resident = models.ForeignKey(Resident, models.PROTECT, null=True, related_name="+")
    name = models.TextField(default="")
    sex = models.CharField(max_length=1, default="0")
    symptoms = ArrayField(models.TextField(), default=list)
    onset_on = models.DateField(null=True)
    dormitory = models.TextField(default="")
    canteen = models.BooleanField(null=True)  # ate in the school canteen

    SCOPE = "line__report__organisation__path"


class Rumour(models.Model):
    """What somebody heard: a hotline, a parent's group, a newspaper."""

    at = models.DateTimeField()
    day = models.DateField()  # when it is said to have begun
    place = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")
    syndrome = models.TextField(default="")
    people = models.IntegerField(null=True)
    text = models.TextField()
    reporter = models.TextField(default="")
    account_id = models.BigIntegerField(null=True)


class CaseRecord(models.Model):
    """A ledger event or a card that speaks of a watched syndrome or disease. Follows the ledger, never leads it."""

    event_id = models.BigIntegerField(null=True)  # records.Event
    card = models.ForeignKey("NotifiableCard", models.CASCADE, null=True, related_name="+")
    identity_id = models.BigIntegerField(null=True)
    resident_id = models.BigIntegerField(null=True)  # of a card; of a ledger event the link says whose it is
    syndrome = models.TextField()  # a key of knowledge/syndromes or of knowledge/surveillance/notifiable.yaml
    source = models.TextField()  # diagnosis, laboratory, fever-clinic, ems, card
    onset_on = models.DateField()
    visit_on = models.DateField()
    report_on = models.DateField()
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+", db_constraint=False)
    recorded = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event_id", "syndrome"], name="case_of_event"),
            models.UniqueConstraint(fields=["card", "syndrome"], name="case_of_card"),
        ]
        indexes = [
            models.Index(fields=["syndrome", "visit_on"], name="case_syndrome_visit"),
            models.Index(fields=["identity_id"], name="case_identity"),
        ]


class DailyCount(models.Model):
    """Counts by place, source, syndrome, age group and day. Zero days are not stored.

    One row speaks of an institution (`organisation`: where it was seen or reported) or of a division of residence
    (`place_code`, 12 or 9 digits), never of both.
    """

    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+", db_constraint=False)
    place_code = models.TextField(default="")
    source = models.TextField()  # diagnosis, laboratory, fever-clinic, ems, absence, morning-check, pharmacy, …
    syndrome = models.TextField()
    age_group = models.TextField(default="")  # 0-5, 6-17, 18-64, 65+, "" unknown or all
    day = models.DateField()
    basis = models.TextField(default="visit")  # onset, visit, report
    count = models.IntegerField()
    denominator = models.IntegerField(null=True)
    arrived = models.DateTimeField()  # when the newest record in it reached us
    batch = models.ForeignKey("CountImport", models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "syndrome", "organisation", "place_code", "day", "age_group", "basis"],
                name="daily_count_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=models.Q(count__gte=0), name="daily_count_not_negative"),
            models.CheckConstraint(
                condition=models.Q(organisation__isnull=False) ^ ~models.Q(place_code=""), name="daily_count_one_place"
            ),
        ]
        indexes = [models.Index(fields=["day"], name="daily_count_day")]


class CountImport(models.Model):
    """A file of counts that came in. rows_in = stored + duplicates + rejected + waiting."""

    name = models.TextField()
    content_hash = models.BinaryField()
    at = models.DateTimeField()
    account_id = models.BigIntegerField(null=True)
    rows_in = models.IntegerField(default=0)
    stored = models.IntegerField(default=0)
    duplicates = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    waiting = models.IntegerField(default=0)
    problems = models.JSONField(default=list)  # [row, column, words, raw]


class DirtyCount(models.Model):
    """A count that must be made anew. Append-only marks: a writer never waits for the pass."""

    id = models.BigAutoField(primary_key=True)
    source = models.TextField()  # "ledger", "school", or "count" (already written, only to be judged)
    syndrome = models.TextField(default="")
    organisation_id = models.BigIntegerField(null=True)
    day = models.DateField()
    since = models.DateTimeField()


class Signal(models.Model):
    """A place, a time and a syndrome that deserve a look. One signal whatever sources and rules speak of it."""

    class Life(models.TextChoices):
        NEW = "new", "新"
        GROWN = "grown", "增多"
        UNCHANGED = "unchanged", "未变"
        OVER = "over", "已结束"

    class Answer(models.TextChoices):
        NOISE = "noise", "排除"
        WATCH = "watch", "关注"
        VERIFY = "verify", "核实"

    key = models.TextField(unique=True)  # place|syndrome|first day
    place_kind = models.TextField()  # organisation, township, village, county
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")
    place_code = models.TextField(default="")
    path = models.TextField(default="")  # of the organisation, or of the one responsible for the place
    syndrome = models.TextField()
    source = models.TextField()  # of the strongest finding
    method = models.TextField()
    rule = models.TextField(default="")
    level = models.TextField(default="watch")  # watch, cluster, outbreak, report, statistical
    first_day = models.DateField()
    last_day = models.DateField()
    observed = models.FloatField()
    expected = models.FloatField(null=True)
    bound = models.FloatField(null=True)
    pvalue = models.FloatField(null=True)
    recurrence_days = models.FloatField(null=True)
    score = models.FloatField(default=0)
    life = models.TextField(choices=Life.choices, default=Life.NEW)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    data_at = models.DateTimeField()  # when the record that raised it arrived
    sentence_zh = models.TextField()
    sentence_en = models.TextField()
    detail = models.JSONField(default=dict)  # findings, numbers, series for the chart
    answer = models.TextField(choices=Answer.choices, default="", blank=True)
    answered_by_id = models.BigIntegerField(null=True)
    answered_at = models.DateTimeField(null=True)
    answer_reason = models.TextField(default="")
    quiet_until = models.DateField(null=True)
    outbreak = models.ForeignKey("surveillance.PublicHealthEvent", models.PROTECT, null=True, related_name="signals")

    SCOPE = "path"

    class Meta:
        indexes = [
            models.Index(fields=["-updated_at"], name="signal_updated"),
            models.Index(fields=["life", "-score"], name="signal_life_score"),
            models.Index(fields=["organisation", "syndrome", "-last_day"], name="signal_of_organisation"),
        ]


class SignalStep(models.Model):
    """What happened to a signal, append-only: opened, grown, answered, over."""

    signal = models.ForeignKey(Signal, models.CASCADE, related_name="steps")
    at = models.DateTimeField()
    kind = models.TextField()
    observed = models.FloatField(null=True)
    note = models.TextField(default="")
    account_id = models.BigIntegerField(null=True)


class FeedState(models.Model):
    """Is a place still talking to us? `state`: live, late, silent, falling."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    feed = models.TextField()  # absence, pharmacy, …, or front-end
    source = models.ForeignKey(Source, models.SET_NULL, null=True, related_name="+")
    state = models.TextField(default="live")
    since = models.DateTimeField()
    last_at = models.DateTimeField(null=True)
    expected_every_hours = models.SmallIntegerField()
    recent = models.FloatField(null=True)  # records a day over the last 7 days
    usual = models.FloatField(null=True)  # over the 28 days before

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "feed"], name="feed_state_once")]


class NotifiableCard(models.Model):
    """传染病报告卡, drafted for the doctor. We never send it; the doctor enters it in the national system."""

    resident = models.ForeignKey(Resident, models.PROTECT, related_name="+")
    disease = models.TextField()  # key of knowledge/surveillance/notifiable.yaml
    classification = models.TextField(default="clinical")  # suspected, clinical, confirmed, carrier
    onset_on = models.DateField()
    diagnosed_at = models.DateTimeField()
    due_at = models.DateTimeField()
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")  # reporting unit
    work_place = models.TextField(default="")  # school and class, workplace
    school = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")
    values = models.JSONField(default=dict)  # the other fields of the card
    event_id = models.BigIntegerField(null=True)  # the ledger event it was prefilled from
    drafted_at = models.DateTimeField()
    account_id = models.BigIntegerField()
    doctor = models.TextField()
    entered_at = models.DateTimeField(null=True)  # 已由本人在国家系统填报
    entered_number = models.TextField(default="")
    withdrawn_at = models.DateTimeField(null=True)

    SCOPE = "organisation__path"

    class Meta:
        indexes = [models.Index(fields=["resident", "disease"]), models.Index(fields=["-drafted_at"])]
