"""Batches, rejected rows, the FHIR store, the event ledger."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Cast, Coalesce

from healthbrain.county.models import Organisation, Source
from healthbrain.kernel.db import LocalDateTimeField
from healthbrain.residents.models import Identity

# The day of `Resource.at` for an index that orders nulls, too: as rules/search_order.day writes it.
DAY = Cast(Coalesce("at", Cast(models.Value("-infinity"), LocalDateTimeField())), models.DateField())


class Batch(models.Model):
    """One file, message or call that came in. Its counts add up: rows_in = stored + duplicates + rejected + waiting."""

    class Status(models.TextChoices):
        RUNNING = "running", "处理中"
        DONE = "done", "已完成"
        FAILED = "failed", "失败"
        CANCELLED = "cancelled", "已取消"
        ROLLED_BACK = "rolled-back", "已撤销"

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.PROTECT, null=True)
    name = models.TextField()  # file name or endpoint
    path = models.TextField(default="")  # where the file was read, for the sheet that goes back with its errors
    format = models.TextField()  # fhir-bundle, fhir-ndjson, hl7v2, csv, xlsx, form
    content_hash = models.BinaryField(null=True)
    status = models.TextField(choices=Status.choices, default=Status.RUNNING)
    rows_in = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)
    by_type = models.JSONField(default=dict)
    notes = models.JSONField(default=list)  # what was odd yet taken, the first 200: [row, field, words]
    position = models.BigIntegerField(default=0)  # where to resume after a crash
    account_id = models.BigIntegerField(null=True)
    started = models.DateTimeField(auto_now_add=True)
    finished = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["source", "-started"]),
            models.Index(fields=["-started"]),
            models.Index(fields=["content_hash"]),
        ]


class RejectedRow(models.Model):
    """A row we could not take: where, which field, why, and the raw text."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(Batch, models.CASCADE)
    row = models.BigIntegerField()  # line, message or entry number, 1-based, as the sender counts
    field = models.TextField(default="")
    reason = models.TextField()  # a code of records.rules.reasons, e.g. "date-invalid"
    message = models.TextField()  # the reason in words, Chinese
    raw = models.TextField()


class Resource(models.Model):
    """A FHIR R4 resource, current version. `key` is a function of type and id (kernel.ids.resource_key)."""

    key = models.UUIDField(primary_key=True)
    type = models.TextField()
    id = models.TextField()
    version = models.IntegerField(default=1)
    updated = models.DateTimeField()
    source = models.ForeignKey(Source, models.PROTECT, db_index=False, db_constraint=False)
    batch_id = models.BigIntegerField(null=True)
    identity_id = models.BigIntegerField(null=True)  # whose it is, when it is about a person
    at = LocalDateTimeField(null=True)  # the clinical date FHIR search calls `date`
    content_hash = models.BinaryField()
    deleted = models.BooleanField(default=False)
    tokens = ArrayField(models.TextField())  # search index: "code=8480-6", "code=loinc|8480-6", "status=final" …
    body = models.BinaryField()  # the resource as JSON text (UTF-8), as it is served

    class Meta:
        indexes = [
            models.Index(fields=["identity_id", "type", "at"], name="resource_of_identity"),
            models.Index(fields=["type", "updated"], name="resource_type_updated"),
            GinIndex(fields=["tokens"], name="resource_tokens"),
            *(
                models.Index(DAY, name=f"resource_day_of_{kind.lower()}", condition=models.Q(type=kind))
                for kind in ("Encounter", "Condition")  # what is asked for by date over the whole county
            ),
        ]


class ResourceVersion(models.Model):
    """Earlier versions, append-only; the current one is in `Resource`."""

    key = models.UUIDField()
    version = models.IntegerField()
    updated = models.DateTimeField()
    deleted = models.BooleanField(default=False)
    batch_id = models.BigIntegerField(null=True)
    body = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "version"], name="resource_version_once")]
        indexes = [models.Index(fields=["updated"], name="resource_version_updated")]


class Event(models.Model):
    """The ledger: one narrow typed row for each thing that happened to a person. Append-only.

    It speaks of identities, not residents, so a merge or un-merge rewrites nothing: `Link` decides whose it is.
    """

    id = models.BigAutoField(primary_key=True)
    identity = models.ForeignKey(Identity, models.PROTECT, db_constraint=False, db_index=False)
    kind = models.TextField()  # observation, condition, encounter, medication, immunization, procedure, referral
    code = models.TextField()  # "system|code": loinc|8480-6, icd10|I10, class|AMB, type|follow-up, atc|C08CA01
    at = LocalDateTimeField()
    value = models.FloatField(null=True)  # in the canonical unit of the code
    unit = models.TextField(null=True)  # UCUM
    text = models.TextField(null=True)  # coded answer: positive, negative; clinical status; visit mode
    flag = models.SmallIntegerField(
        default=0
    )  # 0 usable, 1 implausible (kept, never used by a rule), 2 entered in error
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, db_constraint=False, db_index=False)
    resource = models.UUIDField()  # Resource.key it came from
    batch_id = models.BigIntegerField(null=True)
    recorded = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["identity", "kind", "at"], name="event_of_identity")]


class Superseded(models.Model):
    """An event that no longer holds: corrected (`by_event`), or withdrawn (null). Append-only."""

    event = models.OneToOneField(Event, models.PROTECT, primary_key=True, db_constraint=False)
    by_event_id = models.BigIntegerField(null=True)
    recorded = models.DateTimeField()


class ColumnMapping(models.Model):
    """How one source's sheet maps to a template: remembered at the first upload."""

    source = models.ForeignKey(Source, models.CASCADE)
    template = models.TextField()
    header_hash = models.BinaryField()
    mapping = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "template", "header_hash"], name="mapping_once")]
