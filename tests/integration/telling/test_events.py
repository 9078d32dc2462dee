"""What providers tell afterwards: real API, RabbitMQ, worker and database, and the sandbox's own signed webhooks."""

from __future__ import annotations

import time

import pytest
from pytest_celery import CeleryTestSetup

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
