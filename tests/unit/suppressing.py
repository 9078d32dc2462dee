"""Suppressing people in tests, and who was named in which call."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from mailer import ids
from mailer.ledger import Answer
from mailer.ports import HttpRequest
from mailer.store import Store
from mailer.store.blocklist import BlocklistStore
from mailer.suppression import Reason, Suppression
from mailer.view import SuppressionSelection
from tests.factories import NOW

YES = Answer(status=200, body={})


def suppression(email: str, reason: Reason = Reason.MANUAL, *, stream: str = "", **changed: Any) -> Suppression:
    """Return a suppression of the project `default`."""
    values: dict[str, Any] = {
        "id": ids.new(), "project_id": "default", "test": False, "email": email, "stream": stream, "reason": reason,
        "source": "api", "detail": "", "created_at": NOW,
    }  # fmt: skip
    return Suppression(**values | changed)


def suppress(store: Store, email: str, reason: Reason = Reason.MANUAL, **changed: Any) -> Suppression:
    """Suppress an address now."""
    made = suppression(email, reason, **changed)
    BlocklistStore(store.database).add(made, asked=None, render=lambda _, __: YES)
    return made


def known(store: Store, **wanted: Any) -> list[Suppression]:
    """Return what is suppressed, the newest first."""
    values: dict[str, Any] = {"project_id": "default", "limit": 1_000}
    return BlocklistStore(store.database).listed(SuppressionSelection(**values | wanted))


def lift(store: Store, found: Suppression, *, now: datetime = NOW) -> bool:
    """Lift a suppression."""
    return BlocklistStore(store.database).lift(found.id, project_id=found.project_id, test=found.test, now=now)


def named(request: HttpRequest) -> list[str]:
    """Return whom a call to a provider names as recipients; the senders of tests are at sender.example.com."""
    return re.findall(r"[\w.+-]+@example\.com", request.body.decode("utf-8", "replace"))
