"""What looks after mails when nothing goes as it should: the sweep, the dead queue's consumer, an orderly end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import pytest
import sqlalchemy as sa

from deploy.local.port import wait_until
from deploy.local.process import Process
from mailer import Mailer
from mailer.client.task import SendEmail
from mailer.client.topology import declare, depths
from mailer.errors import ConfigurationError
from mailer.settings import Settings
from mailer.store import Database
from mailer.store.tables import dead_calls, notes
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import copies

BY_ONE = "-m", "celery", "-q", "-A", "tasks", "worker", "--hostname"


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Give PostgreSQL: what the database does is the same on both here."""
    return postgres_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give the database."""
    database = Database(database_url)
    yield database
    database.close()


def rows(database: Database, table: sa.Table) -> list[Any]:
    """Return all rows of a table."""
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


def start(spawn: Callable[..., Process], name: str, queues: str) -> Process:
    """Return a worker of some queues that is ready."""
    process = spawn(name, *BY_ONE, f"{name}@localhost", "-Q", queues)
    process.wait_ready(lambda: "ready." in process.log.read_text(), timeout=40)
    return process


def test_the_sweep_fills_a_queue_only_so_far_and_nothing_is_forgotten(
    api: Mailer, environment: dict[str, str], settings: Settings, send_email: SendEmail, sandbox: Sandbox,
    spawn: Callable[..., Process], beat: Process,
) -> None:  # fmt: skip
    environment["MAILER_SWEEP_DEPTH"] = "5"
    sent = [api.send(**fields(to=f"u{number}@example.com")) for number in range(20)]
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.queue_purge("mail.transactional")
    start(spawn, "sweeper", "mail.sweep")
    depth: list[int] = []
    end = time.monotonic() + 7
    while time.monotonic() < end:
        depth.append(depths(send_email.app, settings)["mail.transactional"])
        time.sleep(0.1)
    assert max(depth) == 5, "five are woken, and no more while they wait"
    start(spawn, "sender", "mail.transactional")
    assert [api.wait(id, timeout=60).status for id in sent] == ["accepted"] * 20
    assert [len(copies(sandbox, id)) for id in sent] == [1] * 20


def test_queues_that_are_gone_are_declared_again_and_what_was_stored_is_sent(
    api: Mailer, send_email: SendEmail, sandbox: Sandbox, spawn: Callable[..., Process], beat: Process
) -> None:
    start(spawn, "sweeper", "mail.sweep")
    sent = [api.send(**fields(to=f"u{number}@example.com")) for number in range(3)]
    with send_email.app.connection_for_write() as connection:
        for queue in ("mail.transactional", "mail.bulk", "mail.dead"):
            connection.default_channel.queue_delete(queue)
    start(spawn, "sender", "mail.transactional")
    assert [api.wait(id, timeout=60).status for id in sent] == ["accepted"] * 3


def test_what_is_no_task_ends_as_a_row_and_an_alarm_and_harms_nobody(
    api: Mailer, database: Database, settings: Settings, send_email: SendEmail, spawn: Callable[..., Process],
    beat: Process,
) -> None:  # fmt: skip
    worker = start(spawn, "worker", "mail.transactional,mail.sweep")
    with kombu.Connection(settings.broker_url) as connection:
        producer = connection.Producer()
        for body in (b"\xff\xfe garbage", b'{"a": 1}', b"["):
            producer.publish(body, exchange="mail", routing_key="mail.transactional", content_type="application/json")
    assert wait_until(lambda: len(rows(database, dead_calls)) == 3, timeout=30), worker.tail(30)
    assert worker.log.read_text().count('"task.dead"') == 3
    assert api.wait(api.send(**fields()), timeout=20).status == "accepted"


def test_a_mail_whose_task_fails_in_a_way_nobody_thought_of_is_marked_and_sent_when_it_can_be(
    api: Mailer, database: Database, sandbox: Sandbox, spawn: Callable[..., Process], beat: Process
) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts ADD CHECK (provider = 'nobody thought of this')")
    worker = start(spawn, "worker", "mail.transactional,mail.sweep")
    id = api.send(**fields())
    assert wait_until(lambda: bool(rows(database, notes)), timeout=30), worker.tail(30)
    [note] = rows(database, notes)[:1]
    assert (note.envelope_id, note.kind, note.detail) == (id, "dead", "rejected")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts DROP CONSTRAINT attempts_provider_check")
    assert api.wait(id, timeout=40).status == "accepted"
    assert len(copies(sandbox, id)) == 1


def test_a_worker_that_is_told_to_end_writes_down_what_it_cannot_finish(
    api: Mailer, database: Database, environment: dict[str, str], sandbox: Sandbox, spawn: Callable[..., Process]
) -> None:
    environment |= {
        "MAILER_SHUTDOWN_SECONDS": "7", "MAILER_READ_TIMEOUT": "60", "REMAP_SIGTERM": "SIGQUIT",
    }  # fmt: skip
    sandbox.fail("sendgrid", mode="hang")
    worker = start(spawn, "worker", "mail.transactional")
    id = api.send(**fields(on_unknown="fail"))
    assert wait_until(lambda: api.get(id).status == "sending", timeout=10)
    begun = time.monotonic()
    worker.stop(timeout=20)
    assert time.monotonic() - begun < 12
    message = api.get(id)
    assert message.status == "unknown"
    assert (message.attempts[0].error or "").startswith("deadline")


def test_a_queue_with_other_arguments_is_an_error_that_names_the_cure(
    settings: Settings, send_email: SendEmail
) -> None:
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("mail.bulk")
        connection.default_channel.queue_declare("mail.bulk", durable=True, auto_delete=False)
    with pytest.raises(ConfigurationError, match=r"drain and delete it first.*mail\.bulk"):
        declare(settings)


def test_the_api_declares_the_queues_when_it_starts(
    settings: Settings, send_email: SendEmail, request: pytest.FixtureRequest
) -> None:
    queues = ("mail.transactional", "mail.events", "mail.callbacks")
    with send_email.app.connection_for_write() as connection:
        for queue in queues:
            connection.default_channel.queue_delete(queue)
    request.getfixturevalue("api")
    with send_email.app.connection_for_write() as connection:
        for queue in queues:
            connection.default_channel.queue_declare(queue, passive=True)
