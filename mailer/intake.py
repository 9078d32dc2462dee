"""What an application asks for over HTTP: accept, show, list, cancel, reschedule. No SQL, no HTTP, no Celery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer import ids
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane
from mailer.errors import Invalid, Problem, StoreUnavailable, StoreUncertain, TooLate
from mailer.ledger import Answer, Once, Revision, Submission
from mailer.message import Message
from mailer.outcome import Outcome
from mailer.service import Service
from mailer.settings import QUEUES
from mailer.store.intake import IntakeStore
from mailer.story import Story
from mailer.view import Backlog, MessageLine, MessageView, Selection

# Outcomes after which nobody can say that the mail was not taken.
_MAY_BE_OUT = frozenset({Outcome.STARTED, Outcome.UNKNOWN, Outcome.ACCEPTED})
_WAITING = frozenset({EnvelopeStatus.QUEUED, EnvelopeStatus.SCHEDULED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be changed of a schedule; only what is in `given` is."""

    given: frozenset[str]
    send_at: datetime | None = None
    expires_at: datetime | None = None


class Intake:
    """The use cases of the HTTP API, over the same store as the workers."""

    def __init__(self, *, store: IntakeStore, service: Service, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._service = service
        self._clock = clock

    def draft(self, message: Message, *, project_id: str, request_id: str, test: bool) -> Submission:
        """Return what is to be stored of a message, under a new id."""
        return self._service.draft(message, project_id=project_id, request_id=request_id, test=test)

    def accept(
        self, drafts: Sequence[Submission], *, asked: Once | None, render: Callable[[frozenset[str]], Answer]
    ) -> Answer:
        """Store messages, and return the answer that holds: that of the first time, where there was one.

        When this returns, they are our responsibility.

        Args:
            render: from the ids of those that have ended at once, since nobody of theirs may be mailed.

        Raises:
            KeyInUse, KeyReused, StoreUnavailable: nothing was stored.
            StoreUncertain: the database did not confirm; they may have been stored. Names the message where it is one.
        """
        ours: list[Answer] = []

        def answer(ended: frozenset[str]) -> Answer:
            ours.append(render(ended))
            return ours[-1]

        try:
            return self._store.accept(drafts, asked=asked, render=answer)
        except StoreUncertain as uncertain:
            try:
                # The same again is the same: it finds what was stored, or stores what was not.
                again = self._store.accept(drafts, asked=asked, render=answer)
            except Exception as error:
                if not isinstance(error, StoreUnavailable):
                    raise
                only = drafts[0].id if len(drafts) == 1 else None
                raise StoreUncertain(str(uncertain), id=only) from None
        # Kept by the commit that we heard nothing of, so still ours to be acted on.
        return next((mine for mine in ours if mine.body == again.body), again)

    def kept(self, asked: Once | None) -> Answer | None:
        """Return the answer that was given to this request before. Raises KeyReused if it was another's."""
        return None if asked is None else self._store.kept(asked)

    def view(self, id: str, *, project_id: str, test: bool) -> MessageView | None:
        """Return what is known about a message of this project, None if it has no such message.

        Test messages and the others do not see each other, here and below.
        """
        found = self._service.view(id, project_id=project_id)
        return found if found is not None and found.test == test else None

    def listed(self, wanted: Selection) -> list[MessageLine]:
        """Return a page of messages, the newest first."""
        return self._store.listed(wanted)

    def content(self, id: str, *, project_id: str, test: bool) -> Message | None:
        """Return a message of this project as it was accepted."""
        seen = self.view(id, project_id=project_id, test=test)
        return self._store.content(id, project_id=project_id) if seen is not None else None

    def story(self, id: str, *, project_id: str, test: bool) -> Story | None:
        """Return a message of this project with all that happened to it."""
        found = self._store.story(id, project_id=project_id) if ids.is_id(id) else None
        return found if found is not None and found.message.test == test else None

    def cancel(
        self,
        id: str,
        *,
        project_id: str,
        test: bool,
        by: str,
        asked: Once | None,
        check: Callable[[MessageView], None],
        render: Callable[[MessageView], Answer],
    ) -> Answer | None:
        """Cancel a message that nobody may have sent yet; None if there is no such message.

        Args:
            check: raises if the message is not as its application thinks; then nothing is changed.

        Raises:
            TooLate: it is being sent, has been, or nobody knows; it was not canceled.
        """

        def decide(view: MessageView) -> Revision | None:
            check(view)
            if view.status is EnvelopeStatus.CANCELED:
                return None
            _still_waits(view)
            return Revision(input=EnvelopeInput.CANCEL, note=("canceled", f"by {by}"))

        return self._revise(id, project_id, test, decide, asked=asked, render=render)

    def reschedule(
        self,
        id: str,
        change: Change,
        *,
        project_id: str,
        test: bool,
        by: str,
        check: Callable[[MessageView], None],
        render: Callable[[MessageView], Answer],
    ) -> Answer | None:
        """Change when a message is sent that nobody has taken yet; None if there is no such message.

        Args:
            check: raises if the message is not as its application thinks; then nothing is changed.

        Raises:
            TooLate: a worker has taken it; nothing was changed.
            Invalid: the times contradict each other.
        """

        def decide(view: MessageView) -> Revision | None:
            check(view)
            _still_waits(view)
            # The time of now: it may have taken a while until nobody else could take it.
            if view.attempts or view.expires_at <= self._clock():
                raise TooLate("a worker has taken it already", state=view.status)
            return self._rescheduled(view, change, by=by) if change.given else None

        return self._revise(id, project_id, test, decide, asked=None, render=render)

    def _revise(
        self,
        id: str,
        project_id: str,
        test: bool,
        decide: Callable[[MessageView], Revision | None],
        *,
        asked: Once | None,
        render: Callable[[MessageView], Answer],
    ) -> Answer | None:
        if not ids.is_id(id):
            return None
        now = self._clock()
        return self._store.revise(
            id, project_id=project_id, test=test, decide=decide, asked=asked, render=render, now=now
        )

    def _rescheduled(self, view: MessageView, change: Change, *, by: str) -> Revision:
        send_at = change.send_at if "send_at" in change.given else view.send_at
        chosen = change.expires_at is not None or view.expires_chosen
        # One that nobody has chosen goes with the time that it is counted from.
        default = self._service.expiry(send_at or self._clock(), view.lane)
        expires_at = change.expires_at or (view.expires_at if chosen else default)
        if send_at is not None and expires_at <= send_at:
            raise Invalid((Problem("/send_at", "must be before expires_at", "too_late"),))
        return Revision(
            input=EnvelopeInput.SCHEDULE if send_at else EnvelopeInput.RELEASE,
            note=("rescheduled", f"by {by} to {send_at.isoformat() if send_at else 'now'}"),
            times=(send_at, expires_at, chosen),
        )

    def backlog(self, lane: Lane) -> Backlog:
        """Return what waits for a worker in a lane."""
        return self._store.backlog(lane=lane, queue=QUEUES[lane], now=self._clock())

    def age(self, backlog: Backlog) -> timedelta:
        """Return how long the longest waiting has been waiting."""
        return self._clock() - backlog.oldest_at if backlog.oldest_at else timedelta(0)

    def hasten(self, envelope_ids: Sequence[str]) -> None:
        """Let the next sweep look after these: their wake-up could not be published."""
        self._service.hasten(envelope_ids)

    def now(self) -> datetime:
        """Return the time that holds here."""
        return self._clock()


def _still_waits(view: MessageView) -> None:
    if view.status not in _WAITING:
        raise TooLate(f"it is {view.status}", state=view.status)
    if any(a.outcome in _MAY_BE_OUT for a in view.attempts):
        raise TooLate("a provider may have taken it already", state=view.status)
