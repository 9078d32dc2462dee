"""Both clients and the real API: what the one asks, the other understands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer import (
    AsyncMailer,
    Forbidden,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidRequest,
    Mailer,
    MissingScope,
    NotFound,
    PreconditionFailed,
    TooLate,
    Unauthorized,
    ids,
)
from tests.factories import fields
from tests.integration.conftest import API_KEY

TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite only: nothing here depends on the database."""
    return sqlite_url


def test_a_message_is_handed_over_changed_and_canceled(api: Mailer) -> None:
    files = [{"filename": "a.pdf", "content": b"%PDF"}]
    given = fields(tags=["invoice"], metadata={"order": "7"}, send_at=TOMORROW, attachments=files, cc="C <c@d.example>")
    id = api.send(**given, idempotency_key="invoice-7", request_id="shop-7")
    assert api.send(**given, idempotency_key="invoice-7") == id
    with pytest.raises(IdempotencyKeyReused):
        api.send(**fields(), idempotency_key="invoice-7")
    seen = api.get(id)
    assert (seen.status, seen.tags, seen.metadata, seen.request_id) == (
        "scheduled",
        ["invoice"],
        {"order": "7"},
        "shop-7",
    )
    assert seen.send_at == TOMORROW
    content = api.content(id)
    assert (content.attachments[0].content, content.cc[0].name, content.sender.name) == (b"%PDF", "C", "Ann")

    later = api.reschedule(id, send_at=TOMORROW + timedelta(hours=1), if_match=seen.etag)
    assert later.send_at == TOMORROW + timedelta(hours=1)
    assert later.etag not in (None, seen.etag)
    with pytest.raises(PreconditionFailed):
        api.reschedule(id, send_at=None, if_match=seen.etag)
    assert api.reschedule(id, expires_at=TOMORROW + timedelta(days=1)).send_at == later.send_at
    assert api.reschedule(id, send_at=None).status == "queued"
    assert api.cancel(id).status == "canceled"
    with pytest.raises(TooLate) as caught:
        api.reschedule(id, send_at=TOMORROW)
    assert caught.value.state == "canceled"
    assert api.wait(id, timeout=1).status == "canceled"
    assert api.attempts(id) == []
    assert {"accepted", "rescheduled", "canceled"} <= {event.type for event in api.events(id)}


def test_many_are_handed_over_and_found_again_page_by_page(api: Mailer) -> None:
    given: Any = [fields(to=to, tags=["many"]) for to in (*(f"u{n}@example.com" for n in range(5)), ["nobody"])]
    *taken, refused = api.bulk(given)
    assert [result.status for result in taken] == [202] * 5
    assert refused.problem is not None
    assert [e.pointer for e in refused.problem.errors or ()] == ["/to/0"]
    assert {m.id for m in api.list(tag="many", limit=2)} == {result.id for result in taken}
    page = api.page(tag="many", status="queued", since=TOMORROW - timedelta(days=2), limit=2)
    assert (len(page.messages), page.next_cursor is None) == (2, False)
    assert [m.recipients[0].email for m in api.list(recipient="U3@example.com")] == ["u3@example.com"]


def test_keys_are_made_used_and_revoked(api: Mailer, api_url: str) -> None:
    made = api.create_key("shop", ["send"], from_domains=["example.com"], networks=["127.0.0.0/8"])
    shop = Mailer(api_url, made.key)
    id = shop.send(**fields())
    with pytest.raises(MissingScope) as caught:
        shop.get(id)
    assert caught.value.scope == "read"
    with pytest.raises(Forbidden):
        shop.send(**fields(from_="a@elsewhere.example.org"))
    assert made.id in {key.id for key in api.keys()}  # noqa: SIM118 - no dictionary
    assert api.key(made.id).revoked_at is None
    assert api.revoke_key(made.id).revoked_at is not None
    with pytest.raises(Unauthorized):
        shop.send(**fields())


def test_what_is_wrong_has_its_own_error(api: Mailer) -> None:
    with pytest.raises(InvalidMessage, match="/to/0"):
        api.send(**fields(to=["nobody"]))
    with pytest.raises(NotFound):
        api.get(ids.new())
    with pytest.raises(InvalidRequest) as caught:
        api.page(limit=100_000)
    assert [problem.pointer for problem in caught.value.problems] == ["/limit"]


def test_the_client_of_asyncio_speaks_with_the_same_service(api: Mailer, api_url: str) -> None:
    async def use() -> tuple[list[str], list[str]]:
        async with AsyncMailer(api_url, API_KEY) as mailer:
            sent = await asyncio.gather(
                *(mailer.send(**fields(to=f"u{n}@example.com", tags=["async"])) for n in range(20))
            )
            return sent, [message.id async for message in mailer.list(tag="async", limit=7)]

    sent, found = asyncio.run(use())
    assert sorted(sent) == sorted(found)
