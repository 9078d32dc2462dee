"""The transactions of the command line; each method is one. All raise StoreUnavailable when the database fails us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.ledger import DeadCall
from mailer.replay import Group, Order, Plan, Wanted
from mailer.standstill import Stillness
from mailer.store import dead_call, replay, standstill, story
from mailer.store.database import Database
from mailer.story import Story


class Records:
    """What an operator reads in the database, and the little that they write."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def stillness(self, *, limit: int, now: datetime) -> Stillness:
        """Return what does not move, with up to `limit` examples of each kind."""
        with self.database.read() as connection:
            return standstill.look(connection, limit=limit, now=now)

    def stories_of_id(self, id: str) -> tuple[list[Story], list[DeadCall]]:
        """Return the story of the message with this id, and the dead call of that id."""
        with self.database.read() as connection:
            dead = dead_call.load(connection, ids=[id], limit=1)
            return story.stories(connection, story.by_id(connection, id)), dead

    def stories_of_request(self, request_id: str, *, limit: int) -> tuple[list[Story], list[DeadCall], int]:
        """Return the stories of the first messages of a request, its dead calls, and how many messages it brought."""
        with self.database.read() as connection:
            found, total = story.by_request(connection, request_id, limit=limit)
            dead = dead_call.load(connection, request_id=request_id, limit=limit)
            return story.stories(connection, found), dead, total

    def plan(self, wanted: Wanted) -> Plan:
        """Return what a replay would do."""
        with self.database.read() as connection:
            return replay.plan(connection, wanted)

    def replay(self, wanted: Wanted, order: Order, *, limit: int, now: datetime) -> list[str]:
        """Put up to `limit` messages at rest back to queued; return their ids."""
        with self.database.write() as connection:
            return replay.replay(connection, wanted, order, limit=limit, now=now)

    def dead_calls(self, wanted: Wanted) -> tuple[list[Group], list[str]]:
        """Return the dead calls that are wanted: how many by reason, and their ids, the oldest first."""
        with self.database.read() as connection:
            return dead_call.groups(connection, wanted), dead_call.find(connection, wanted)

    def dead_call(self, id: str) -> DeadCall | None:
        """Return one dead call; None if it is not there any more."""
        with self.database.read() as connection:
            return next(iter(dead_call.load(connection, ids=[id], limit=1)), None)

    def forget(self, ids: Sequence[str]) -> None:
        """Delete dead calls that were published again."""
        with self.database.write() as connection:
            for id in ids:
                dead_call.forget(connection, id)
