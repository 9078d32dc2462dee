"""Files that only their owner reads: keys that are made once and kept."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def keep(path: Path) -> str:
    """The secret in `path`; a random one is made there if there is none yet."""
    if path.exists() and (known := path.read_text(encoding="utf-8").strip()):
        path.chmod(0o600)
        return known
    made = secrets.token_urlsafe(32)
    write(path, made + "\n")
    return made


def write(path: Path, text: str) -> None:
    """Replaces `path` by a file of mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
