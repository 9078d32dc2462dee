"""`POST /v1/messages/bulk`: many at once, each accepted or refused for itself."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mailer import bootstrap
from mailer.store import Store
from tests.factories import fields
from tests.unit.api.conftest import KEY, post, said
from tests.unit.api.test_api import rows


def bulk(client: FlaskClient, messages: Any, **more: Any) -> TestResponse:
    return post(client, {"messages": messages, **more}, path="/v1/messages/bulk")


def test_each_gets_its_result_in_the_same_order(client: FlaskClient) -> None:
    answer = bulk(client, [fields(subject="One"), fields(subject=""), 7, fields(subject="Four", lane="bulk")])
    assert answer.status_code == 207
    results = said(answer)["results"]
    assert [r["status"] for r in results] == [202, 422, 422, 202]
    assert {e["pointer"] for e in results[1]["problem"]["errors"]} == {"/subject"}
    subjects = [said(client.get(f"/v1/messages/{r['id']}/content", headers=KEY))["subject"] for r in results if r["id"]]
    assert subjects == ["One", "Four"]


def test_five_hundred_are_one_request(client: FlaskClient) -> None:
    results = said(bulk(client, [fields(to=f"u{number}@example.com") for number in range(500)]))["results"]
    assert len({r["id"] for r in results}) == 500
    assert {r["status"] for r in results} == {202}


@pytest.mark.parametrize(
    ("messages", "more", "pointer"),
    [([], {}, "/messages"), (fields(), {}, "/messages"), ([{}] * 501, {}, "/messages"), ([fields()], {"a": 1}, "/a")],
)
def test_what_is_no_list_of_messages_stores_nothing(
    client: FlaskClient, messages: Any, more: dict[str, Any], pointer: str
) -> None:
    before = rows(bootstrap.store())
    answer = bulk(client, messages, **more)
    assert answer.status_code == 422
    assert pointer in [e["pointer"] for e in said(answer)["errors"]]
    assert rows(bootstrap.store()) == before


def test_all_or_nothing_is_stored_when_the_database_fails_in_the_middle(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailer.errors import StoreUnavailable
    from mailer.store import mark

    before = rows(bootstrap.store())
    calls: list[int] = []

    def failing(**_: Any) -> set[str]:
        calls.append(1)
        if len(calls) == 3:
            raise StoreUnavailable("gone")
        return set()

    monkeypatch.setattr(mark, "of", failing)
    assert bulk(client, [fields() for _ in range(4)]).status_code == 503
    assert rows(bootstrap.store()) == before
    assert isinstance(bootstrap.store(), Store)
