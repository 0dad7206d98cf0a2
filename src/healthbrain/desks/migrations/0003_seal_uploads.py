import re
import shutil
from typing import Any

from django.db import migrations

from healthbrain.kernel import vault
from healthbrain.kernel.home import home


def seal(apps: Any, editor: Any) -> None:
    """Uploads of earlier versions lie as they came: a folder each with the file and state.json."""
    for place in sorted(home().glob("uploads/*")):
        state = place / "state.json"
        if not re.fullmatch(r"[0-9a-f]{32}", place.name) or not state.exists():
            continue
        for path in place.iterdir():
            if path.suffix != ".new" and path != state:
                vault.put("uploads", path.read_bytes(), place.name)
        vault.put("uploads", state.read_bytes(), f"{place.name}.state")
        if editor is not None:
            editor.execute(
                "UPDATE records_batch SET path = %s WHERE path LIKE %s",
                (f"sealed:uploads/{place.name}", f"%/uploads/{place.name}/%"),
            )
        shutil.rmtree(place)


class Migration(migrations.Migration):
    dependencies = [("desks", "0002_sent_visits"), ("records", "0001_initial")]
    operations = [migrations.RunPython(seal, migrations.RunPython.noop)]
