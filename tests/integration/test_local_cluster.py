"""The private cluster: three nodes are one, and a confirmed message outlives the node it came through."""

from __future__ import annotations

from pathlib import Path

import kombu

from deploy.local.cluster import RabbitCluster
from deploy.local.port import wait_until
from mailer import ids
from mailer.client.task import SendEmail, publisher
from mailer.client.topology import declare
from mailer.errors import BrokerUnavailable
from mailer.settings import Settings
from tests.factories import fields


def confirmed(send_email: SendEmail, id: str) -> bool:
    """Tell whether the broker took the call."""
    try:
        send_email.apply_async(kwargs=fields(), task_id=id)
    except BrokerUnavailable:
        return False
    return True


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
