from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dispatch', '0010_move_ups'),
    ]

    operations = [
        migrations.AddField(
            model_name='position',
            name='phone',
            field=models.BooleanField(default=False, db_default=False),
        ),
    ]
