"""`POST /webhooks/{provider}`: believed only if it is signed, stored before it is answered, read once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api import create_app
from mailer import bootstrap
from mailer.errors import StoreUnavailable
from mailer.settings import Settings
from mailer.store.hearing import HearingStore
from mailer.store.tables import events, quarantined, webhooks
from tests.unit.api.conftest import KEY, post, said
from tests.unit.providers.signing import SIGNERS, Hook, Signer


@pytest.fixture
def signers(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> dict[str, Signer]:
    """Give a signer for each provider, whose keys the API knows."""
    made = {name: make() for name, make in SIGNERS.items()}
    for signer in made.values():
        monkeypatch.setenv(signer.setting, signer.key)
    for name in ("MAILGUN_API_KEY", "MAILGUN_DOMAIN"):
        monkeypatch.setenv(name, "k")
    return made


@pytest.fixture
def api(signers: dict[str, Signer]) -> Iterator[FlaskClient]:
    """Give a client of an API that knows those keys."""
    bootstrap.hearing.cache_clear()
    yield create_app(Settings.load()).test_client()
    bootstrap.hearing.cache_clear()


def told(id: str, *, event: str = "delivered", event_id: str = "ev-1", **more: Any) -> dict[str, Any]:
    """Return one of SendGrid's events about a message."""
    return {
        "email": "bob@example.com", "timestamp": int(time.time()), "event": event, "sg_event_id": event_id,
        "sg_message_id": "m1", "mailer_envelope_id": id, "mailer_project_id": "default", **more,
    }  # fmt: skip


def send(api: FlaskClient, provider: str, hook: Hook) -> TestResponse:
    return api.post(f"/webhooks/{provider}", data=hook.body, headers=dict(hook.headers))


def sign(signer: Signer, *given: Any, **options: str) -> Hook:
    return signer.sign(json.dumps(given).encode(), at=str(int(time.time())), **options)


def count(table: sa.Table) -> int:
    with bootstrap.store().database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def read_all() -> None:
    """Do what the workers do."""
    for id in bootstrap.hearing().unread(older_than=-1, limit=100):
        bootstrap.hearing().read(id)


def test_what_became_of_a_mail_is_shown_to_its_application(api: FlaskClient, signers: dict[str, Signer]) -> None:
    id = said(post(api))["id"]
    hook = sign(signers["sendgrid"], told(id), told(id, event="open", event_id="ev-2"))
    assert send(api, "sendgrid", hook).status_code == 200
    assert count(events) == 0, "it is answered before it is read"
    read_all()
    shown = said(api.get(f"/v1/messages/{id}", headers=KEY))
    assert shown["recipients"][0]["status"] == "delivered"
    kinds = [e["type"] for e in said(api.get(f"/v1/messages/{id}/events", headers=KEY))["events"]]
    assert {"delivered", "opened"} <= set(kinds)


@pytest.mark.parametrize("provider", list(SIGNERS))
def test_one_flipped_bit_is_refused_and_stores_nothing(
    api: FlaskClient, signers: dict[str, Signer], provider: str
) -> None:
    hook = signers[provider].sign(signers[provider].body, at=str(int(time.time())))
    refused = send(api, provider, hook.flipped(hook.covered[0][5], 0))
    assert (refused.status_code, said(refused)["type"].rpartition("/")[2]) == (401, "invalid-signature")
    assert count(webhooks) == 0
    assert send(api, provider, hook).status_code == 200
    assert count(webhooks) == 1


def test_a_replayed_webhook_of_mailgun_is_taken_once(api: FlaskClient, signers: dict[str, Signer]) -> None:
    hook = signers["mailgun"].sign(signers["mailgun"].body, at=str(int(time.time())))
    assert [send(api, "mailgun", hook).status_code for _ in range(3)] == [200] * 3
    assert count(webhooks) == 1


def test_one_bad_event_does_not_fail_the_others(api: FlaskClient, signers: dict[str, Signer]) -> None:
    id = said(post(api))["id"]
    send(api, "sendgrid", sign(signers["sendgrid"], 7, told(id), {"event": "delivered"}, None))
    read_all()
    read_all()
    assert (count(events), count(quarantined)) == (1, 3)


def test_the_same_events_in_two_webhooks_are_stored_once(api: FlaskClient, signers: dict[str, Signer]) -> None:
    id = said(post(api))["id"]
    for _ in range(2):
        send(api, "sendgrid", sign(signers["sendgrid"], told(id)))
    read_all()
    assert (count(webhooks), count(events)) == (2, 1)


def test_a_database_that_is_away_lets_the_provider_come_again(
    api: FlaskClient, signers: dict[str, Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise StoreUnavailable("down")

    monkeypatch.setattr(HearingStore, "keep", away)
    assert send(api, "sendgrid", sign(signers["sendgrid"], told("x"))).status_code == 503


def test_a_provider_without_a_key_for_its_webhooks_is_not_believed(client: FlaskClient) -> None:
    hook = sign(SIGNERS["sendgrid"](), told("x"))
    assert send(client, "sendgrid", hook).status_code == 401
    assert send(client, "nobody", hook).status_code == 404


def test_a_body_that_is_too_large_is_refused(api: FlaskClient) -> None:
    assert api.post("/webhooks/sendgrid", data=b"x" * 5_000_001).status_code == 413
