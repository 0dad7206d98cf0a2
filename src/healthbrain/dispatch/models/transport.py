"""Non-emergency transport (非急救转运): bookings, rides, the day's plan of each vehicle, what was promised, fees.

Kept apart from the emergency fleet: an emergency vehicle is never planned here; a transport vehicle joins a mass
casualty only by the audited exception in `models.emergency.EventVehicle`.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from healthbrain.dispatch.models.emergency import Vehicle
from healthbrain.residents.models import Resident


class TransportVehicle(models.Model):
    """What a transport vehicle can carry, and its crew's shift."""

    vehicle = models.OneToOneField(Vehicle, models.CASCADE, primary_key=True, related_name="transport")
    layouts = models.JSONField()  # [[seats, wheelchairs, stretchers], …]: the ways its places can be converted
    equipment = ArrayField(models.TextField(), default=list)  # oxygen, suction, …
    shift_from = models.TimeField()
    shift_until = models.TimeField()
    rest_minutes = models.SmallIntegerField(default=30)
    back_on = models.DateField(null=True)  # out of service until the day before; null: nobody knows how long


class Booking(models.Model):
    """What a resident, his family or a ward asked for: one ride, or a ride there and back."""

    class Posture(models.TextChoices):
        SEAT = "seat", "坐"
        WHEELCHAIR = "wheelchair", "轮椅"
        STRETCHER = "stretcher", "担架"

    class Channel(models.TextChoices):
        SELF = "self", "本人"
        FAMILY = "family", "家属"
        WARD = "ward", "病区"
        DESK = "desk", "转运中心"

    class Status(models.TextChoices):
        OFFERED = "offered", "待确认"
        BOOKED = "booked", "已预约"
        REFUSED = "refused", "未受理"
        CANCELLED = "cancelled", "已取消"
        DONE = "done", "已完成"

    resident = models.ForeignKey(Resident, models.PROTECT, related_name="transports")
    channel = models.TextField(choices=Channel.choices)
    asked_by = models.BigIntegerField()  # account
    asked_at = models.DateTimeField()
    contact_name = models.TextField(default="")
    contact_phone = models.TextField(default="")
    purpose = models.TextField()  # knowledge/transport/rules.yaml: purposes (dialysis, outpatient, discharge, …)
    posture = models.TextField(choices=Posture.choices)
    companions = models.SmallIntegerField(default=0)
    oxygen = models.BooleanField(default=False)
    infection = models.TextField(default="")  # "" none; else the cohort that may share a vehicle
    answers = models.JSONField(default=dict)  # eligibility questions
    status = models.TextField(choices=Status.choices, default=Status.OFFERED)
    refusal = models.TextField(default="")
    fee = models.DecimalField(max_digits=9, decimal_places=2, null=True)  # yuan, shown before it is confirmed
    fee_lines = models.JSONField(default=list)  # [[what, yuan, source], …]
    paid_at = models.DateTimeField(null=True)
    paid = models.DecimalField(max_digits=9, decimal_places=2, null=True)  # settled: the fee and the waiting
    satisfaction = models.SmallIntegerField(null=True)  # 1–5
    remark = models.TextField(default="")
    idempotency = models.UUIDField(unique=True)  # the same form sent twice is one booking

    SCOPE = "resident__home_organisation__path"

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(companions__gte=0) & Q(companions__lte=3), name="booking_companions"),
            models.CheckConstraint(
                condition=Q(satisfaction__isnull=True) | Q(satisfaction__range=(1, 5)), name="booking_satisfaction"
            ),
        ]
        indexes = [models.Index(fields=["resident", "-asked_at"], name="booking_of_resident")]


class Ride(models.Model):
    """One way of a booking, on one day. Minutes count from midnight of that day."""

    class Status(models.TextChoices):
        PLANNED = "planned", "已安排"
        ON_WAY = "on-way", "接人途中"
        ON_BOARD = "on-board", "在车上"
        DONE = "done", "已送达"
        CANCELLED = "cancelled", "已取消"
        NO_SHOW = "no-show", "未乘车"
        UNSERVED = "unserved", "未能安排"

    booking = models.ForeignKey(Booking, models.CASCADE, related_name="rides")
    leg = models.TextField()  # out, back
    day = models.DateField()
    from_text = models.TextField()
    from_x = models.FloatField()
    from_y = models.FloatField()
    to_text = models.TextField()
    to_x = models.FloatField()
    to_y = models.FloatField()
    pickup_from = models.FloatField(null=True)  # asked window, minutes
    pickup_until = models.FloatField(null=True)
    deliver_from = models.FloatField(null=True)
    deliver_until = models.FloatField(null=True)
    after_minutes = models.FloatField(null=True)  # way back: earliest so long after the way out has ended
    promised_from = models.FloatField(null=True)  # what was told
    promised_until = models.FloatField(null=True)
    vehicle = models.ForeignKey(Vehicle, models.PROTECT, null=True)
    position = models.SmallIntegerField(null=True)  # order of the pickup on the vehicle's route
    pickup_at = models.FloatField(null=True)  # planned
    deliver_at = models.FloatField(null=True)
    status = models.TextField(choices=Status.choices, default=Status.PLANNED)
    picked_up = models.DateTimeField(null=True)  # trip log
    delivered = models.DateTimeField(null=True)
    note = models.TextField(default="")
    trip_km = models.FloatField(null=True)  # a trip out of the province, by the caller's word: takes the vehicle's day
    set_off = models.DateTimeField(null=True)  # the driver is on the way to the door
    turned_away = models.DateTimeField(null=True)  # nobody rode: left the door without the patient
    phoned_at = models.DateTimeField(null=True)  # the planner told the family that the told time cannot be kept

    class Meta:
        constraints = [models.UniqueConstraint(fields=["booking", "leg", "day"], name="ride_once")]
        indexes = [models.Index(fields=["day", "vehicle", "position"], name="ride_of_day")]


class DayPlan(models.Model):
    """The plan of a day as it stands; `version` moves with each change, so that two planners do not overwrite."""

    day = models.DateField(unique=True)
    version = models.IntegerField(default=0)
    routes = models.JSONField(default=list)  # per vehicle: stops as rules.darp Stop, for the page and the driver
    cost = models.FloatField(default=0)  # km
    planned_at = models.DateTimeField(null=True)
    changed_by = models.TextField(default="")  # who moved the version last, for the planner who comes second
    released_at = models.DateTimeField(null=True)  # told to the drivers
