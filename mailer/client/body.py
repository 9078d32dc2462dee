"""A message's fields, as Python programs write them, to the JSON of the HTTP body."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailer.clock import rfc3339


def named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields under their own names: `from` is a word of Python's, so programs write `from_`."""
    return {"from" if name == "from_" else name: value for name, value in fields.items()}


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the JSON body: None is left out, bytes become base64, times RFC 3339."""
    given = {name: value for name, value in named(fields).items() if value is not None}
    return json.dumps(given, default=_encode).encode()


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs an offset: naive datetimes are refused")
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
