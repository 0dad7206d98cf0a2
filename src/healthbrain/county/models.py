"""Organisations, places, teams, sources."""

from django.db import models


class Organisation(models.Model):
    """An institution. `path` lists the ids from the root, so a subtree is one prefix search."""

    class Kind(models.TextChoices):
        COUNTY = "county", "县区"
        BUREAU = "bureau", "卫生健康局"
        HOSPITAL = "hospital", "医院"
        TOWNSHIP = "township", "乡镇卫生院/社区卫生服务中心"
        VILLAGE = "village", "村卫生室/社区卫生服务站"
        CDC = "cdc", "疾病预防控制中心"
        EMS = "ems", "急救中心"
        SCHOOL = "school", "学校"
        CHILDCARE = "childcare", "托幼机构"
        PHARMACY = "pharmacy", "药店"
        NURSING_HOME = "nursing-home", "养老机构"
        WORKPLACE = "workplace", "用人单位"
        LODGING = "lodging", "住宿场所"
        OTHER = "other", "其他"
        UNREGISTERED = "unregistered", "未登记"  # named by a feed, not yet in the register

    code = models.TextField(unique=True)
    name = models.TextField()
    kind = models.TextField(choices=Kind.choices)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    path = models.TextField(unique=True)
    connected = models.BooleanField(default=True)  # False: exists, not yet feeding

    class Meta:
        indexes = [models.Index(fields=["path"], name="organisation_path", opclasses=["text_pattern_ops"])]

    def __str__(self) -> str:
        return self.name


class Place(models.Model):
    """An administrative division: county (6 digits), township (9), village (12)."""

    code = models.TextField(primary_key=True)
    name = models.TextField()
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True)  # who is responsible for it
    tile_x = models.SmallIntegerField(null=True)  # schematic map, grid column
    tile_y = models.SmallIntegerField(null=True)  # schematic map, grid row

    def __str__(self) -> str:
        return self.name


class Team(models.Model):
    """A family-doctor team (家庭医生团队)."""

    code = models.TextField(unique=True)
    name = models.TextField()
    organisation = models.ForeignKey(Organisation, models.PROTECT)

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """A system that sends data, as it calls itself in its messages. Unknown ones register themselves, unapproved."""

    code = models.TextField(unique=True)
    name = models.TextField()
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True)
    approved = models.BooleanField(default=False)
    expected_every_hours = models.SmallIntegerField(null=True)  # silence longer than this is shown

    def __str__(self) -> str:
        return self.name
