"""The HTTP API, as a caller sees it: real database, a broker that is a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient

from api import create_app
from mailer import bootstrap, ids
from mailer.errors import StoreUnavailable, StoreUncertain
from mailer.ledger import Answer, Once, Submission
from mailer.settings import Settings
from mailer.store import Store
from mailer.store.intake import IntakeStore
from mailer.store.tables import metadata
from tests.factories import fields
from tests.unit.api.conftest import KEY, post

Render = Callable[[frozenset[str]], Answer]


def rows(store: Store) -> int:
    """Count everything that is stored."""
    with store.database.engine.connect() as connection:
        return sum(len(connection.execute(table.select()).all()) for table in metadata.sorted_tables)


def test_a_message_is_accepted_with_its_id_and_place(client: FlaskClient) -> None:
    answer = post(client)
    assert answer.status_code == 202
    assert answer.json is not None
    assert ids.is_id(answer.json["id"])
    assert answer.json["status"] == "queued"
    assert answer.headers["Location"] == f"/v1/messages/{answer.json['id']}"


def test_what_is_known_about_a_message_is_shown(client: FlaskClient) -> None:
    sent = post(client, fields(cc="c@example.com"), headers={**KEY, "X-Request-ID": "req-9"})
    shown = client.get(sent.headers["Location"], headers=KEY).json
    assert shown is not None
    assert shown | {"created_at": 0, "updated_at": 0, "expires_at": 0} == {
        "id": sent.json["id"] if sent.json else None, "status": "queued", "reason": None, "lane": "transactional",
        "stream": "transactional", "ignore_suppressions": False,
        "on_unknown": "failover", "request_id": "req-9", "created_at": 0, "updated_at": 0, "expires_at": 0,
        "next_attempt_at": None, "possible_duplicate": False, "possible_duplicates": 0, "attempts": [],
        "send_at": None, "test": False, "tags": [], "metadata": {},
        "recipients": [
            {"email": "bob@example.com", "role": "to", "status": "queued", "reason": None},
            {"email": "c@example.com", "role": "cc", "status": "queued", "reason": None},
        ],
    }  # fmt: skip
    assert shown["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer the-key2"},
        {"Authorization": "Basic the-key"}, {"Authorization": "Bearer \xfc"}, {"Authorization": "the-key"},
    ],
)  # fmt: skip
def test_without_the_key_nobody_comes_in_and_nothing_is_stored(client: FlaskClient, headers: dict[str, str]) -> None:
    before = rows(bootstrap.store())
    for answer in (post(client, headers=headers), client.get(f"/v1/messages/{ids.new()}", headers=headers)):
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert rows(bootstrap.store()) == before


def test_every_wrong_field_is_reported_with_a_pointer(client: FlaskClient) -> None:
    answer = post(client, fields(to="nobody", subject="", colour="red"))
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert {e["pointer"]: e["code"] for e in answer.json["errors"]} == {
        "/to": "address", "/subject": "too_short", "/colour": "extra_forbidden",
    }  # fmt: skip
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"null", "application/json", 400),
        (b'{"subject":"\\ud800"}', "application/json", 400),
        (b'{"subject":"\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 100_000, "application/json", 400),
        (b"{}", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "multipart/form-data; boundary=x", 415),
        (b'{"text":"' + b"x" * 1_100_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_message_is_a_clear_problem_and_stores_nothing(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    before = rows(bootstrap.store())
    answer = post(client, body, content_type=content_type)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["status"] == status
    assert rows(bootstrap.store()) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404), ("DELETE", "/v1/messages", 405), ("GET", "/v1/messages/x", 404),
        ("GET", "/v1/messages/019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_problem_too(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method, headers=KEY)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    if status == 405:
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(("sent", "kept"), [("abc-1", "abc-1"), ("a b", "ab"), ("x" * 300, "x" * 128)])
def test_the_request_id_comes_back(client: FlaskClient, sent: str, kept: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == kept


def test_a_request_without_an_id_gets_one(client: FlaskClient) -> None:
    assert ids.is_id(client.get("/healthz").headers["X-Request-ID"])


def test_a_fault_of_ours_says_nothing_about_the_inside(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(bootstrap.intake(), "accept", broken)
    answer = post(client)
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "inside" not in answer.text


def test_a_database_that_is_down_is_503_with_retry_after(client: FlaskClient, tmp_path: Path) -> None:
    bootstrap.store().database.close()
    (tmp_path / "mailer.db").unlink()
    (tmp_path / "mailer.db").mkdir()
    answer = post(client)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert client.get("/readyz").json == {"status": "unavailable", "database": "down", "broker": "ok"}


def test_a_commit_whose_answer_is_lost_stores_one_message_and_is_answered_with_its_id(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, lost = IntakeStore.accept, [1]

    def unheard(self: IntakeStore, drafts: Sequence[Submission], *, asked: Once | None, render: Render) -> Answer:
        stored = accept(self, drafts, asked=asked, render=render)
        if lost:
            lost.pop()
            raise StoreUncertain("connection lost")
        return stored

    monkeypatch.setattr(IntakeStore, "accept", unheard)
    answer = post(client)
    assert answer.status_code == 202
    assert answer.json is not None
    assert client.get(answer.headers["Location"], headers=KEY).status_code == 200


def test_a_commit_that_stays_uncertain_names_the_place_to_look_at(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, answers = IntakeStore.accept, [StoreUncertain("connection lost"), StoreUnavailable("down")]

    def unheard(self: IntakeStore, drafts: Sequence[Submission], *, asked: Once | None, render: Render) -> Answer:
        accept(self, drafts, asked=asked, render=render)
        raise answers.pop(0)

    monkeypatch.setattr(IntakeStore, "accept", unheard)
    answer = post(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json is not None
    assert answer.json["title"] == "The database did not confirm; the message may have been stored"
    assert client.get(answer.headers["Location"], headers=KEY).json["id"] == answer.json["id"]  # type: ignore[index]


def test_health_needs_no_key_and_readiness_names_its_parts(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json) == (200, {"status": "ok", "database": "ok", "broker": "ok"})


def test_the_access_line_has_its_fields_and_no_address(app: flask.Flask, capsys: pytest.CaptureFixture[str]) -> None:
    client = create_app(Settings.load()).test_client()  # made here, so that it writes to the captured stdout
    sent = post(client, headers={**KEY, "X-Request-ID": "req-7"})
    client.get(f"/v1/messages/{sent.json['id'] if sent.json else ''}", headers={**KEY, "X-Request-ID": "req-8"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [line] = [x for x in lines if x.get("request_id") == "req-8"]
    assert {k: line[k] for k in ("message", "method", "path", "status", "ip", "key", "level", "process")} == {
        "message": "request", "method": "GET", "path": "/v1/messages/<id:id>", "status": 200, "ip": "127.0.0.1",
        "key": "bootstrap", "level": "info", "process": "web",
    }  # fmt: skip
    assert line["duration_ms"] >= 0
    assert line["time"].endswith("Z")
    assert not any("bob@" in json.dumps(x) for x in lines)


@pytest.mark.parametrize(("proxies", "ip"), [("0", "127.0.0.1"), ("1", "3.3.3.3"), ("2", "2.2.2.2")])
def test_the_callers_address_is_believed_from_as_many_proxies_as_configured(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxies: str, ip: str
) -> None:
    monkeypatch.setenv("MAILER_TRUSTED_PROXIES", proxies)
    fresh = create_app(Settings.load()).test_client()
    fresh.get("/healthz", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 3.3.3.3"})
    [line] = [json.loads(x) for x in capsys.readouterr().out.splitlines() if '"request"' in x]
    assert line["ip"] == ip


def test_a_broker_that_is_down_does_not_concern_the_caller(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://guest:guest@127.0.0.1:1//")
    fresh = create_app(Settings.load()).test_client()
    assert post(fresh).status_code == 202
    assert fresh.get("/readyz").json == {"status": "unavailable", "database": "ok", "broker": "down"}


def test_an_api_without_a_key_does_not_start(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_API_KEY")
    with pytest.raises(Exception, match="MAILER_API_KEY"):
        create_app(Settings.load())
