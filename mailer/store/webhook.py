"""Queries about what providers have posted: stored as it came, found again until it has been read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.ledger import Webhook
from mailer.ports import Token
from mailer.store.database import Database
from mailer.store.tables import quarantined, webhook_tokens, webhooks

# Bodies that have been read are kept so long, for whoever wants to read them again.
KEPT = timedelta(days=7)
# Those with pieces that were no events, and the pieces: somebody has to look at them first.
KEPT_ASIDE = timedelta(days=30)


def keep(database: Database, connection: Connection, webhook: Webhook, token: Token | None) -> bool:
    """Store a webhook; tell whether it is new: one whose token is known is stored already."""
    if token is not None:
        statement = database.insert(webhook_tokens).values(
            provider=webhook.provider, token=token.value, until=token.until
        )
        new = statement.on_conflict_do_nothing().returning(webhook_tokens.c.token)
        if connection.execute(new).scalar_one_or_none() is None:
            return False
    connection.execute(sa.insert(webhooks).values(
        id=webhook.id, provider=webhook.provider, received_at=webhook.received_at, body=webhook.body
    ))  # fmt: skip
    return True


def load(connection: Connection, id: str, *, again: bool = False) -> Webhook | None:
    """Return a webhook that nobody has read yet, or any with `again`."""
    query = sa.select(webhooks).where(webhooks.c.id == id)
    row = connection.execute(query if again else query.where(webhooks.c.processed_at.is_(None))).one_or_none()
    if row is None:
        return None
    return Webhook(id=row.id, provider=row.provider, received_at=row.received_at, body=bytes(row.body))


def done(connection: Connection, id: str, *, now: datetime) -> None:
    """Write down that a webhook has been read."""
    connection.execute(sa.update(webhooks).where(webhooks.c.id == id).values(processed_at=now))


def unread(connection: Connection, *, before: datetime, limit: int) -> Sequence[str]:
    """Return webhooks that came before a time and that nobody has read, the oldest first."""
    waiting = sa.select(webhooks.c.id).where(webhooks.c.processed_at.is_(None), webhooks.c.received_at <= before)
    return connection.execute(waiting.order_by(webhooks.c.received_at).limit(limit)).scalars().all()


def received(connection: Connection, *, since: datetime) -> Sequence[str]:
    """Return the webhooks that came since a time and are still kept, the oldest first."""
    query = sa.select(webhooks.c.id).where(webhooks.c.received_at >= since)
    return connection.execute(query.order_by(webhooks.c.received_at)).scalars().all()


def forget(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete tokens that are too old to come again, and up to `limit` bodies that were read long ago; how many."""
    connection.execute(sa.delete(webhook_tokens).where(webhook_tokens.c.until <= now))
    connection.execute(sa.delete(quarantined).where(quarantined.c.received_at <= now - KEPT_ASIDE))
    aside = sa.exists().where(quarantined.c.webhook_id == webhooks.c.id)
    old = sa.select(webhooks.c.id).where(webhooks.c.processed_at <= now - KEPT, ~aside).limit(limit)
    return connection.execute(sa.delete(webhooks).where(webhooks.c.id.in_(old))).rowcount
