"""Task events without publisher confirms.

The worker's main loop publishes event heartbeats itself. With confirms a broker that hangs would freeze that loop, and
then nobody notices that the broker is gone (celery.md, trap 1). An event lost is a line missing in Flower; no mail is
concerned.
"""

from __future__ import annotations

import celery.app.events
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):
    """Celery's dispatcher, on a connection without confirms where the connection is its own."""

    def enable(self) -> None:
        """Open the channel, unconfirmed."""
        if self.channel is None and self.connection is not None:
            transport = self.connection.connection
            if getattr(transport, "confirm_publish", False):
                transport.confirm_publish = False
        super().enable()


class Events(celery.app.events.Events):
    """Celery's events with that dispatcher."""

    dispatcher_cls = "tasks.heartbeat:Dispatcher"
