"""The store: the truth about every message, and the only SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.api_key import Project
from mailer.delivery import EnvelopeInput, Lane
from mailer.ledger import Barred, Claim, DeadCall, Due, Move, Overdue, Result, Submission, Sweep, Work
from mailer.store import (
    acceptance,
    answer,
    api_key,
    dead,
    dead_call,
    endpoint,
    envelope,
    message,
    migrate,
    notes,
    sweep,
)
from mailer.store.database import Database
from mailer.view import MessageView

__all__ = ["Database", "Store"]


class Store:
    """Every transaction that there is; each method is one. All raise StoreUnavailable when the database fails us."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def submit(self, submissions: Sequence[Submission]) -> dict[str, str]:
        """Store messages with deliveries and envelopes, queued.

        Returns:
            Id to the fingerprint of what is stored under it: another than the submission's own where the id
            belonged to another message already, which then stays as it is.
        """
        with self.database.write() as connection:
            new, _ = acceptance.accept(self.database, connection, submissions)
            old = [s.id for s in submissions if s.id not in new]
            known = message.fingerprints(connection, old) if old else {}
        return {s.id: known.get(s.id, s.message.fingerprint) for s in submissions}

    def forget_answers(self, *, now: datetime, limit: int) -> int:
        """Delete up to `limit` kept answers that are too old; return how many."""
        with self.database.write() as connection:
            return answer.forget(connection, now=now, limit=limit)

    def note(self, id: str, *, note_id: str, kind: str, detail: str, now: datetime) -> None:
        """Write down what happened to an envelope; once for a note's id."""
        with self.database.write() as connection:
            notes.write(self.database, connection, id, note_id=note_id, kind=kind, detail=detail, now=now)

    def project(self, id: str) -> Project | None:
        """Return a project."""
        with self.database.read() as connection:
            return api_key.project(connection, id)

    def callback_places(self, project_id: str, *, test: bool) -> tuple[str, ...]:
        """Return the URLs at and below which messages of a project may have themselves called back."""
        with self.database.read() as connection:
            return tuple(e.url for e in endpoint.listed(connection, project_id, test=test) if e.per_message)

    def load(self, ids: Sequence[str]) -> dict[str, Work]:
        """Return what is known about these envelopes; an id without one is left out."""
        with self.database.read() as connection:
            return envelope.load(connection, ids)

    def claim(self, claims: Sequence[Claim], *, now: datetime) -> set[str]:
        """Move each from queued to sending and write its attempt; return the ids that are ours now."""
        with self.database.write() as connection:
            return envelope.claim(connection, claims, now=now)

    def suppress(self, id: str, barred: Sequence[Barred], *, seen: int, now: datetime) -> bool:
        """Let recipients be suppressed, if the envelope still waits as it was seen; tell whether it did."""
        with self.database.write() as connection:
            return envelope.suppress(self.database, connection, id, barred, seen=seen, now=now)

    def record(self, results: Sequence[Result], *, now: datetime) -> dict[str, EnvelopeInput]:
        """Write outcomes and what follows; return what happened to each envelope that followed."""
        with self.database.write() as connection:
            return envelope.record(self.database, connection, results, now=now)

    def settle(self, moves: Sequence[Move], *, now: datetime) -> set[str]:
        """Bring envelopes to rest that no call is running for; return the ids that moved."""
        with self.database.write() as connection:
            return envelope.move(connection, moves, now=now, where=envelope.idle())

    def postpone(self, id: str, *, seen: int, until: datetime, wake_at: datetime, now: datetime) -> bool:
        """Let an envelope wait; tell whether it was still as it was seen."""
        with self.database.write() as connection:
            return envelope.postpone(connection, id, seen=seen, until=until, wake_at=wake_at, now=now)

    def look_again(self, id: str, *, at: datetime) -> None:
        """Let the sweep look after an envelope that waits for news at a time."""
        with self.database.write() as connection:
            envelope.look_again(connection, id, at=at)

    def doubt(self, id: str, *, attempt_id: str, wake_at: datetime, now: datetime) -> None:
        """Write down that an attempt's lease was found to be over, and let the sweep look again at `wake_at`."""
        with self.database.write() as connection:
            envelope.doubt(connection, id, attempt_id=attempt_id, wake_at=wake_at, now=now)

    def hasten(self, ids: Sequence[str], *, at: datetime) -> None:
        """Let the sweep look after these at a time: their wake-up could not be published."""
        with self.database.write() as connection:
            envelope.hasten(connection, ids, at=at)

    def wake(self, *, lane: Lane, limit: int, now: datetime, again_at: datetime) -> list[Due]:
        """Return envelopes of a lane whose wake-up is due, each to one caller, and put it off to `again_at`."""
        with self.database.write() as connection:
            return envelope.wake(connection, lane=lane, limit=limit, now=now, again_at=again_at)

    def overdue(self, *, now: datetime) -> Overdue:
        """Return how much is due that nobody has woken."""
        with self.database.read() as connection:
            return sweep.overdue(connection, now=now)

    def note_sweep(self, done: Sweep) -> None:
        """Remember the latest sweep."""
        with self.database.write() as connection:
            sweep.note(self.database, connection, done)

    def last_sweep(self) -> Sweep | None:
        """Return the latest sweep; None: there was none yet."""
        with self.database.read() as connection:
            return sweep.last(connection)

    def bury(self, id: str, *, note_id: str, reason: str, move: Move | None, now: datetime) -> bool | None:
        """Note the death of an envelope's task and move the envelope; None where this death was noted before."""
        with self.database.write() as connection:
            return dead.bury(self.database, connection, id, note_id=note_id, reason=reason, move=move, now=now)

    def deaths(self, id: str) -> int:
        """Return how often an envelope's task has died."""
        with self.database.read() as connection:
            return dead.deaths(connection, id)

    def keep_call(self, call: DeadCall) -> None:
        """Keep a call that died before its message was stored; once, however often it is told."""
        with self.database.write() as connection:
            dead_call.keep(self.database, connection, call)

    def view(self, id: str, *, project_id: str) -> MessageView | None:
        """Return what is known about a message of this project."""
        with self.database.read() as connection:
            return message.view(connection, project_id=project_id, id=id)

    def now(self) -> datetime | None:
        """Return the database's time, None where this machine's clock is everybody's."""
        return self.database.now()

    def revision(self) -> str | None:
        """Return the schema revision that the database is at; also the proof that it answers."""
        return migrate.revision(self.database)
