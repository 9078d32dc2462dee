"""Webhooks, events, states and callbacks while everything that handles them is killed again and again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from standardwebhooks import Webhook as Signed

from deploy.local.port import wait_until
from mailer import ids
from mailer.providers import mailgun_event, sendgrid_event
from mailer.store import Database
from mailer.store.hearing import HearingStore
from mailer.store.tables import callbacks, deliveries, events, quarantined, webhooks
from tests.factories import NOW
from tests.proofs.telling import Killer, Sent, Telling, malformed, sent, story
from tests.receiver import Got, Receiver

# Events of one of SendGrid's webhooks.
_TOGETHER = 25
_READERS = {"sendgrid": sendgrid_event.event, "mailgun": mailgun_event.event}

Told = list[tuple[str, dict[str, Any]]]


@dataclass
class Storm:
    """What was told, what became of it.

    Attributes:
        posted: events that were posted, doubled and malformed ones too.
        unique: events that there are.
        stored: rows of these; `missing` and `twice` among them.
        wrong: recipients whose state is another than after an ordered run.
        untold: events that the endpoint was never told of.
        repeats: callbacks that came again; all under the id that they had.
        forged: callbacks that the official library did not verify.
    """

    posted: int = 0
    unique: int = 0
    stored: int = 0
    missing: int = 0
    broken: int = 0
    aside: int = 0
    wrong: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    callbacks: int = 0
    repeats: int = 0
    forged: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    webhooks: int = 0
    repeated: int = 0
    seconds: float = 0.0
    settled: float = 0.0
    p50: float = 0.0
    p99: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return not (self.missing or self.wrong or self.untold or self.forged) and self.stored == self.unique


def storm(
    telling: Telling, receiver: Receiver, reference: Database, *, count: int, seed: int = 1, every: float = 4.0
) -> Storm:
    """Post about so many events, 10 % of them twice, 1 % malformed, in any order; and count.

    Args:
        reference: an empty database, for the ordered run.
        every: seconds between kills.
    """
    rng, done = random.Random(seed), Storm()
    endpoint = telling.endpoint(receiver.url + "/told")
    database = telling.database
    messages = sent(database, max(count // 4, 10))
    stories = [story(s, rng) for s in messages]
    told: Told = [event for each in stories for event in each]
    done.unique = len(told)
    again = rng.sample(told, len(told) // 10)
    broken = [(name, malformed(name, rng)) for name in rng.choices(["sendgrid", "mailgun"], k=len(told) // 100)]
    everything = told + again + broken
    rng.shuffle(everything)
    done.posted, done.broken = len(everything), len(broken)
    posts = _webhooks(everything)
    done.webhooks = len(posts)
    processes = [telling.system.web, *telling.workers]
    begun = time.monotonic()
    with Killer(telling.system, processes, every=every, rng=rng) as killer:
        done.seconds = telling.tell_all(posts)
    done.kills = killer.kills
    wait_until(lambda: _settled(database), timeout=300 + count / 20)
    done.settled = time.monotonic() - begun
    latencies = sorted(telling.milliseconds)
    done.p50, done.p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    done.repeated = telling.repeated
    _count_events(database, told, done)
    _count_states(database, reference, messages, stories, done)
    _count_callbacks(database, receiver.at("/told"), endpoint["secret"], done)
    database.close()
    return done


def _webhooks(everything: Told) -> list[tuple[str, Sequence[dict[str, Any]]]]:
    """Return webhooks that tell all of this, about in this order."""
    found: list[tuple[str, Sequence[dict[str, Any]]]] = []
    together: list[dict[str, Any]] = []
    for provider, event in everything:
        if provider == "mailgun":
            found.append((provider, [event]))
            continue
        together.append(event)
        if len(together) == _TOGETHER:
            found.append((provider, together))
            together = []
    return [*found, ("sendgrid", together)] if together else found


def _settled(database: Database) -> bool:
    """Tell whether nothing waits any more: webhooks, events without a number, callbacks."""
    waiting = (
        sa.select(webhooks.c.id).where(webhooks.c.processed_at.is_(None)),
        sa.select(events.c.seq).where(events.c.public, events.c.position.is_(None)),
        sa.select(callbacks.c.id).where(callbacks.c.status == "pending"),
    )
    with database.read() as connection:
        if all(connection.execute(query.limit(1)).first() is None for query in waiting):
            return True
    time.sleep(1)
    return False


def _count_events(database: Database, told: Told, done: Storm) -> None:
    wanted = {event["sg_event_id" if provider == "sendgrid" else "id"] for provider, event in told}
    with database.read() as connection:
        rows = connection.execute(sa.select(events.c.provider_event_id)).scalars().all()
        done.aside = connection.execute(sa.select(sa.func.count()).select_from(quarantined)).scalar_one()
        numbers = connection.execute(sa.select(events.c.position).order_by(events.c.position)).scalars().all()
    done.stored, done.missing = len(rows), len(wanted - set(rows))
    assert numbers == list(range(1, len(numbers) + 1)), "the feed has a gap"


def _count_states(
    database: Database, reference: Database, messages: list[Sent], stories: list[Told], done: Storm
) -> None:
    """Compare with what comes of the same events in order, one after the other, with nobody killed."""
    names = {s.id: number for number, s in enumerate(messages)}
    ordered = sent(reference, len(messages), at=NOW)
    hearing = HearingStore(reference)
    batch = []
    for s, events_of in zip(ordered, stories, strict=True):
        for provider, event in events_of:
            read = _READERS[provider](_of(event, s))
            batch.append(read)
        if len(batch) > 400:
            hearing.take(ids.new(), batch, [], now=NOW)
            batch = []
    hearing.take(ids.new(), batch, [], now=NOW)
    expected = _states(reference, {s.id: number for number, s in enumerate(ordered)})
    found = _states(database, names)
    done.wrong = [f"{n}: {found.get(n)} instead of {state}" for n, state in expected.items() if found.get(n) != state]
    done.states = Counter(found.values())


def _of(event: dict[str, Any], s: Sent) -> dict[str, Any]:
    """Return an event about another message of the same number."""
    ours = {"mailer_envelope_id": s.id, "mailer_attempt_id": s.attempt_id}
    if "user-variables" in event:
        return event | {"user-variables": event["user-variables"] | ours}
    return event | ours


def _states(database: Database, names: dict[str, int]) -> dict[int, str]:
    with database.read() as connection:
        rows = connection.execute(sa.select(deliveries.c.envelope_id, deliveries.c.status)).all()
    return {names[row.envelope_id]: row.status for row in rows}


def _count_callbacks(database: Database, got: list[Got], secret: str, done: Storm) -> None:
    with database.read() as connection:
        wanted = set(connection.execute(sa.select(events.c.id).where(events.c.public)).scalars())
    seen = Counter(each.id for each in got)
    bodies: dict[str, bytes] = {}
    verifier = Signed(secret)
    for each in got:
        same = bodies.setdefault(each.id, each.body) == each.body
        # The library refuses what is older than five minutes, which this is by now: the signature alone counts here.
        signature = each.headers["webhook-signature"]
        at = datetime.fromtimestamp(int(each.headers["webhook-timestamp"]), NOW.tzinfo)
        done.forged += not same or verifier.sign(each.id, at, each.body.decode()) not in signature.split()
    done.callbacks, done.repeats = len(got), sum(seen.values()) - len(seen)
    done.untold = len(wanted - set(seen))
