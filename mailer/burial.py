"""What becomes of a task that died on the broker: every one ends as a mark on its envelope, and an alarm.

Most of those that die are innocent: a worker that is killed again and again (by one mail that kills it, by a machine
that runs out of memory) takes all that it holds with it each time, and the broker gives up on each after some
deliveries. So a mail comes back a few times, each time later and alone, before it is given up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mailer import ids, log
from mailer.alarm import Alarm
from mailer.delivery import EnvelopeInput, EnvelopeStatus
from mailer.errors import Conflict, InvalidMessage, StoreUnavailable
from mailer.ledger import DeadCall, Move, Work
from mailer.message import Message
from mailer.policy import Policy
from mailer.ports import Store
from mailer.routing import Pause

_log = log.get(__name__)

# Of a letter that cannot be kept as it is so much is.
_RAW = 10_000

# The death at which an envelope is given up.
LAST_DEATH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A task as it lay in the dead queue.

    Attributes:
        id: of the task; None where it was no task of ours.
        reason: what the broker says of its death, e.g. `rejected`, `delivery_limit`.
        death: which death it is: a letter that comes again counts once.
        fields: the message that it brings; None where it names one that is stored (or was no task of ours).
        call: all it was, for whoever wants to see or replay it.
    """

    id: str | None
    project_id: str
    request_id: str
    reason: str
    death: str
    fields: Mapping[str, Any] | None
    call: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burial:
    """Accounts for dead letters."""

    store: Store
    submit: Callable[..., str]
    policy: Policy
    alarm: Alarm
    clock: Callable[[], datetime]

    def bury(self, letter: Letter) -> None:
        """Account for one dead task. Safe to repeat: one death counts once.

        Raises:
            StoreUnavailable: nothing was written; the letter must stay where it is.
        """
        try:
            self._account(letter)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one letter that cannot be read must not keep the others from it
            _log.exception("dead.unforeseen", envelope_id=letter.id)
            self._keep(replace(letter, call={"raw": ascii(letter.call)[:_RAW]}))

    def _account(self, letter: Letter) -> None:
        try:
            id = self._stored(letter)
        except Conflict:
            self._keep(_by_itself(letter))
            return
        work = self.store.load([id]).get(id) if id else None
        if work is None:
            self._keep(letter)
            return
        deaths = self.store.deaths(work.id) + 1
        note_id = ids.derived(f"{work.id} {letter.death}")
        move = self._move(work, letter, deaths)
        moved = self.store.bury(work.id, note_id=note_id, reason=letter.reason, move=move, now=self.clock())
        if moved is None:
            return  # this death is accounted for already
        if not moved and not work.at_rest:
            self._let_it_come_back(work, deaths)
        self._alarm(letter, deaths=deaths, given_up=moved)

    def _stored(self, letter: Letter) -> str | None:
        """Return the id of the letter's message, stored now if it was not."""
        if letter.fields is None or letter.id is None:
            return letter.id
        try:
            message = Message.build(letter.fields)
            return self.submit(message, project_id=letter.project_id, request_id=letter.request_id, id=letter.id)
        except (StoreUnavailable, Conflict):
            raise
        except Exception as fault:  # noqa: BLE001 - what killed it once may do so again; it must be kept all the same
            problems = str(fault) if isinstance(fault, InvalidMessage) else ""
            _log.error("dead.not_storable", envelope_id=letter.id, error=type(fault).__name__, problems=problems)
            return None

    def _keep(self, letter: Letter) -> None:
        call = DeadCall(
            id=letter.id or ids.new(),
            project_id=letter.project_id,
            request_id=letter.request_id,
            reason=letter.reason,
            died_at=self.clock(),
            call=letter.call,
        )
        self.store.keep_call(call)
        self._alarm(letter, deaths=1, given_up=True)

    def _move(self, work: Work, letter: Letter, deaths: int) -> Move | None:
        # Of one that is being sent the lease decides: its call may still be running.
        if deaths < LAST_DEATH or work.at_rest or work.status is EnvelopeStatus.SENDING:
            return None
        event = EnvelopeInput.GIVE_UP if work.unknowns else EnvelopeInput.FAIL
        return Move(id=work.id, input=event, reason=f"dead_letter: {letter.reason}", seen=len(work.attempts))

    def _let_it_come_back(self, work: Work, deaths: int) -> None:
        now = self.clock()
        at = self.policy.pause(work, Pause(round=deaths + 1, until=None), now=now)
        if work.next_attempt_at is None or work.next_attempt_at < at:
            self.store.postpone(work.id, seen=len(work.attempts), until=at, wake_at=at, now=now)

    def _alarm(self, letter: Letter, *, deaths: int, given_up: bool) -> None:
        about = {"envelope_id": letter.id, "request_id": letter.request_id, "reason": letter.reason}
        self.alarm("task.dead", **about, deaths=deaths, given_up=given_up)


def _by_itself(letter: Letter) -> Letter:
    """Return a letter whose id belongs to another message under one of its own: each of several is kept.

    Whoever replays it sends it as the mail of its own that it is.
    """
    what = json.dumps(letter.call, sort_keys=True, default=str)
    return replace(letter, id=ids.derived(f"conflict {letter.id} {what}"), reason="conflict")
