"""`/v1/endpoints`: registered, changed, tried, replayed; and refused where nobody may be called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from mailer import bootstrap
from mailer.event import FeedType
from mailer.resource import Scope
from mailer.store import feed
from mailer.store.tables import endpoints
from tests.factories import fields
from tests.receiver import Receiver, receiver
from tests.unit.api.conftest import KEY, post, said

PATH = "/v1/endpoints"


@pytest.fixture
def here() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def register(client: FlaskClient, url: str, **asked: Any) -> dict[str, Any]:
    answer = post(client, {"url": url, **asked}, path=PATH)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = said(answer)
    assert answer.headers["Location"] == f"{PATH}/{found['id']}"
    return found


def get(client: FlaskClient, path: str, **options: Any) -> TestResponse:
    return client.get(path, headers=KEY | options.pop("headers", {}), **options)


def change(client: FlaskClient, id: str, asked: dict[str, Any], **headers: str) -> TestResponse:
    return client.patch(f"{PATH}/{id}", json=asked, headers=KEY | headers)


def happen(client: FlaskClient, *types: FeedType, **message: Any) -> str:
    """Hand a message over, and let things become of it."""
    id: str = said(post(client, fields(**message)))["id"]
    with bootstrap.store().database.write() as connection:
        for type in types:
            feed.occur(connection, id, type, ["bob@example.com"], now=datetime.now(UTC))
    work(client)
    return id


def work(client: FlaskClient) -> None:
    """Do what the workers do."""
    bootstrap.caller().publish()
    for each in said(get(client, PATH))["endpoints"]:
        list(bootstrap.caller().call([each["id"]]))


def callbacks(client: FlaskClient, id: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said(get(client, f"{PATH}/{id}/callbacks", query_string=query))["callbacks"]
    return found


def test_an_application_registers_where_it_is_told_and_verifies_what_it_gets(
    client: FlaskClient, here: Receiver
) -> None:
    made = register(client, here.url + "/hooks", types=["failed", "bounced"], description="orders")
    assert (made["enabled"], made["types"], made["description"]) == (True, ["bounced", "failed"], "orders")
    assert "secret" not in str(made)
    [secret] = said(get(client, f"{PATH}/{made['id']}/secrets"))["secrets"]
    id = happen(client, FeedType.FAILED, FeedType.CANCELED, metadata={"order": "4711"})
    [got] = here.got
    told = Webhook(secret["secret"]).verify(got.body, got.headers)
    assert (told["type"], told["data"]["message_id"], told["data"]["metadata"]) == ("failed", id, {"order": "4711"})
    [line] = callbacks(client, made["id"])
    assert (line["status"], line["event_id"], line["last"]["status_code"]) == ("delivered", got.id, 200)
    shown = said(get(client, f"{PATH}/{made['id']}"))
    assert shown["succeeded_at"] is not None
    assert shown in said(get(client, PATH))["endpoints"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://app.example.com/", "https"),
        ("https://10.0.0.1/", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("https://user:secret@app.example.com/", "user name or password"),
        ("https://app.internal/", "inside"),
        ("https://app.example.com:22/", "port"),
        ("gopher://app.example.com/", "https"),
        ("nonsense", "https"),
    ],
)
def test_where_nobody_may_be_called_nothing_is_registered(client: FlaskClient, url: str, says: str) -> None:
    made = register(client, "https://hooks.example.com/")
    for answer in (post(client, {"url": url}, path=PATH), change(client, made["id"], {"url": url})):
        assert answer.status_code == 422
        [error] = said(answer)["errors"]
        assert error["pointer"] == "/url"
        assert url not in answer.text.replace("\\", "")
    assert said(get(client, f"{PATH}/{made['id']}"))["url"] == "https://hooks.example.com/"


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "/url"), ({"url": 1}, "/url"), ({"url": "https://a.example.com/", "types": ["nonsense"]}, "/types/0"),
        ({"url": "https://a.example.com/", "colour": 1}, "/colour"),
        ({"url": "https://a.example.com/", "per_message": "yes"}, "/per_message"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client: FlaskClient, asked: dict[str, Any], pointer: str) -> None:
    answer = post(client, asked, path=PATH)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in said(answer)["errors"]]


def test_registering_again_under_the_same_key_makes_one_endpoint(client: FlaskClient) -> None:
    asked = {"url": "https://hooks.example.com/"}
    first, second = (post(client, asked, path=PATH, headers=KEY | {"Idempotency-Key": "k"}) for _ in range(2))
    assert said(first) == said(second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(said(get(client, PATH))["endpoints"]) == 1


def test_an_endpoint_is_changed_switched_off_and_on_and_deleted(client: FlaskClient, here: Receiver) -> None:
    id = register(client, here.url)["id"]
    tag = get(client, f"{PATH}/{id}").headers["ETag"]
    off = change(client, id, {"enabled": False}, **{"If-Match": tag})
    assert (said(off)["enabled"], said(off)["disabled_reason"]) == (False, "by_hand")
    assert change(client, id, {"types": []}, **{"If-Match": tag}).status_code == 412
    happen(client, FeedType.FAILED)
    assert callbacks(client, id) == []
    assert said(change(client, id, {"enabled": True, "types": ["bounced"], "description": "x"}))["types"] == ["bounced"]
    happen(client, FeedType.BOUNCED)
    assert len(here.got) == 1
    assert client.delete(f"{PATH}/{id}", headers=KEY).status_code == 204
    assert get(client, f"{PATH}/{id}").status_code == 404
    assert client.delete(f"{PATH}/{id}", headers=KEY).status_code == 404
    happen(client, FeedType.BOUNCED)
    assert len(here.got) == 1


def test_one_that_only_fails_is_switched_off_by_hand_all_the_same(client: FlaskClient) -> None:
    id = register(client, "https://hooks.example.com/")["id"]
    with bootstrap.store().database.write() as connection:
        connection.execute(sa.update(endpoints).values(disabled_reason="failing", disabled_at=datetime.now(UTC)))
    assert said(change(client, id, {"enabled": False}))["disabled_reason"] == "by_hand"


def test_null_in_a_change_is_left_out(client: FlaskClient) -> None:
    id = register(client, "https://hooks.example.com/", types=["failed"])["id"]
    changed = said(change(client, id, {"url": None, "types": None, "description": None, "enabled": None}))
    assert (changed["url"], changed["types"]) == ("https://hooks.example.com/", ["failed"])


def test_a_new_secret_and_the_one_before_are_both_shown_until_it_ends(client: FlaskClient) -> None:
    id = register(client, "https://hooks.example.com/")["id"]
    [old] = said(get(client, f"{PATH}/{id}/secrets"))["secrets"]
    headers = KEY | {"Idempotency-Key": "r"}
    rotated, again = (client.post(f"{PATH}/{id}/secrets", headers=headers) for _ in range(2))
    new, before = said(rotated)["secrets"]
    assert said(again)["secrets"] == [new, before], "rotated once"
    assert before["secret"] == old["secret"]
    assert before["expires_at"] is not None
    assert new["secret"].startswith("whsec_")
    assert new["secret"] != old["secret"]


def test_a_test_is_told_on_request(client: FlaskClient, here: Receiver) -> None:
    id = register(client, here.url, types=["bounced"])["id"]
    asked = client.post(f"{PATH}/{id}/test", headers=KEY)
    assert (asked.status_code, said(asked)["type"], said(asked)["status"]) == (202, "test", "pending")
    work(client)
    [got] = here.got
    assert got.id == said(asked)["id"]
    assert (got.json["type"], got.json["data"]["sequence"]) == ("test", None)
    assert callbacks(client, id)[0]["status"] == "delivered"


def test_one_event_is_told_again_under_the_same_id_with_a_log_of_every_attempt(
    client: FlaskClient, here: Receiver
) -> None:
    id = register(client, here.url + "/h")["id"]
    happen(client, FeedType.FAILED)
    [line] = callbacks(client, id)
    here.answers["/h"] = 202
    again = client.post(f"{PATH}/{id}/callbacks/{line['id']}/replay", headers=KEY)
    assert (again.status_code, said(again)["status"]) == (202, "pending")
    work(client)
    assert len({got.id for got in here.got}) == 1
    attempts = said(get(client, f"{PATH}/{id}/callbacks/{line['id']}/attempts"))["attempts"]
    assert [(a["status_code"], a["excerpt"]) for a in attempts] == [(200, "ok"), (202, "ok")]


def test_a_time_is_told_again_also_what_came_before_the_endpoint(client: FlaskClient, here: Receiver) -> None:
    begun = datetime.now(UTC)
    early = register(client, here.url + "/early")["id"]
    happen(client, *[FeedType.FAILED] * 3)
    late = register(client, here.url + "/late", types=["failed"])["id"]
    happen(client, FeedType.CANCELED)
    span = {"since": begun.isoformat(), "until": (begun + timedelta(hours=1)).isoformat()}
    for id, count in ((early, 4), (late, 3)):
        answer = post(client, span, path=f"{PATH}/{id}/replay")
        assert (answer.status_code, said(answer)) == (202, {"replayed": count})
    work(client)
    assert len(here.at("/early")) == 8
    assert len({got.id for got in here.at("/early")}) == 4
    assert len(here.at("/late")) == 3
    nothing = {"since": span["until"], "until": span["until"]}
    assert said(post(client, nothing, path=f"{PATH}/{late}/replay")) == {"replayed": 0}


def test_the_log_is_read_page_by_page_and_by_status(client: FlaskClient, here: Receiver) -> None:
    id = register(client, here.url + "/h")["id"]
    happen(client, *[FeedType.FAILED] * 5)
    here.answers["/h"] = 500
    happen(client, FeedType.EXPIRED)
    assert [line["type"] for line in callbacks(client, id, status="pending")] == ["expired"]
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = said(get(client, f"{PATH}/{id}/callbacks", query_string=query))
        seen += [line["sequence"] for line in page["callbacks"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert seen[0] == 6
    assert get(client, f"{PATH}/{id}/callbacks", query_string={"limit": 2, "cursor": "x"}).status_code == 422


def test_a_message_may_name_a_place_that_is_registered_for_that(client: FlaskClient, here: Receiver) -> None:
    mine = here.url + "/orders/4711"
    for url in (mine, "https://evil.example.com/"):
        refused = post(client, fields(callback_url=url))
        assert refused.status_code == 422
        assert [e["pointer"] for e in said(refused)["errors"]] == ["/callback_url"]
    register(client, here.url + "/orders", per_message=True)
    bootstrap.service()._live_places.forget()
    happen(client, FeedType.FAILED, callback_url=mine)
    happen(client, FeedType.FAILED)
    assert [got.path for got in here.got] == ["/orders/4711"]
    assert post(client, fields(callback_url=here.url + "/orders/../admin")).status_code == 422


def test_endpoints_are_for_keys_that_may(client: FlaskClient, make_key: Callable[..., dict[str, str]]) -> None:
    assert client.get(PATH, headers=make_key(Scope.EVENTS, Scope.SEND)).status_code == 403
    mine = make_key(Scope.ENDPOINTS, project="other")
    assert said(client.get(PATH, headers=mine))["endpoints"] == []
