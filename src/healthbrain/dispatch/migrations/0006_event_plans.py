import django.db.models.deletion
from django.db import migrations, models

from healthbrain.kernel.tables import Tables


class Migration(migrations.Migration):
    """The plan of a mass event as rows: posts, people called in, triage counts of the scene."""

    dependencies = [
        ('dispatch', '0005_photos_charges'),
    ]

    operations = [
        Tables(
            migrations.CreateModel(
                name='EventCount',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('at', models.DateTimeField()),
                    ('red', models.SmallIntegerField(default=0)),
                    ('yellow', models.SmallIntegerField(default=0)),
                    ('green', models.SmallIntegerField(default=0)),
                    ('black', models.SmallIntegerField(default=0)),
                    ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='counts', to='dispatch.massevent')),
                ],
            ),
            migrations.CreateModel(
                name='EventPost',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('name', models.TextField()),
                    ('place', models.TextField(default='')),
                    ('staff', models.SmallIntegerField(default=0)),
                    ('vehicles', models.SmallIntegerField(default=0)),
                    ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='posts', to='dispatch.massevent')),
                ],
                options={
                    'constraints': [models.UniqueConstraint(fields=('event', 'name'), name='post_name')],
                },
            ),
            migrations.CreateModel(
                name='EventPerson',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('name', models.TextField()),
                    ('unit', models.TextField(default='')),
                    ('phone', models.TextField(default='')),
                    ('called', models.DateTimeField()),
                    ('arrived', models.DateTimeField(null=True)),
                    ('released', models.DateTimeField(null=True)),
                    ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='people', to='dispatch.massevent')),
                    ('post', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='people', to='dispatch.eventpost')),
                ],
            ),
        ),
        migrations.AddField(
            model_name='eventvehicle',
            name='post',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='roster', to='dispatch.eventpost'),
        ),
    ]
