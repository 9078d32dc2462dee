"""Queries about lists of messages: the newest first, by conditions, from a place on.

Every condition has a table that is indexed by it in the order of the list (`created_at`, id). The rarest one that is
given drives the query, the others are looked up for each of its rows: a page costs what it shows, not what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer.delivery import EnvelopeStatus, Lane
from mailer.resource import SHOWN_RECIPIENTS
from mailer.store import mark
from mailer.store.message import recipient
from mailer.store.tables import attempts, deliveries, envelopes, marks, messages
from mailer.view import DeliveryView, MessageLine, Selection

# Up to so many are counted to find the rarest condition: some milliseconds.
_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that knows messages by a condition."""

    id: sa.ColumnElement[str]
    created_at: sa.ColumnElement[Any]
    where: tuple[sa.ColumnElement[bool], ...]


def page(connection: Connection, wanted: Selection) -> list[MessageLine]:
    """Return up to `limit` messages, the newest first."""
    driver, *others = _by_rarity(connection, _sources(wanted), wanted)
    query = (
        sa.select(messages, *(envelopes.c[name] for name in ("status", "reason", "updated_at")))
        .select_from(messages)
        .join(envelopes, envelopes.c.message_id == messages.c.id)
        .where(*driver.where, *_span(driver, wanted), *(_holds(other) for other in others))
        .where(messages.c.test == wanted.test)
        .order_by(driver.created_at.desc(), driver.id.desc())
        .limit(wanted.limit)
    )
    if driver.id is not messages.c.id:
        query = query.where(driver.id == messages.c.id)
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    shown, counts, providers = _recipients(connection, ids), _counts(connection, ids), _providers(connection, ids)
    return [_line(row, shown.get(row.id, []), counts.get(row.id, 0), providers.get(row.id)) for row in rows]


def _sources(wanted: Selection) -> list[_Source]:
    """Return what holds for the wanted."""
    found = [*_given(wanted)]
    return found or [_of_messages(wanted)]


def _by_rarity(connection: Connection, sources: list[_Source], wanted: Selection) -> list[_Source]:
    """Return the source that leaves the fewest first; PostgreSQL's own guess is off by a factor of thousands."""
    if len(sources) == 1:
        return sources

    def count(source: _Source) -> int:
        few = sa.select(source.id).where(*source.where, *_span(source, wanted)).limit(_COUNTED).subquery()
        found: int = connection.execute(sa.select(sa.func.count()).select_from(few)).scalar_one()
        return found

    return sorted(sources, key=count)


def _given(wanted: Selection) -> Iterator[_Source]:
    if wanted.request_id is not None:
        yield _of_messages(wanted, messages.c.request_id == wanted.request_id)
    for name in _marks(wanted):
        marked = marks.alias()  # there may be two of them
        yield _of(marked, wanted, marked.c.message_id, marked.c.mark == name)
    if wanted.recipient is not None:
        same = sa.func.lower(deliveries.c.email) == wanted.recipient.lower()
        yield _of(deliveries, wanted, deliveries.c.envelope_id, same)
    if wanted.status is not None:
        yield _of(envelopes, wanted, envelopes.c.id, envelopes.c.status == wanted.status.value)
    if wanted.provider is not None:
        yield _of(attempts, wanted, attempts.c.envelope_id, attempts.c.provider == wanted.provider, ~_called_before())


def _marks(wanted: Selection) -> Iterator[str]:
    if wanted.metadata_key is not None:
        value = wanted.metadata_value
        yield mark.key(wanted.metadata_key) if value is None else mark.pair(wanted.metadata_key, value)
    if wanted.tag is not None:
        yield mark.tag(wanted.tag)


def _called_before() -> sa.ColumnElement[bool]:
    """The condition that the same provider was called for the message earlier: two calls are one message."""
    before = attempts.alias()
    return sa.exists().where(
        before.c.envelope_id == attempts.c.envelope_id,
        before.c.provider == attempts.c.provider,
        before.c.number < attempts.c.number,
    )


def _of_messages(wanted: Selection, *where: sa.ColumnElement[bool]) -> _Source:
    return _of(messages, wanted, messages.c.id, *where)


def _of(table: sa.FromClause, wanted: Selection, id: sa.ColumnElement[str], *where: sa.ColumnElement[bool]) -> _Source:
    return _Source(id, table.c.created_at, (table.c.project_id == wanted.project_id, *where))


def _span(source: _Source, wanted: Selection) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.since is not None:
        yield source.created_at >= wanted.since
    if wanted.until is not None:
        yield source.created_at < wanted.until
    if wanted.after is not None:
        here = sa.tuple_(source.created_at, source.id)
        yield here < sa.tuple_(
            sa.literal(wanted.after.created_at, source.created_at.type), sa.literal(wanted.after.id, source.id.type)
        )


def _holds(source: _Source) -> sa.ColumnElement[bool]:
    """The condition, of a message that was found by another one."""
    if source.id is envelopes.c.id or source.id is messages.c.id:
        return sa.and_(*source.where)
    # OFFSET keeps PostgreSQL from turning the lookup into a join of everything.
    looked_up = sa.select(sa.literal(1)).where(source.id == messages.c.id, *source.where).offset(0)
    return sa.exists(looked_up.correlate(messages))


def _recipients(connection: Connection, ids: Sequence[str]) -> dict[str, list[DeliveryView]]:
    query = (
        sa.select(deliveries)
        .where(deliveries.c.envelope_id.in_(ids), deliveries.c.position < SHOWN_RECIPIENTS)
        .order_by(deliveries.c.envelope_id, deliveries.c.position)
    )
    found: dict[str, list[DeliveryView]] = {}
    for row in connection.execute(query):
        found.setdefault(row.envelope_id, []).append(recipient(row))
    return found


def _counts(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    query = sa.select(deliveries.c.envelope_id, sa.func.count().label("number")).where(
        deliveries.c.envelope_id.in_(ids)
    )
    return {row.envelope_id: row.number for row in connection.execute(query.group_by(deliveries.c.envelope_id))}


def _providers(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return who was called last for each."""
    query = sa.select(attempts.c.envelope_id, attempts.c.provider).where(attempts.c.envelope_id.in_(ids))
    return {row.envelope_id: row.provider for row in connection.execute(query.order_by(attempts.c.number))}


def _line(row: Row[Any], shown: list[DeliveryView], count: int, provider: str | None) -> MessageLine:
    return MessageLine(
        id=row.id, status=EnvelopeStatus(row.status), reason=row.reason, lane=Lane(row.lane), test=row.test,
        request_id=row.request_id, created_at=row.created_at, updated_at=row.updated_at, send_at=row.send_at,
        provider=provider, recipients=tuple(shown), recipient_count=count,
    )  # fmt: skip
