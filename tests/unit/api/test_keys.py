"""Keys: who may come in, from where, as whom, how often, and until when."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from api import create_app, operation
from deploy.local import port
from deploy.local.process import Process
from mailer import bootstrap, ids, keyring
from mailer.resource import Scope
from mailer.settings import Settings
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said

Make = Callable[..., dict[str, str]]


def create(client: FlaskClient, headers: dict[str, str] = KEY, **asked: Any) -> Any:
    answer = post(client, {"name": "shop", "scopes": ["send"], **asked}, path="/v1/keys", headers=headers)
    assert answer.status_code == 201, answer.text
    return said(answer)


def bearer(made: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


def test_a_key_is_shown_once_and_works_at_once(client: FlaskClient) -> None:
    made = create(client, scopes=["send", "read"])
    assert made["key"].startswith(made["prefix"])
    sent = post(client, headers=bearer(made))
    assert sent.status_code == 202
    assert client.get(sent.headers["Location"], headers=bearer(made)).status_code == 200
    shown = said(client.get(f"/v1/keys/{made['id']}", headers=KEY))
    assert shown == {**{n: v for n, v in made.items() if n != "key"}, "last_used_at": shown["last_used_at"]}
    assert shown["last_used_at"] is not None
    assert made["key"][len(made["prefix"]) :] not in client.get("/v1/keys", headers=KEY).text


def test_a_revoked_key_is_refused_here_at_once_and_elsewhere_within_seconds(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(client)
    here, elsewhere = bootstrap.keyring(), keyring.Keyring(
        store=bootstrap.keyring()._store, clock=bootstrap.intake().now, steady=lambda: steady[0]
    )  # fmt: skip
    steady = [100.0]
    assert elsewhere.find(made["key"]) is not None
    revoked = client.post(f"/v1/keys/{made['id']}/revoke", headers=KEY)
    assert said(revoked)["revoked_at"] is not None
    assert post(client, headers=bearer(made)).status_code == 401
    assert here.find(made["key"]) is None
    steady[0] += keyring.BELIEVED
    assert elsewhere.find(made["key"]) is None
    assert said(client.post(f"/v1/keys/{made['id']}/revoke", headers=KEY)) == said(revoked)


def test_a_key_ends_at_its_time(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    end = bootstrap.intake().now() + timedelta(hours=1)
    made = create(client, expires_at=end.isoformat())
    assert post(client, headers=bearer(made)).status_code == 202
    monkeypatch.setattr(bootstrap.keyring(), "_clock", lambda: end)
    assert post(client, headers=bearer(made)).status_code == 401


def test_what_only_looks_like_a_key_is_none(client: FlaskClient) -> None:
    made = create(client)["key"]
    other = "A" if made[-1] != "A" else "B"
    for wrong in (made[:-1] + other, made + "A", made[:-1], made.upper(), made.replace("live", "test"), "mlr_live_"):
        assert post(client, headers={"Authorization": f"Bearer {wrong}"}).status_code == 401, wrong


def test_every_view_asks_for_exactly_its_scope(app: flask.Flask, client: FlaskClient, make_key: Make) -> None:
    keys = {scope: make_key(scope) for scope in Scope}
    asked = 0
    for rule in app.url_map.iter_rules():
        what = operation.of(app, rule.endpoint)
        if rule.endpoint.endswith(".static"):
            continue
        assert what is not None
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = rule.rule.replace("<id:id>", "019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11").replace("<slug>", "not-found")
            if "<" in path:
                continue
            for scope, key in keys.items():
                status = client.open(path, method=method, headers=key).status_code
                if what.scope is None:
                    assert status not in (401, 403)
                else:
                    assert (status == 403) == (scope not in (what.scope, Scope.ADMIN)), (method, path, scope, status)
                    assert client.open(path, method=method).status_code == 401
                asked += 1
    assert asked > 60


def test_no_endpoint_shows_or_touches_what_belongs_to_another_project(client: FlaskClient, make_key: Make) -> None:
    mine, theirs = make_key(project="a"), make_key(project="b")
    ids_of = {
        "messages": said(post(client, fields(send_at="2100-01-01T00:00:00Z"), headers=theirs))["id"],
        "keys": create(client, theirs)["id"],
        "endpoints": said(post(client, {"url": "https://a.example.com/"}, path="/v1/endpoints", headers=theirs))["id"],
        "suppressions": said(post(client, {"email": "eve@example.com"}, path="/v1/suppressions", headers=theirs))["id"],
    }
    asked = 0
    # As it is described, so that none is forgotten.
    for path, methods in said(client.get("/openapi.json"))["paths"].items():
        if "{id}" not in path:
            continue
        url = path.replace("{id}", ids_of[path.split("/")[2]]).replace("{callback_id}", ids.new())
        for method in set(methods) & {"get", "post", "patch", "put", "delete"}:
            answer = client.open(url, method=method, json={} if method == "patch" else None, headers=mine)
            assert answer.status_code == 404, (method, path)
            asked += 1
    assert asked >= 8
    shown = said(client.get(f"/v1/messages/{ids_of['messages']}", headers=theirs))
    assert shown["status"] == "scheduled", "nothing was touched"


def test_a_refusal_names_the_scope(client: FlaskClient, make_key: Make) -> None:
    answer = post(client, headers=make_key(Scope.READ))
    assert (answer.status_code, said(answer)["scope"]) == (403, "send")
    assert said(answer)["type"].endswith("/problems/missing-scope")


@pytest.mark.parametrize(
    ("allowed", "sender", "status"),
    [
        ([], "a@anything.example", 202), (["shop.example"], "a@shop.example", 202),
        (["shop.example"], "a@mail.SHOP.example", 202), (["SHOP.example"], "a@shop.example", 202),
        (["shop.example"], "a@myshop.example", 403), (["shop.example"], "a@shop.example.evil.example", 403),
        (["bücher.example"], "a@bücher.example", 202), (["shop.example", "b.example"], "x@b.example", 202),
    ],
)  # fmt: skip
def test_a_key_sends_only_from_its_domains(
    client: FlaskClient, make_key: Make, allowed: list[str], sender: str, status: int
) -> None:
    key = make_key(Scope.SEND, from_domains=allowed)
    assert post(client, fields(from_=sender), headers=key).status_code == status
    in_bulk = post(client, {"messages": [fields(from_=sender)]}, path="/v1/messages/bulk", headers=key)
    assert said(in_bulk)["results"][0]["status"] == status


def test_the_domains_of_a_project_hold_for_all_its_keys_and_for_its_calls(client: FlaskClient, make_key: Make) -> None:
    from mailer.errors import InvalidMessage
    from tests.factories import message

    key = make_key(Scope.SEND, project="strict")
    bootstrap.keyring().change_project("strict", from_domains=["shop.example"])
    bootstrap.keyring()._seen.forget()
    assert post(client, fields(from_="a@other.example"), headers=key).status_code == 403
    with pytest.raises(InvalidMessage, match="/from"):
        bootstrap.service().submit(message(from_="a@other.example"), project_id="strict", request_id="r")
    bootstrap.service().submit(message(from_="a@shop.example"), project_id="strict", request_id="r")


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["10.0.0.0/8"], "10.1.2.3", 202), (["10.0.0.0/8"], "11.1.2.3", 403), (["10.0.0.0/8"], "::ffff:10.1.2.3", 202),
        (["2001:db8::/32"], "2001:db8::1", 202), (["192.0.2.7"], "192.0.2.7", 202), (["192.0.2.7"], "192.0.2.8", 403),
        ([], "203.0.113.9", 202),
    ],
)  # fmt: skip
def test_a_key_is_used_only_from_its_networks(
    client: FlaskClient, make_key: Make, networks: list[str], address: str, status: int
) -> None:
    key = make_key(Scope.SEND, networks=networks)
    assert post(client, headers=key, environ_base={"REMOTE_ADDR": address}).status_code == status


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"name": ""}, "/name"), ({"scopes": []}, "/scopes"), ({"scopes": ["all"]}, "/scopes/0"),
        ({"networks": ["10.0.0.1/8"]}, "/networks/0"), ({"from_domains": ["not a domain"]}, "/from_domains/0"),
        ({"rate": "many"}, "/rate"), ({"rate": "0/minute"}, "/rate"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"project": "other"}, "/project"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_key_is_named(client: FlaskClient, asked: dict[str, Any], pointer: str) -> None:
    answer = post(client, {"name": "k", "scopes": ["send"], **asked}, path="/v1/keys")
    assert answer.status_code == 422
    assert pointer in [e["pointer"].removesuffix("/") for e in said(answer)["errors"]], answer.text


def test_a_key_never_sees_or_touches_another_project(client: FlaskClient, make_key: Make) -> None:
    theirs = create(client, make_key(project="b"))
    assert said(client.get("/v1/keys", headers=KEY))["keys"] == []
    assert client.get(f"/v1/keys/{theirs['id']}", headers=KEY).status_code == 404
    assert client.post(f"/v1/keys/{theirs['id']}/revoke", headers=KEY).status_code == 404
    assert post(client, headers=bearer(theirs)).status_code == 202


def test_a_test_key_marks_its_messages_and_makes_only_test_keys(client: FlaskClient, make_key: Make) -> None:
    key = make_key(test=True)
    sent = post(client, headers=key)
    assert said(client.get(sent.headers["Location"], headers=key))["test"] is True
    assert post(client, {"name": "k", "scopes": ["send"]}, path="/v1/keys", headers=key).status_code == 422
    assert create(client, key, test=True)["key"].startswith("mlr_test_")


def test_test_keys_and_live_keys_live_in_two_worlds(client: FlaskClient, make_key: Make) -> None:
    test, live = make_key(test=True), make_key()
    once = {"Idempotency-Key": "order-1"}
    tested = said(post(client, headers={**test, **once}))["id"]
    sent = post(client, headers={**live, **once})
    assert "Idempotency-Replayed" not in sent.headers, "a live mail is not answered by a test"
    for key, own, other in ((test, tested, said(sent)["id"]), (live, said(sent)["id"], tested)):
        listed = said(client.get("/v1/messages", headers=key))["messages"]
        assert [m["id"] for m in listed] == [own]
        for path in ("", "/attempts", "/events", "/content"):
            assert client.get(f"/v1/messages/{own}{path}", headers=key).status_code == 200
            assert client.get(f"/v1/messages/{other}{path}", headers=key).status_code == 404
        assert client.patch(f"/v1/messages/{other}", json={"send_at": None}, headers=key).status_code == 404
        assert client.post(f"/v1/messages/{other}/cancel", headers=key).status_code == 404


def test_a_test_key_manages_test_keys_only(client: FlaskClient, make_key: Make) -> None:
    test, live = make_key(test=True), create(client)
    assert client.get(f"/v1/keys/{live['id']}", headers=test).status_code == 404
    assert client.post(f"/v1/keys/{live['id']}/revoke", headers=test).status_code == 404
    assert all(k["test"] for k in said(client.get("/v1/keys", headers=test))["keys"])
    assert post(client, headers=bearer(live)).status_code == 202


def test_a_wrong_secret_is_no_use_of_a_key(client: FlaskClient) -> None:
    made = create(client)
    wrong = made["prefix"] + "A" * 32
    assert post(client, headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    assert said(client.get(f"/v1/keys/{made['id']}", headers=KEY))["last_used_at"] is None


def test_the_last_use_is_not_written_at_every_request(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create(client)
    touched: list[str] = []
    touch = bootstrap.keyring()._store.touch_key

    def counted(id: str, *, now: datetime) -> None:
        touched.append(id)
        touch(id, now=now)

    monkeypatch.setattr(bootstrap.keyring()._store, "touch_key", counted)
    for _ in range(20):
        assert post(client, headers=bearer(made)).status_code == 202
    assert touched == [made["id"]]


def test_too_many_requests_are_told_when_to_come_back(client: FlaskClient, make_key: Make) -> None:
    key, other = make_key(Scope.SEND, rate="3/minute"), make_key(Scope.SEND)
    first = post(client, headers=key)
    assert first.headers["RateLimit-Policy"] == '"key";q=3;w=60'
    assert first.headers["RateLimit"].startswith('"key";r=2;t=')
    assert [post(client, headers=key).status_code for _ in range(3)] == [202, 202, 429]
    refused = post(client, headers=key)
    assert said(refused)["type"].endswith("/problems/rate-limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert post(client, headers=other).status_code == 202


def test_many_at_once_count_as_many(client: FlaskClient, make_key: Make) -> None:
    key = make_key(Scope.SEND, rate="10/minute")
    body = {"messages": [fields()] * 8}
    assert post(client, body, path="/v1/messages/bulk", headers=key).status_code == 207
    assert post(client, body, path="/v1/messages/bulk", headers=key).status_code == 429


def test_what_no_wait_would_let_pass_is_refused_as_such(client: FlaskClient, make_key: Make) -> None:
    key = make_key(Scope.SEND, rate="10/minute")
    refused = post(client, {"messages": [fields()] * 11}, path="/v1/messages/bulk", headers=key)
    assert (refused.status_code, said(refused)["errors"][0]["pointer"]) == (422, "/messages")


def test_all_keys_together_have_a_limit_too(app: flask.Flask, make_key: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_RATE_GLOBAL", "4/minute")
    client = create_app(Settings.load()).test_client()
    keys = [make_key(Scope.SEND), make_key(Scope.SEND)]
    answers = [post(client, headers=keys[number % 2]) for number in range(5)]
    assert [a.status_code for a in answers] == [202, 202, 202, 202, 429]
    assert '"global";q=4;w=60' in answers[0].headers["RateLimit-Policy"]


def test_a_counter_that_is_away_stops_no_mail(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_RATE_STORAGE", "redis://127.0.0.1:1/0")
    client = create_app(Settings.load()).test_client()
    begun = time.monotonic()
    assert [post(client).status_code for _ in range(3)] == [202] * 3
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("name", "value"), [("MAILER_RATE_KEY", "much"), ("MAILER_RATE_STORAGE", "gopher://x"), ("MAILER_RATE_GLOBAL", "1")]
)
def test_a_limit_that_is_none_is_named_at_the_start(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match=name):
        create_app(Settings.load())


def test_bulk_is_refused_before_transactional_mail_when_too_much_waits(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = bootstrap.intake().now()
    monkeypatch.setenv("MAILER_BACKLOG_SECONDS_BULK", "60")
    client = create_app(Settings.load()).test_client()
    assert post(client, fields(lane="bulk")).status_code == 202
    monkeypatch.setattr(bootstrap.intake(), "_clock", lambda: now + timedelta(seconds=70))
    client = create_app(Settings.load()).test_client()
    refused = post(client, fields(lane="bulk"))
    assert refused.status_code == 503
    assert said(refused)["type"].endswith("/problems/backlog")
    assert int(refused.headers["Retry-After"]) > 0
    assert post(client, {"messages": [fields(), fields(lane="bulk")]}, path="/v1/messages/bulk").status_code == 503
    assert post(client).status_code == 202


def test_the_depth_of_the_queue_counts_too(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_BACKLOG_DEPTH_TRANSACTIONAL", "100")
    bootstrap.service().note_sweep(seconds=0, woken=0, buried=0, depths={"mail.transactional": 101, "mail.bulk": 0})
    client = create_app(Settings.load()).test_client()
    assert post(client).status_code == 503
    assert post(client, fields(lane="bulk")).status_code == 202


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")
def test_on_redis_all_processes_count_together(
    app: flask.Flask, make_key: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = port.free_port()
    command = ["redis-server", "--port", str(number), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    redis = Process(name="redis", command=command, log=tmp_path / "redis.log", environment=dict(os.environ))
    redis.start()
    try:
        redis.wait_ready(lambda: port.answers(number), timeout=20)
        monkeypatch.setenv("MAILER_RATE_STORAGE", f"redis://127.0.0.1:{number}/0")
        key = make_key(Scope.SEND, rate="3/hour")
        # Each as a process of its own would make it.
        one, other = (create_app(Settings.load()).test_client() for _ in range(2))
        assert [post(c, headers=key).status_code for c in (one, other, one, other)] == [202, 202, 202, 429]
    finally:
        redis.stop()
