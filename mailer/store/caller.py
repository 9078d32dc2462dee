"""The transactions of what applications are told; each method is one. All raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from mailer.calling import Call, Called, Ended, Turn, Waiting
from mailer.endpoint import Disabled, Endpoint
from mailer.event import FeedType
from mailer.feed import CallbackAttempt, CallbackState, FeedEvent
from mailer.ledger import Answer, Once
from mailer.store import answer, callback, endpoint, feed
from mailer.store.database import Database
from mailer.view import Place


class CallerStore:
    """The feed, the endpoints and their callbacks."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def number(self, *, limit: int, now: datetime) -> tuple[bool, set[Waiting]]:
        """Give events their places in their feeds; whether there may be more, and the endpoints that wait."""
        with self.database.write() as connection:
            return feed.number(connection, limit=limit, now=now)

    def page(
        self, project_id: str, *, test: bool, after: int, limit: int, types: Sequence[FeedType]
    ) -> list[FeedEvent]:
        """Return events of a feed behind a place, the oldest first."""
        with self.database.read() as connection:
            return feed.page(connection, project_id, test=test, after=after, limit=limit, types=types)

    def last(self, project_id: str, *, test: bool) -> int:
        """Return the number of the latest event of a feed, 0 before the first."""
        with self.database.read() as connection:
            return feed.last(connection, project_id, test=test)

    def begin(self, ids: Sequence[str], turn: Turn, *, well: bool, now: datetime) -> list[Endpoint]:
        """Return those of these endpoints that nobody else calls until the turn is over; with `well`, if they are."""
        with self.database.write() as connection:
            return endpoint.take_turns(connection, ids, turn, well=well, now=now)

    def due(self, called: Sequence[Endpoint], *, limit: int, now: datetime) -> dict[str, list[Call]]:
        """Return what endpoints are to be told now, at most so much each."""
        if not called:
            return {}
        with self.database.read() as connection:
            return callback.due(connection, called, limit=limit, now=now)

    def record(
        self,
        ids: Sequence[str],
        calls: Sequence[Called],
        *,
        turn: Turn,
        after: Callable[[Endpoint], Endpoint],
        now: datetime,
    ) -> dict[str, Ended]:
        """Write down what came of calls, what follows for their endpoints, and that the turn at these is over.

        Returns:
            Those whose turn it still was: of the others, nothing follows, and the same is told again.
        """
        with self.database.write() as connection:
            held = endpoint.hold_turns(connection, ids, turn)
            mine = [e.id for e in held]
            callback.record(connection, [c for c in calls if c.call.endpoint_id in mine])
            ended = {was.id: self._follow(connection, was, after(was), now=now) for was in held}
            endpoint.end_turns(connection, mine)
            # What comes meanwhile is either seen here, or its bringer waits for us and sees the turn ended.
            waits = callback.next_at(connection, mine)
            return {id: replace(each, next_at=_later(waits.get(id), each.endpoint)) for id, each in ended.items()}

    def _follow(self, connection: Connection, was: Endpoint, found: Endpoint, *, now: datetime) -> Ended:
        if found != was:
            endpoint.save(connection, found)
        switched_off = found.disabled_reason is not None and was.disabled_reason is None
        if switched_off:
            why = f"endpoint {was.id} is not called any more: {found.disabled_reason}"
            feed.announce(connection, was.project_id, FeedType.ENDPOINT_DISABLED, test=was.test, detail=why, now=now)
        return Ended(endpoint=found, switched_off=switched_off, next_at=None)

    def overdue(self, *, before: datetime, now: datetime, limit: int) -> set[Waiting]:
        """Return endpoints that something is due for since before a time, and that nobody calls."""
        with self.database.read() as connection:
            return endpoint.due(connection, before=before, now=now, limit=limit)

    def forget(self, *, now: datetime, limit: int) -> int:
        """Delete callbacks that came to rest long ago; return how many."""
        with self.database.write() as connection:
            return callback.forget(connection, now=now, limit=limit)

    def add(self, new: Endpoint, *, asked: Once | None, given: Answer) -> Answer | None:
        """Store an endpoint, once for an Idempotency-Key; None if the project has too many."""

        def store() -> Answer:
            if len(endpoint.listed(connection, new.project_id, test=new.test)) >= endpoint.MOST:
                raise LookupError
            endpoint.insert(connection, new)
            return given

        try:
            with self.database.write() as connection:
                return answer.once(self.database, connection, asked, store)
        except LookupError:
            return None

    def get(self, id: str, *, project_id: str, test: bool) -> Endpoint | None:
        """Return an endpoint."""
        with self.database.read() as connection:
            return endpoint.get(connection, id, project_id=project_id, test=test)

    def listed(self, project_id: str, *, test: bool) -> list[Endpoint]:
        """Return the endpoints of a project, the newest first."""
        with self.database.read() as connection:
            return endpoint.listed(connection, project_id, test=test)

    def change(
        self,
        id: str,
        *,
        project_id: str,
        test: bool,
        change: Callable[[Endpoint], Endpoint],
        asked: Once | None = None,
        render: Callable[[Endpoint], Answer],
    ) -> Answer | None:
        """Change an endpoint, once for an Idempotency-Key; None if there is none."""

        def do() -> Answer:
            was = endpoint.get(connection, id, project_id=project_id, test=test, lock=True)
            if was is None:
                raise LookupError
            changed = change(was)
            endpoint.save(connection, changed)
            return render(changed)

        try:
            with self.database.write() as connection:
                return answer.once(self.database, connection, asked, do)
        except LookupError:
            return None

    def delete(self, id: str, *, project_id: str, test: bool, now: datetime) -> bool:
        """Delete an endpoint with its callbacks; tell whether it was there."""
        with self.database.write() as connection:
            return endpoint.delete(connection, id, project_id=project_id, test=test, now=now)

    def test(
        self, tested: Endpoint, *, asked: Once | None, render: Callable[[CallbackState], Answer], now: datetime
    ) -> Answer:
        """Let an endpoint wait for a test, once for an Idempotency-Key."""

        def do() -> Answer:
            found = callback.get(connection, tested, callback.test(connection, tested, now=now))
            assert found is not None  # noqa: S101 -- stored a moment ago, in this transaction
            return render(found)

        with self.database.write() as connection:
            return answer.once(self.database, connection, asked, do)

    def log(self, of: Endpoint, *, status: str | None, after: Place | None, limit: int) -> list[CallbackState]:
        """Return what an endpoint was told and is to be told, the newest first."""
        with self.database.read() as connection:
            return callback.log(connection, of, status=status, after=after, limit=limit)

    def callback(self, of: Endpoint, id: str) -> CallbackState | None:
        """Return one callback of an endpoint."""
        with self.database.read() as connection:
            return callback.get(connection, of, id)

    def attempts(self, id: str) -> list[CallbackAttempt]:
        """Return the attempts of a callback, the first first."""
        with self.database.read() as connection:
            return callback.attempts(connection, id)

    def replay(
        self,
        of: Endpoint,
        id: str,
        *,
        asked: Once | None,
        render: Callable[[CallbackState], Answer],
        now: datetime,
    ) -> Answer | None:
        """Tell an endpoint of one event again, once for an Idempotency-Key; None if there is no such callback."""

        def do() -> Answer:
            callback.replay(connection, of, id, now=now)
            found = callback.get(connection, of, id)
            if found is None:
                raise LookupError
            return render(found)

        try:
            with self.database.write() as connection:
                return answer.once(self.database, connection, asked, do)
        except LookupError:
            return None

    def replay_span(
        self,
        of: Endpoint,
        *,
        since: datetime,
        until: datetime,
        limit: int,
        asked: Once | None,
        render: Callable[[int], Answer],
        now: datetime,
    ) -> Answer | None:
        """Tell an endpoint again of the events of a time, once for an Idempotency-Key; None if they are too many."""

        def do() -> Answer:
            # As whoever records a turn does: the endpoint first, then its callbacks.
            endpoint.get(connection, of.id, project_id=of.project_id, test=of.test, lock=True)
            found = feed.span(connection, of.project_id, test=of.test, since=since, until=until, limit=limit + 1)
            if len(found) > limit:
                raise LookupError
            return render(callback.replay_events(self.database, connection, of, found, now=now))

        try:
            with self.database.write() as connection:
                return answer.once(self.database, connection, asked, do)
        except LookupError:
            return None


def _later(next_at: datetime | None, e: Endpoint) -> datetime | None:
    """Return when an endpoint may be told what waits for it; None: never, or nothing does."""
    if next_at is None or e.disabled_reason not in {None, Disabled.FAILING}:
        return None
    return max(next_at, e.rest_until or next_at)
