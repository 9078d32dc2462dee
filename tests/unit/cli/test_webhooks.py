"""`mailer webhooks`: what was no event is seen, and read again once this version understands it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mailer import ids
from mailer.ledger import Webhook
from mailer.providers import webhook as reading
from mailer.store import Database
from mailer.store.hearing import HearingStore
from tests.unit.cli.conftest import Done


@pytest.fixture
def webhook(database_url: str) -> str:
    """Give a webhook with a piece that is an event, and one that is none: it has no time."""
    body = json.dumps([
        {"event": "delivered", "email": "bob@example.com", "timestamp": 1_795_000_000, "sg_event_id": "1"},
        {"event": "delivered", "email": "eve@example.com", "timestamp": "soon", "sg_event_id": "2"},
    ]).encode()  # fmt: skip
    database = Database(database_url)
    id = ids.new()
    HearingStore(database).keep(Webhook(id=id, provider="sendgrid", received_at=datetime.now(UTC), body=body), None)
    database.close()
    return id


def test_what_was_no_event_is_listed_with_its_reason_until_it_is_understood(
    run: Callable[..., Done], webhook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("webhooks", "quarantined").code == 0
    assert run("webhooks", "reread", webhook, "--json").json == {"webhooks": 1, "events": 1}
    listed = run("webhooks", "quarantined", "--json")
    [piece] = listed.json["quarantined"]
    assert (listed.code, piece["webhook_id"], piece["reason"]) == (1, webhook, "has no time")
    raw = run("webhooks", "quarantined", "--raw", "--json").json["quarantined"][0]["raw"]
    assert '"timestamp": "soon"' in raw
    assert "eve@" not in raw + run("webhooks", "quarantined", "--raw").out
    assert "has no time" in run("webhooks", "quarantined").out

    understood = reading.moment
    monkeypatch.setattr(reading, "moment", lambda value: datetime.now(UTC) if value == "soon" else understood(value))
    assert run("webhooks", "reread", "--since", "1h", "--json").json == {"webhooks": 1, "events": 2}
    assert run("webhooks", "quarantined").code == 0


def test_which_ones_must_be_said(run: Callable[..., Done]) -> None:
    assert run("webhooks", "reread").code == 2
