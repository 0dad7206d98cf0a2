from django.db import migrations


class Migration(migrations.Migration):
    """Inbox, channels and delivery log become the room `notices`: the tables are renamed, no row is touched."""

    dependencies = [("surveillance", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    [
                        "ALTER TABLE surveillance_channel RENAME TO notices_channel",
                        "ALTER TABLE surveillance_notification RENAME TO notices_notification",
                        "ALTER TABLE surveillance_delivery RENAME TO notices_delivery",
                        "ALTER INDEX surveillanc_account_2771ab_idx RENAME TO notification_of_account",
                        "ALTER INDEX surveillanc_status_3075c1_idx RENAME TO delivery_due",
                        "ALTER TABLE notices_delivery ALTER channel_id DROP NOT NULL, ADD phone text NOT NULL DEFAULT ''",
                        "ALTER TABLE notices_delivery ALTER phone DROP DEFAULT,"
                        " ADD CONSTRAINT delivery_has_one_address CHECK ((channel_id IS NULL) <> (phone = ''))",
                        "CREATE INDEX notification_of_key ON notices_notification (key)",
                        "CREATE INDEX delivery_of_key ON notices_delivery (key)",
                    ]
                )
            ],
            state_operations=[
                migrations.DeleteModel("Delivery"),
                migrations.DeleteModel("Notification"),
                migrations.DeleteModel("Channel"),
            ],
        )
    ]
