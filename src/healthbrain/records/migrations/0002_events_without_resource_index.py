from django.db import migrations


class Migration(migrations.Migration):
    """A resource's events are found with the person it is about: an index the bulk load pays for is gone."""

    dependencies = [("records", "0001_initial")]

    operations = [migrations.RemoveIndex(model_name="event", name="event_of_resource")]
