"""Values for tests: valid unless a test says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mailer import ids
from mailer.delivery import Role
from mailer.ledger import Attempt, Recipient
from mailer.message import Message
from mailer.outcome import Outcome
from mailer.ports import Envelope, HttpResponse

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of a valid message; `without` names some to leave out."""
    without = changed.pop("without", ())
    given = {
        "from": "Ann <ann@sender.example.com>",
        "to": ["bob@example.com"],
        "subject": "Your invoice",
        "text": "Thank you.",
    } | {"from" if name == "from_" else name: value for name, value in changed.items()}
    return {name: value for name, value in given.items() if name not in without}


def message(**changed: Any) -> Message:
    """Return a valid message."""
    return Message.build(fields(**changed), now=NOW)


def envelope(**changed: Any) -> Envelope:
    """Return an envelope of a message with all its recipients."""
    m = message(**changed)
    return Envelope(
        id=ids.new(),
        attempt_id=ids.new(),
        project_id="default",
        message=m,
        recipients=tuple(Recipient(Role(role), address) for role, address in m.recipients()),
        request_id="req-1",
    )


def attempt(provider: str, outcome: Outcome, **changed: Any) -> Attempt:
    """Return an attempt that has an outcome."""
    values: dict[str, Any] = {
        "id": ids.new(), "number": 1, "round": 0, "provider": provider, "started_at": NOW, "lease_until": NOW,
        "outcome": outcome,
    }  # fmt: skip
    return Attempt(**values | changed)


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    """Return a provider's answer; header names in lower case with `_` for `-`."""
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
