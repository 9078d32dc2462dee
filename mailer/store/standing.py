"""Queries about who of an envelope's recipients is suppressed: part of accepting, loading and claiming it.

No query of its own on the way of a mail that is sent: the suppressions come with the recipients, and the claim asks for
them in its own condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import delivery, ids, masking, suppression
from mailer.delivery import DeliveryStatus
from mailer.event import FeedType
from mailer.ledger import Barred, Claim
from mailer.store import feed
from mailer.store.database import Database
from mailer.store.notes import write
from mailer.store.tables import deliveries, suppressions
from mailer.suppression import Bar, Reason

# Addresses that a note tells.
_TOLD = 5

_OPEN = frozenset(status.value for status in delivery.BEFORE_EVENTS)

_s = suppressions.c
_SAME_ADDRESS = sa.and_(_s.project_id == deliveries.c.project_id, _s.email == sa.func.lower(deliveries.c.email))
_BY = (_s.test.label("bar_test"), _s.reason.label("bar_reason"), _s.stream.label("bar_stream"))


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient as it is stored, with every suppression of its address in its project: (test, bar)."""

    row: Row[Any]
    suppressed: frozenset[tuple[bool, Bar]]

    def stopped_by(self, bars: frozenset[Bar], *, test: bool) -> Reason | None:
        """Return why a message with these bars, of this world, is not for them; None if it is."""
        return suppression.first(bar[0] for world, bar in self.suppressed if world == test and bar in bars)


def people(connection: Connection, ids: Sequence[str], *, suppressed_only: bool = False) -> dict[str, list[Person]]:
    """Return the recipients of these envelopes, in order, and what stands in their way."""
    query = sa.select(deliveries, *_BY).where(deliveries.c.envelope_id.in_(ids))
    query = query.join_from(deliveries, suppressions, _SAME_ADDRESS, isouter=not suppressed_only)
    rows: dict[tuple[str, int], Row[Any]] = {}
    found: dict[tuple[str, int], set[tuple[bool, Bar]]] = {}
    for row in connection.execute(query.order_by(deliveries.c.envelope_id, deliveries.c.position)):
        key = row.envelope_id, row.position
        rows.setdefault(key, row)
        bars = found.setdefault(key, set())
        if row.bar_reason is not None:
            bars.add((row.bar_test, (Reason(row.bar_reason), row.bar_stream)))
    grouped: dict[str, list[Person]] = {}
    for key, row in rows.items():
        grouped.setdefault(row.envelope_id, []).append(Person(row, frozenset(found[key])))
    return grouped


def barred(people: Sequence[Person], bars: frozenset[Bar], *, test: bool) -> tuple[Barred, ...]:
    """Return who is to be marked as suppressed: what events have said of the others weighs more."""
    stopped = ((p.row, p.stopped_by(bars, test=test)) for p in people if p.row.status in _OPEN)
    return tuple(Barred(row.position, row.email, reason) for row, reason in stopped if reason is not None)


def is_left(person: Person, bars: frozenset[Bar], *, test: bool) -> bool:
    """Tell whether a recipient is to be named in a call."""
    return person.row.status != DeliveryStatus.SUPPRESSED.value and person.stopped_by(bars, test=test) is None


def suppress(database: Database, connection: Connection, id: str, found: Sequence[Barred], *, now: datetime) -> None:
    """Let recipients of an envelope be suppressed, and write it down: the one place where they become so.

    The caller holds the envelope.
    """
    for reason in dict.fromkeys(b.reason for b in found):
        those = [b for b in found if b.reason is reason]
        mine = (deliveries.c.envelope_id == id, deliveries.c.position.in_([b.position for b in those]))
        statement = sa.update(deliveries).where(*mine, deliveries.c.status.in_(sorted(_OPEN)))
        marked = statement.values(status=DeliveryStatus.SUPPRESSED.value, reason=reason.value, updated_at=now)
        people = connection.execute(marked.returning(deliveries.c.email)).scalars().all()
        feed.occur(connection, id, FeedType.SUPPRESSED, people, detail=reason.value, now=now)
        more = f" and {len(those) - _TOLD} more" if len(those) > _TOLD else ""
        who = ", ".join(masking.address(b.email) for b in those[:_TOLD]) + more
        write(database, connection, id, note_id=ids.new(), kind="suppressed", detail=f"{who}: {reason}", now=now)


def nobody_barred(claim: Claim) -> list[sa.ColumnElement[bool]]:
    """Return the condition that nobody whom a call names has been suppressed since it was decided."""
    if not claim.bars:
        return []
    found = sa.select(sa.literal(1)).where(
        _s.project_id == claim.project_id, _s.email.in_(claim.emails), _s.test == claim.test,
        sa.tuple_(_s.stream, _s.reason).in_(sorted((stream, reason.value) for reason, stream in claim.bars)),
    )  # fmt: skip
    return [~sa.exists(found)]
