"""The timeline of an event refuses UPDATE, DELETE and TRUNCATE, whoever asks: it says who did what when."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION surveillance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER surveillance_steps_no_change BEFORE UPDATE OR DELETE ON surveillance_eventstep
  FOR EACH ROW EXECUTE FUNCTION surveillance_append_only();
CREATE TRIGGER surveillance_steps_no_truncate BEFORE TRUNCATE ON surveillance_eventstep
  FOR EACH STATEMENT EXECUTE FUNCTION surveillance_append_only();
"""
BACKWARD = """
DROP TRIGGER surveillance_steps_no_truncate ON surveillance_eventstep;
DROP TRIGGER surveillance_steps_no_change ON surveillance_eventstep;
DROP FUNCTION surveillance_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("surveillance", "0002_notices_move_out")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
