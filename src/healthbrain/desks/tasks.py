"""Background work of the desks, found by procrastinate under this name."""

from procrastinate.contrib.django import app

from healthbrain.desks.steward.jobs import blueprint

app.add_tasks_from(blueprint, namespace="steward")
