from django.db import migrations, models


class Migration(migrations.Migration):
    """A source can say that a person left the county; until now nobody could."""

    dependencies = [("residents", "0003_followed")]

    operations = [migrations.AddField("identity", "moved_on", models.DateField(null=True))]
