"""The timeline and the position log refuse UPDATE and DELETE; positions leave room on the page for in-place updates."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION dispatch_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER dispatch_timeline_no_change BEFORE UPDATE OR DELETE ON dispatch_timelineevent
  FOR EACH ROW EXECUTE FUNCTION dispatch_append_only();
CREATE TRIGGER dispatch_positions_no_change BEFORE UPDATE OR DELETE ON dispatch_positionlog
  FOR EACH ROW EXECUTE FUNCTION dispatch_append_only();
ALTER TABLE dispatch_position SET (fillfactor = 50);
"""
BACKWARD = """
ALTER TABLE dispatch_position RESET (fillfactor);
DROP TRIGGER dispatch_positions_no_change ON dispatch_positionlog;
DROP TRIGGER dispatch_timeline_no_change ON dispatch_timelineevent;
DROP FUNCTION dispatch_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("dispatch", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
