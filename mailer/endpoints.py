"""What an application asks of its endpoints and its feed: make, show, change, test, replay, read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from mailer import ids
from mailer.callback import Secret
from mailer.endpoint import Disabled, Endpoint, Key
from mailer.errors import ForbiddenDestination, Invalid, Problem
from mailer.event import FeedType
from mailer.feed import CallbackAttempt, CallbackState, FeedPage
from mailer.ledger import Answer, Once
from mailer.request import EndpointChange, EndpointRequest, ReplayRequest
from mailer.store.caller import CallerStore
from mailer.store.endpoint import MOST
from mailer.store.feed import LOOKED_THROUGH
from mailer.view import Place

# Events that are told again at once.
MOST_REPLAYED = 10_000


class Endpoints:
    """The use cases of endpoints and of the feed."""

    def __init__(self, *, store: CallerStore, check: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._store = store
        self._check = check
        self._clock = clock

    def draft(self, asked: EndpointRequest, *, project_id: str, test: bool) -> Endpoint:
        """Return a new endpoint that is stored nowhere yet.

        Raises:
            Invalid: nobody may be called there.
        """
        self._may_be_called(asked.url)
        now = self._clock()
        return Endpoint(
            id=ids.new(),
            project_id=project_id,
            test=test,
            url=asked.url,
            description=asked.description,
            types=frozenset(asked.types),
            per_message=asked.per_message,
            keys=(Key(secret=Secret.new(), created_at=now),),
            created_at=now,
        )

    def add(self, new: Endpoint, *, asked: Once | None, answer: Answer) -> Answer:
        """Store an endpoint, once for an Idempotency-Key; return the answer that holds.

        Raises:
            Invalid: the project has as many as it may.
        """
        held = self._store.add(new, asked=asked, given=answer)
        if held is None:
            raise Invalid((Problem("", f"the project has {MOST} endpoints already", "too_many"),))
        return held

    def get(self, id: str, *, project_id: str, test: bool) -> Endpoint | None:
        """Return an endpoint."""
        return self._store.get(id, project_id=project_id, test=test)

    def listed(self, *, project_id: str, test: bool) -> list[Endpoint]:
        """Return the endpoints, the newest first."""
        return self._store.listed(project_id, test=test)

    def change(
        self,
        id: str,
        asked: EndpointChange,
        *,
        project_id: str,
        test: bool,
        check: Callable[[Endpoint], None],
        render: Callable[[Endpoint], Answer],
    ) -> Answer | None:
        """Change what is given of an endpoint; None if there is none.

        Args:
            check: raises if the endpoint is not as its application thinks; then nothing is changed.
        """
        if asked.url is not None:
            self._may_be_called(asked.url)
        given = asked.model_dump(exclude_none=True, exclude={"enabled", "types"})
        if asked.types is not None:
            given["types"] = frozenset(asked.types)

        def do(was: Endpoint) -> Endpoint:
            check(was)
            changed = replace(was, **given)
            # One that only fails is switched off by hand all the same: it is not probed any more.
            is_so = was.disabled_reason is None if asked.enabled else was.disabled_reason is Disabled.BY_HAND
            if asked.enabled is None or is_so:
                return changed
            now = self._clock()
            return changed.enabled_by_hand() if asked.enabled else changed.disabled(Disabled.BY_HAND, now=now)

        return self._store.change(id, project_id=project_id, test=test, change=do, render=render)

    def rotate(
        self, id: str, *, project_id: str, test: bool, asked: Once | None, render: Callable[[Endpoint], Answer]
    ) -> Answer | None:
        """Give an endpoint a new secret; the one of until now signs too for a day. None if there is none."""

        def do(was: Endpoint) -> Endpoint:
            return was.rotated(Secret.new(), now=self._clock())

        return self._store.change(id, project_id=project_id, test=test, change=do, asked=asked, render=render)

    def delete(self, id: str, *, project_id: str, test: bool) -> bool:
        """Delete an endpoint and all that it was told; tell whether it was there."""
        return self._store.delete(id, project_id=project_id, test=test, now=self._clock())

    def test(self, endpoint: Endpoint, *, asked: Once | None, render: Callable[[CallbackState], Answer]) -> Answer:
        """Let an endpoint wait for a test event."""
        return self._store.test(endpoint, asked=asked, render=render, now=self._clock())

    def log(self, endpoint: Endpoint, *, status: str | None, after: Place | None, limit: int) -> list[CallbackState]:
        """Return what an endpoint was told and is to be told, the newest first."""
        return self._store.log(endpoint, status=status, after=after, limit=limit)

    def attempts(self, endpoint: Endpoint, id: str) -> list[CallbackAttempt] | None:
        """Return the attempts of a callback; None if the endpoint has no such."""
        return None if self._store.callback(endpoint, id) is None else self._store.attempts(id)

    def replay(
        self, endpoint: Endpoint, id: str, *, asked: Once | None, render: Callable[[CallbackState], Answer]
    ) -> Answer | None:
        """Tell an endpoint of one event again, under the same id; None if it was never to be told of it."""
        return self._store.replay(endpoint, id, asked=asked, render=render, now=self._clock())

    def replay_span(
        self, endpoint: Endpoint, span: ReplayRequest, *, asked: Once | None, render: Callable[[int], Answer]
    ) -> Answer:
        """Tell an endpoint again of all that came in a time and that it wants, all of it or nothing.

        Also of what came before it was made, and while it was switched off.

        Raises:
            Invalid: that would be too many at once.
        """
        found = self._store.replay_span(
            endpoint, since=span.since, until=span.until, limit=MOST_REPLAYED, asked=asked, render=render,
            now=self._clock(),
        )  # fmt: skip
        if found is None:
            why = f"there are more than {MOST_REPLAYED} events in this time: ask for a part of it"
            raise Invalid((Problem("/until", why, "too_many"),))
        return found

    def feed(self, *, project_id: str, test: bool, after: int, limit: int, types: Sequence[FeedType] = ()) -> FeedPage:
        """Return what became of messages behind a place in the feed, the oldest first."""
        # Before the events: what comes meanwhile is not skipped.
        last = self._store.last(project_id, test=test) if types else after
        found = self._store.page(project_id, test=test, after=after, limit=limit + 1, types=types)
        events = found[:limit]
        if len(found) > limit:
            return FeedPage(events=events, after=events[-1].sequence or after, more=True)
        seen = events[-1].sequence or after if events else after
        if types:
            seen = max(seen, min(last, after + LOOKED_THROUGH))
        return FeedPage(events=events, after=seen, more=seen < last)

    def last(self, *, project_id: str, test: bool) -> int:
        """Return the place of the latest event of the feed, 0 before the first."""
        return self._store.last(project_id, test=test)

    def _may_be_called(self, url: str) -> None:
        try:
            self._check(url)
        except ForbiddenDestination as error:
            raise Invalid((Problem("/url", str(error), "forbidden_destination"),)) from None
