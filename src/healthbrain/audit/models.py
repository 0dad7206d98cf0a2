"""Tables of the audit log. Rows are never updated or deleted: a trigger refuses (migration 0001)."""

from django.db import models


class AuditEvent(models.Model):
    """One action or one look. No foreign keys: the log must outlive what it speaks of."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    lane = models.SmallIntegerField()
    account_id = models.BigIntegerField(null=True)  # null: the system itself
    actor = models.TextField()  # who, in words, as of then
    role = models.TextField(default="")
    action = models.TextField()  # verb.noun, e.g. "record.open", "residents.merge"
    purpose = models.TextField(default="")
    resident_id = models.BigIntegerField(null=True)
    subject = models.TextField(default="")  # what it was done to, e.g. "batch/12"
    detail = models.JSONField(default=dict)
    previous_hash = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["resident_id", "-at"]),
            models.Index(fields=["account_id", "-at"]),
            models.Index(fields=["lane", "-id"]),
            models.Index(fields=["-at"]),
        ]


class LaneHead(models.Model):
    """The last hash of each lane; its row lock orders the lane's writers."""

    lane = models.SmallIntegerField(primary_key=True)
    hash = models.BinaryField()
