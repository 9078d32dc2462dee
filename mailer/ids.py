"""Our ids: UUIDv7 (RFC 9562), sorted by time, text on the wire, no prefixes."""

from __future__ import annotations

import uuid

import uuid_utils


def new() -> str:
    """Return a fresh id, e.g. `019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11`."""
    return str(uuid_utils.uuid7())


def derived(name: str) -> str:
    """Return the id that belongs to a name: the same each time (UUIDv5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def is_id(value: str) -> bool:
    """Tell whether `value` is an id in its canonical text form."""
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
