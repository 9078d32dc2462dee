"""What became of every accepted mail, by what the providers received; our own tables are only asked for excuses."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mailer.errors import StoreUnavailable
from mailer.store import Database
from mailer.store.tables import envelopes
from tests.chaos.load import Load
from tests.chaos.system import System


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The row of one run.

    Attributes:
        received: accepted mails that some provider took in at least once.
        twice: those taken in more than once.
        flagged: of those, how many were written down as possible duplicates before the second call.
        accounted: accepted and never taken in, but at rest with a reason that an operator sees.
        in_queue: `.delay()` calls that went with a deleted queue before any worker had taken them.
        lost: accepted and nothing of all that.
        rate: mails a second that were handed over.
        flowing: seconds from the end of the fault until a provider received the next mail.
        rest: seconds from the end of the fault until nothing moved any more.
    """

    fault: str
    seed: int
    accepted: int
    received: int
    twice: int
    flagged: int
    accounted: int
    in_queue: int
    lost: int
    unanswered: int
    retried: int
    rate: float
    flowing: float
    rest: float

    @property
    def good(self) -> bool:
        """Whether both promises were kept."""
        return self.lost == 0 and self.twice == self.flagged

    def row(self) -> str:
        """Return it as a row of a Markdown table."""
        return "| " + " | ".join(str(getattr(self, field.name)) for field in fields(self)) + " |"

    @classmethod
    def head(cls) -> str:
        """Return the first two lines of that table."""
        names = [field.name for field in fields(cls)]
        return "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"


def received(system: System) -> Counter[str]:
    """Return how many mails of each envelope the providers took in."""
    with _inbox(system) as inbox:
        return Counter(dict(inbox.execute("select envelope_id, count(*) from mail group by envelope_id")))


def first_after(system: System, moment: datetime) -> datetime | None:
    """Return when a provider took in the first mail after a moment."""
    query = "select min(received_at) from mail where received_at > ?"
    with _inbox(system) as inbox:
        [[found]] = inbox.execute(query, (moment.astimezone(UTC).isoformat(timespec="milliseconds"),))
    return datetime.fromisoformat(found) if found else None


def moving(system: System, load: Load, *, lost_with_queue: bool = False) -> set[str]:
    """Return the accepted mails that have not come to rest; `.delay()` calls that nobody has taken yet among them."""
    known = _states(system)
    unknown_yet = set(load.accepted) - known.keys() - (load.by_delay if lost_with_queue else set())
    return unknown_yet | {id for id in load.accepted if id in known and known[id].wake_at is not None}


def judge(
    system: System, load: Load, *, fault: str, ended: datetime, rested: datetime, lost_with_queue: bool = False
) -> Verdict:
    """Return what became of the run's mails."""
    inbox, states = received(system), _states(system)
    twice = [id for id in load.accepted if inbox[id] > 1]
    missing = [id for id in load.accepted if not inbox[id]]
    accounted = {id for id in missing if id in states and states[id].wake_at is None and states[id].reason}
    in_queue = {id for id in missing if lost_with_queue and id in load.by_delay and id not in states}
    flowing = first_after(system, ended)
    return Verdict(
        fault=fault,
        seed=load.seed,
        accepted=len(load.accepted),
        received=len(load.accepted) - len(missing),
        twice=len(twice),
        flagged=sum(states[id].possible_duplicates > 0 for id in twice if id in states),
        accounted=len(accounted),
        in_queue=len(in_queue),
        lost=len(missing) - len(accounted) - len(in_queue),
        unanswered=load.unanswered,
        retried=load.retried,
        rate=round(len(load.accepted) / load.seconds, 1),
        flowing=round((flowing - ended).total_seconds(), 1) if flowing else 0.0,
        rest=round((rested - ended).total_seconds(), 1),
    )


def _states(system: System) -> dict[str, Any]:
    database = Database(system.environment["DATABASE_URL"])
    query = sa.select(envelopes.c.id, envelopes.c.wake_at, envelopes.c.reason, envelopes.c.possible_duplicates)
    try:
        with database.read() as connection:
            return {row.id: row for row in connection.execute(query)}
    except StoreUnavailable:
        return {}
    finally:
        database.close()


def _inbox(system: System) -> closing[sqlite3.Connection]:
    path = system.sandbox_file
    return closing(sqlite3.connect(path, timeout=30))
