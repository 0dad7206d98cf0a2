"""What the web remembers for a person beyond one browser: how her lists look."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from healthbrain.access.models import Account


class ListChoice(models.Model):
    """How one account likes one list: rows a page, columns put away. Not audited: it is about nobody's data."""

    account = models.ForeignKey(Account, models.CASCADE)
    list = models.TextField()  # the list's address
    size = models.SmallIntegerField()
    hidden = ArrayField(models.TextField())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "list"], name="one_choice_a_list")]

    def __str__(self) -> str:
        return self.list


class SentVisit(models.Model):
    """A visit form that has arrived, under the key its page was given: sent twice, it is recorded once."""

    account = models.ForeignKey(Account, models.CASCADE)
    key = models.TextField()
    batch_id = models.BigIntegerField()  # of records
    arrived = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="one_visit_a_key")]

    def __str__(self) -> str:
        return self.key
