"""`Idempotency-Key`: the same request is done once and answered the same each time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from mailer import bootstrap
from mailer.store.tables import answers, messages
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said

ONCE = {**KEY, "Idempotency-Key": "order-4711"}


@pytest.fixture
def api_database(database_url: str) -> str:
    """Give both kinds of database."""
    return database_url


def stored() -> int:
    """Count the messages."""
    with bootstrap.store().database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(messages)).scalar_one()


def test_the_same_request_again_is_answered_the_same_and_stores_nothing(client: FlaskClient) -> None:
    first, second = post(client, headers=ONCE), post(client, headers=ONCE)
    assert (first.status_code, second.status_code) == (202, 202)
    assert said(first) == said(second)
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert stored() == 1


def test_the_order_of_fields_and_quotes_around_the_key_make_no_other_request(client: FlaskClient) -> None:
    post(client, headers=ONCE)
    turned = dict(reversed(fields().items()))
    again = post(client, turned, headers={**KEY, "Idempotency-Key": '"order-4711"'})
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_body_under_the_same_key_is_refused(client: FlaskClient) -> None:
    post(client, headers=ONCE)
    other = post(client, fields(subject="Another"), headers=ONCE)
    assert other.status_code == 422
    assert said(other)["type"].endswith("/problems/idempotency-key-reused")
    assert stored() == 1


def test_the_key_of_another_path_is_another_request(client: FlaskClient) -> None:
    post(client, headers=ONCE)
    assert post(client, {"messages": [fields()]}, path="/v1/messages/bulk", headers=ONCE).status_code == 422


def test_a_refused_request_keeps_no_key(client: FlaskClient) -> None:
    assert post(client, fields(subject=""), headers=ONCE).status_code == 422
    assert post(client, headers=ONCE).status_code == 202


def test_what_was_accepted_stays_accepted_when_it_would_not_be_any_more(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = bootstrap.intake().now()
    body = fields(expires_at=(now + timedelta(minutes=1)).isoformat())
    first = post(client, body, headers=ONCE)
    monkeypatch.setattr(bootstrap.intake(), "_clock", lambda: now + timedelta(minutes=5))
    assert said(post(client, body, headers=ONCE)) == said(first)


def test_after_a_day_the_key_is_free_again(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = post(client, headers=ONCE)
    later = bootstrap.intake().now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(bootstrap.intake(), "_clock", lambda: later)
    second = post(client, fields(subject="Another"), headers=ONCE)
    assert second.status_code == 202
    assert said(second)["id"] != said(first)["id"]


def test_old_answers_are_forgotten_by_the_sweep(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        post(client, headers={**KEY, "Idempotency-Key": str(number)})
    service = bootstrap.service()
    assert service.forget_answers(limit=10) == 0
    later = bootstrap.intake().now() + timedelta(hours=25)
    monkeypatch.setattr(service, "_clock", lambda: later)
    assert [service.forget_answers(limit=2), service.forget_answers(limit=2)] == [2, 1]
    with bootstrap.store().database.read() as connection:
        assert connection.execute(sa.select(answers)).all() == []


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_key_that_is_none_is_refused_by_name(client: FlaskClient, key: str) -> None:
    answer = post(client, headers={**KEY, "Idempotency-Key": key.encode("utf-8").decode("latin-1")})
    assert answer.status_code == 422
    assert said(answer)["errors"][0]["pointer"] == "Idempotency-Key"


def test_projects_do_not_share_keys(client: FlaskClient, make_key: Callable[..., dict[str, str]]) -> None:
    post(client, headers=ONCE)
    other = post(client, fields(subject="Another"), headers={**make_key(project="b"), "Idempotency-Key": "order-4711"})
    assert other.status_code == 202


def test_every_post_takes_a_key(client: FlaskClient) -> None:
    id = said(post(client, fields(send_at="2100-01-01T00:00:00Z")))["id"]
    once = {**KEY, "Idempotency-Key": "cancel-1"}
    first, again = (post(client, "", path=f"/v1/messages/{id}/cancel", headers=once) for _ in range(2))
    assert said(first) == said(again)
    assert again.headers["Idempotency-Replayed"] == "true"
    bulk = {**KEY, "Idempotency-Key": "bulk-1"}
    first, again = (post(client, {"messages": [fields()]}, path="/v1/messages/bulk", headers=bulk) for _ in range(2))
    assert (first.status_code, said(first)) == (207, said(again))


def test_a_repeated_request_for_a_key_shows_the_same_key_to_whoever_asked_and_stores_it_nowhere(
    client: FlaskClient, make_key: Callable[..., dict[str, str]]
) -> None:
    once = {**KEY, "Idempotency-Key": "key-1"}
    body = {"name": "shop", "scopes": ["send"]}
    first, again = (post(client, body, path="/v1/keys", headers=once) for _ in range(2))
    assert said(first) == said(again)
    assert said(first)["key"].startswith("mlr_live_")
    with bootstrap.store().database.read() as connection:
        assert said(first)["key"] not in str(connection.execute(sa.select(answers)).all())
    other = post(client, body, path="/v1/keys", headers={**make_key(), "Idempotency-Key": "key-1"})
    assert said(other)["type"].endswith("idempotency-key-reused")
