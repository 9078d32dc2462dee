"""What happens to a mail when the database is away, or when something happens that nobody thought of."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest

from deploy.local.port import wait_until
from deploy.local.postgres import PostgresCluster
from deploy.local.process import Process
from deploy.local.rabbitmq import RabbitNode
from mailer.client.task import SendEmail, publisher
from mailer.client.topology import declare
from mailer.errors import BrokerUnavailable
from mailer.settings import Settings
from mailer.store import Database, migrate
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import QUEUES, copies
from tests.integration.nodes import worker


@pytest.fixture
def database_url(postgres: PostgresCluster) -> str:
    """Give an address without a migrated database behind it; each test says what is wrong there."""
    return postgres.url("nothing_here")


def depth(send_email: SendEmail, queue: str) -> int:
    """Return how many messages wait in a queue."""
    with send_email.app.connection_for_write() as connection:
        count: int = connection.default_channel.queue_declare(queue, passive=True).message_count
        return count


def test_a_call_that_fails_in_an_unexpected_way_is_kept_in_the_dead_queue(
    postgres_url: str, environment: dict[str, str], send_email: SendEmail, spawn: Callable[..., Process]
) -> None:
    database = Database(postgres_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages ADD CHECK (lane = 'nobody thought of this')")
    database.close()
    environment["DATABASE_URL"] = postgres_url
    command = ["-m", "celery", "-q", "-A", "tasks", "worker", "-Q", QUEUES, "--hostname", "w@localhost"]
    spawn("worker", *command)
    send_email.delay(**fields())
    assert wait_until(lambda: depth(send_email, "mail.dead") == 1, timeout=20)


def test_a_delay_call_waits_for_a_database_that_is_down(
    environment: dict[str, str], send_email: SendEmail, sandbox: Sandbox
) -> None:
    cluster = PostgresCluster()
    try:
        cluster.start()
        cluster.create_database("mailer")
        database = Database(cluster.url("mailer"))
        migrate.upgrade(database)
        database.close()
        cluster.stop()
        environment["DATABASE_URL"] = cluster.url("mailer")
        container = worker("worker", environment=environment, logs=cluster.base, queues=QUEUES)
        container.start()
        container.ready()
        try:
            id = send_email.delay(**fields()).id
            assert wait_until(lambda: "store.unavailable" in container.logs(), timeout=20), container.logs()
            cluster.start()
            assert wait_until(lambda: copies(sandbox, id) == ["sendgrid"], timeout=40), container.logs()
        finally:
            container.teardown()
    finally:
        cluster.remove()


def test_a_delay_call_that_can_be_neither_stored_nor_put_off_comes_back(
    environment: dict[str, str], send_email: SendEmail, spawn: Callable[..., Process]
) -> None:
    environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    command = ["-m", "celery", "-q", "-A", "tasks", "worker", "-Q", QUEUES, "--hostname", "w@localhost"]
    process = spawn("worker", *command)
    process.wait_ready(lambda: "ready." in process.log.read_text(), timeout=30)
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.exchange_delete("celery_delayed_27")
    send_email.delay(**fields())
    assert wait_until(lambda: process.log.read_text().count('"broker.unavailable"') >= 2, timeout=60), process.tail(40)
    assert depth(send_email, "mail.dead") == 0


def test_a_call_to_a_queue_that_is_gone_is_not_said_to_be_safe(send_email: SendEmail) -> None:
    send_email.delay(**fields())
    with send_email.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("mail.transactional")
    with pytest.raises(BrokerUnavailable):
        send_email.delay(**fields())


def test_two_publishers_of_one_process_each_reach_their_own_broker(rabbit: RabbitNode) -> None:
    """Celery binds a task's class to the latest application; mails must not follow it there."""
    names = [f"test-{uuid.uuid4().hex}" for _ in range(2)]
    rabbit.add_vhost(*names)
    both = [Settings.load({"CELERY_BROKER_URL": rabbit.url(name)}) for name in names]
    senders = [publisher(settings) for settings in both]
    for settings, sender in zip(both, senders, strict=True):
        declare(settings)
        sender.delay(**fields())
    assert [depth(sender, "mail.transactional") for sender in senders] == [1, 1]
    rabbit.delete_vhost(*names)


def test_a_broker_that_hangs_raises_within_seconds_connected_or_not(
    rabbit: RabbitNode, settings: Settings, send_email: SendEmail
) -> None:
    send_email.delay(**fields())
    rabbit.pause()
    try:
        for sender in (send_email, publisher(settings)):
            begun = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                sender.delay(**fields())
            assert time.monotonic() - begun < 15
    finally:
        rabbit.resume()
