"""`/v1/suppressions` as an application and its operator see it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api import spreadsheet
from mailer import bootstrap
from mailer.resource import Scope
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said

Make = Callable[..., dict[str, str]]
PATH = "/v1/suppressions"


def add(client: FlaskClient, email: str = "bob@example.com", **asked: Any) -> Any:
    headers = asked.pop("headers", KEY)
    answer = post(client, {"email": email, **asked}, path=PATH, headers=headers)
    assert answer.status_code == 201, answer.text
    return said(answer)


def listed(client: FlaskClient, query: str = "", headers: dict[str, str] = KEY) -> list[str]:
    return [s["email"] for s in said(client.get(PATH + query, headers=headers))["suppressions"]]


def read_in(client: FlaskClient, text: str | bytes, **options: Any) -> TestResponse:
    return post(client, text, path=f"{PATH}.csv", content_type=options.pop("content_type", "text/csv"), **options)


def test_one_is_added_shown_and_lifted(client: FlaskClient) -> None:
    answer = post(client, {"email": "Bob@Example.com", "stream": "news", "detail": "asked us by phone"}, path=PATH)
    shown = said(client.get(answer.headers["Location"], headers=KEY))
    assert shown == said(answer)
    assert (shown["email"], shown["reason"], shown["stream"], shown["source"], shown["detail"]) == (
        "bob@example.com", "manual", "news", "api", "asked us by phone",
    )  # fmt: skip
    assert client.delete(f"{PATH}/{shown['id']}", headers=KEY).status_code == 204
    assert client.delete(f"{PATH}/{shown['id']}", headers=KEY).status_code == 404
    assert listed(client) == []


def test_one_that_is_known_stays_as_it_was(client: FlaskClient) -> None:
    first = add(client)
    again = post(client, {"email": "BOB@example.com", "detail": "once more"}, path=PATH)
    assert (again.status_code, said(again)) == (200, first)


def test_adding_is_done_once_for_its_key(client: FlaskClient) -> None:
    headers = {**KEY, "Idempotency-Key": "k"}
    first = add(client, headers=headers)
    again = post(client, {"email": "bob@example.com"}, path=PATH, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"], said(again)) == (201, "true", first)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"email": "nobody"}, "/email"), ({}, "/email"), ({"email": "a@b.example", "reason": "tired"}, "/reason"),
        ({"email": "a@b.example", "stream": "No!"}, "/stream"), ({"email": "a@b.example", "x": 1}, "/x"),
        ({"email": "a@b.example", "reason": "bounced", "stream": "news"}, "/stream"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client: FlaskClient, asked: dict[str, Any], pointer: str) -> None:
    answer = post(client, asked, path=PATH)
    assert (answer.status_code, said(answer)["errors"][0]["pointer"]) == (422, pointer)


def test_they_are_found_by_address_domain_reason_and_stream_page_by_page(client: FlaskClient) -> None:
    add(client, "a@one.example", reason="bounced")
    add(client, "b@one.example", stream="news")
    add(client, "c@two.example")
    assert listed(client) == ["c@two.example", "b@one.example", "a@one.example"]
    assert listed(client, "?email=A@ONE.example") == ["a@one.example"]
    assert listed(client, "?email=*@one.example") == ["b@one.example", "a@one.example"]
    assert listed(client, "?reason=bounced") == ["a@one.example"]
    assert listed(client, "?stream=news") == ["b@one.example"]
    assert listed(client, "?stream=") == ["c@two.example", "a@one.example"]
    first = client.get(f"{PATH}?limit=2", headers=KEY)
    assert listed(client, f"?limit=2&cursor={said(first)['next_cursor']}") == ["a@one.example"]
    assert said(first)["next_cursor"] in first.headers["Link"]
    assert client.get(f"{PATH}?reason=manual&cursor={said(first)['next_cursor']}", headers=KEY).status_code == 422


def test_projects_and_worlds_have_their_own(client: FlaskClient, make_key: Make) -> None:
    keys = [make_key(project="a"), make_key(project="b"), make_key(project="a", test=True)]
    for number, key in enumerate(keys):
        add(client, f"n{number}@example.com", headers=key)
    for number, key in enumerate(keys):
        assert listed(client, headers=key) == [f"n{number}@example.com"]
        assert client.get(f"{PATH}.csv", headers=key).text.count("@example.com") == 1
        sent = post(client, fields(to=[f"n{n}@example.com" for n in range(3)]), headers=key)
        shown = said(client.get(sent.headers["Location"], headers=key))["recipients"]
        assert [r["status"] for r in shown].index("suppressed") == number
        assert [r["reason"] for r in shown].count("manual") == 1


def test_a_message_of_which_nobody_is_left_is_accepted_and_has_ended(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []

    def wake(_: object, id: str, **__: object) -> bool:
        woken.append(id)
        return True

    monkeypatch.setattr("api.waker.Waker.wake", wake)
    add(client)
    headers = {**KEY, "Idempotency-Key": "order-1"}
    answer, again = post(client, headers=headers), post(client, headers=headers)
    assert (answer.status_code, said(answer)["status"]) == (202, "failed")
    assert said(again) == said(answer)
    shown = said(client.get(answer.headers["Location"], headers=KEY))
    assert (shown["status"], shown["reason"]) == ("failed", "every recipient is suppressed")
    assert woken == []
    both = post(client, {"messages": [fields(), fields(to="eve@example.com")]}, path="/v1/messages/bulk")
    assert woken == [said(both)["results"][1]["id"]]


def test_ignoring_them_needs_its_scope_and_the_refusal_names_the_field(client: FlaskClient, make_key: Make) -> None:
    add(client)
    wanted = fields(ignore_suppressions=True)
    refused = post(client, wanted, headers=make_key(Scope.SEND))
    assert (refused.status_code, said(refused)["scope"]) == (403, "ignore_suppressions")
    assert said(refused)["errors"][0]["pointer"] == "/ignore_suppressions"
    in_bulk = post(client, {"messages": [wanted]}, path="/v1/messages/bulk", headers=make_key(Scope.SEND))
    assert said(in_bulk)["results"][0]["status"] == 403
    for key in (make_key(Scope.SEND, Scope.IGNORE_SUPPRESSIONS), KEY):
        sent = post(client, wanted, headers=key)
        assert said(sent)["status"] == "queued"
        shown = said(client.get(sent.headers["Location"], headers=KEY))
        assert (shown["ignore_suppressions"], shown["recipients"][0]["status"]) == (True, "queued")


def test_what_is_written_as_csv_comes_back_as_it_was(client: FlaskClient, make_key: Make) -> None:
    there = make_key(project="there")
    odd = [
        "=1+1@example.com",
        "+x@example.com",
        "-x@example.com",
        "'=x@example.com",
        "''x@example.com",
        "o'x@example.com",
    ]
    for email in odd:
        add(client, email, reason="unsubscribed", stream="news", detail='=HYPERLINK("x"), "so"')
    written = client.get(f"{PATH}.csv", headers=KEY)
    assert written.content_type == "text/csv; charset=utf-8"
    cells = [cell for row in csv.reader(io.StringIO(written.text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))], "a spreadsheet would take it for code"
    assert said(read_in(client, written.data, headers=there)) == {"lines": len(odd), "added": len(odd)}
    assert sorted(listed(client, headers=there)) == sorted(odd)
    assert said(client.get(PATH, headers=there))["suppressions"][0]["detail"] == '=HYPERLINK("x"), "so"'
    assert said(read_in(client, written.data, headers=there)) == {"lines": len(odd), "added": 0}


def test_more_than_a_page_of_them_is_written_whole(client: FlaskClient) -> None:
    lines = "".join(f"n{n}@example.com\r\n" for n in range(2_300))
    assert said(read_in(client, f"\ufeffemail\r\n{lines}"))["added"] == 2_300
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PATH}.csv", headers=KEY).text)))
    assert len({row["email"] for row in rows}) == 2_300
    assert rows[0] == {**rows[0], "stream": "", "reason": "manual", "source": "csv"}


def test_a_file_is_read_whole_or_not_at_all_and_every_wrong_line_is_named(client: FlaskClient) -> None:
    text = (
        "email,stream,reason\n"
        "good@example.com,,\n"
        "nobody,,\n"
        "\n"
        "b@example.com,No!,tired\n"
        "c@example.com,news,bounced\n"
        "d@example.com,news,manual,more\n"
    )
    answer = read_in(client, text)
    assert answer.status_code == 422
    assert [e["pointer"] for e in said(answer)["errors"]] == ["/3/email", "/5/reason", "/5/stream", "/6/stream", "/7"]
    assert listed(client) == []


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("", "/1"), ("address\na@example.com\n", "/1"), ("email,email\n", "/1"), ("email,colour\n", "/1"),
        ('email\n"a@example.com', "/2"), (b"email\n\xff@example.com\n", ""), ("email\n\0\n", ""),
        ("email\n" + "a@example.com\n" * (spreadsheet.MOST_LINES + 1), ""),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(client: FlaskClient, text: str | bytes, pointer: str) -> None:
    answer = read_in(client, text)
    assert (answer.status_code, said(answer)["errors"][0]["pointer"]) == (422, pointer)


def test_a_file_that_is_too_large_or_no_csv_is_refused(app: flask.Flask, client: FlaskClient) -> None:
    assert read_in(client, "{}", content_type="application/json").status_code == 415
    assert read_in(client, "email", content_type="text/csv; charset=latin-1").status_code == 415
    large = read_in(client, b"email\n" + b"x" * spreadsheet.MOST_BYTES)
    assert (large.status_code, said(large)["detail"]) == (413, f"at most {spreadsheet.MOST_BYTES} bytes are taken")


def test_a_file_is_read_once_for_its_key(client: FlaskClient) -> None:
    headers = {**KEY, "Idempotency-Key": "import-1"}
    first = read_in(client, "email\na@example.com\n", headers=headers)
    assert said(read_in(client, "email\na@example.com\n", headers=headers)) == said(first)
    assert read_in(client, "email\nb@example.com\n", headers=headers).status_code == 422
    assert listed(client) == ["a@example.com"]


def test_a_database_that_is_away_is_said_before_the_file_begins(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailer.errors import StoreUnavailable

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(bootstrap.blocklist()._store, "listed", away)
    assert client.get(f"{PATH}.csv", headers=KEY).status_code == 503
