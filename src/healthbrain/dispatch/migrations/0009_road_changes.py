from django.db import migrations, models


class Migration(migrations.Migration):
    """Stretches of road that are closed or slow."""

    dependencies = [
        ('dispatch', '0008_vehicle_back_on'),
    ]

    operations = [
        migrations.CreateModel(
            name='RoadChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField()),
                ('x1', models.FloatField()),
                ('y1', models.FloatField()),
                ('x2', models.FloatField()),
                ('y2', models.FloatField()),
                ('share', models.FloatField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(null=True)),
                ('lifted', models.DateTimeField(null=True)),
                ('by', models.TextField()),
            ],
        ),
    ]
