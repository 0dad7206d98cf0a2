import django.db.models.deletion
from django.db import migrations, models

from healthbrain.kernel.tables import Tables


class Migration(migrations.Migration):
    """Pictures go to the data folder under their hash (no picture was ever written before), deeds are charged."""

    dependencies = [
        ('county', '0001_initial'),
        ('residents', '0001_initial'),
        ('dispatch', '0004_transport_trips'),
    ]

    operations = [
        migrations.AddField(model_name='ride', name='phoned_at', field=models.DateTimeField(null=True)),
        migrations.DeleteModel(name='VisitPhoto'),
        Tables(
            migrations.CreateModel(
                name='VisitPhoto',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('taken_at', models.DateTimeField()),
                    ('taken_by', models.BigIntegerField()),
                    ('kind', models.TextField()),
                    ('digest', models.TextField()),
                    ('width', models.IntegerField()),
                    ('height', models.IntegerField()),
                    ('bytes', models.IntegerField()),
                    ('visit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='photos', to='dispatch.homevisit')),
                ],
                options={
                    'constraints': [models.UniqueConstraint(fields=('visit', 'digest'), name='photo_once_a_visit')],
                },
            ),
            migrations.CreateModel(
                name='ServiceCharge',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('item', models.TextField()),
                    ('quantity', models.SmallIntegerField(default=1)),
                    ('price', models.DecimalField(decimal_places=2, max_digits=9, null=True)),
                    ('price_source', models.TextField()),
                    ('payer', models.TextField(choices=[('insurance', '医保家庭病床'), ('voucher', '服务券')])),
                    ('voucher', models.TextField(default='')),
                    ('day', models.DateField()),
                    ('booked_at', models.DateTimeField()),
                    ('bed', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='dispatch.homebed')),
                    ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='county.organisation')),
                    ('resident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='residents.resident')),
                    ('visit', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='dispatch.homevisit')),
                ],
                options={
                    'indexes': [models.Index(fields=['organisation', 'day'], name='charge_of_month')],
                    'constraints': [models.UniqueConstraint(fields=('visit', 'item'), name='charged_once_a_visit'), models.UniqueConstraint(condition=models.Q(('voucher', ''), _negated=True), fields=('voucher',), name='voucher_once'), models.CheckConstraint(condition=models.Q(models.Q(('payer', 'voucher'), ('voucher__gt', '')), models.Q(('payer', 'insurance'), ('voucher', '')), _connector='OR'), name='voucher_named')],
                },
            ),
        ),
    ]
