"""The sandbox's `GET /v3/{domain}/events` against Mailgun's documented events."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.process import Process
from tests.contract import shared
from tests.unit.sandbox.sending import send

AUTH = ("api", "key-sandbox")


def ask(box: Process, path: str = "", **query: Any) -> requests.Response:
    """Ask for what is there at once, unless the test says otherwise; more happens to each mail a moment later."""
    url = path or f"{box.mailgun}/v3/sandbox.example/events"
    query = query if path else {"event": "accepted", **query}
    return requests.get(url, params=query, auth=AUTH, timeout=5)


def people(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["recipient"] for item in answer.json()["items"]]


@shared.needed
def test_an_event_has_the_documented_fields(box: Process, session: requests.Session) -> None:
    send(session, box, "mailgun", **{"v:mailer_envelope_id": "e-1", "h:Message-Id": "<m-1@example.org>"})
    [item] = ask(box).json()["items"]
    cases = shared.contract("mailgun-events-docs.json")["cases"]
    documented: dict[str, Any] = next(c["body"]["event-data"] for c in cases if c["title"] == "Accepted")
    assert documented.keys() <= item.keys()
    for name in ("envelope", "message", "storage"):
        assert documented[name].keys() <= item[name].keys(), name
    assert documented["message"]["headers"].keys() == item["message"]["headers"].keys()
    assert item["user-variables"] == {"mailer_envelope_id": "e-1"}
    assert item["message"]["headers"]["message-id"] == "m-1@example.org", "without brackets, as it is asked for"


def test_a_mail_is_found_by_its_message_id_and_another_is_not(box: Process, session: requests.Session) -> None:
    send(session, box, "mailgun", to=["a@example.com", "b@example.com"], **{"h:Message-Id": "<m-1@example.org>"})
    send(session, box, "mailgun", **{"h:Message-Id": "<m-2@example.org>"})
    assert set(people(ask(box, **{"message-id": "m-1@example.org", "event": "accepted"}))) == {
        "a@example.com", "b@example.com",
    }  # fmt: skip
    assert people(ask(box, **{"message-id": "m-1@example.org", "recipient": "b@example.com"})) == ["b@example.com"]
    assert people(ask(box, **{"message-id": "m-3@example.org"})) == []
    assert people(ask(box, event="complained")) == []
    assert len(people(ask(box, event="accepted OR delivered"))) == 3


def test_what_went_through_sendgrid_is_none_of_its_business(box: Process, session: requests.Session) -> None:
    send(session, box)
    assert people(ask(box)) == []


def test_pages_lead_through_all_events_and_back(box: Process, session: requests.Session) -> None:
    for n in range(3):
        send(session, box, "mailgun", to=[f"{n}a@example.com", f"{n}b@example.com"])
    everybody = people(ask(box, ascending="yes"))
    assert everybody == [f"{n}{x}@example.com" for n in range(3) for x in "ab"]
    found: list[str] = []
    answer = ask(box, limit=4, ascending="yes")
    while people(answer):
        found += people(answer)
        last = answer
        answer = ask(box, answer.json()["paging"]["next"])
    assert found == everybody
    assert people(ask(box, last.json()["paging"]["previous"])) == everybody[:4]
    assert people(ask(box)) == everybody[::-1], "newest first, unless asked otherwise"


def test_a_search_is_bounded_by_time(box: Process, session: requests.Session) -> None:
    send(session, box, "mailgun")
    at = ask(box).json()["items"][0]["timestamp"]
    assert len(people(ask(box, begin=at - 5, ascending="yes"))) == 1
    assert people(ask(box, begin=at + 5, ascending="yes")) == []
    assert people(ask(box, begin=at - 9, end=at - 5)) == []
    assert len(people(ask(box, begin=at + 5, end=at - 5))) == 1, "backwards in time"
    assert len(people(ask(box, begin="Fri, 13 Feb 2009 23:31:30 -0000", ascending="yes"))) == 1


@pytest.mark.parametrize("query", [{"limit": 301}, {"limit": 0}, {"ascending": "x"}, {"begin": "x"}, {"message_id": 1}])
def test_a_wrong_parameter_is_an_error_and_finds_nothing(box: Process, query: dict[str, Any]) -> None:
    answer = ask(box, **query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["message"]


def test_key_and_domain_are_checked_and_a_fault_is_felt_as_in_sending(box: Process) -> None:
    url = f"{box.mailgun}/v3/sandbox.example/events"
    wrong = requests.get(url, auth=("api", "wrong"), timeout=5)
    assert (wrong.status_code, wrong.text) == (401, "Forbidden")
    assert ask(box, f"{box.mailgun}/v3/other.example/events").status_code == 404
    box.fail("mailgun", status=503, retry_after=7)
    assert (ask(box).status_code, ask(box).headers["Retry-After"]) == (503, "7")
    box.fail("mailgun", mode="refuse")
    with pytest.raises(requests.ConnectionError):
        ask(box)
