from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0002_proxies'),
    ]

    operations = [
        migrations.AddField(
            model_name='proxy',
            name='document',
            field=models.TextField(default=''),
        ),
    ]
