from django.db import migrations, models
from django.db.models.functions import Cast, Coalesce

from healthbrain.kernel.db import LocalDateTimeField

DAY = Cast(Coalesce("at", Cast(models.Value("-infinity"), LocalDateTimeField())), models.DateField())


class Migration(migrations.Migration):
    """The newest encounters and diagnoses of the county are found without looking at all: one page costs one page."""

    dependencies = [("records", "0002_events_without_resource_index")]

    operations = [
        migrations.AddIndex(
            model_name="resource",
            index=models.Index(DAY, name=f"resource_day_of_{kind.lower()}", condition=models.Q(type=kind)),
        )
        for kind in ("Encounter", "Condition")
    ]
