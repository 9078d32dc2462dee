"""A private RabbitMQ cluster of some nodes on this machine: one may die, and nothing that was confirmed is lost."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Self

from deploy.local.epmd import Epmd
from deploy.local.error import DidNotStartError
from deploy.local.port import free_port
from deploy.local.rabbit_home import RabbitHome
from deploy.local.rabbitmq import RabbitNode

# Three: the smallest number of which a majority is left when one is gone.
SIZE = 3


class RabbitCluster:
    """Nodes that know each other by one cookie and one port mapper; users, virtual hosts and queues are shared.

    Declare queues when all nodes are up: a quorum queue gets its replicas where there are nodes at that moment.
    """

    def __init__(self, base: Path, *, size: int = SIZE, user: str = "guest", password: str = "guest") -> None:  # noqa: S107 - RabbitMQ's own default
        base = base.resolve()
        epmd_port, cookie, tag = free_port(), secrets.token_hex(16), secrets.token_hex(4)
        names = [f"mailer-{tag}-{number}@localhost" for number in range(1, size + 1)]
        self._epmd = Epmd(port=epmd_port, log=base / "epmd.log")
        self.nodes = [
            RabbitNode(
                base / name.partition("@")[0],
                epmd=self._epmd,
                home=RabbitHome(
                    base=base / name.partition("@")[0], name=name, epmd_port=epmd_port, cookie=cookie, peers=names,
                    user=user, password=password,
                ),
            )
            for name in names
        ]  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def urls(self) -> list[str]:
        """The AMQP address of each node."""
        return [node.url() for node in self.nodes]

    @property
    def broker_url(self) -> str:
        """All addresses as CELERY_BROKER_URL takes them: whoever cannot reach one node goes to the next."""
        return ";".join(self.urls)

    def start(self) -> None:
        """Returns when all nodes are one cluster (about 15 s). Raises DidNotStartError."""
        try:
            # One after the other: two that begin at once may each become a cluster of its own.
            for node in self.nodes:
                node.start()
            self._require_whole()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every node and the port mapper."""
        for node in reversed(self.nodes):
            node.stop()
        self._epmd.stop()

    def running(self) -> int:
        """How many nodes the first living one sees, itself included; 0 if none lives."""
        living = next((node for node in self.nodes if node.running), None)
        return int(living.ctl("eval", "length(rabbit_nodes:all_running()).")) if living else 0

    def _require_whole(self) -> None:
        if (found := self.running()) != len(self.nodes):
            tail = "\n".join(f"{node.name}: {node.log}" for node in self.nodes)
            raise DidNotStartError(f"{found} of {len(self.nodes)} nodes found each other; their logs:\n{tail}")
