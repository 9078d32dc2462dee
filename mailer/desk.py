"""The operator's use cases: the story of a message, what does not move, sending again what rests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mailer import delivery, ids
from mailer.client.task import SendEmail, names_stored
from mailer.delivery import EnvelopeInput
from mailer.errors import InvalidMessage
from mailer.ledger import DeadCall
from mailer.replay import Group, Order, Plan, Published, Wanted
from mailer.request_id import HEADER
from mailer.standstill import Stillness
from mailer.store.desk import Records
from mailer.story import Story

# Envelopes that one transaction moves.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What is known under an id: stories, dead calls, and how many more messages the request brought."""

    stories: tuple[Story, ...]
    dead_calls: tuple[DeadCall, ...]
    more: int = 0

    @property
    def anything(self) -> bool:
        """Whether the id is known at all."""
        return bool(self.stories or self.dead_calls)


class Desk:
    """What an operator does by hand, over the same store as the workers."""

    def __init__(self, *, records: Records, task: SendEmail, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._task = task
        self._clock = clock

    def trace(self, given: str, *, limit: int) -> Traced:
        """Return what is known of a message's id or, if there is none such, of a request id."""
        if ids.is_id(given):
            stories, dead = self._records.stories_of_id(given)
            if stories or dead:
                return Traced(stories=tuple(stories), dead_calls=tuple(dead))
        stories, dead, total = self._records.stories_of_request(given, limit=limit)
        return Traced(stories=tuple(stories), dead_calls=tuple(dead), more=total - len(stories))

    def stuck(self, *, limit: int) -> Stillness:
        """Return what does not move, with up to `limit` examples of each kind."""
        return self._records.stillness(limit=limit, now=self._clock())

    def plan(self, wanted: Wanted) -> tuple[Wanted, Plan]:
        """Return what a replay would do, and what is wanted with its end fixed.

        What comes to rest after this moment is not part of it: neither what nobody was asked about, nor what was
        replayed and has failed again.
        """
        now = self._clock()
        fixed = replace(wanted, until=min(wanted.until, now) if wanted.until else now)
        return fixed, self._records.plan(fixed)

    def replay(self, wanted: Wanted, order: Order, *, total: int) -> Iterator[int]:
        """Put up to `total` messages back to queued, in batches; yield how many are done after each."""
        done = 0
        for part in _parts(wanted):
            while done < total:
                moved = self._records.replay(part, order, limit=min(_BATCH, total - done), now=self._clock())
                if not moved:
                    break
                done += len(moved)
                yield done

    def plan_dead(self, wanted: Wanted) -> tuple[list[Group], list[str]]:
        """Return the dead calls that are wanted: how many by reason, and their ids."""
        return self._records.dead_calls(wanted)

    def replay_dead(self, dead_ids: Sequence[str]) -> Published:
        """Publish dead calls again, each under its own id, and forget those that the broker confirmed.

        Raises:
            BrokerUnavailable: those before it are published, and forgotten; this one and the others are kept.
        """
        done: list[str] = []
        refused: list[tuple[str, str]] = []
        for id in dead_ids:
            dead = self._records.dead_call(id)
            if dead is None:
                continue  # somebody else was faster
            if problem := self._publish(dead):
                refused.append((id, problem))
                continue
            # After it is published: dying in between publishes it twice, and the same id stores it once.
            self._records.forget([id])
            done.append(id)
        return Published(ids=tuple(done), refused=tuple(refused))

    def _publish(self, dead: DeadCall) -> str | None:
        """Publish one; return why it cannot be."""
        if names_stored(dead.call) and not self._records.stories_of_id(dead.call["id"])[0]:
            return f"names message {dead.call['id']}, which the database does not know"
        try:
            self._task.apply_async(kwargs=dict(dead.call), task_id=dead.id, headers={HEADER: dead.request_id})
        except InvalidMessage as error:
            return str(error)
        return None


def _parts(wanted: Wanted) -> list[Wanted]:
    """Return what is wanted status by status: within one the index knows the order, and a batch reads only itself.

    Not where only the first so many are wanted: those are the longest resting of all.
    """
    if wanted.limit:
        return [wanted]
    statuses = wanted.statuses or sorted(delivery.sources(EnvelopeInput.REPLAY))
    return [replace(wanted, statuses=(status,)) for status in statuses]
