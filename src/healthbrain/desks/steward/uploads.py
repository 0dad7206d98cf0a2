"""Files people upload, with where each stands: both sealed in the vault as they come, opened to be read (ADR 16)."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from healthbrain.kernel import vault
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Invalid, NotFound

SHELF = "uploads"
LARGEST = 512 << 20  # bytes; larger loads go through the command line
KEPT_REJECTS = 50

# received → checking → checked → importing → done; failed from any of them
STAGES = ("received", "checking", "checked", "importing", "done", "failed")


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file. `report` is the last run's counts (of the dry run, then of the import)."""

    id: str
    name: str
    size: int
    account_id: int
    at: str
    source: str = ""
    template: str = ""
    stage: str = "received"
    report: dict[str, Any] = field(default_factory=dict)
    rejects: list[list[Any]] = field(default_factory=list)  # row, field, words: the first ones of the dry run
    batch_ids: list[int] = field(default_factory=list)
    progress: list[int] = field(default_factory=list)  # bytes done, bytes in all
    words: str = ""  # where the reading stands
    error: str = ""

    @property
    def waiting(self) -> bool:
        return self.stage in {"checking", "importing"}


def opened(upload: Upload) -> AbstractContextManager[Path]:
    """A copy of the file to read inside the block, under the name it came with."""
    return vault.opened(SHELF, upload.id, upload.name)


def _safe_name(name: str) -> str:
    """The file's own name without anything a path could be made of."""
    plain = re.sub(r"[^\w.\-（）()]+", "_", Path(name.replace("\\", "/")).name, flags=re.UNICODE).lstrip(".")
    return plain[-120:] or "upload"


def receive(file: Any, *, account_id: int, source: str) -> Upload:
    """Keep Django's uploaded file. Raises Invalid when it is empty or too large for the browser's way."""
    size = file.size or 0
    if not size:
        raise Invalid("文件是空的，请重新选择。 The file is empty, choose another.")
    if size > LARGEST:
        raise Invalid("文件超过 512 MB，请用命令行 healthbrain ingest。 Over 512 MB: use healthbrain ingest.")
    upload = Upload(uuid.uuid4().hex, _safe_name(file.name or ""), size, account_id, now().isoformat(), source)
    vault.put_pieces(SHELF, file.chunks(), upload.id)
    save(upload)
    return upload


def save(upload: Upload) -> None:
    """Write the state whole or not at all: a reader never sees half of it."""
    vault.put(SHELF, json.dumps(asdict(upload), ensure_ascii=False).encode(), f"{upload.id}.state", replace=True)


def load(upload_id: str) -> Upload:
    """Raises NotFound for an unknown id."""
    if not re.fullmatch(r"[0-9a-f]{32}", upload_id) or not vault.holds(SHELF, f"{upload_id}.state"):
        raise NotFound("没有这次上传，可能已清理。 No such upload; it may have been cleared.")
    return Upload(**json.loads(vault.get(SHELF, f"{upload_id}.state")))


def change(upload: Upload, **fields: Any) -> Upload:
    """A new state of an upload, kept."""
    changed = replace(upload, **fields)
    save(changed)
    return changed
