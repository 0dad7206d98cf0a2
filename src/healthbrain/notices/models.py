"""Inboxes, channels, and the log of what went out."""

from django.db import models


class Channel(models.Model):
    """An address outside the house: a phone (SMS) or a group's webhook, for one account's unit or the county."""

    kind = models.TextField()  # sms, dingtalk, wecom
    name = models.TextField()
    address = models.TextField()
    secret = models.TextField(default="")  # signs DingTalk's address
    account_id = models.BigIntegerField(null=True)  # None: a group's channel, gets what all officers get
    least = models.TextField(default="due")  # urgent: only urgent ones; due: all
    quiet_from = models.TimeField(null=True)
    quiet_to = models.TimeField(null=True)
    digest_minutes = models.SmallIntegerField(default=0)  # 0 = at once
    active = models.BooleanField(default=True)


class Notification(models.Model):
    """A line in somebody's inbox."""

    account_id = models.BigIntegerField()
    level = models.TextField(default="due")  # urgent, due
    title = models.TextField()
    text = models.TextField(default="")
    url = models.TextField(default="")
    key = models.TextField(default="")  # the same key is told an account once
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "-at"], name="notification_of_account"),
            models.Index(fields=["key"], name="notification_of_key"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["account_id", "key"], name="notification_once", condition=~models.Q(key=""))
        ]


class Delivery(models.Model):
    """One message to one channel, or straight to a resident's phone: the log, and the queue that is retried."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="deliveries", null=True)
    phone = models.TextField(default="")  # a resident's, who registered no channel
    text = models.TextField()
    key = models.TextField(default="")
    count = models.SmallIntegerField(default=1)  # how many notifications a digest holds
    status = models.TextField(default="queued")  # queued, sent, failed (given up)
    attempts = models.SmallIntegerField(default=0)
    queued_at = models.DateTimeField()
    next_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(default="")

    class Meta:
        indexes = [
            models.Index(fields=["status", "next_at"], name="delivery_due"),
            models.Index(fields=["key"], name="delivery_of_key"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(channel__isnull=True) ^ models.Q(phone=""), name="delivery_has_one_address"
            )
        ]
