"""The transactions of reading back from providers; each method is one. All raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.event import Event, Quarantined
from mailer.silence import Heard, Silence
from mailer.source import Cursor, Listed, Removal, Turn
from mailer.store import adoption, event, learning, removal, silence, turn
from mailer.store.database import Database


class ReconcilerStore:
    """How far each provider has been read, and what was found.

    Args:
        soft_bounces: after so many mails in a row that bounced temporarily an address counts as bad; 0: never.
    """

    def __init__(self, database: Database, *, soft_bounces: int = learning.SOFT_BOUNCES) -> None:
        self.database = database
        self._soft_bounces = soft_bounces

    def begin(self, provider: str, *, turn_id: str, until: datetime, now: datetime) -> bool:
        """Take the right to read from a provider; no if somebody has it, or it asked to be left alone."""
        with self.database.write() as connection:
            return turn.begin(self.database, connection, provider, turn_id=turn_id, until=until, now=now)

    def hold(
        self, provider: str, *, turn_id: str, until: datetime, source: str = "", cursor: Cursor | None = None
    ) -> bool:
        """Keep a turn for longer, and write down how far a source has been read; no if the turn was over."""
        with self.database.write() as connection:
            held = turn.hold(connection, provider, turn_id=turn_id, until=until)
            if held and cursor is not None:
                turn.save(self.database, connection, provider, source, cursor)
            return held

    def end(
        self, provider: str, *, turn_id: str, error: str | None, not_before: datetime | None, now: datetime
    ) -> None:
        """Let others read, and write down how it went."""
        with self.database.write() as connection:
            turn.end(connection, provider, turn_id=turn_id, error=error, not_before=not_before, now=now)

    def turns(self) -> list[Turn]:
        """Return how the reading of each provider stands."""
        with self.database.read() as connection:
            return turn.all_of_them(connection)

    def cursor(self, provider: str, source: str) -> Cursor | None:
        """Return how far a source has been read; None: never."""
        with self.database.read() as connection:
            return turn.cursor(connection, provider, source)

    def unknown(self, told: Sequence[Event]) -> list[Event]:
        """Return the events that are not stored yet."""
        with self.database.read() as connection:
            return event.unknown(connection, told)

    def take(self, told: Sequence[Event], *, now: datetime) -> list[str]:
        """Store events, and what follows; return the envelopes whose sending one has ended."""
        with self.database.write() as connection:
            return event.take(self.database, connection, told, soft_bounces=self._soft_bounces, now=now)

    def put_aside(self, pieces: Sequence[Quarantined], *, now: datetime) -> int:
        """Keep what is nothing that we know, each once however often it is read; return how many are new."""
        with self.database.write() as connection:
            return event.put_aside(self.database, connection, pieces, webhook_id=None, now=now)

    def adopt(self, found: Sequence[Listed], *, provider: str, now: datetime, store: bool) -> int:
        """Suppress whom a provider lists and we do not (or count them); return how many are new."""
        with self.database.write() as connection:
            return adoption.adopt(self.database, connection, found, provider=provider, now=now, store=store)

    def removals(self, *, limit: int, now: datetime, until: datetime) -> list[Removal]:
        """Return removals whose time has come, each to one caller; nobody else gets them before `until`."""
        with self.database.write() as connection:
            return removal.due(connection, limit=limit, now=now, until=until)

    def forgotten(self, id: str, *, error: str | None = None, now: datetime) -> None:
        """Write down that a removal needs nothing more; with an `error`, because it was given up."""
        with self.database.write() as connection:
            removal.done(connection, id, error=error, now=now)

    def forget_later(self, id: str, *, at: datetime, error: str) -> None:
        """Let a removal be tried again."""
        with self.database.write() as connection:
            removal.again(connection, id, at=at, error=error)

    def silences(self) -> dict[str, Silence]:
        """Return, by provider, how it was last heard."""
        with self.database.read() as connection:
            return silence.known(connection)

    def heard(self, provider: str, *, before: datetime) -> list[Heard]:
        """Return the latest mails that a provider had accepted before a time, and when the first event of each came."""
        with self.database.read() as connection:
            return silence.heard(connection, provider, before=before)

    def note_silence(self, found: Silence) -> None:
        """Write down how a provider is heard."""
        with self.database.write() as connection:
            silence.save(self.database, connection, found)
