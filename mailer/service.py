"""The use cases: submit a message, deliver an envelope, sweep up what nobody woke. No SQL, no HTTP, no Celery."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from mailer import ids, log
from mailer.alarm import Alarm
from mailer.api_key import covers
from mailer.believed import Believed
from mailer.burial import Burial, Letter
from mailer.courier import Courier
from mailer.delivery import Lane, OnUnknown
from mailer.endpoint import lies_at
from mailer.errors import Conflict, InvalidMessage, Problem, StoreUnavailable, StoreUncertain
from mailer.ledger import Due, Submission, Sweep
from mailer.message import Message
from mailer.policy import Policy
from mailer.ports import Store
from mailer.step import Step
from mailer.view import MessageView

_log = log.get(__name__)

# Seconds that a process believes what it has read of a project.
_RULES_BELIEVED = 2.0
# A message may be scheduled for the last day that a calendar knows.
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for a message of a lane that does not say otherwise.

    Attributes:
        deadline: seconds that it is tried.
        on_unknown: what happens when nobody knows whether a provider took it.
    """

    deadline: Callable[[Lane], float]
    on_unknown: Callable[[Lane], OnUnknown]


class Service:
    """The use cases over one store."""

    def __init__(
        self,
        *,
        store: Store,
        courier: Courier,
        policy: Policy,
        defaults: Defaults,
        alarm: Alarm,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._courier = courier
        self._policy = policy
        self._defaults = defaults
        self._alarm = alarm
        self._clock = clock
        # The rules of a project, which every `.delay()` call is held against.
        self._projects = Believed(store.project, seconds=_RULES_BELIEVED)
        # Where messages of a project may have themselves called back.
        self._live_places, self._test_places = (
            Believed(functools.partial(store.callback_places, test=test), seconds=_RULES_BELIEVED)
            for test in (False, True)
        )

    def draft(
        self, message: Message, *, project_id: str, request_id: str, id: str | None = None, test: bool = False
    ) -> Submission:
        """Return what is to be stored of a message that is accepted now.

        Raises:
            InvalidMessage: nobody has said that its `callback_url` may be called.
        """
        self._may_call_back(message, project_id, test=test)
        now = self._clock()
        return Submission(
            id=id or ids.new(),
            project_id=project_id,
            request_id=request_id,
            message=message,
            on_unknown=message.on_unknown or self._defaults.on_unknown(message.lane),
            created_at=now,
            expires_at=message.expires_at or self.expiry(message.send_at or now, message.lane),
            # One that is to be sent later is woken by the sweep, at its time.
            wake_at=message.send_at or self._policy.wake_at(now),
            test=test,
        )

    def expiry(self, since: datetime, lane: Lane) -> datetime:
        """Return until when a message of a lane is tried that does not say itself."""
        try:
            return since + timedelta(seconds=self._defaults.deadline(lane))
        except OverflowError:
            return _END_OF_TIME

    def submit(self, message: Message, *, project_id: str, request_id: str, id: str | None = None) -> str:
        """Store a message and return its id. When this returns, the message is our responsibility.

        Submitting the same message under the same id again changes nothing.

        Raises:
            Conflict: the id belongs to another message, which has a note about it now.
            InvalidMessage: there is no such project, or it may not send from this domain.
            StoreUnavailable: nothing was stored.
            StoreUncertain: the database did not confirm; it may have been stored, under the error's id.
        """
        self._may_send(message, project_id)
        submission = self.draft(message, project_id=project_id, request_id=request_id, id=id)
        if self._stored(submission) != message.fingerprint:
            self._contradict(submission)
        return submission.id

    def _may_send(self, message: Message, project_id: str) -> None:
        project = self._projects.get(project_id)
        if project is None:
            raise InvalidMessage((Problem("/project", f"there is no project {project_id}", "project"),))
        if not covers(project.from_domains, message.sender.domain):
            why = f"project {project_id} may not send from {message.sender.domain}"
            raise InvalidMessage((Problem("/from", why, "from_not_allowed"),))

    def _may_call_back(self, message: Message, project_id: str, *, test: bool) -> None:
        url = message.callback_url
        if url is None:
            return
        places = (self._test_places if test else self._live_places).get(project_id) or ()
        if not any(lies_at(url, place) for place in places):
            why = "is not at or below the URL of an endpoint of this project that is `per_message`"
            raise InvalidMessage((Problem("/callback_url", why, "callback_url_not_allowed"),))

    def _contradict(self, second: Submission) -> NoReturn:
        """Write down on the first message that another one came under its id; nobody sends that."""
        self._store.note(
            second.id,
            note_id=ids.derived(f"{second.id} {second.message.fingerprint}"),
            kind="conflict",
            detail=f"request {second.request_id} brought another message under this id; it was not sent",
            now=self._clock(),
        )
        self._alarm("envelope.conflict", envelope_id=second.id, request_id=second.request_id)
        raise Conflict(f"id {second.id} belongs to another message")

    def _stored(self, submission: Submission) -> str:
        """Store it and return the fingerprint of what is stored under its id."""
        try:
            return self._store.submit([submission])[submission.id]
        except StoreUncertain as uncertain:
            try:
                # The same again is the same: it finds what was stored, or stores what was not.
                return self._store.submit([submission])[submission.id]
            except StoreUnavailable:
                raise StoreUncertain(str(uncertain), id=submission.id) from None

    def view(self, id: str, *, project_id: str) -> MessageView | None:
        """Return what is known about a message of this project, None if it has no such message."""
        return self._store.view(id, project_id=project_id) if ids.is_id(id) else None

    def sweep(self, *, lane: Lane, limit: int, again_in: float) -> list[Due]:
        """Return envelopes whose wake-up was lost or is due, to be delivered; each again after `again_in` seconds.

        What is to become of each is decided where everything is: in `deliver`.
        """
        now = self._clock()
        return self._store.wake(lane=lane, limit=limit, now=now, again_at=now + timedelta(seconds=again_in))

    def note_sweep(self, *, seconds: float, woken: int, buried: int, depths: Mapping[str, int]) -> Sweep:
        """Remember that a sweep ran and what it did; return that, with what it left."""
        now = self._clock()
        left = self._store.overdue(now=now)
        done = Sweep(ran_at=now, seconds=seconds, woken=woken, buried=buried, left=left, depths=depths)
        self._store.note_sweep(done)
        return done

    def bury(self, letter: Letter) -> None:
        """Account for a task that died on the broker; see mailer/burial.py.

        Raises:
            StoreUnavailable: nothing was written; the letter must stay where it is.
        """
        Burial(store=self._store, submit=self.submit, policy=self._policy, alarm=self._alarm, clock=self._clock).bury(
            letter
        )

    def forget_answers(self, *, limit: int) -> int:
        """Delete up to `limit` answers that were kept for an Idempotency-Key and are too old; return how many."""
        return self._store.forget_answers(now=self._clock(), limit=limit)

    def replay_spool(self) -> int:
        """Store the outcomes that the database could not take when they came; return how many.

        Raises:
            StoreUnavailable: it is still away.
        """
        return self._courier.recorder.replay()

    def hasten(self, envelope_ids: Sequence[str]) -> None:
        """Let the next sweep look after these: their wake-up could not be published.

        Raises nothing: they are stored, and without this they are only later.
        """
        try:
            self._store.hasten(envelope_ids, at=self._clock())
        except StoreUnavailable as error:
            _log.warning("store.unavailable", error=str(error))

    def deliver(self, id: str) -> Step:
        """Take one envelope one step further: at most one provider call that sends; see mailer/courier.py.

        Safe to call at any time, any number of times, at once: the claim decides who calls.
        """
        return self._courier.deliver(id)
