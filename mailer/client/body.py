"""Values, as Python programs write them, to the JSON and the queries of the HTTP API."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlencode

from mailer.clock import rfc3339


def named(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields under their own names: `from` is a word of Python's, so programs write `from_`."""
    return {"from" if name == "from_" else name: value for name, value in fields.items()}


def given(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields under their own names, without those that are None."""
    return {name: value for name, value in named(fields).items() if value is not None}


def encode(value: Mapping[str, object] | Sequence[object]) -> bytes:
    """Return it as JSON: bytes become base64, times RFC 3339.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: a time in it has no offset.
    """
    return json.dumps(value, default=_encode).encode()


def query(conditions: Mapping[str, object]) -> str:
    """Return the query of a URL, `?` included; empty where every condition is None."""
    text = urlencode({name: _plain(value) for name, value in conditions.items() if value is not None})
    return f"?{text}" if text else ""


def _plain(value: object) -> object:
    return value if isinstance(value, str | int) else _encode(value)


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs an offset: naive datetimes are refused")
        return rfc3339(value)
    if isinstance(value, IPv4Network | IPv6Network):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
