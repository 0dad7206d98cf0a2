import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Vehicles sent to wait at another station."""

    dependencies = [
        ('dispatch', '0009_road_changes'),
    ]

    operations = [
        migrations.CreateModel(
            name='MoveUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('by', models.TextField()),
                ('ended', models.DateTimeField(null=True)),
                ('station', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='dispatch.station')),
                ('vehicle', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='moves', to='dispatch.vehicle')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended__isnull', True)), fields=('vehicle',), name='one_standby_place')],
            },
        ),
    ]
