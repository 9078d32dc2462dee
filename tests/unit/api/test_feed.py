"""`/v1/events` and its stream: everything once, from where one was, whatever is not one's own left out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import flask
import pytest
import requests
from flask.testing import FlaskClient

from api import state
from mailer import bootstrap
from mailer.event import FeedType
from mailer.resource import Scope
from tests.unit.api.conftest import KEY, said
from tests.unit.api.test_endpoints import happen

PATH = "/v1/events"


def page(client: FlaskClient, headers: dict[str, str] = KEY, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = said(client.get(PATH, headers=headers, query_string=query))
    return found


def test_whoever_comes_back_with_after_misses_nothing_and_sees_nothing_twice(client: FlaskClient) -> None:
    assert page(client) == {"events": [], "after": 0, "more": False}
    happen(client, *[FeedType.FAILED] * 5)
    seen, after = [], 0
    while True:
        found = page(client, after=after, limit=2)
        seen += [e["sequence"] for e in found["events"]]
        after = found["after"]
        if not found["more"]:
            break
    assert seen == [1, 2, 3, 4, 5]
    happen(client, FeedType.CANCELED)
    found = page(client, after=after)
    assert [(e["sequence"], e["type"]) for e in found["events"]] == [(6, "canceled")]
    assert page(client, after=6) == {"events": [], "after": 6, "more": False}


def test_some_types_are_read_by_name(client: FlaskClient) -> None:
    happen(client, FeedType.FAILED, FeedType.CANCELED, FeedType.EXPIRED)
    assert [e["sequence"] for e in page(client, types="failed,expired")["events"]] == [1, 3]
    answer = client.get(PATH, headers=KEY, query_string={"types": "failed,nonsense"})
    assert answer.status_code == 422
    assert [e["pointer"] for e in said(answer)["errors"]] == ["/types"]


def test_where_nothing_is_of_a_wanted_type_the_reader_gets_on_all_the_same(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("mailer.store.feed", "mailer.endpoints"):
        monkeypatch.setattr(f"{module}.LOOKED_THROUGH", 4)
    happen(client, *[FeedType.FAILED] * 9, FeedType.EXPIRED)
    seen, after, asked = [], 0, 0
    while True:
        found = page(client, after=after, types="expired")
        asked += 1
        seen += [e["sequence"] for e in found["events"]]
        after = found["after"]
        if not found["more"]:
            break
    assert (seen, after, asked) == ([10], 10, 3)


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=501", "colour=1", "after=1&after=2"])
def test_wrong_parameters_are_named(client: FlaskClient, query: str) -> None:
    answer = client.get(f"{PATH}?{query}", headers=KEY)
    assert answer.status_code == 422
    assert [e["pointer"].lstrip("/") for e in said(answer)["errors"]] == [query.partition("=")[0]]


def test_a_feed_is_its_projects(client: FlaskClient, make_key: Callable[..., dict[str, str]]) -> None:
    happen(client, FeedType.FAILED)
    assert page(client, make_key(Scope.EVENTS, project="other"))["events"] == []
    assert page(client, make_key(Scope.EVENTS, test=True))["events"] == []
    assert len(page(client, make_key(Scope.EVENTS))["events"]) == 1
    assert client.get(PATH, headers=make_key(Scope.READ)).status_code == 403


def told(text: str) -> list[dict[str, str]]:
    """Return the events of a stream, field by field."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block) for block in blocks if not block[0].startswith(":")]


def test_a_stream_tells_what_happens_and_goes_on_where_it_was(client: FlaskClient, url: str) -> None:
    happen(client, FeedType.FAILED)
    with requests.get(url + PATH + "/stream", headers=KEY, stream=True, timeout=5) as following:
        assert following.headers["Content-Type"].startswith("text/event-stream")
        happen(client, FeedType.CANCELED, FeedType.EXPIRED)
        retry, one, two = told(following.text)
    assert retry == {"retry": "2000"}
    assert [(e["id"], e["event"]) for e in (one, two)] == [("2", "canceled"), ("3", "expired")]
    assert json.loads(one["data"])["sequence"] == 2
    again = requests.get(url + PATH + "/stream", headers=KEY | {"Last-Event-ID": "2"}, timeout=5)
    assert [e.get("id") for e in told(again.text)] == [None, "3"]
    beginning = requests.get(url + PATH + "/stream?after=0&types=failed", headers=KEY, timeout=5)
    assert [e.get("id") for e in told(beginning.text)] == [None, "1"]
    assert requests.get(url + PATH + "/stream", headers=KEY | {"Last-Event-ID": "x"}, timeout=5).status_code == 422


def test_streams_leave_threads_for_requests(app: flask.Flask, client: FlaskClient, url: str) -> None:
    with app.app_context():
        streams = state.current().streams
    taken = 0
    while streams.acquire(blocking=False):
        taken += 1
    refused = requests.get(url + PATH + "/stream", headers=KEY, timeout=5)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    streams.release()
    for _ in range(2):
        assert requests.get(url + PATH + "/stream", headers=KEY, timeout=5).status_code == 200
    assert taken == bootstrap.settings().streams
    streams.release(taken - 1)


def test_a_stream_ends_with_its_process(client: FlaskClient) -> None:
    begun = time.monotonic()
    answer = client.get(PATH + "/stream", headers=KEY, environ_overrides={"mailer.stopping": lambda: True})
    assert answer.text.startswith("retry")
    assert time.monotonic() - begun < 0.5
