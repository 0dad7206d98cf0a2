"""The dirty set."""

from django.db import models


class Dirty(models.Model):
    """A resident to re-think. One row each; re-marking bumps `mark`, so a change during a run is not lost."""

    resident_id = models.BigIntegerField(primary_key=True)
    mark = models.BigIntegerField(default=1)
    since = models.DateTimeField()
