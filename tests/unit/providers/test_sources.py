"""What providers can be asked about the past: requests that stay with them, answers that are what they look like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from mailer.errors import ProviderError, TemporarilyRefused
from mailer.ports import HttpResponse, Provider
from mailer.providers import registry
from mailer.source import Span
from mailer.suppression import Reason
from tests.contract import shared
from tests.factories import NOW

SPAN = Span(NOW - timedelta(hours=1), NOW)
KEYS = {"SENDGRID_API_KEY": "SG.k", "MAILGUN_API_KEY": "k", "MAILGUN_DOMAIN": "mg.example.com"}
AT = "Tue, 24 Nov 2026 08:59:00 UTC"


@pytest.fixture(params=registry.NAMES)
def provider(request: pytest.FixtureRequest) -> Provider:
    return registry.load(KEYS)[request.param]


@pytest.fixture
def mailgun() -> Provider:
    return registry.load(KEYS)["mailgun"]


@pytest.fixture
def sendgrid() -> Provider:
    return registry.load(KEYS)["sendgrid"]


def answer(value: Any, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, json.dumps(value).encode())


def at(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_every_request_goes_to_the_provider_and_changes_nothing(provider: Provider) -> None:
    base = provider.probe().url.rpartition("/v3/")[0]
    for source in provider.sources():
        for page in (None, "../../x?y=1", "https://evil.example/v3/x"):
            request = provider.ask(source.name, SPAN, page=page)
            assert request.method == "GET"
            assert request.url.startswith(base + "/v3/")
            assert ".." not in urlsplit(request.url).path.split("/")
            assert "Authorization" in request.headers


def test_an_address_cannot_lead_a_removal_elsewhere(provider: Provider) -> None:
    for reason in (Reason.BOUNCED, Reason.COMPLAINED, Reason.UNSUBSCRIBED):
        requests = provider.removals("../a?b#c/d@example.com", reason)
        assert requests
        for request in requests:
            assert request.method == "DELETE"
            assert request.url.endswith("/..%2Fa%3Fb%23c%2Fd%40example.com")
    assert provider.removals("bob@example.com", Reason.MANUAL) == (), "it stands on no list of theirs"


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"Mailgun Magnificent API", b"<html>", b"null", b'{"items":5}', b'{"x":[]}'])
def test_what_is_no_page_is_an_error(provider: Provider, status: int, body: bytes) -> None:
    for source in provider.sources():
        with pytest.raises(ProviderError):
            provider.page(source.name, SPAN, HttpResponse(status, {}, body), page=None, now=NOW)


@shared.needed
def test_mailguns_documented_events_are_those_that_its_webhooks_tell(mailgun: Provider) -> None:
    bodies = [case["body"] for case in shared.contract("mailgun-events-docs.json")["cases"]]
    told = [event for body in bodies for event in mailgun.events(json.dumps(body).encode())[0]]
    page = {"items": [b["event-data"] for b in bodies], "paging": {"next": "https://api.mailgun.net/v3/x/events/W3s="}}
    found = mailgun.page("events", SPAN, answer(page), page=None, now=NOW)
    assert [*found.events] == told
    assert found.next == "W3s="


def test_an_empty_page_of_mailguns_is_the_last_though_it_names_a_next(mailgun: Provider) -> None:
    paging = {"next": "https://api.mailgun.net/v3/x/events/W3s"}
    assert mailgun.page("events", SPAN, answer({"items": [], "paging": paging}), page="a", now=NOW).next is None
    one = {"items": [{"event": "x", "id": "1", "timestamp": NOW.timestamp()}], "paging": paging}
    assert mailgun.page("events", SPAN, answer(one), page="a", now=NOW).next == "W3s"


def test_mailguns_entries_outside_the_span_are_left_out_and_a_bad_one_fails_no_other(mailgun: Provider) -> None:
    items = [
        {"address": "Old@example.com", "code": "550", "error": "", "created_at": at(NOW - timedelta(days=9))},
        {"address": "Ann@example.com", "error": "no bob@example.com", "created_at": at(NOW - timedelta(minutes=9))},
        {"address": "nobody", "created_at": at(NOW)}, {"address": "a@example.com", "created_at": "soon"}, 5,
    ]  # fmt: skip
    found = mailgun.page("bounces", SPAN, answer({"items": items, "paging": {}}), page=None, now=NOW)
    [entry] = found.listed
    assert (entry.email, entry.reason, entry.detail) == ("ann@example.com", Reason.BOUNCED, "no b***@example.com")
    assert entry.at == (NOW - timedelta(minutes=9)).astimezone(UTC).replace(microsecond=0)
    assert len(found.bad) == 3


def test_sendgrids_pages_end_with_the_first_that_is_not_full(sendgrid: Provider) -> None:
    entry = {"created": int(NOW.timestamp()), "email": "a@example.com", "reason": "550", "status": "5.1.1"}
    full = sendgrid.page("bounces", SPAN, answer([entry] * 500), page=None, now=NOW)
    assert full.next == "500"
    assert "offset=500" in sendgrid.ask("bounces", SPAN, page=full.next).url
    assert sendgrid.page("bounces", SPAN, answer([entry] * 499), page=full.next, now=NOW).next is None
    assert {s.name for s in sendgrid.sources()} == {"bounces", "invalid_emails", "spam_reports", "unsubscribes"}


def test_sendgrids_limit_is_lifted_at_a_time_that_it_says(sendgrid: Provider) -> None:
    reset = {"x-ratelimit-reset": str(int(NOW.timestamp()) + 40)}
    with pytest.raises(TemporarilyRefused) as caught:
        sendgrid.page("bounces", SPAN, HttpResponse(429, reset, b"{}"), page=None, now=NOW)
    assert caught.value.retry_after == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("name", "response", "gone"),
    [
        ("mailgun", answer({"message": "Bounced address has been removed", "address": "a@x.org"}), True),
        ("mailgun", answer({"message": "Address not found in bounces table"}, 404), True),
        ("mailgun", answer({"message": "No spam complaints found for this address"}, 404), True),
        ("mailgun", answer({"message": "Domain not found: x.org"}, 404), False),
        ("mailgun", HttpResponse(200, {}, b"Mailgun Magnificent API"), False),
        ("mailgun", HttpResponse(401, {}, b"Forbidden"), False),
        ("sendgrid", HttpResponse(204, {}, b""), True),
        ("sendgrid", answer({"errors": [{"message": "not found", "field": None}]}, 404), True),
        ("sendgrid", answer({"errors": []}, 401), False),
        ("sendgrid", answer({}, 500), False),
    ],
)
def test_an_address_is_gone_when_its_provider_says_so(name: str, response: HttpResponse, gone: bool) -> None:
    provider = registry.load(KEYS)[name]
    if gone:
        provider.removed(response, now=NOW)
        return
    with pytest.raises(ProviderError):
        provider.removed(response, now=NOW)
