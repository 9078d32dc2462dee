"""What providers tell afterwards: real API, RabbitMQ, worker and database, and the sandbox's own signed webhooks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_celery import CeleryTestSetup

from deploy.local.process import Process
from mailer import Mailer
from sandbox import webhook_key
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import PROVIDER_KEYS, copies

MAILGUN_KEY = "key-webhooks-of-this-test"

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


@pytest.fixture
def sandbox(tmp_path: Path, api_port: int) -> Iterator[Sandbox]:
    """Give a sandbox that sends its webhooks to the API of this test."""
    telling = {"MAILER_SANDBOX_WEBHOOKS": f"http://127.0.0.1:{api_port}", "MAILGUN_WEBHOOK_KEY": MAILGUN_KEY}
    with Sandbox(tmp_path / "provider", environment={**PROVIDER_KEYS, **telling}) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Give the system's environment with the keys of both providers' webhooks."""
    public = webhook_key.sendgrid_public(tmp_path / "provider" / "sandbox")
    keys = {"SENDGRID_WEBHOOK_KEY": public, "MAILGUN_WEBHOOK_KEY": MAILGUN_KEY}
    return {**environment, **keys, "MAILER_RECONCILE_INTERVAL": "2"}


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


def test_what_no_webhook_told_is_read_back(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: Process
) -> None:
    sandbox.disturb(lost=True)
    sandbox.fail("sendgrid", mode="refuse")
    sent = {to: api.send(**fields(to=to)) for to in ENDS}
    assert ends(api, sent, seconds=40) == ENDS
