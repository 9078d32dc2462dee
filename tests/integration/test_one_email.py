"""One email goes all the way: real API, RabbitMQ, worker, database and HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pytest_celery import CeleryTestSetup

from mailer import Mailer, ids
from mailer.client.task import SendEmail
from mailer.resource import MessageState
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import copies, python

LEASE = 1 + 2 * 1 + 25  # Settings.lease_seconds with the timeouts of these tests


def attempts(message: MessageState) -> list[tuple[str, int | None, str]]:
    return [(a.provider, a.status_code, a.outcome) for a in message.attempts]


def test_by_http_to_the_inbox(api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox) -> None:
    id = api.send(
        **fields(
            to=["Bob <bob@example.com>", "eve@example.com"], cc="carl@example.com", bcc="dan@example.com",
            html="<p>Thank you <img src='cid:logo'></p>", headers={"X-Order": "7"}, tags=["invoice"],
            attachments=[
                {"filename": "Rechnung März.pdf", "content": b"%PDF", "content_type": "application/pdf"},
                {"filename": "logo.png", "content": b"\x89PNG", "content_type": "image/png", "content_id": "logo"},
            ],
        ),
        request_id="shop-1",
    )  # fmt: skip
    message = api.wait(id, timeout=20)
    assert message.status == "accepted"
    assert message.request_id == "shop-1"
    assert attempts(message) == [("sendgrid", 202, "accepted")]
    assert {r.status for r in message.recipients} == {"accepted"}
    [mail] = sandbox.mails(envelope_id=id)
    assert mail["provider_message_id"] == message.attempts[0].provider_message_id
    assert mail["subject"] == "Your invoice"
    assert mail["request"]["x-request-id"] == "shop-1"


def test_by_delay_from_another_process(
    celery_setup: CeleryTestSetup, environment: dict[str, str], sandbox: Sandbox, api: Mailer
) -> None:
    code = (
        "from mailer import send_email; "
        "print(send_email.apply_async(kwargs=dict(from_='ann@sender.example.com', to='bob@example.com', subject='Hi', "
        "text='x'), headers={'x-request-id': 'from-python'}, countdown=1).id)"
    )
    id = python(code, environment=environment)
    assert ids.is_id(id)
    deadline = time.monotonic() + 20
    while not sandbox.mails(envelope_id=id) and time.monotonic() < deadline:
        time.sleep(0.1)
    message = api.wait(id, timeout=10)
    assert (message.status, message.request_id) == ("accepted", "from-python")
    [mail] = sandbox.mails(envelope_id=id)
    assert mail["request"]["x-request-id"] == "from-python"


def test_through_mailgun_when_sendgrid_cannot(api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox) -> None:
    sandbox.fail("sendgrid", status=503)
    id = api.send(**fields(cc={"email": "carl@example.com", "name": "Carl, Jr."}))
    message = api.wait(id, timeout=20)
    assert attempts(message) == [("sendgrid", 503, "not_accepted"), ("mailgun", 200, "accepted")]
    assert copies(sandbox, id) == ["mailgun"]


@pytest.mark.parametrize(
    ("fault", "first", "taken", "possible"),
    [
        ({"status": 401}, (401, "not_accepted"), ["mailgun"], False),
        ({"status": 403}, (403, "not_accepted"), ["mailgun"], False),
        ({"status": 429, "retry_after": 30}, (429, "not_accepted"), ["mailgun"], False),
        ({"mode": "refuse"}, (None, "not_accepted"), ["mailgun"], False),
        ({"status": 500}, (500, "unknown"), ["sendgrid", "mailgun"], True),
        ({"mode": "reset"}, (None, "unknown"), ["sendgrid", "mailgun"], True),
        ({"mode": "hang"}, (None, "unknown"), ["sendgrid", "mailgun"], True),
    ],
    ids=["401", "403", "429", "refused", "500", "reset", "read-timeout"],
)
def test_every_fault_of_the_first_provider_ends_in_the_inbox(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox,
    fault: dict[str, Any], first: tuple[int | None, str], taken: list[str], possible: bool,
) -> None:  # fmt: skip
    sandbox.fail("sendgrid", **fault)
    id = api.send(**fields())
    message = api.wait(id, timeout=20)
    assert attempts(message) == [("sendgrid", *first), ("mailgun", 200, "accepted")]
    assert message.possible_duplicate is possible
    assert copies(sandbox, id) == taken


def test_a_message_refused_for_good_fails_and_the_second_provider_is_not_called(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox
) -> None:
    sandbox.fail("sendgrid", status=400)
    message = api.wait(api.send(**fields()), timeout=20)
    assert (message.status, attempts(message)) == ("failed", [("sendgrid", 400, "rejected")])
    assert sandbox.mails() == []


def test_both_down_then_up_again(api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox) -> None:
    for provider in ("sendgrid", "mailgun"):
        sandbox.fail(provider, mode="refuse")
    id = api.send(**fields())
    deadline = time.monotonic() + 20
    while len(api.get(id).attempts) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert api.get(id).status in ("queued", "sending")
    for provider in ("sendgrid", "mailgun"):
        sandbox.mend(provider)
    message = api.wait(id, timeout=30)
    assert message.status == "accepted"
    assert len(copies(sandbox, id)) == 1


def test_a_worker_killed_in_the_middle_of_a_call(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: object
) -> None:
    """The call may have been taken: it becomes unknown, and the failover is written down as a possible duplicate."""
    sandbox.fail("sendgrid", mode="latency", latency_ms=800)
    id = api.send(**fields())
    deadline = time.monotonic() + 20
    while not api.get(id).attempts and time.monotonic() < deadline:
        time.sleep(0.02)
    assert celery_setup.worker is not None
    celery_setup.worker.kill()
    assert api.get(id).status == "sending"
    celery_setup.worker.container.restart()
    message = api.wait(id, timeout=LEASE + 20)
    assert attempts(message) == [("sendgrid", None, "unknown"), ("mailgun", 200, "accepted")]
    assert message.possible_duplicate is True


def test_a_killed_worker_under_fail_makes_no_second_call(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: object
) -> None:
    sandbox.fail("sendgrid", mode="latency", latency_ms=800)
    id = api.send(**fields(on_unknown="fail"))
    deadline = time.monotonic() + 20
    while not api.get(id).attempts and time.monotonic() < deadline:
        time.sleep(0.02)
    assert celery_setup.worker is not None
    celery_setup.worker.kill()
    celery_setup.worker.container.restart()
    message = api.wait(id, timeout=LEASE + 20)
    assert (message.status, attempts(message)) == ("unknown", [("sendgrid", None, "unknown")])
    assert len(copies(sandbox, id)) <= 1


def test_what_the_broker_lost_the_sweep_brings_back(
    api: Mailer, celery_setup: CeleryTestSetup, sandbox: Sandbox, beat: object, send_email: SendEmail
) -> None:
    assert celery_setup.worker is not None
    celery_setup.worker.kill()
    sent = [api.send(**fields(to=f"u{i}@example.com")) for i in range(5)]
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.queue_purge("mail.transactional")
    celery_setup.worker.container.restart()
    assert [api.wait(id, timeout=30).status for id in sent] == ["accepted"] * 5
    assert [len(copies(sandbox, id)) for id in sent] == [1] * 5
