from django.db import migrations, models


class Migration(migrations.Migration):
    """Who was set aside is found among millions of links, which pay nothing for it."""

    dependencies = [("residents", "0004_identity_moved_on")]

    operations = [
        migrations.AddIndex(
            "link",
            models.Index(fields=["linked_at"], name="link_not_compared", condition=models.Q(rule="not-compared")),
        )
    ]
