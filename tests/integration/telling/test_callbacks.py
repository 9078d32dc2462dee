"""What the application is told: real API, broker, worker, database, the sandbox's webhooks, and a real receiver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pytest_celery import CeleryTestSetup
from standardwebhooks import Webhook

from mailer import Mailer
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import API_KEY, json_of
from tests.receiver import Receiver, receiver

HEADERS = {"Authorization": f"Bearer {API_KEY}"}

# What each of the sandbox's addresses leads to: the recipient's last state, and what is told of it.
ENDS = {
    "bob@example.com": ("delivered", {"accepted", "delivered"}),
    "bounce@example.com": ("bounced", {"accepted", "bounced"}),
    "soft@example.com": ("delivered", {"accepted", "deferred", "delivered"}),
    "complaint@example.com": ("complained", {"accepted", "delivered", "complained"}),
    "unsubscribe@example.com": ("delivered", {"accepted", "delivered", "unsubscribed"}),
    "open@example.com": ("delivered", {"accepted", "delivered", "opened"}),
    "machine@example.com": ("delivered", {"accepted", "delivered", "opened"}),
    "click@example.com": ("delivered", {"accepted", "delivered", "clicked"}),
    "twice@example.com": ("delivered", {"accepted", "delivered"}),
    "disorder@example.com": ("delivered", {"accepted", "delivered"}),
    "drop@example.com": ("rejected", {"rejected"}),
    "late@example.com": ("delivered", {"accepted", "delivered"}),
    "silent@example.com": ("accepted", set[str]()),
}
# SendGrid gives up at once, and says so by a bounce that is not permanent; Mailgun goes on trying.
REFUSED = {"sendgrid": "bounced", "mailgun": "deferred"}


@pytest.fixture
def here() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def registered(api_url: str, url: str) -> tuple[str, Webhook]:
    """Return an endpoint, and what verifies what it is told."""
    id = requests.post(f"{api_url}/v1/endpoints", json={"url": url}, headers=HEADERS, timeout=10).json()["id"]
    secrets = json_of(f"{api_url}/v1/endpoints/{id}/secrets", headers=HEADERS)["secrets"]
    return id, Webhook(secrets[0]["secret"])


def told(here: Receiver, verifier: Webhook) -> dict[str, list[dict[str, Any]]]:
    """Return what came, verified, each event once, by message."""
    events: dict[str, dict[str, Any]] = {}
    for got in list(here.got):
        events[got.id] = verifier.verify(got.body, got.headers)["data"]
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events.values():
        found.setdefault(event["message_id"], []).append(event)
    return found


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
def test_the_application_is_told_what_became_of_each_whichever_provider_it_was(
    api: Mailer, api_url: str, celery_setup: CeleryTestSetup, sandbox: Sandbox, here: Receiver, provider: str,
    record_property: Any,
) -> None:  # fmt: skip
    _, verifier = registered(api_url, here.url)
    if provider == "mailgun":
        sandbox.fail("sendgrid", mode="refuse")
    refused = ("deferred", {"accepted", REFUSED[provider]})
    wanted = ENDS | {"block@example.com": refused, "full@example.com": refused}
    sent = {to: api.send(**fields(to=to, metadata={"to": to})) for to in wanted}

    def found() -> dict[str, tuple[str, set[str]]]:
        came = told(here, verifier)
        return {
            to: (str(api.get(id).recipients[0].status), {event["type"] for event in came.get(id, [])})
            for to, id in sent.items()
        }

    end = time.monotonic() + 40
    while (last := found()) != wanted and time.monotonic() < end:
        time.sleep(0.3)
    assert last == wanted
    everything = [event for events in told(here, verifier).values() for event in events]
    assert {event["provider"] for event in everything} == {provider}
    assert all(event["metadata"] == {"to": event["recipient"]} for event in everything)
    assert sorted(event["sequence"] for event in everything) == list(range(1, len(everything) + 1))
    [machine] = [e for e in everything if e["recipient"] == "machine@example.com" and e["type"] == "opened"]
    assert machine["machine"]
    counted = f"{len(wanted)} addresses, {len(everything)} events, {len(here.got)} callbacks"
    record_property("counted", f"{provider}: {counted}")


def test_a_mail_that_no_provider_takes_is_told_too_and_the_feed_and_the_stream_say_the_same(
    api: Mailer, api_url: str, celery_setup: CeleryTestSetup, sandbox: Sandbox, here: Receiver
) -> None:
    _, verifier = registered(api_url, here.url)
    sandbox.fail("sendgrid", status=400)
    id = api.send(**fields())
    [got] = here.wait(1)
    assert verifier.verify(got.body, got.headers)["data"]["message_id"] == id
    assert got.json["type"] == "failed"
    [event] = json_of(f"{api_url}/v1/events?after=0", headers=HEADERS)["events"]
    assert event == got.json["data"]
    with requests.get(f"{api_url}/v1/events/stream?after=0", headers=HEADERS, stream=True, timeout=10) as stream:
        lines = stream.iter_lines()
        assert b"id: 1" in (next(lines) for _ in range(6))


def test_a_worker_that_is_killed_while_it_calls_tells_it_again(
    api: Mailer, api_url: str, celery_setup: CeleryTestSetup, sandbox: Sandbox, here: Receiver, beat: Any
) -> None:
    id, verifier = registered(api_url, here.url + "/h")
    here.answers["/h"] = here.hang
    sandbox.fail("sendgrid", status=400)
    api.send(**fields())
    assert here.wait(1)
    celery_setup.worker.kill()
    here.answers["/h"] = 200
    celery_setup.worker.container.start()
    found = here.wait(2, seconds=90)
    assert len(found) >= 2
    assert len({got.id for got in found}) == 1
    verifier.verify(found[-1].body, found[-1].headers)
    assert json_of(f"{api_url}/v1/endpoints/{id}", headers=HEADERS)["failures"] == 0
