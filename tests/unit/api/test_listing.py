"""`GET /v1/messages`: by conditions, page by page, the newest first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from mailer import bootstrap
from mailer.resource import Scope
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said


@pytest.fixture
def api_database(database_url: str) -> str:
    """Give both kinds of database."""
    return database_url


def send(client: FlaskClient, *, request_id: str = "r", headers: dict[str, str] = KEY, **changed: Any) -> str:
    id: str = said(post(client, fields(**changed), headers={**headers, "X-Request-ID": request_id}))["id"]
    return id


def listed(client: FlaskClient, query: dict[str, str], headers: dict[str, str] = KEY) -> list[str]:
    answer = client.get("/v1/messages", query_string=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [message["id"] for message in said(answer)["messages"]]


def walk(client: FlaskClient, between: Callable[[], object] = lambda: None, **query: Any) -> Iterator[str]:
    """Yield every message from page to page, as a client does."""
    while True:
        page = said(client.get("/v1/messages", query_string=query, headers=KEY))
        yield from (message["id"] for message in page["messages"])
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]
        between()


@pytest.fixture
def three(client: FlaskClient) -> list[str]:
    """Give three messages, the oldest first, each with something of its own."""
    return [
        send(client, request_id="first", to=["Ann@Example.com"], tags=["invoice"], metadata={"order": "1", "x": "y"}),
        send(client, request_id="second", cc="carl@example.com", tags=["Invoice", "eu"], metadata={"order": "2"}),
        send(client, request_id="third", bcc="ann@example.com", send_at="2100-01-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [2, 1, 0]),
        ({"status": "queued"}, [1, 0]),
        ({"status": "scheduled"}, [2]),
        ({"status": "failed"}, []),
        ({"recipient": "ann@example.COM"}, [2, 0]),
        ({"recipient": "carl@example.com"}, [1]),
        ({"recipient": "example.com"}, []),
        ({"tag": "invoice"}, [0]),
        ({"tag": "eu"}, [1]),
        ({"metadata_key": "order"}, [1, 0]),
        ({"metadata_key": "order", "metadata_value": "2"}, [1]),
        ({"metadata_key": "order", "metadata_value": ""}, []),
        ({"metadata_key": "2"}, []),
        ({"request_id": "third"}, [2]),
        ({"provider": "sendgrid"}, []),
        ({"since": "2100-01-01T00:00:00Z"}, []),
        ({"until": "2100-01-01T00:00:00Z"}, [2, 1, 0]),
        ({"recipient": "bob@example.com", "status": "queued", "tag": "eu", "metadata_key": "order"}, [1]),
        ({"recipient": "ann@example.com", "status": "scheduled", "request_id": "third"}, [2]),
        ({"tag": "invoice", "status": "scheduled"}, []),
    ],
)
def test_every_condition_holds(client: FlaskClient, three: list[str], query: dict[str, str], found: list[int]) -> None:
    assert listed(client, query) == [three[number] for number in found]


def test_one_that_was_called_is_found_by_its_provider_once(client: FlaskClient, three: list[str]) -> None:
    # Nobody answers at this address, in this test: twice not accepted.
    service = bootstrap.service()
    for _ in range(2):
        service.deliver(three[0])
    assert listed(client, {"provider": "sendgrid"}) == [three[0]]
    assert listed(client, {"provider": "sendgrid", "tag": "invoice"}) == [three[0]]
    assert listed(client, {"provider": "mailgun"}) == []


def test_a_summary_shows_what_matters_and_ten_recipients(client: FlaskClient) -> None:
    id = send(client, to=[f"u{number}@example.com" for number in range(12)])
    [found] = said(client.get("/v1/messages", headers=KEY))["messages"]
    assert (found["id"], found["recipient_count"], found["provider"]) == (id, 12, None)
    assert [r["email"] for r in found["recipients"]] == [f"u{number}@example.com" for number in range(10)]


def test_a_walk_sees_everything_once_while_more_comes_in(client: FlaskClient) -> None:
    sent = [send(client) for _ in range(23)]
    seen = list(walk(client, lambda: send(client), limit=5))
    assert seen == sent[::-1]


def test_the_next_page_is_a_link_too(client: FlaskClient, three: list[str]) -> None:
    answer = client.get("/v1/messages?limit=1&recipient=bob%40example.com", headers=KEY)
    url = answer.headers["Link"].partition(">")[0].removeprefix("<")
    page = said(client.get(url, headers=KEY))
    assert ([m["id"] for m in page["messages"]], page["next_cursor"]) == ([three[1]], None)
    assert "recipient=bob%40example.com" in url


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=x", "/status"), ("limit=0", "/limit"), ("limit=201", "/limit"), ("limit=x", "/limit"),
        ("since=yesterday", "/since"), ("colour=red", "/colour"), ("cursor=x", "cursor"), ("cursor=AAAA", "cursor"),
        ("metadata_value=1", "metadata_value"), ("tag=a&tag=b", "tag"), ("recipient=a%00b", "/recipient"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str, name: str) -> None:
    answer = client.get(f"/v1/messages?{query}", headers=KEY)
    assert answer.status_code == 422
    assert [e["pointer"] for e in said(answer)["errors"]] == [name]


def test_a_cursor_belongs_to_its_list(client: FlaskClient, three: list[str]) -> None:
    cursor = said(client.get("/v1/messages?limit=1", headers=KEY))["next_cursor"]
    assert client.get(f"/v1/messages?limit=2&cursor={cursor}", headers=KEY).status_code == 200
    assert client.get(f"/v1/messages?status=queued&cursor={cursor}", headers=KEY).status_code == 422


@pytest.mark.parametrize(
    "place",
    [
        ["0001-01-01T00:00:00+23:59", "019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11"],
        ["9999-12-31T23:59:59-23:59", "019367f0-5b7a-7c3e-9f0d-2f6a1c9e4b11"],
        ["2026-01-01T00:00:00Z", 5], ["2026-01-01T00:00:00Z", [1]], ["2026-01-01T00:00:00Z", None], [1, "x"], "x", 7,
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(client: FlaskClient, three: list[str], place: Any) -> None:
    own = said(client.get("/v1/messages?limit=1", headers=KEY))["next_cursor"]
    of = json.loads(base64.urlsafe_b64decode(own + "=="))[2]
    text = json.dumps([*place, of] if isinstance(place, list) else place)
    forged = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    assert client.get("/v1/messages", query_string={"cursor": forged}, headers=KEY).status_code == 422


def test_what_would_take_too_long_is_refused_and_holds_nobody_up(
    client: FlaskClient, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = bootstrap.store().database
    if database.engine.dialect.name == "sqlite":
        pytest.skip("a file has no statement_timeout")

    def slow(connection: Any, _: object) -> list[object]:
        connection.exec_driver_sql("SELECT pg_sleep(20)")
        return []

    monkeypatch.setattr("mailer.store.intake._LIST_SECONDS", 0.2)
    monkeypatch.setattr("mailer.store.listing.page", slow)
    refused = client.get("/v1/messages", headers=KEY)
    assert (refused.status_code, said(refused)["type"].rpartition("/")[2]) == (422, "too-broad")
    assert client.get(f"/v1/messages/{three[0]}", headers=KEY).status_code == 200


def test_a_project_sees_only_its_own(
    client: FlaskClient, three: list[str], make_key: Callable[..., dict[str, str]]
) -> None:
    other = make_key(project="b")
    own = send(client, headers=other, tags=["invoice"], to=["ann@example.com"], request_id="first")
    queries: list[dict[str, str]] = [{}, {"tag": "invoice"}, {"recipient": "ann@example.com"}, {"request_id": "first"}]
    for query in queries:
        assert listed(client, query, other) == [own]
        assert own not in listed(client, query)


def test_the_content_is_what_was_accepted(client: FlaskClient, make_key: Callable[..., dict[str, str]]) -> None:
    attachment = {"filename": "a.txt", "content": "aGk=", "content_type": "text/plain"}
    id = send(client, cc="Carl <c@example.com>", attachments=[attachment], metadata={"order": "1"})
    path = f"/v1/messages/{id}/content"
    assert said(client.get(path, headers=KEY)) == {
        "from": {"email": "ann@sender.example.com", "name": "Ann"}, "to": [{"email": "bob@example.com"}],
        "cc": [{"email": "c@example.com", "name": "Carl"}], "subject": "Your invoice", "text": "Thank you.",
        "attachments": [attachment], "metadata": {"order": "1"},
    }  # fmt: skip
    assert client.get(path, headers=make_key(Scope.READ)).status_code == 403
    assert client.get(path, headers=make_key(Scope.CONTENT)).status_code == 200
