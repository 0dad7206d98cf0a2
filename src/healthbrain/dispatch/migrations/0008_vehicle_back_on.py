from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dispatch', '0007_seal_photos'),
    ]

    operations = [
        migrations.AddField(
            model_name='transportvehicle',
            name='back_on',
            field=models.DateField(null=True),
        ),
    ]
