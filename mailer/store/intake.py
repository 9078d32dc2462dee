"""The transactions of the HTTP API; each method is one. All raise StoreUnavailable when the database fails us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mailer.api_key import ApiKey, Project
from mailer.delivery import Lane
from mailer.ledger import Answer, Once, Revision, Submission
from mailer.message import Message
from mailer.store import acceptance, answer, api_key, listing, message, revise, story, sweep
from mailer.store.database import Database
from mailer.story import Story
from mailer.view import Backlog, MessageLine, MessageView, Selection

# Seconds that a list may take: two common conditions that no message meets together would read all there is.
_LIST_SECONDS = 3.0


class IntakeStore:
    """What an application asks of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def accept(
        self, submissions: Sequence[Submission], *, asked: Once | None, render: Callable[[frozenset[str]], Answer]
    ) -> Answer:
        """Store messages under ids of their own, once for an Idempotency-Key, and return the answer that holds.

        Args:
            render: from the ids of those that have ended at once, since nobody of theirs may be mailed.

        Raises:
            KeyInUse, KeyReused: nothing was stored.
        """

        def store() -> Answer:
            _, ended = acceptance.accept(self.database, connection, submissions)
            return render(ended)

        with self.database.write() as connection:
            return answer.once(self.database, connection, asked, store)

    def kept(self, asked: Once) -> Answer | None:
        """Return the answer that is kept for this request. Raises KeyReused if its key belongs to another."""
        with self.database.read() as connection:
            return answer.look(connection, asked)

    def revise(
        self,
        id: str,
        *,
        project_id: str,
        test: bool,
        decide: Callable[[MessageView], Revision | None],
        asked: Once | None,
        render: Callable[[MessageView], Answer],
        now: datetime,
    ) -> Answer | None:
        """Let `decide` see a message that nobody can take meanwhile, and do what it says; None if there is none.

        Whatever `decide` raises changes nothing.
        """

        def change() -> Answer:
            seen = revise.revise(
                self.database, connection, id, project_id=project_id, test=test, decide=decide, now=now
            )
            if seen is None:
                raise LookupError(id)
            return render(seen)

        try:
            with self.database.write() as connection:
                return answer.once(self.database, connection, asked, change)
        except LookupError:
            return None

    def listed(self, wanted: Selection) -> list[MessageLine]:
        """Return a page of messages, the newest first.

        Raises:
            TooBroad: its conditions leave too much to look through.
        """
        with self.database.read(patience=_LIST_SECONDS) as connection:
            return listing.page(connection, wanted)

    def content(self, id: str, *, project_id: str) -> Message | None:
        """Return a message of this project as it was accepted."""
        with self.database.read() as connection:
            return message.content(connection, project_id=project_id, id=id)

    def story(self, id: str, *, project_id: str) -> Story | None:
        """Return a message of this project with all that happened to it."""
        with self.database.read() as connection:
            return next(iter(story.stories(connection, [(id, project_id)])), None)

    def backlog(self, *, lane: Lane, queue: str, now: datetime) -> Backlog:
        """Return what waits for a worker in a lane."""
        with self.database.read() as connection:
            return sweep.backlog(connection, lane=lane, queue=queue, now=now)

    def add_key(self, key: ApiKey, *, asked: Once | None, given: Answer) -> Answer:
        """Store a key, once for an Idempotency-Key, and return the answer that holds."""

        def store() -> Answer:
            api_key.insert(connection, key)
            return given

        with self.database.write() as connection:
            return answer.once(self.database, connection, asked, store)

    def key_by_prefix(self, prefix: str) -> ApiKey | None:
        """Return the key that begins like this."""
        with self.database.read() as connection:
            return api_key.by_prefix(connection, prefix)

    def key(self, id: str, *, project_id: str) -> ApiKey | None:
        """Return a key of this project."""
        with self.database.read() as connection:
            return api_key.get(connection, id, project_id=project_id)

    def keys(self, *, project_id: str | None) -> list[ApiKey]:
        """Return the keys of a project, or of all, the newest first."""
        with self.database.read() as connection:
            return api_key.listed(connection, project_id=project_id)

    def revoke_key(
        self, id: str, *, project_id: str, asked: Once | None, render: Callable[[ApiKey], Answer], now: datetime
    ) -> Answer | None:
        """End a key of this project; None if there is none."""

        with self.database.write() as connection:
            api_key.revoke(connection, id, project_id=project_id, now=now)
            found = api_key.get(connection, id, project_id=project_id)
            return None if found is None else answer.once(self.database, connection, asked, lambda: render(found))

    def touch_key(self, id: str, *, now: datetime) -> None:
        """Write down that a key was used."""
        with self.database.write() as connection:
            api_key.touch(connection, id, now=now)

    def add_project(self, project: Project) -> bool:
        """Store a project; tell whether it is new."""
        with self.database.write() as connection:
            return api_key.add_project(self.database, connection, project)

    def change_project(self, id: str, *, from_domains: Sequence[str]) -> bool:
        """Change the rules of a project; tell whether it is there."""
        with self.database.write() as connection:
            return api_key.change_project(connection, id, from_domains=from_domains)

    def project(self, id: str) -> Project | None:
        """Return a project."""
        with self.database.read() as connection:
            return api_key.project(connection, id)

    def projects(self) -> list[Project]:
        """Return every project, by name."""
        with self.database.read() as connection:
            return api_key.all_projects(connection)
