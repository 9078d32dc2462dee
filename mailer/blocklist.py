"""Whom a project does not mail: added, found, lifted by hand. Events add to it too: mailer/store/learning.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from mailer import ids, masking
from mailer.ledger import Answer, Once
from mailer.request import MOST_DETAIL, SuppressionRequest
from mailer.store.blocklist import BlocklistStore
from mailer.suppression import EVERY, Suppression
from mailer.view import Place, SuppressionSelection

# Suppressions that a walk through all of them holds in memory.
_AT_ONCE = 1_000


class Blocklist:
    """The suppressions of all projects."""

    def __init__(self, *, store: BlocklistStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def made(
        self, asked: Sequence[SuppressionRequest], *, project_id: str, test: bool, source: str
    ) -> list[Suppression]:
        """Return new suppressions that are stored nowhere yet, each address, stream and reason once."""
        now = self._clock()
        found = {
            (a.email, a.stream or EVERY, a.reason): Suppression(
                id=ids.new(), project_id=project_id, test=test, email=a.email, stream=a.stream or EVERY,
                reason=a.reason, source=source, detail=masking.text(a.detail)[:MOST_DETAIL], created_at=now,
            )
            for a in asked
        }  # fmt: skip
        return [*found.values()]

    def add(self, given: Suppression, *, once: Once | None, render: Callable[[Suppression, bool], Answer]) -> Answer:
        """Store one, once for an Idempotency-Key.

        Args:
            render: from the one that holds now, and whether it is new (one that was known stays as it was).
        """
        return self._store.add(given, asked=once, render=render)

    def add_many(self, given: Sequence[Suppression], *, once: Once | None, render: Callable[[int], Answer]) -> Answer:
        """Store many in one transaction; `render` makes the answer of how many are new."""
        return self._store.add_many(given, asked=once, render=render)

    def get(self, id: str, *, project_id: str, test: bool) -> Suppression | None:
        """Return a suppression of this project and world."""
        return self._store.get(id, project_id=project_id, test=test) if ids.is_id(id) else None

    def listed(self, wanted: SuppressionSelection) -> list[Suppression]:
        """Return a page of suppressions, the newest first. Raises TooBroad."""
        return self._store.listed(wanted)

    def walk(self, *, project_id: str, test: bool) -> Iterator[list[Suppression]]:
        """Yield all suppressions of a project and world page by page, the newest first, with little of it in memory.

        One that is there all the time comes exactly once.
        """
        wanted = SuppressionSelection(project_id=project_id, test=test, limit=_AT_ONCE)
        while page := self.listed(wanted):
            yield page
            if len(page) < _AT_ONCE:
                return
            wanted = replace(wanted, after=Place(created_at=page[-1].created_at, id=page[-1].id))

    def lift(self, id: str, *, project_id: str, test: bool) -> bool:
        """Delete a suppression here, and in time at every provider; tell whether it was there."""
        return ids.is_id(id) and self._store.lift(id, project_id=project_id, test=test, now=self._clock())
