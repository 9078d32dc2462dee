"""Remote control (Flower, `celery inspect`) whose queue outlives the node that it was declared on.

Celery's is a classic queue, which lives on one node of a cluster. While that node is dead the queue can be neither used
nor declared again, and a worker that cannot declare it ends. A quorum queue has a replica on every node.
"""

from __future__ import annotations

from typing import Any, cast

import celery.app.control
import kombu
import kombu.pidbox


class Mailbox(kombu.pidbox.Mailbox):
    """Celery's mailbox, with a queue that is replicated."""

    def get_queue(self, hostname: str) -> kombu.Queue:
        """Return the queue of a worker; by a name of its own, since the type of one that exists cannot be changed."""
        queue: Any = super().get_queue(hostname)
        queue.name = f"{hostname}.{self.namespace}.control"
        queue.queue_arguments = {"x-queue-type": "quorum"}
        return cast(kombu.Queue, queue)


class Control(celery.app.control.Control):
    """Celery's remote control with that mailbox."""

    Mailbox = Mailbox
