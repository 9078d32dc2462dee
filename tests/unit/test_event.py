"""An event that contradicts itself cannot be built."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mailer.bounce import BounceClass
from mailer.event import Event, EventType
from tests.factories import NOW

DELIVERED = Event(type=EventType.DELIVERED, provider="p", provider_event_id="e", occurred_at=NOW, raw_type="ok")
BOUNCED = replace(DELIVERED, type=EventType.BOUNCED, permanent=True, bounce_class=BounceClass.OTHER)


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (DELIVERED, {"occurred_at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is the point
        (DELIVERED, {"occurred_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))}),
        (DELIVERED, {"provider_event_id": ""}),
        (DELIVERED, {"raw_type": ""}),
        (DELIVERED, {"permanent": False}),
        (DELIVERED, {"bounce_class": BounceClass.OTHER}),
        (DELIVERED, {"machine": True}),
        (BOUNCED, {"permanent": None}),
        (BOUNCED, {"bounce_class": None}),
    ],
)
def test_an_event_that_contradicts_itself_cannot_be_built(event: Event, changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"event|bounce|delivered|machines"):
        replace(event, **changed)


def test_what_may_be_said_of_each_type() -> None:
    assert replace(DELIVERED, type=EventType.DEFERRED, bounce_class=BounceClass.MAILBOX_FULL).permanent is None
    assert replace(DELIVERED, type=EventType.OPENED, machine=True).machine
    assert replace(DELIVERED, type=EventType.CLICKED, machine=True).machine
    assert BOUNCED.occurred_at.tzinfo is UTC
