"""Emergency (120): stations and vehicles, calls, missions and their append-only timeline, hospitals, mass events.

x, y everywhere are in the plane of the county's road network (`RoadGraph.scale` says metres per unit).
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from healthbrain.access.models import Account
from healthbrain.county.models import Organisation
from healthbrain.residents.models import Resident


class Station(models.Model):
    """Where vehicles wait."""

    class Kind(models.TextChoices):
        CENTRE = "centre", "急救中心"
        STATION = "station", "急救站"
        POINT = "point", "急救点"

    code = models.TextField(unique=True)
    name = models.TextField()
    kind = models.TextField(choices=Kind.choices)
    x = models.FloatField()
    y = models.FloatField()
    township = models.TextField(default="")  # division code, 9 digits
    active = models.BooleanField(default=True)


class Vehicle(models.Model):
    """An ambulance, or a non-emergency transport vehicle that a mass casualty may call in."""

    class Fleet(models.TextChoices):
        EMERGENCY = "emergency", "急救"
        TRANSPORT = "transport", "非急救转运"

    class Status(models.TextChoices):
        IDLE = "idle", "在站待命"
        ASSIGNED = "assigned", "已派出未出车"
        ROLLING = "rolling", "赶往现场"
        ON_SCENE = "on-scene", "现场"
        TRANSPORTING = "transporting", "送院途中"
        AT_HOSPITAL = "at-hospital", "到院交接"
        CLEARING = "clearing", "整备"
        RETURNING = "returning", "返站"
        OFF = "off", "停用"

    code = models.TextField(unique=True)
    kind = models.TextField()  # knowledge/dispatch/priorities.yaml: vehicle_kinds
    capabilities = ArrayField(models.TextField(), default=list)
    fleet = models.TextField(choices=Fleet.choices, default=Fleet.EMERGENCY)
    station = models.ForeignKey(Station, models.PROTECT)
    status = models.TextField(choices=Status.choices, default=Status.IDLE)
    crew = models.OneToOneField(Account, models.SET_NULL, null=True)  # the phone on board


class MoveUp(models.Model):
    """A free vehicle waits at another station than its own, until `ended`: sent to a call, or home."""

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="moves")
    station = models.ForeignKey(Station, models.PROTECT)
    at = models.DateTimeField()
    by = models.TextField()
    ended = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vehicle"], condition=Q(ended__isnull=True), name="one_standby_place")
        ]


class Position(models.Model):
    """The last believed position of a vehicle. `at` by the device where its clock can be believed, else as received."""

    vehicle = models.OneToOneField(Vehicle, models.CASCADE, primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    at = models.DateTimeField()
    received = models.DateTimeField()
    doubt = models.TextField(default="")  # "future": the device's clock runs ahead
    phone = models.BooleanField(default=False, db_default=False)  # the crew's, while the terminal was silent


class PositionLog(models.Model):
    """Every report, believed or not. Append-only; written 1,000 a second, so its one index is a BRIN."""

    id = models.BigAutoField(primary_key=True)
    vehicle_id = models.BigIntegerField()
    x = models.FloatField()
    y = models.FloatField()
    at = models.DateTimeField()
    received = models.DateTimeField()
    doubt = models.TextField(default="")

    class Meta:
        indexes = [BrinIndex(fields=["received"], name="position_log_received")]


class LandMark(models.Model):
    """A name with a place: villages, organisations, roads, venues. What the address search looks through."""

    name = models.TextField()
    kind = models.TextField()  # village, township, organisation, road, venue
    code = models.TextField(default="")
    x = models.FloatField()
    y = models.FloatField()
    township = models.TextField(default="")


class MassEvent(models.Model):
    """A mass casualty (群伤) or an event to be covered (保障): plan, venue, roster, victims."""

    class Kind(models.TextChoices):
        MASS = "mass", "突发群伤"
        COVER = "cover", "活动保障"

    kind = models.TextField(choices=Kind.choices)
    name = models.TextField()
    plan = models.TextField(default="")  # what the posts below do not say: radio channel, access road
    venue = models.TextField(default="")
    x = models.FloatField(null=True)
    y = models.FloatField(null=True)
    expected = models.IntegerField(null=True)  # people expected, or victims reported
    starts = models.DateTimeField()
    ends = models.DateTimeField(null=True)  # planned end
    closed = models.DateTimeField(null=True)
    opened_by = models.BigIntegerField(null=True)


class Call(models.Model):
    """One request for an ambulance."""

    class State(models.TextChoices):
        RINGING = "ringing", "振铃"
        OPEN = "open", "受理中"
        WAITING = "waiting", "待派"
        RUNNING = "running", "执行中"
        CLOSED = "closed", "结束"
        MERGED = "merged", "并入"
        CANCELLED = "cancelled", "取消"

    phone = models.TextField(default="")
    ring_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_by = models.BigIntegerField(null=True)
    state = models.TextField(choices=State.choices, default=State.RINGING)
    place = models.TextField(default="")
    x = models.FloatField(null=True)
    y = models.FloatField(null=True)
    off_map = models.BooleanField(default=False)
    township = models.TextField(default="")
    located_by = models.TextField(default="")  # address, map, caller, typed
    priority = models.SmallIntegerField(null=True)
    suspected = models.TextField(default="")
    answers = models.JSONField(default=list)  # [[question, digit], …]
    patients = models.SmallIntegerField(default=1)
    patient_name = models.TextField(default="")
    patient_sex = models.CharField(max_length=1, default="0")
    patient_age = models.SmallIntegerField(null=True)
    patient_id_number = models.TextField(default="")
    resident = models.ForeignKey(Resident, models.SET_NULL, null=True)
    note = models.TextField(default="")
    duplicate_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="duplicates")
    event = models.ForeignKey(MassEvent, models.PROTECT, null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ring_at"],
                name="call_open",
                condition=~Q(state__in=["closed", "merged", "cancelled"]),
            ),
            models.Index(fields=["phone", "-ring_at"], name="call_phone", condition=~Q(phone="")),
            BrinIndex(fields=["ring_at"], name="call_ring"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(priority__isnull=True) | Q(priority__in=[1, 2, 3]), name="call_priority"
            ),
            models.CheckConstraint(
                condition=Q(state="merged", duplicate_of__isnull=False) | ~Q(state="merged"), name="call_merged_into"
            ),
        ]


class Mission(models.Model):
    """One vehicle sent to one call. Until it ends the vehicle is taken: the database lets nobody else have it."""

    call = models.ForeignKey(Call, models.PROTECT, related_name="missions")
    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="missions")
    assigned_at = models.DateTimeField()
    assigned_by = models.BigIntegerField(null=True)
    assigned_name = models.TextField(default="")  # who holds it, in words, for the dispatcher who comes second
    promised_seconds = models.FloatField(null=True)
    rank = models.SmallIntegerField(null=True)  # place in the recommendation it was taken from
    recommended_id = models.BigIntegerField(null=True)  # the vehicle that stood first
    override = models.TextField(default="")  # reason, when another than the first was sent
    override_note = models.TextField(default="")
    step = models.TextField(default="assigned")
    destination = models.ForeignKey(Organisation, models.PROTECT, null=True)
    destination_reason = models.TextField(default="")
    destination_closed = models.BooleanField(default=False)  # it closed while the vehicle was on its way
    outcome = models.TextField(default="")  # transported, refused, dead, false-call, cancelled, reassigned
    handed_over = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(ended_at__isnull=True), name="one_active_mission_a_vehicle"
            )
        ]
        indexes = [
            models.Index(fields=["destination"], name="mission_arrivals", condition=Q(ended_at__isnull=True)),
            BrinIndex(fields=["assigned_at"], name="mission_assigned"),
        ]


class TimelineEvent(models.Model):
    """One moment of a call or mission. Append-only: a trigger refuses change and deletion (migration 0001)."""

    class Source(models.TextChoices):
        BUTTON = "button", "按键"
        FENCE = "fence", "定位围栏"
        MANUAL = "manual", "人工补录"
        SYSTEM = "system", "系统"

    id = models.BigAutoField(primary_key=True)
    call = models.ForeignKey(Call, models.PROTECT, related_name="timeline")
    mission = models.ForeignKey(Mission, models.PROTECT, null=True, related_name="timeline")
    kind = models.TextField()  # rules.timeline.KINDS
    at = models.DateTimeField()  # by the server's clock
    received = models.DateTimeField()
    device_at = models.DateTimeField(null=True)  # what the device's clock said
    skew = models.FloatField(default=0)  # seconds the device's clock was ahead
    doubtful = models.BooleanField(default=False)  # its clock is off: shown
    source = models.TextField(choices=Source.choices)
    account_id = models.BigIntegerField(null=True)
    note = models.TextField(default="")
    client_id = models.UUIDField(null=True, unique=True)  # the same press sent twice is one event


class HospitalState(models.Model):
    """What a hospital can take, now."""

    organisation = models.OneToOneField(Organisation, models.CASCADE, primary_key=True)
    x = models.FloatField()
    y = models.FloatField()
    capabilities = ArrayField(models.TextField(), default=list)  # chest-pain, stroke, trauma, maternal, newborn
    emergency_beds = models.SmallIntegerField(null=True)  # free now; null: not reported
    icu_beds = models.SmallIntegerField(null=True)
    diverting = models.BooleanField(default=False)  # asks not to be sent to
    closed = models.BooleanField(default=False)  # cannot take anybody
    note = models.TextField(default="")
    changed = models.DateTimeField()
    changed_by = models.TextField(default="")


class Aed(models.Model):
    """A public defibrillator."""

    place = models.TextField()
    x = models.FloatField()
    y = models.FloatField()
    hours = models.TextField(default="")
    working = models.BooleanField(default=True)
    checked_on = models.DateField(null=True)


class FirstAider(models.Model):
    """A certified first-aider who agreed to be called."""

    name = models.TextField()
    phone = models.TextField()
    x = models.FloatField()
    y = models.FloatField()
    certified_until = models.DateField()
    available = models.BooleanField(default=True)


class Vitals(models.Model):
    """One set of vital signs from the vehicle. Empty: not measured."""

    mission = models.ForeignKey(Mission, models.PROTECT, related_name="vitals")
    at = models.DateTimeField()
    systolic = models.SmallIntegerField(null=True)
    diastolic = models.SmallIntegerField(null=True)
    pulse = models.SmallIntegerField(null=True)
    respiration = models.SmallIntegerField(null=True)
    oxygen = models.SmallIntegerField(null=True)
    gcs = models.SmallIntegerField(null=True)
    temperature = models.FloatField(null=True)
    glucose = models.FloatField(null=True)
    note = models.TextField(default="")
    account_id = models.BigIntegerField(null=True)
    client_id = models.UUIDField(null=True, unique=True)


class EcgFile(models.Model):
    """An electrocardiogram sent ahead, as the device made it."""

    mission = models.ForeignKey(Mission, models.PROTECT, related_name="ecgs")
    at = models.DateTimeField()
    name = models.TextField()
    kind = models.TextField()  # media type
    content = models.BinaryField()
    account_id = models.BigIntegerField(null=True)
    client_id = models.UUIDField(null=True, unique=True)


class EventPost(models.Model):
    """A post of the plan: what is done there, where, what it needs. A plan begins with those of `mass.yaml`."""

    event = models.ForeignKey(MassEvent, models.CASCADE, related_name="posts")
    name = models.TextField()
    place = models.TextField(default="")
    staff = models.SmallIntegerField(default=0)  # people needed
    vehicles = models.SmallIntegerField(default=0)  # vehicles needed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "name"], name="post_name")]


class EventPerson(models.Model):
    """Somebody called in: when, whether he came, and where he stands."""

    event = models.ForeignKey(MassEvent, models.CASCADE, related_name="people")
    post = models.ForeignKey(EventPost, models.SET_NULL, null=True, related_name="people")
    name = models.TextField()
    unit = models.TextField(default="")
    phone = models.TextField(default="")
    called = models.DateTimeField()
    arrived = models.DateTimeField(null=True)
    released = models.DateTimeField(null=True)


class EventCount(models.Model):
    """Triage counts as the scene reported them, before each victim is in the log."""

    event = models.ForeignKey(MassEvent, models.CASCADE, related_name="counts")
    at = models.DateTimeField()
    red = models.SmallIntegerField(default=0)
    yellow = models.SmallIntegerField(default=0)
    green = models.SmallIntegerField(default=0)
    black = models.SmallIntegerField(default=0)


class EventVehicle(models.Model):
    """A vehicle on the roster of a mass event."""

    event = models.ForeignKey(MassEvent, models.CASCADE, related_name="roster")
    vehicle = models.ForeignKey(Vehicle, models.PROTECT)
    post = models.ForeignKey(EventPost, models.SET_NULL, null=True, related_name="roster")
    duty = models.TextField(default="")
    called_in = models.BooleanField(default=False)  # of the non-emergency fleet, by the audited exception
    added = models.DateTimeField()
    released = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vehicle"], condition=Q(released__isnull=True), name="one_roster_a_vehicle")
        ]


class Victim(models.Model):
    """One person of a mass casualty, by the number of the tag."""

    class Tag(models.TextChoices):
        RED = "red", "红（危重）"
        YELLOW = "yellow", "黄（重）"
        GREEN = "green", "绿（轻）"
        BLACK = "black", "黑（死亡）"

    event = models.ForeignKey(MassEvent, models.PROTECT, related_name="victims")
    number = models.IntegerField()
    tag = models.TextField(choices=Tag.choices)
    sex = models.CharField(max_length=1, default="0")
    age = models.SmallIntegerField(null=True)
    injury = models.TextField(default="")
    destination = models.ForeignKey(Organisation, models.PROTECT, null=True)
    vehicle = models.ForeignKey(Vehicle, models.PROTECT, null=True)
    logged = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "number"], name="victim_tag_number")]
