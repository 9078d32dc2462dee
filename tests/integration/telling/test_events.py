"""What providers tell afterwards: real API, RabbitMQ, worker and database, and the sandbox's own signed webhooks."""

from __future__ import annotations

import time

import pytest
from pytest_celery import CeleryTestSetup

from deploy.local.port import wait_until
from deploy.local.process import Process
from mailer import Mailer
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import copies

ENDS = {
    "bob@example.com": "delivered",
    "bounce@example.com": "bounced",
    "complaint@example.com": "complained",
    "soft@example.com": "delivered",
    "twice@example.com": "delivered",
    "disorder@example.com": "delivered",
    "drop@example.com": "rejected",
    "full@example.com": "deferred",
}


def ends(api: Mailer, sent: dict[str, str], *, seconds: float) -> dict[str, str]:
    """Return each recipient's last state, as soon as all are as they should be or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = {to: str(api.get(id).recipients[0].status) for to, id in sent.items()}
        if found == ENDS or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
def test_each_recipient_ends_as_its_provider_tells(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, provider: str
) -> None:
    if provider == "mailgun":
        sandbox.fail("sendgrid", mode="refuse")
    sent = {to: api.send(**fields(to=to)) for to in ENDS}
    assert ends(api, sent, seconds=30) == ENDS
    assert {copy for id in sent.values() for copy in copies(sandbox, id)} == {provider}


def test_an_unknown_that_was_delivered_after_all_is_sent_once_under_wait_and_told_of_under_failover(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox
) -> None:
    # SendGrid takes both, and nobody hears its answer; what it tells of them comes only after Mailgun has sent one.
    sandbox.disturb(hold=True)
    sandbox.fail("sendgrid", mode="reset", times=2)
    waits = api.send(**fields(on_unknown="wait"))
    fails_over = api.send(**fields(on_unknown="failover"))
    assert wait_until(
        lambda: api.get(fails_over).status == "accepted" and api.get(waits).status == "unknown", timeout=30
    )
    sandbox.disturb()
    assert wait_until(
        lambda: (
            api.get(waits).recipients[0].status == "delivered"
            and "duplicate_delivered" in [event.type for event in api.events(fails_over)]
        ),
        timeout=30,
        interval=0.3,
    )
    assert [(a.provider, a.outcome) for a in api.get(waits).attempts] == [("sendgrid", "accepted")]
    assert copies(sandbox, waits) == ["sendgrid"]
    assert copies(sandbox, fails_over) == ["sendgrid", "mailgun"]
    assert api.get(fails_over).possible_duplicate


def test_what_no_webhook_told_is_read_back(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: Process
) -> None:
    sandbox.disturb(lost=True)
    sandbox.fail("sendgrid", mode="refuse")
    sent = {to: api.send(**fields(to=to)) for to in ENDS}
    assert ends(api, sent, seconds=40) == ENDS
