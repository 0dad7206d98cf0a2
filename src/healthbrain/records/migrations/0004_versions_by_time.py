from django.db import migrations, models


class Migration(migrations.Migration):
    """The history of a type or of everything begins with its newest versions. Only corrections pay for the index."""

    dependencies = [("records", "0003_days_of_encounters_and_conditions")]

    operations = [
        migrations.AddIndex(
            model_name="resourceversion", index=models.Index(fields=["updated"], name="resource_version_updated")
        )
    ]
