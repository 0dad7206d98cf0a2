from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('residents', '0002_links_unchecked'),
    ]

    operations = [
        migrations.CreateModel(
            name='Followed',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('place', models.TextField()),
                ('row_id', models.BigIntegerField()),
                ('from_id', models.BigIntegerField()),
                ('to_id', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['from_id'], name='followed_from')],
            },
        ),
    ]
