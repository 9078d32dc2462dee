"""The transactions about suppressions; each method is one. All raise StoreUnavailable when the database fails us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mailer.ledger import Answer, Once
from mailer.store import answer, suppression
from mailer.store.database import Database
from mailer.suppression import Suppression
from mailer.view import SuppressionSelection

# Seconds that a list may take.
_LIST_SECONDS = 3.0


class BlocklistStore:
    """Who is not to be mailed."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, given: Suppression, *, asked: Once | None, render: Callable[[Suppression, bool], Answer]) -> Answer:
        """Store one, once for an Idempotency-Key; `render` gets the one that holds, and whether it is new."""

        def store() -> Answer:
            new = suppression.insert(self.database, connection, [given])
            held = given if new else suppression.same(connection, given)
            return render(held or given, bool(new))

        with self.database.write() as connection:
            return answer.once(self.database, connection, asked, store)

    def add_many(self, given: Sequence[Suppression], *, asked: Once | None, render: Callable[[int], Answer]) -> Answer:
        """Store many, all or none; `render` gets how many are new."""
        with self.database.write() as connection:
            return answer.once(
                self.database, connection, asked,
                lambda: render(len(suppression.insert(self.database, connection, given))),
            )  # fmt: skip

    def get(self, id: str, *, project_id: str, test: bool) -> Suppression | None:
        """Return a suppression of this project and world."""
        with self.database.read() as connection:
            return suppression.get(connection, id, project_id=project_id, test=test)

    def listed(self, wanted: SuppressionSelection) -> list[Suppression]:
        """Return a page of suppressions, the newest first.

        Raises:
            TooBroad: its conditions leave too much to look through.
        """
        with self.database.read(patience=_LIST_SECONDS) as connection:
            return suppression.page(connection, wanted)

    def lift(self, id: str, *, project_id: str, test: bool, now: datetime) -> bool:
        """Delete a suppression, and have the providers forget it; tell whether it was there."""
        with self.database.write() as connection:
            return suppression.lift(connection, id, project_id=project_id, test=test, now=now)
