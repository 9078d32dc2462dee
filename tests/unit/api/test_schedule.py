"""Schedules: sent at a time, changed and canceled until a worker has taken it; the answer is the truth."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mailer import bootstrap
from mailer.clock import rfc3339
from mailer.delivery import EnvelopeInput, Lane
from mailer.ledger import Move
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said


@pytest.fixture
def api_database(database_url: str) -> str:
    """Give both kinds of database."""
    return database_url


def now() -> datetime:
    """Return the time that holds in the API."""
    return bootstrap.intake().now()


def ahead(**span: float) -> str:
    """Return a time ahead."""
    return rfc3339(now() + timedelta(**span))


def change(client: FlaskClient, id: str, body: Any, **headers: str) -> TestResponse:
    return client.patch(f"/v1/messages/{id}", json=body, headers={**KEY, **headers})


def cancel(client: FlaskClient, id: str, **headers: str) -> TestResponse:
    return client.post(f"/v1/messages/{id}/cancel", headers={**KEY, **headers})


def due_at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the sweep would wake at a time."""
    monkeypatch.setattr(bootstrap.service(), "_clock", lambda: moment)
    return [due.id for lane in Lane for due in bootstrap.service().sweep(lane=lane, limit=10, again_in=60)]


def test_a_message_for_later_waits_for_its_time(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    at = ahead(days=400)
    sent = post(client, fields(send_at=at))
    assert said(sent)["status"] == "scheduled"
    shown = said(client.get(sent.headers["Location"], headers=KEY))
    assert (shown["status"], shown["send_at"], shown["next_attempt_at"]) == ("scheduled", at, at)
    assert shown["recipients"][0]["status"] == "queued"
    assert due_at(now() + timedelta(days=399), monkeypatch) == []
    assert due_at(now() + timedelta(days=401), monkeypatch) == [shown["id"]]


def test_its_time_to_be_tried_is_counted_from_its_time(client: FlaskClient) -> None:
    sent = post(client, fields(send_at="2100-01-01T00:00:00+02:00"))
    shown = said(client.get(sent.headers["Location"], headers=KEY))
    assert (shown["send_at"], shown["expires_at"]) == ("2099-12-31T22:00:00.000Z", "2100-01-01T22:00:00.000Z")


@pytest.mark.parametrize(
    ("send_at", "code"),
    [
        ("2020-01-01T00:00:00Z", "past"), ("2100-01-01T00:00:00", "timezone_aware"), ("2100-01-01", "time"),
        (4102444800, "time"), ("tomorrow", "time"), ("9999-12-31T23:59:59-14:00", "time"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(client: FlaskClient, send_at: object, code: str) -> None:
    answer = post(client, fields(send_at=send_at))
    assert answer.status_code == 422
    assert {e["pointer"]: e["code"] for e in said(answer)["errors"]} == {"/send_at": code}


def test_the_last_day_of_the_calendar_can_be_chosen(client: FlaskClient) -> None:
    assert post(client, fields(send_at="9999-12-31T23:59:59Z")).status_code == 202


def test_it_may_not_expire_before_it_is_sent(client: FlaskClient) -> None:
    answer = post(client, fields(send_at=ahead(days=2), expires_at=ahead(days=1)))
    assert {e["pointer"] for e in said(answer)["errors"]} == {"/expires_at"}


def test_a_schedule_is_changed_until_it_is_taken(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    id = said(post(client, fields(send_at=ahead(days=1))))["id"]
    later = ahead(days=9)
    changed = change(client, id, {"send_at": later})
    assert (changed.status_code, said(changed)["send_at"], said(changed)["status"]) == (200, later, "scheduled")
    assert said(changed)["expires_at"] == rfc3339(datetime.fromisoformat(later) + timedelta(days=1))
    assert due_at(now() + timedelta(days=2), monkeypatch) == []
    assert due_at(now() + timedelta(days=10), monkeypatch) == [id]


def test_null_sends_it_now(client: FlaskClient) -> None:
    id = said(post(client, fields(send_at=ahead(days=1))))["id"]
    changed = said(change(client, id, {"send_at": None}))
    assert (changed["status"], changed["send_at"]) == ("queued", None)
    assert changed["next_attempt_at"] <= rfc3339(now())


def test_one_that_is_queued_can_be_put_off(client: FlaskClient) -> None:
    id = said(post(client))["id"]
    assert said(change(client, id, {"send_at": ahead(hours=1)}))["status"] == "scheduled"
    assert bootstrap.service().deliver(id).status == "waiting", "its wake-up is under way already"  # type: ignore[union-attr]


def test_a_chosen_end_is_not_moved_by_a_new_time(client: FlaskClient) -> None:
    end = ahead(days=2, hours=1)
    id = said(post(client, fields(send_at=ahead(days=1), expires_at=end)))["id"]
    refused = change(client, id, {"send_at": ahead(days=3)})
    assert (refused.status_code, said(refused)["errors"][0]["pointer"]) == (422, "/send_at")
    both = said(change(client, id, {"send_at": ahead(days=3), "expires_at": ahead(days=4)}))
    assert both["expires_at"] > end


def test_one_that_is_released_is_not_the_oldest_of_the_backlog(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = said(post(client, fields(send_at=ahead(days=9))))["id"]
    later = now() + timedelta(days=7)
    monkeypatch.setattr(bootstrap.intake(), "_clock", lambda: later)
    assert said(change(client, id, {"send_at": None}))["status"] == "queued"
    assert bootstrap.intake().backlog(Lane.TRANSACTIONAL).oldest_at is None


def test_a_default_end_stays_one_when_it_is_released_and_put_off_again(client: FlaskClient) -> None:
    id = said(post(client, fields(send_at=ahead(hours=1))))["id"]
    change(client, id, {"send_at": None})
    assert change(client, id, {"send_at": ahead(days=3)}).status_code == 200


def test_more_time_is_more_time_though_a_worker_has_just_seen_its_end(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon, later = now() + timedelta(minutes=1), now() + timedelta(days=2)
    id = said(post(client, fields(expires_at=rfc3339(soon))))["id"]
    store = bootstrap.store()
    seen = store.load([id])[id]
    assert change(client, id, {"expires_at": rfc3339(later)}).status_code == 200
    # The worker that has loaded it before ends it by what it knows.
    expire = Move(id=seen.id, input=EnvelopeInput.EXPIRE, reason="expired", seen=0)
    assert store.settle([expire], now=soon + timedelta(seconds=1)) == set()
    assert store.settle([expire], now=later) == {id}


@pytest.mark.parametrize("body", [{"subject": "x"}, {"send_at": "2020-01-01T00:00:00Z"}, {"send_at": "x"}])
def test_nothing_else_can_be_changed(client: FlaskClient, body: dict[str, str]) -> None:
    id = said(post(client, fields(send_at=ahead(days=1))))["id"]
    before = said(client.get(f"/v1/messages/{id}", headers=KEY))
    answer = change(client, id, body)
    assert answer.status_code == 422
    assert said(answer)["errors"][0]["pointer"] == "/" + next(iter(body))
    assert said(client.get(f"/v1/messages/{id}", headers=KEY)) == before


@pytest.mark.parametrize("message", [fields(), fields(send_at="2100-01-01T00:00:00Z")])
def test_a_canceled_message_is_sent_by_nobody(client: FlaskClient, message: dict[str, Any]) -> None:
    id = said(post(client, message))["id"]
    canceled = cancel(client, id)
    assert (canceled.status_code, said(canceled)["status"]) == (200, "canceled")
    assert said(canceled)["recipients"][0]["status"] == "canceled"
    assert bootstrap.service().deliver(id).status == "canceled"  # type: ignore[union-attr]
    assert said(client.get(f"/v1/messages/{id}/attempts", headers=KEY)) == {"attempts": []}
    assert cancel(client, id).status_code == 200, "to cancel it again changes nothing"
    assert change(client, id, {"send_at": ahead(days=1)}).status_code == 409
    events = said(client.get(f"/v1/messages/{id}/events", headers=KEY))["events"]
    assert "canceled" in [event["type"] for event in events]


def test_what_changed_meanwhile_is_not_changed_by_mistake(client: FlaskClient) -> None:
    id = said(post(client, fields(send_at=ahead(days=1))))["id"]
    seen = client.get(f"/v1/messages/{id}", headers=KEY)
    tag = seen.headers["ETag"]
    assert client.get(f"/v1/messages/{id}", headers={**KEY, "If-None-Match": tag}).status_code == 304
    first = change(client, id, {"send_at": ahead(days=2)}, **{"If-Match": tag})
    assert first.status_code == 200
    for stale in (
        change(client, id, {"send_at": ahead(days=3)}, **{"If-Match": tag}),
        cancel(client, id, **{"If-Match": tag}),
    ):
        assert stale.status_code == 412
        assert said(stale)["type"].endswith("precondition-failed")
    assert cancel(client, id, **{"If-Match": first.headers["ETag"]}).status_code == 200


def test_what_is_not_there_cannot_be_changed(client: FlaskClient) -> None:
    for id in ("x", "019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11"):
        assert change(client, id, {"send_at": None}).status_code == 404
        assert cancel(client, id).status_code == 404
