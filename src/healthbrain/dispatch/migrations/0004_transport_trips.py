from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dispatch", "0003_transport_home_care")]

    operations = [
        migrations.AddField("booking", "paid", models.DecimalField(decimal_places=2, max_digits=9, null=True)),
        migrations.AddField("ride", "trip_km", models.FloatField(null=True)),
        migrations.AddField("ride", "set_off", models.DateTimeField(null=True)),
        migrations.AddField("ride", "turned_away", models.DateTimeField(null=True)),
        migrations.AddField("dayplan", "changed_by", models.TextField(default="")),
    ]
