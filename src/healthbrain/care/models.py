"""Programme versions, enrolments, tasks, quarantine."""

from django.db import models

from healthbrain.county.models import Organisation, Team
from healthbrain.residents.models import Resident


class ProgrammeVersion(models.Model):
    """A published programme, whole. An edit is a new version."""

    programme = models.TextField()
    version = models.TextField()
    definition = models.JSONField()
    published = models.DateTimeField(auto_now_add=True)
    published_by = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["programme", "version"], name="programme_version_once")]


class Enrolment(models.Model):
    """A resident in a programme. `status`: active, suspected, ended."""

    resident = models.ForeignKey(Resident, models.CASCADE)
    programme = models.TextField()
    version = models.TextField()
    status = models.TextField()
    risk_level = models.TextField()  # the state of the programme's decision table
    since = models.DateField()
    state_since = models.DateField()
    ended_on = models.DateField(null=True)
    end_reason = models.TextField(null=True)
    standard = models.BooleanField(null=True)  # cared for as the specification asks over the last year (规范管理)
    evaluated_on = models.DateField()
    next_evaluation_at = models.DateField(null=True)

    SCOPE = "resident__home_organisation__path"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["resident", "programme"], name="enrolled_once")]
        indexes = [
            models.Index(fields=["programme", "status", "risk_level"]),
            models.Index(fields=["next_evaluation_at"]),
        ]


class Task(models.Model):
    """One thing to do for one resident. Closed by evidence; the key makes a re-run a no-op."""

    class Status(models.TextChoices):
        UPCOMING = "upcoming", "未开始"
        DUE = "due", "待办"
        OVERDUE = "overdue", "逾期"
        DONE = "done", "已完成"
        EXPIRED = "expired", "已过期"
        CANCELLED = "cancelled", "已取消"
        DEFERRED = "deferred", "已延期"
        REFUSED = "refused", "已拒绝"

    id = models.BigAutoField(primary_key=True)
    key = models.TextField(unique=True)  # programme:resident:task:anchor date:ordinal
    resident = models.ForeignKey(Resident, models.CASCADE)
    programme = models.TextField()
    version = models.TextField()
    task = models.TextField()
    opens = models.DateField()
    due = models.DateField()
    grace_until = models.DateField()
    expires = models.DateField()
    status = models.TextField(choices=Status.choices)
    urgent = models.BooleanField(default=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True)  # responsible now (escalation moves it)
    team = models.ForeignKey(Team, models.PROTECT, null=True)
    escalated_to = models.TextField(default="")  # "", township, county
    reason = models.JSONField(default=dict)  # clause ids, values, dates, source: enough to say why in one line
    closed_by_event = models.BigIntegerField(null=True)
    closed_on = models.DateField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    SCOPE = "organisation__path"

    class Meta:
        indexes = [
            models.Index(fields=["resident", "status"]),
            models.Index(fields=["organisation", "status", "due"]),
            models.Index(fields=["programme", "task", "status"]),
        ]


class Deferral(models.Model):
    """A person said not now (until), or no (refused). Read by the evaluation; never deletes a task."""

    resident = models.ForeignKey(Resident, models.CASCADE)
    programme = models.TextField()
    task = models.TextField(default="")  # "" = the whole programme
    kind = models.TextField()  # deferred, refused, contraindicated
    reason = models.TextField()
    from_date = models.DateField()
    until = models.DateField()
    account_id = models.BigIntegerField(null=True)
    created = models.DateTimeField(auto_now_add=True)


class Quarantine(models.Model):
    """A resident whose evaluation failed: kept aside, shown to the steward, retried when his data change."""

    resident = models.ForeignKey(Resident, models.CASCADE)
    programme = models.TextField()
    error = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    resolved = models.DateTimeField(null=True)
