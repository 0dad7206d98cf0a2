"""Roads as they are now."""

from django.db import models


class RoadChange(models.Model):
    """A stretch of road that is closed or slow now: the shortest way between two points, both directions."""

    name = models.TextField()  # why: flood, works, accident
    x1 = models.FloatField()
    y1 = models.FloatField()
    x2 = models.FloatField()
    y2 = models.FloatField()
    share = models.FloatField()  # of the usual speed; 0 = closed
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    lifted = models.DateTimeField(null=True)
    by = models.TextField()
