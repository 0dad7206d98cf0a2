"""Identities, residents, links, reviews, contracts."""

import datetime as dt

from django.db import models
from django.db.models.functions import Right

from healthbrain.county.models import Organisation, Source, Team


class Resident(models.Model):
    """A person of the county: the golden record, survivorship by `residents.rules.survivorship`."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField(default="")
    name_initials = models.TextField(default="")  # pinyin initials, lower case: 张小明 → zxm
    name_pinyin = models.TextField(default="")  # zhangxiaoming
    sex = models.CharField(max_length=1, default="0")  # GB/T 2261.1: 0 unknown, 1 male, 2 female, 9 not stated
    birth_date = models.DateField(null=True)
    id_number = models.TextField(null=True)  # GB 11643, 18 characters
    phone = models.TextField(null=True)
    address = models.TextField(null=True)
    division_code = models.TextField(null=True)
    home_organisation = models.ForeignKey(Organisation, models.PROTECT, null=True)  # responsible by residence
    deceased_on = models.DateField(null=True)
    moved_on = models.DateField(null=True)
    merged_into = models.BigIntegerField(null=True)  # a tombstone: no link is left; who has them now
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    SCOPE = "home_organisation__path"  # what access.gate filters by

    class Meta:
        indexes = [
            models.Index(fields=["id_number"]),
            models.Index(fields=["name"], name="resident_name", opclasses=["text_pattern_ops"]),
            models.Index(fields=["name_initials"], name="resident_initials", opclasses=["text_pattern_ops"]),
            models.Index(fields=["name_pinyin"], name="resident_pinyin", opclasses=["text_pattern_ops"]),
            models.Index(Right("id_number", 4), name="resident_id_tail"),
            models.Index(Right("phone", 4), name="resident_phone_tail"),
            models.Index(fields=["home_organisation"]),
        ]

    def __str__(self) -> str:
        return f"resident {self.pk}"

    @staticmethod
    def also_in_scope(path: str, day: dt.date) -> models.Q:
        """Whoever has a contract with a team of the subtree `path` on `day` is that team's, wherever he lives."""
        signed = Contract.objects.filter(team__organisation__path__startswith=path, starts__lte=day, ends__gte=day)
        return models.Q(pk__in=signed.values("resident_id"))


class Identity(models.Model):
    """What one source calls one person. A stub (no name yet) when an event arrives before its person."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, models.PROTECT, db_constraint=False, db_index=False)
    source_key = models.TextField()  # the source's own id of the person (`source_id` of the templates)
    name = models.TextField(default="")
    pinyin = models.TextField(default="")  # without tones, joined: zhangxiaoming
    surname = models.TextField(default="")  # pinyin of the surname: zhang
    given = models.TextField(default="")  # pinyin of the given name: xiaoming
    initials = models.TextField(default="")  # zxm
    sex = models.CharField(max_length=1, default="0")
    birth_date = models.DateField(null=True)
    id_number = models.TextField(null=True)  # normalised to 18 characters when its check digit holds
    id_number_raw = models.TextField(null=True)  # as it came, when it does not
    phone = models.TextField(null=True)
    address = models.TextField(null=True)
    division_code = models.TextField(null=True)
    deceased_on = models.DateField(null=True)
    moved_on = models.DateField(null=True)  # the day he left the county
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "source_key"], name="identity_of_source")]
        indexes = [  # the blocking keys of the online match
            models.Index(fields=["id_number"], name="identity_id_number", condition=models.Q(id_number__isnull=False)),
            models.Index(fields=["birth_date", "surname", "given"], name="identity_birth_name"),
            models.Index(fields=["pinyin", "birth_date"], name="identity_pinyin_birth"),
            models.Index(fields=["phone"], name="identity_phone", condition=models.Q(phone__isnull=False)),
        ]


class Link(models.Model):
    """Identity → resident, as it stands now. Merge and un-merge touch nothing else.

    Neither identities nor residents are ever deleted, so the database need not check each of a million links for it.
    """

    identity = models.OneToOneField(Identity, models.CASCADE, primary_key=True, db_constraint=False)
    resident = models.ForeignKey(Resident, models.PROTECT, db_constraint=False)
    score = models.FloatField(null=True)  # match probability, null for the first identity of a resident
    rule = models.TextField()  # "new", "id-number", "probabilistic", "steward", …
    explanation = models.JSONField(default=dict)
    linked_at = models.DateTimeField(auto_now_add=True)  # when the identity was last looked at

    class Meta:
        indexes = [
            models.Index(fields=["linked_at"], name="link_not_compared", condition=models.Q(rule="not-compared"))
        ]


class NameCount(models.Model):
    """How many identities bear a name, by pinyin: a shared common name proves less. Refreshed by the batch match."""

    pinyin = models.TextField(primary_key=True)
    identities = models.IntegerField()


class LinkChange(models.Model):
    """History of links, append-only: what undo reads."""

    id = models.BigAutoField(primary_key=True)
    identity_id = models.BigIntegerField()
    from_resident_id = models.BigIntegerField(null=True)
    to_resident_id = models.BigIntegerField()
    rule = models.TextField()
    explanation = models.JSONField(default=dict)
    account_id = models.BigIntegerField(null=True)
    group = models.UUIDField()  # one decision may move several identities
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["identity_id", "-id"]), models.Index(fields=["group"])]


class Review(models.Model):
    """Two identities the matcher is unsure about."""

    class Status(models.TextChoices):
        OPEN = "open", "待定"
        SAME = "same", "同一人"
        DIFFERENT = "different", "不同人"

    left = models.ForeignKey(Identity, models.CASCADE, related_name="+")
    right = models.ForeignKey(Identity, models.CASCADE, related_name="+")
    score = models.FloatField()
    explanation = models.JSONField(default=dict)
    status = models.TextField(choices=Status.choices, default=Status.OPEN)
    decided_by = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["left", "right"], name="one_review_a_pair"),
            models.CheckConstraint(condition=models.Q(left_id__lt=models.F("right_id")), name="review_ordered"),
            models.CheckConstraint(
                condition=models.Q(status="open", decided_at__isnull=True)
                | (~models.Q(status="open") & models.Q(decided_at__isnull=False)),
                name="review_decided_when",
            ),
        ]
        indexes = [models.Index(fields=["status", "-score"])]


class Followed(models.Model):
    """A row of another table that named a merged resident and names his survivor now: what un-merging gives back."""

    id = models.BigAutoField(primary_key=True)
    place = models.TextField()  # table.column
    row_id = models.BigIntegerField()
    from_id = models.BigIntegerField()
    to_id = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["from_id"], name="followed_from")]


class Contract(models.Model):
    """Family-doctor contract (家庭医生签约): decides which team a task goes to first."""

    resident = models.ForeignKey(Resident, models.CASCADE)
    team = models.ForeignKey(Team, models.PROTECT)
    starts = models.DateField()
    ends = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["resident", "team", "starts"], name="contract_once"),
            models.CheckConstraint(condition=models.Q(ends__gte=models.F("starts")), name="contract_order"),
        ]
