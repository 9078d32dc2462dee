"""Who holds which API key: made, listed, revoked, and recognised at every request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from mailer import api_key, ids, log
from mailer.api_key import ApiKey, Project
from mailer.believed import Believed
from mailer.errors import StoreUnavailable
from mailer.ledger import Answer, Once
from mailer.request import KeyRequest
from mailer.store.intake import IntakeStore

_log = log.get(__name__)

# Seconds that a process believes what it has read of a key: that long a revoked one may still be used.
BELIEVED = 2.0
# How exactly the last use is known: nobody writes at every request.
USE_KNOWN_TO = timedelta(minutes=1)


class Keyring:
    """The keys of all projects."""

    def __init__(
        self,
        *,
        store: IntakeStore,
        clock: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._seen = Believed(store.key_by_prefix, seconds=BELIEVED, steady=steady)
        self._used: dict[str, datetime] = {}

    def find(self, token: str) -> ApiKey | None:
        """Return the key that this is, None if it is none, or one that has been revoked or has expired.

        A key that is revoked somewhere else is refused here at the latest two seconds later.

        Raises:
            StoreUnavailable: nobody knows.
        """
        prefix = api_key.prefix_of(token)
        key = self._seen.get(prefix) if prefix else None
        if key is None or not api_key.same(token, key.digest) or not key.holds(now=self._clock()):
            return None
        self._note_use(key)
        return key

    def _note_use(self, key: ApiKey) -> None:
        now = self._clock()
        known = self._used.get(key.id) or key.last_used_at
        if known is not None and now - known < USE_KNOWN_TO:
            return
        self._used[key.id] = now
        try:
            self._store.touch_key(key.id, now=now)
        except StoreUnavailable as error:
            # Not worth a refusal.
            _log.warning("store.unavailable", error=str(error))

    def make(self, asked: KeyRequest, *, project_id: str) -> tuple[ApiKey, str]:
        """Return a new key that is stored nowhere yet, and its token: the only time that it is known."""
        token, prefix = api_key.issue(test=asked.test)
        key = ApiKey(
            id=ids.new(),
            project_id=project_id,
            name=asked.name,
            prefix=prefix,
            digest=api_key.digest(token),
            test=asked.test,
            scopes=frozenset(asked.scopes),
            from_domains=tuple(asked.from_domains),
            networks=tuple(asked.networks),
            rate=asked.rate,
            created_at=self._clock(),
            expires_at=asked.expires_at,
        )
        return key, token

    def add(self, key: ApiKey, *, once: Once | None = None, answer: Answer | None = None) -> Answer:
        """Store a key, once for an Idempotency-Key; return the answer that holds."""
        return self._store.add_key(key, asked=once, given=answer or Answer(status=201, body={}))

    def now(self) -> datetime:
        """Return the time that holds here."""
        return self._clock()

    def get(self, id: str, *, project_id: str) -> ApiKey | None:
        """Return a key of this project."""
        return self._store.key(id, project_id=project_id) if ids.is_id(id) else None

    def listed(self, *, project_id: str | None) -> list[ApiKey]:
        """Return the keys of a project, or of all (None), the newest first."""
        return self._store.keys(project_id=project_id)

    def revoke(
        self, id: str, *, project_id: str, once: Once | None, render: Callable[[ApiKey], Answer]
    ) -> Answer | None:
        """End a key of this project, here at once and everywhere within seconds; None if there is none."""
        if not ids.is_id(id):
            return None
        answer = self._store.revoke_key(id, project_id=project_id, asked=once, render=render, now=self._clock())
        self._seen.forget()
        return answer

    def project(self, id: str) -> Project | None:
        """Return a project."""
        return self._store.project(id)

    def projects(self) -> list[Project]:
        """Return every project, by name."""
        return self._store.projects()

    def add_project(self, id: str, *, from_domains: Sequence[str]) -> bool:
        """Store a project; tell whether it is new."""
        return self._store.add_project(Project(id=id, created_at=self._clock(), from_domains=tuple(from_domains)))

    def change_project(self, id: str, *, from_domains: Sequence[str]) -> bool:
        """Change the rules of a project; tell whether it is there."""
        return self._store.change_project(id, from_domains=from_domains)
