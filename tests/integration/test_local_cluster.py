"""The private cluster: three nodes are one, and a confirmed message outlives the node it came through."""

from __future__ import annotations

from pathlib import Path

import kombu
import pytest

from deploy.local.cluster import RabbitCluster
from deploy.local.port import wait_until
from mailer import ids
from mailer.client.task import SendEmail, publisher
from mailer.client.topology import declare
from mailer.errors import BrokerUnavailable
from mailer.settings import Settings
from sandbox.process import Process as Sandbox
from tests.factories import fields
from tests.integration.conftest import QUEUES
from tests.integration.nodes import worker


def confirmed(send_email: SendEmail, id: str) -> bool:
    """Tell whether the broker took the call."""
    try:
        send_email.apply_async(kwargs=fields(), task_id=id)
    except BrokerUnavailable:
        return False
    return True


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_workers_go_on_and_start_while_the_first_node_stays_dead(
    tmp_path: Path, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    with RabbitCluster(tmp_path / "cluster") as cluster:
        environment["CELERY_BROKER_URL"] = cluster.broker_url
        settings = Settings.load(environment)
        declare(settings)
        send_email = publisher(settings)
        first = worker("worker", environment=environment, logs=tmp_path, queues=QUEUES)
        first.start()
        try:
            first.ready()
            cluster.nodes[0].kill()
            wait_until(lambda: confirmed(send_email, ids.new()), timeout=15)
            assert wait_until(lambda: len(sandbox.mails()) == 1, timeout=20), first.logs()[-3000:]
            assert first.status == "running"
            first.restart()
            send_email.delay(**fields())
            assert wait_until(lambda: len(sandbox.mails()) == 2, timeout=20), first.logs()[-3000:]
        finally:
            first.teardown()


def test_a_confirmed_call_outlives_the_node_that_confirmed_it(tmp_path: Path) -> None:
    with RabbitCluster(tmp_path) as cluster:
        settings = Settings.load({"CELERY_BROKER_URL": cluster.broker_url})
        declare(settings)
        send_email = publisher(settings)
        before = send_email.delay(**fields()).id
        cluster.nodes[0].kill()
        after = ids.new()
        # While the queue chooses a new leader a publish may be refused; an application repeats it under the same id.
        assert wait_until(lambda: confirmed(send_email, after), timeout=15)
        with kombu.Connection(cluster.urls[1]) as connection:
            queue = kombu.Queue("mail.transactional", channel=connection.default_channel)
            found = [message.headers["id"] for _ in range(2) if (message := queue.get(no_ack=True))]
    assert found == [before, after]
