"""`python -m deploy.cluster` (`make cluster`): a RabbitMQ cluster of three nodes in the foreground, to kill nodes of.

It is new every time and gone with Ctrl-C. A node that dies is started again after a moment, as a supervisor would.
"""

from __future__ import annotations

import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from deploy.local import rabbitmq
from deploy.local.cluster import RabbitCluster
from deploy.local.error import DidNotStartError, LocalError
from deploy.local.rabbitmq import RabbitNode
from deploy.make import Make

# Seconds a killed node stays away: long enough to see that mail flows without it.
AWAY = 15.0

GUIDE = """
{nodes}

For another terminal (the quotes matter, addresses are parted by semicolons); then make run uses this cluster:
    export CELERY_BROKER_URL='{url}'

Kill a node and see that mail flows on; it comes back {away:g} seconds later:
    kill -9 {pid}

Ctrl-C stops everything and forgets what was in it."""


class Stopped(Exception):
    """Somebody asks us to end."""


def main() -> int:
    """Runs until Ctrl-C or SIGTERM."""
    make = Make()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        if not rabbitmq.installed():
            rabbitmq.install()
        with tempfile.TemporaryDirectory(prefix="mailer-cluster-") as base:
            _run(Path(base), make)
    except Stopped:
        return 0
    except LocalError as error:
        print(f"make cluster: {error}", file=sys.stderr)
        return 1
    return 0


def _run(base: Path, make: Make) -> None:
    print("starting three RabbitMQ nodes ...", flush=True)
    with RabbitCluster(base, user="mailer", password=secrets.token_hex(12)) as cluster:
        print(_guide(cluster), flush=True)
        while not make.interrupted:
            time.sleep(0.5)
            for node in cluster.nodes:
                if not node.running:
                    _bring_back(node)


def _bring_back(node: RabbitNode) -> None:
    print(f"{node.name} is dead; it comes back in {AWAY:g} seconds ...", flush=True)
    time.sleep(AWAY)
    try:
        node.start()
    except DidNotStartError:
        # Somebody killed it again; the other two go on, and it gets its next try.
        print(f"{node.name} did not come back", flush=True)
    else:
        print(f"{node.name} is back: {_line(node)}", flush=True)


def _guide(cluster: RabbitCluster) -> str:
    nodes = "\n".join(f"    {_line(node)}" for node in cluster.nodes)
    return GUIDE.format(nodes=nodes, url=cluster.broker_url, away=AWAY, pid=cluster.nodes[0].pid)


def _line(node: RabbitNode) -> str:
    return f"{node.url()}   {node.name}, pid {node.pid}"


def _stop(*_: object) -> None:
    # Once is enough: a second Ctrl-C must not break off the stopping.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
