"""The transactions of what providers tell us; each method is one. All raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.event import Event, Quarantined
from mailer.ledger import Webhook
from mailer.ports import Token
from mailer.store import event, learning, webhook
from mailer.store.database import Database
from mailer.view import Piece


class HearingStore:
    """Webhooks and the events in them.

    Args:
        soft_bounces: after so many mails in a row that bounced temporarily an address counts as bad; 0: never.
    """

    def __init__(self, database: Database, *, soft_bounces: int = learning.SOFT_BOUNCES) -> None:
        self.database = database
        self._soft_bounces = soft_bounces

    def keep(self, given: Webhook, token: Token | None) -> bool:
        """Store a webhook as it came; tell whether it is new."""
        with self.database.write() as connection:
            return webhook.keep(self.database, connection, given, token)

    def load(self, id: str, *, again: bool = False) -> Webhook | None:
        """Return a webhook that nobody has read yet, or any with `again`."""
        with self.database.read() as connection:
            return webhook.load(connection, id, again=again)

    def received(self, *, since: datetime) -> Sequence[str]:
        """Return the webhooks that came since a time and are still kept, the oldest first."""
        with self.database.read() as connection:
            return webhook.received(connection, since=since)

    def pieces(self, *, since: datetime | None, limit: int) -> list[Piece]:
        """Return what was no event and was put aside, the newest first."""
        with self.database.read() as connection:
            return event.pieces(connection, since=since, limit=limit)

    def take(self, id: str, told: Sequence[Event], pieces: Sequence[Quarantined], *, now: datetime) -> list[str]:
        """Store what a webhook tells and what follows, and that it has been read; all of it or nothing.

        Returns:
            The envelopes whose sending an event has ended.
        """
        with self.database.write() as connection:
            ended = event.take(self.database, connection, told, soft_bounces=self._soft_bounces, now=now)
            event.put_aside(self.database, connection, pieces, webhook_id=id, now=now)
            webhook.done(connection, id, now=now)
            return ended

    def unread(self, *, before: datetime, limit: int) -> Sequence[str]:
        """Return webhooks that came before a time and that nobody has read."""
        with self.database.read() as connection:
            return webhook.unread(connection, before=before, limit=limit)

    def forget(self, *, now: datetime, limit: int) -> int:
        """Delete what is too old to be of use; return how many bodies."""
        with self.database.write() as connection:
            return webhook.forget(connection, now=now, limit=limit)
