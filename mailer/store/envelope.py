"""Queries about envelopes: load, claim, record, wake. They take lists; a single email is a list of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import delivery, suppression
from mailer.address import Address
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.event import FeedType
from mailer.ledger import Attempt, Barred, Breaker, Claim, Due, Move, Recipient, Result, Work
from mailer.outcome import Outcome
from mailer.store import breaker, feed, replay, standing
from mailer.store.database import Database
from mailer.store.message import ATTACHMENTS, attempts_of, rebuild
from mailer.store.tables import attachments, attempts, contents, deliveries, envelopes, messages, notes

# Ends that no provider tells the application of.
_TOLD = {
    EnvelopeInput.FAIL: FeedType.FAILED,
    EnvelopeInput.EXPIRE: FeedType.EXPIRED,
    EnvelopeInput.CANCEL: FeedType.CANCELED,
    EnvelopeInput.GIVE_UP: FeedType.OUTCOME_UNKNOWN,
}


def load(connection: Connection, ids: Sequence[str]) -> dict[str, Work]:
    """Return what is known about these envelopes; an id without one is left out."""
    query = (
        sa.select(envelopes, messages.c.on_unknown, messages.c.expires_at, messages.c.test, contents.c.content)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .join(contents, contents.c.message_id == messages.c.id)
        .where(envelopes.c.id.in_(ids))
    )
    rows = connection.execute(query).all()
    people = standing.people(connection, ids)
    # Most messages carry no file and are delivered at the first attempt: do not ask for what is not there.
    with_files = [row.message_id for row in rows if row.content.get(ATTACHMENTS)]
    files = _grouped(connection, sa.select(attachments), attachments.c.message_id, with_files) if with_files else {}
    tried_before = [row.id for row in rows if row.attempts]
    tried = attempts_of(connection, tried_before) if tried_before else {}
    domains = {row.content["from"]["email"].rpartition("@")[2].lower() for row in rows}
    breakers = breaker.known(connection, scopes={"", *domains})
    return {
        row.id: _work(row, people[row.id], files.get(row.message_id, []), tried.get(row.id, []), breakers)
        for row in rows
    }


def claim(connection: Connection, claims: Sequence[Claim], *, now: datetime) -> set[str]:
    """Move each from queued to sending and write its attempt; return the ids that are ours now.

    Left out is whatever somebody else moved since the claim was decided, what names somebody who has been suppressed
    since, and what would probe a provider that another mail is probing already.
    """
    won = [c for c in claims if _take(connection, c, now=now)]
    if won:
        connection.execute(sa.insert(attempts), [_attempt_row(c) for c in won])
    return {c.id for c in won}


def suppress(
    database: Database, connection: Connection, id: str, barred: Sequence[Barred], *, seen: int, now: datetime
) -> bool:
    """Let recipients be suppressed, if the envelope still waits as it was seen; tell whether it did."""
    waits = sa.select(envelopes.c.id).where(envelopes.c.id == id, envelopes.c.attempts == seen, _claimable())
    if connection.execute(waits.with_for_update()).one_or_none() is None:
        return False
    standing.suppress(database, connection, id, barred, now=now)
    return True


def record(
    database: Database, connection: Connection, results: Sequence[Result], *, now: datetime
) -> dict[str, EnvelopeInput]:
    """Write the outcomes; return what happened to each envelope that followed.

    An outcome is written once, by whoever holds the claim. One that comes late, after its attempt was given up as
    unknown, is still knowledge and replaces *unknown*: a late yes ends the sending, unless another call is under way;
    a late no, if nothing else is unknown, lets an envelope that rests go on.
    """
    happened: dict[str, EnvelopeInput] = {}
    # One after the other: two answers to one envelope must not miss each other.
    ids = sorted(result.move.id for result in results)
    connection.execute(
        sa.select(envelopes.c.id).where(envelopes.c.id.in_(ids)).order_by(envelopes.c.id).with_for_update()
    )
    for result in results:
        # In one order everywhere, as in claims: two workers must not wait for each other.
        for b in sorted((*result.opened, *result.closed), key=lambda b: (b.provider, b.scope)):
            if b in result.opened:
                breaker.open(database, connection, b, now=now)
            else:
                breaker.close(connection, b)
        in_time = _finish(connection, result, was=Outcome.STARTED)
        if not in_time and (
            result.attempt.outcome is Outcome.UNKNOWN or not _finish(connection, result, was=Outcome.UNKNOWN)
        ):
            continue
        # The first attempt, in time, has no history to ask about.
        others = _others(connection, result) if result.attempt.number > 1 or not in_time else set()
        followed = delivery.after_all(result.attempt.outcome, result.move.input, others, in_time=in_time)
        if followed is None or (followed is not EnvelopeInput.ACCEPT and not in_time and _replayed(connection, result)):
            continue
        holder = envelopes.c.attempt_id == result.attempt.id if in_time else idle()
        what = result.move if followed is result.move.input else Move(id=result.move.id, input=followed)
        if move(connection, [what], now=now, where=holder):
            happened[result.move.id] = followed
    return happened


def _replayed(connection: Connection, result: Result) -> bool:
    """Tell whether somebody has had the mail replayed since: then a late no of before ends nothing."""
    later = (
        notes.c.envelope_id == result.move.id,
        notes.c.kind == replay.NOTE,
        notes.c.at >= result.attempt.started_at,
    )
    return bool(connection.execute(sa.select(sa.exists().where(*later))).scalar_one())


def _others(connection: Connection, result: Result) -> set[Outcome]:
    # What was rejected before somebody had the mail replayed decides nothing about the calls since.
    replayed = sa.exists().where(
        notes.c.envelope_id == attempts.c.envelope_id, notes.c.kind == replay.NOTE, notes.c.at >= attempts.c.started_at
    )
    query = sa.select(attempts.c.outcome).where(
        attempts.c.envelope_id == result.move.id, attempts.c.id != result.attempt.id,
        ~sa.and_(attempts.c.outcome == Outcome.REJECTED.value, replayed),
    )  # fmt: skip
    return {Outcome(row.outcome) for row in connection.execute(query)}


def move(connection: Connection, moves: Sequence[Move], *, now: datetime, where: sa.ColumnElement[bool]) -> set[str]:
    """Move the envelopes for which `where` holds and, with them, their recipients; return the ids that moved."""
    moved = set()
    for m in moves:
        status = delivery.target(m.input)
        sources = [s.value for s in delivery.sources(m.input)]
        as_seen = [] if m.seen is None else [envelopes.c.attempts == m.seen]
        if m.input is EnvelopeInput.GIVE_UP:
            # One that rests as unknown has been given up, and its application told.
            waits = envelopes.c.next_attempt_at.is_not(None)
            as_seen.append(sa.or_(envelopes.c.status != EnvelopeStatus.UNKNOWN.value, waits))
        if m.input is EnvelopeInput.EXPIRE and m.seen == 0:
            # Its application may just have given it more time.
            as_seen.append(sa.exists().where(messages.c.id == envelopes.c.message_id, messages.c.expires_at <= now))
        changed = connection.execute(
            sa.update(envelopes).where(envelopes.c.id == m.id, envelopes.c.status.in_(sources), where, *as_seen).values(
                status=status.value, next_attempt_at=m.next_attempt_at, wake_at=m.wake_at, reason=m.reason,
                updated_at=now,
            )
        )  # fmt: skip
        if changed.rowcount != 1:
            continue
        moved.add(m.id)
        _move_deliveries(connection, m, status, now=now)
    return moved


def idle() -> sa.ColumnElement[bool]:
    """The condition that no call of the envelope is running."""
    return envelopes.c.status != EnvelopeStatus.SENDING.value


def postpone(connection: Connection, id: str, *, seen: int, until: datetime, wake_at: datetime, now: datetime) -> bool:
    """Let an envelope wait, nobody having been called; tell whether it was still as it was seen."""
    # Never earlier than it was: its application may just have moved it to next week.
    later = sa.or_(envelopes.c.next_attempt_at.is_(None), envelopes.c.next_attempt_at <= until)
    statement = sa.update(envelopes).where(envelopes.c.id == id, envelopes.c.attempts == seen, _claimable(), later)
    values = {"next_attempt_at": until, "wake_at": wake_at, "updated_at": now}
    return connection.execute(statement.values(values)).rowcount == 1


def hasten(connection: Connection, ids: Sequence[str], *, at: datetime) -> None:
    """Let the sweep look after these at a time, since nobody else will: their wake-up could not be published."""
    statement = sa.update(envelopes).where(envelopes.c.id.in_(ids), envelopes.c.wake_at > at)
    connection.execute(statement.values(wake_at=at))


def look_again(connection: Connection, id: str, *, at: datetime) -> None:
    """Let the sweep look after an envelope that waits for news at a time, if it still does."""
    waiting = (envelopes.c.status == EnvelopeStatus.UNKNOWN.value, envelopes.c.next_attempt_at.is_not(None))
    connection.execute(sa.update(envelopes).where(envelopes.c.id == id, *waiting).values(wake_at=at))


def doubt(connection: Connection, id: str, *, attempt_id: str, wake_at: datetime, now: datetime) -> None:
    """Write down that an attempt's lease was found to be over, and let the sweep look again at `wake_at`."""
    # Envelope first, then attempt, as everywhere.
    connection.execute(sa.select(envelopes.c.id).where(envelopes.c.id == id).with_for_update())
    fresh = (attempts.c.id == attempt_id, attempts.c.outcome == Outcome.STARTED.value, attempts.c.doubted_at.is_(None))
    if connection.execute(sa.update(attempts).where(*fresh).values(doubted_at=now)).rowcount == 1:
        holder = (envelopes.c.id == id, envelopes.c.attempt_id == attempt_id)
        connection.execute(sa.update(envelopes).where(*holder).values(wake_at=wake_at))


def wake(connection: Connection, *, lane: Lane, limit: int, now: datetime, again_at: datetime) -> list[Due]:
    """Return up to `limit` envelopes of a lane whose wake-up is due and put it off to `again_at`; the oldest first.

    Safe to run twice at once: each envelope is returned to one caller.
    """
    # A common table expression: PostgreSQL runs it once, where it may run a subquery with LIMIT several times.
    due = (
        sa.select(envelopes.c.id)
        .where(envelopes.c.lane == lane.value, envelopes.c.wake_at <= now)
        .order_by(envelopes.c.wake_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = (
        sa.update(envelopes)
        .where(envelopes.c.id.in_(sa.select(due.c.id)))
        .values(wake_at=again_at)
        .returning(envelopes.c.id, envelopes.c.lane, envelopes.c.request_id)
    )
    return [Due(id=r.id, lane=Lane(r.lane), request_id=r.request_id) for r in connection.execute(statement)]


def _claimable() -> sa.ColumnElement[bool]:
    """The condition that an envelope waits for a call: queued, or scheduled or unknown with a time set.

    One that rests as unknown has none.
    """
    timed = [EnvelopeStatus.UNKNOWN.value, EnvelopeStatus.SCHEDULED.value]
    waiting = sa.and_(envelopes.c.status.in_(timed), envelopes.c.next_attempt_at.is_not(None))
    return sa.or_(envelopes.c.status == EnvelopeStatus.QUEUED.value, waiting)


def _take(connection: Connection, claim: Claim, *, now: datetime) -> bool:
    due = sa.or_(envelopes.c.next_attempt_at.is_(None), envelopes.c.next_attempt_at <= now)
    statement = sa.update(envelopes).where(
        envelopes.c.id == claim.id, envelopes.c.attempts == claim.seen, _claimable(), due,
        *standing.nobody_barred(claim),
    )  # fmt: skip
    values = {
        "status": EnvelopeStatus.SENDING.value, "attempt_id": claim.attempt.id, "attempts": claim.attempt.number,
        "route": list(claim.route), "next_attempt_at": None, "wake_at": claim.attempt.lease_until, "updated_at": now,
        "possible_duplicates": envelopes.c.possible_duplicates + int(claim.attempt.possible_duplicate),
    }  # fmt: skip
    if not claim.probes:
        return connection.execute(statement.values(values)).rowcount == 1
    # Both or neither: an envelope that may not probe stays queued, and a probe is not spent on one that is gone.
    with connection.begin_nested() as both:
        until = claim.attempt.lease_until
        taken = connection.execute(statement.values(values)).rowcount == 1 and all(
            breaker.probe(connection, b, until=until) for b in claim.probes
        )
        if not taken:
            both.rollback()
    return taken


def _finish(connection: Connection, result: Result, *, was: Outcome) -> bool:
    a = result.attempt
    statement = sa.update(attempts).where(attempts.c.id == a.id, attempts.c.outcome == was.value)
    values = {
        "outcome": a.outcome.value, "duration_ms": a.duration_ms, "status_code": a.status_code,
        "error_code": a.error_code, "error": a.error, "provider_message_id": a.provider_message_id,
        "not_before": a.not_before,
    }  # fmt: skip
    return connection.execute(statement.values(values)).rowcount == 1


def _move_deliveries(connection: Connection, m: Move, status: EnvelopeStatus, *, now: datetime) -> None:
    """Move the recipients of whom only the sending is known; tell the application what nobody else tells it."""
    open_states = [s.value for s in delivery.BEFORE_EVENTS]
    statement = sa.update(deliveries).where(deliveries.c.envelope_id == m.id, deliveries.c.status.in_(open_states))
    statement = statement.values(status=delivery.DELIVERY_AT[status].value, updated_at=now)
    told = _TOLD.get(m.input)
    if told is None:
        connection.execute(statement)
        return
    people = connection.execute(statement.returning(deliveries.c.email)).scalars().all()
    feed.occur(connection, m.id, told, people, detail=m.reason or "", now=now)


def _attempt_row(claim: Claim) -> dict[str, Any]:
    a = claim.attempt
    return {
        "id": a.id, "project_id": claim.project_id, "envelope_id": claim.id, "number": a.number, "round": a.round,
        "provider": a.provider, "request_id": claim.request_id, "started_at": a.started_at,
        "lease_until": a.lease_until, "possible_duplicate": a.possible_duplicate, "outcome": a.outcome.value,
        "created_at": claim.created_at,
    }  # fmt: skip


def _grouped(
    connection: Connection, query: sa.Select[Any], owner: sa.Column[str], ids: Iterable[str]
) -> dict[str, list[Row[Any]]]:
    rows = connection.execute(query.where(owner.in_(list(ids))).order_by(owner, owner.table.c.position))
    return {key: list(group) for key, group in groupby(rows, key=lambda row: row._mapping[owner.name])}


def _work(
    row: Row[Any],
    people: list[standing.Person],
    files: list[Row[Any]],
    tried: list[Attempt],
    breakers: list[Breaker],
) -> Work:
    recipients = tuple(_recipient(p.row) for p in people)
    message = rebuild(row.content, recipients, files)
    bars = suppression.in_the_way(message)
    return Work(
        id=row.id, project_id=row.project_id, request_id=row.request_id, lane=Lane(row.lane),
        on_unknown=OnUnknown(row.on_unknown), status=EnvelopeStatus(row.status),
        created_at=row.created_at, route=tuple(row.route),
        attempt_id=row.attempt_id, next_attempt_at=row.next_attempt_at, wake_at=row.wake_at, expires_at=row.expires_at,
        test=row.test, message=message,
        recipients=tuple(_recipient(p.row) for p in people if standing.is_left(p, bars, test=row.test)),
        attempts=tuple(tried), breakers=tuple(breakers), barred=standing.barred(people, bars, test=row.test),
    )  # fmt: skip


def _recipient(row: Row[Any]) -> Recipient:
    return Recipient(Role(row.role), Address.model_construct(email=row.email, name=row.name))
