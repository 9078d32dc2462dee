"""The sandbox's suppression lists against what both providers document of theirs."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.local.port import wait_until
from sandbox.process import Process
from tests.unit.sandbox.sending import send

MAILGUN: dict[str, Any] = {"auth": ("api", "key-sandbox"), "timeout": 5}
SENDGRID: dict[str, Any] = {"headers": {"Authorization": "Bearer SG.sandbox"}, "timeout": 5}


def mailgun(box: Process, path: str, method: str = "GET", **query: Any) -> requests.Response:
    url = path if path.startswith("http") else f"{box.mailgun}/v3/sandbox.example/{path}"
    return requests.request(method, url, params=query, **MAILGUN)


def sendgrid(box: Process, path: str, method: str = "GET", **query: Any) -> requests.Response:
    return requests.request(method, f"{box.sendgrid}/v3/{path}", params=query, **SENDGRID)


def people(box: Process, provider: str, path: str, **query: Any) -> list[str]:
    """Return the addresses of one page."""
    if provider == "mailgun":
        return [item["address"] for item in mailgun(box, path, **query).json()["items"]]
    return [item["email"] for item in sendgrid(box, f"suppression/{path}", **query).json()]


def to(session: requests.Session, box: Process, provider: str, *addresses: str) -> None:
    """Send one mail to each."""
    for address in addresses:
        fields = {"to": address} if provider == "mailgun" else {"personalizations": [{"to": [{"email": address}]}]}
        assert send(session, box, provider, **fields).status_code in (200, 202)


@pytest.mark.parametrize(
    ("provider", "address", "path"),
    [
        ("mailgun", "bounce@example.com", "bounces"),
        ("mailgun", "complaint@example.com", "complaints"),
        ("mailgun", "unsubscribe@example.com", "unsubscribes"),
        ("sendgrid", "bounce@example.com", "bounces"),
        ("sendgrid", "block@example.com", "blocks"),
        ("sendgrid", "full@example.com", "blocks"),
        ("sendgrid", "complaint@example.com", "spam_reports"),
        ("sendgrid", "unsubscribe@example.com", "unsubscribes"),
    ],
)
def test_an_address_is_listed_by_what_happened_to_its_mail_when_it_happened(
    box: Process, session: requests.Session, provider: str, address: str, path: str
) -> None:
    to(session, box, provider, "bob@example.com", address.title())
    assert people(box, provider, path) == [], "it has not happened yet"
    assert wait_until(lambda: people(box, provider, path) == [address], timeout=5)
    box.clear()
    assert people(box, provider, path) == []


def test_mailguns_entries_have_the_documented_fields(box: Process, session: requests.Session) -> None:
    to(session, box, "mailgun", "bounce@example.com", "unsubscribe@example.com", "complaint@example.com")
    assert wait_until(lambda: people(box, "mailgun", "complaints") != [], timeout=5)
    bounce = mailgun(box, "bounces/Bounce@example.com").json()
    assert bounce.keys() == {"address", "code", "error", "created_at"}
    assert abs(parsedate_to_datetime(bounce["created_at"]).timestamp() - time.time()) < 10
    assert bounce["created_at"].endswith(" UTC")
    assert mailgun(box, "unsubscribes/unsubscribe@example.com").json()["tags"] == ["*"]
    assert mailgun(box, "complaints/complaint@example.com").json().keys() == {"address", "created_at"}
    assert mailgun(box, "bounces").json()["items"] == [bounce]
    assert mailgun(box, "bounces").json()["paging"].keys() == {"first", "last", "next", "previous"}


def test_mailguns_pages_lead_through_all_addresses_in_order_and_back(box: Process, session: requests.Session) -> None:
    everybody = [f"bounce+{n}@example.com" for n in range(5)]
    to(session, box, "mailgun", *reversed(everybody), everybody[0])
    assert wait_until(lambda: people(box, "mailgun", "bounces") == everybody, timeout=5)
    found: list[str] = []
    answer = mailgun(box, "bounces", limit=2).json()
    while answer["items"]:
        found += [item["address"] for item in answer["items"]]
        last, answer = answer, mailgun(box, answer["paging"]["next"]).json()
    assert found == everybody
    back = mailgun(box, last["paging"]["previous"]).json()
    assert [item["address"] for item in back["items"]] == everybody[2:4]
    assert people(box, "mailgun", last["paging"]["last"]) == everybody[3:]
    assert people(box, "mailgun", last["paging"]["first"]) == everybody[:2]


def test_sendgrids_pages_go_by_time_and_offset_the_latest_first(box: Process, session: requests.Session) -> None:
    to(session, box, "sendgrid", *(f"bounce+{n}@example.com" for n in range(3)))
    assert wait_until(lambda: len(people(box, "sendgrid", "bounces")) == 3, timeout=5)
    [entry, *_] = sendgrid(box, "suppression/bounces").json()
    assert entry.keys() == {"created", "email", "reason", "status"}
    assert isinstance(entry["created"], int)
    assert people(box, "sendgrid", "bounces", limit=2) == ["bounce+2@example.com", "bounce+1@example.com"]
    assert people(box, "sendgrid", "bounces", limit=2, offset=2) == ["bounce+0@example.com"]
    assert people(box, "sendgrid", "bounces", start_time=entry["created"] + 5) == []
    assert people(box, "sendgrid", "bounces", end_time=entry["created"] - 5) == []
    assert len(people(box, "sendgrid", "bounces", start_time=entry["created"] - 5, end_time=entry["created"])) == 3


@pytest.mark.parametrize(
    ("provider", "address", "path", "entry", "said"),
    [
        ("mailgun", "bounce@example.com", "bounces", "bounces", (200, 404)),
        ("mailgun", "complaint@example.com", "complaints", "complaints", (200, 404)),
        ("mailgun", "unsubscribe@example.com", "unsubscribes", "unsubscribes", (200, 404)),
        ("sendgrid", "bounce@example.com", "bounces", "suppression/bounces", (204, 404)),
        ("sendgrid", "complaint@example.com", "spam_reports", "suppression/spam_reports", (204, 404)),
        ("sendgrid", "unsubscribe@example.com", "unsubscribes", "asm/suppressions/global", (204, 404)),
    ],
)
def test_what_is_deleted_is_gone_until_it_happens_again(
    box: Process, session: requests.Session, provider: str, address: str, path: str, entry: str, said: tuple[int, int]
) -> None:
    ask = mailgun if provider == "mailgun" else sendgrid
    for _ in range(2):
        to(session, box, provider, address)
        assert wait_until(lambda: people(box, provider, path) == [address], timeout=5)
        answers = [ask(box, f"{entry}/{address.upper()}", "DELETE").status_code for _ in range(2)]
        assert tuple(answers) == said
        assert people(box, provider, path) == []


@pytest.mark.parametrize(
    ("provider", "query"),
    [
        ("mailgun", {"limit": 1001}), ("mailgun", {"page": "second"}), ("mailgun", {"page": "next"}),
        ("mailgun", {"start_time": 1}), ("sendgrid", {"limit": 501}), ("sendgrid", {"offset": "x"}),
        ("sendgrid", {"start_time": "yesterday"}), ("sendgrid", {"page": 2}),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_an_error(box: Process, provider: str, query: dict[str, Any]) -> None:
    answer = (
        mailgun(box, "bounces", **query) if provider == "mailgun" else sendgrid(box, "suppression/bounces", **query)
    )
    assert answer.status_code == 400


def test_key_and_domain_are_checked_and_a_fault_is_felt_as_in_sending(box: Process) -> None:
    url = f"{box.mailgun}/v3/sandbox.example/bounces"
    assert requests.get(url, auth=("api", "wrong"), timeout=5).status_code == 401
    assert requests.get(f"{box.sendgrid}/v3/suppression/bounces", timeout=5).status_code == 401
    assert mailgun(box, f"{box.mailgun}/v3/other.example/bounces").status_code == 404
    assert sendgrid(box, "suppression/unsubscribes/bob@example.com", "DELETE").status_code == 404
    assert sendgrid(box, "suppression/bounces/bob@example.com").status_code == 405
    assert mailgun(box, "bounces", "DELETE").status_code == 405, "nobody empties a list by a slip of the pen"
    box.fail("sendgrid", status=429, retry_after=7)
    assert sendgrid(box, "suppression/bounces").headers["Retry-After"] == "7"


def test_lists_outlive_a_restart(tmp_path: Path, session: requests.Session) -> None:
    with Process(tmp_path) as first:
        to(session, first, "mailgun", "bounce@example.com")
    with Process(tmp_path) as second:
        assert wait_until(lambda: people(second, "mailgun", "bounces") == ["bounce@example.com"], timeout=5)
