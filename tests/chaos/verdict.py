"""What became of every accepted mail, by what the providers received; our own tables are only asked for excuses."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from mailer.errors import StoreUnavailable
from mailer.store import Database
from mailer.store.tables import dead_calls, envelopes
from tests.chaos.load import Load
from tests.chaos.system import System

_COLUMNS = (
    "fault", "seed", "accepted", "received", "twice", "flagged", "accounted", "in_queue", "lost", "unanswered",
    "retried", "rate", "flowing", "rest",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The row of one run.

    Attributes:
        received: accepted mails that some provider took in at least once.
        twice: people who got the mail more than once, be it under two ids or one that nobody was told.
        flagged: of those, for how many every copy but the first was written down as a possible duplicate beforehand.
        accounted: accepted and never taken in, but at rest with a reason that an operator sees.
        in_queue: `.delay()` calls that went with a deleted queue before any worker had taken them.
        lost: accepted and nothing of all that.
        unanswered: requests that broke before their answer; nobody knows, and nobody repeated them.
        retried: how often an application had to come back: 503, nobody there, a broker that did not confirm.
        rate: mails a second that were handed over.
        flowing: seconds from the end of the fault until a provider received the next mail.
        rest: seconds from the end of the fault until nothing moved any more.
        twice_allowed: whether a second mail that was written down beforehand is a choice that somebody made.
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
    twice_allowed: bool = True

    @property
    def good(self) -> bool:
        """Whether both promises were kept."""
        return self.lost == 0 and self.twice == (self.flagged if self.twice_allowed else 0)

    def row(self) -> str:
        """Return it as a row of a Markdown table."""
        return "| " + " | ".join(str(getattr(self, name)) for name in _COLUMNS) + " |"

    @classmethod
    def head(cls) -> str:
        """Return the first two lines of that table."""
        return "| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|"


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """What the providers took in: how many copies, by envelope, and by recipient with the envelopes they are of."""

    envelopes: Counter[str]
    recipients: dict[str, Counter[str]]

    @classmethod
    def of(cls, system: System) -> Inbox:
        """Read the sandbox's own file."""
        recipients: defaultdict[str, Counter[str]] = defaultdict(Counter)
        copies: Counter[str] = Counter()
        with closing(sqlite3.connect(system.sandbox_file, timeout=30)) as file:
            for envelope, people, count in file.execute(
                "select envelope_id, recipients, count(*) from mail group by envelope_id, recipients"
            ):
                copies[envelope] += count
                for person in people.split():
                    recipients[person][envelope] += count
        return cls(envelopes=copies, recipients=recipients)


@dataclass(frozen=True, kw_only=True)
class State:
    """What our own tables say of one envelope, or of a call that died before its message was stored."""

    id: str = ""
    status: str = "dead"
    wake_at: datetime | None = None
    reason: str | None = None
    possible_duplicates: int = 0

    def rests(self, *, waits: bool) -> bool:
        """Tell whether nothing happens by itself any more; with `waits`, other than news of an unknown attempt."""
        return self.wake_at is None or (waits and self.status == "unknown")


def first_after(system: System, moment: datetime) -> datetime | None:
    """Return when a provider took in the first mail after a moment."""
    query = "select min(received_at) from mail where received_at > ?"
    with closing(sqlite3.connect(system.sandbox_file, timeout=30)) as file:
        [[found]] = file.execute(query, (moment.astimezone(UTC).isoformat(timespec="milliseconds"),))
    return datetime.fromisoformat(found) if found else None


def moving(system: System, load: Load, *, lost_with_queue: bool = False, waits: bool = False) -> set[str]:
    """Return what has not come to rest: of the accepted mails, and of all that is stored, told or untold.

    `.delay()` calls that nobody has taken yet are among them.

    Args:
        lost_with_queue: calls that no worker had taken are not waited for.
        waits: a mail that waits for news of an unknown attempt counts as resting.
    """
    known = _states(system)
    unknown_yet = set(load.accepted) - known.keys() - (load.by_delay if lost_with_queue else set())
    return unknown_yet | {id for id, state in known.items() if not state.rests(waits=waits)}


def accounted_for(system: System, id: str) -> bool:
    """Tell whether a mail rests without having been sent, with a reason that an operator sees."""
    state = _states(system).get(id)
    return state is not None and state.rests(waits=False) and state.reason is not None


def judge(
    system: System,
    load: Load,
    *,
    fault: str,
    ended: datetime,
    rested: datetime,
    lost_with_queue: bool = False,
    waits: bool = False,
    twice_allowed: bool = True,
) -> Verdict:
    """Return what became of the run's mails."""
    inbox, states = Inbox.of(system), _states(system)
    copies = {person: inbox.recipients[person] for person in load.recipients if person in inbox.recipients}
    twice = {person: found for person, found in copies.items() if found.total() > 1}
    missing = [id for id in load.accepted if not inbox.envelopes[id]]
    accounted = {id for id in missing if id in states and states[id].rests(waits=waits) and states[id].reason}
    in_queue = {id for id in missing if lost_with_queue and id in load.by_delay and id not in states}
    flowing = first_after(system, ended)
    return Verdict(
        fault=fault,
        seed=load.seed,
        accepted=len(load.accepted),
        received=len(load.accepted) - len(missing),
        twice=len(twice),
        flagged=sum(_written_down(found, states) >= found.total() - 1 for found in twice.values()),
        accounted=len(accounted),
        in_queue=len(in_queue),
        lost=len(missing) - len(accounted) - len(in_queue),
        unanswered=load.unanswered,
        retried=load.retried,
        rate=round(len(load.accepted) / load.seconds, 1),
        flowing=round((flowing - ended).total_seconds(), 1) if flowing else 0.0,
        rest=round((rested - ended).total_seconds(), 1),
        twice_allowed=twice_allowed,
    )


def _written_down(found: Counter[str], states: dict[str, State]) -> int:
    """Return how many possible duplicates were written down, each in the transaction before its call."""
    return sum(states[id].possible_duplicates for id in found if id in states)


def _states(system: System) -> dict[str, State]:
    """Return what our own tables say: of envelopes, and of calls that died before their message was stored."""
    database = Database(system.environment["DATABASE_URL"])
    e, d = envelopes.c, dead_calls.c
    stored = sa.select(e.id, e.status, e.wake_at, e.reason, e.possible_duplicates)
    dead = sa.select(d.id, d.reason)
    try:
        with database.read() as connection:
            calls = {row.id: State(reason=row.reason) for row in connection.execute(dead)}
            return calls | {row.id: State(**row._mapping) for row in connection.execute(stored)}
    except StoreUnavailable:
        return {}
    finally:
        database.close()
