"""The cursor of a list: where the next page begins, and of which list."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Protocol

from mailer import ids
from mailer.errors import Invalid, Problem
from mailer.request import PageQuery
from mailer.view import Place


class Listed(Protocol):
    """What a list is ordered by: the newest first."""

    @property
    def created_at(self) -> datetime:
        """Return when it came."""

    @property
    def id(self) -> str:
        """Return what tells it from others of the same time."""


def write(last: Listed, query: PageQuery) -> str:
    """Return the cursor of the page after this one."""
    text = json.dumps([last.created_at.isoformat(), last.id, _list(query)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(query: PageQuery) -> Place | None:
    """Return where the page begins; None: at the newest.

    Raises:
        Invalid: it is no cursor of ours, or one of another list.
    """
    if query.cursor is None:
        return None
    try:
        text = base64.b64decode(query.cursor + "=" * (-len(query.cursor) % 4), altchars=b"-_", validate=True)
        at, id, of = json.loads(text)
        place = Place(created_at=datetime.fromisoformat(at).astimezone(UTC), id=id)
    except (ValueError, TypeError, OverflowError):
        raise _wrong("is no cursor that was given here") from None
    if not isinstance(id, str) or not ids.is_id(id):
        raise _wrong("is no cursor that was given here")
    if of != _list(query):
        raise _wrong("belongs to a list with other conditions")
    return place


def _list(query: PageQuery) -> str:
    """Return what tells one list from another."""
    conditions = query.model_dump_json(exclude={"cursor", "limit"})
    return hashlib.sha256(conditions.encode()).hexdigest()[:16]


def _wrong(why: str) -> Invalid:
    return Invalid((Problem("cursor", why, "cursor"),))
