"""What a message can be found by beside its own fields, each as one id of fixed size: an index takes no 4 kB value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from mailer import ids


def of(*, tags: Iterable[str], metadata: Mapping[str, str]) -> set[str]:
    """Return every mark of a message: each tag, each metadata key, each key with its value."""
    return {
        *(tag(name) for name in tags),
        *(key(name) for name in metadata),
        *(pair(name, value) for name, value in metadata.items()),
    }


def tag(name: str) -> str:
    """Return the mark of a tag."""
    return _mark("tag", name)


def key(name: str) -> str:
    """Return the mark of a metadata key, whatever its value."""
    return _mark("key", name)


def pair(name: str, value: str) -> str:
    """Return the mark of a metadata key with its value."""
    return _mark("pair", name, value)


def _mark(*words: str) -> str:
    return ids.derived("mark:" + json.dumps(words))
