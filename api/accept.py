"""Taking messages in: checked, stored, and a worker woken for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api import auth, errors, state
from api.errors import MissingScope, SenderNotAllowed
from mailer import request_id
from mailer.client.task import build
from mailer.delivery import EnvelopeStatus, Lane
from mailer.errors import Invalid, InvalidMessage, Problem
from mailer.ledger import Answer, Once, Submission
from mailer.resource import MOST_AT_ONCE, Accepted, BulkAnswer, BulkResult, plain
from mailer.resource import Problem as ShownProblem

# Seconds in which the workers of many messages are woken one by one; the sweep, soon after, wakes the others.
_WAKING = 1.0
# Wrong fields that are named of each of many messages: an answer must not be far larger than its request.
_PROBLEMS = 10


def one(given: Mapping[str, object], asked: Once | None) -> Answer:
    """Store one message and wake a worker; return the answer that holds."""
    state.current().gate.check(_lane(given))
    draft = _draft(given)

    def answer(ended: frozenset[str]) -> Answer:
        status = EnvelopeStatus.FAILED if draft.id in ended else draft.status
        return Answer(status=202, body=plain(Accepted(id=draft.id, status=status)))

    return _stored([draft], asked, answer)


def many(given: Mapping[str, object], asked: Once | None) -> Answer:
    """Store those of many messages that are valid, wake workers; return the answer that holds."""
    items = _items(given)
    most = state.current().limiter.most(auth.key())
    if most is not None and len(items) > most:
        raise Invalid((Problem("/messages", f"are more than the {most} that the key's rate allows", "rate"),))
    # One is counted already.
    auth.count(len(items) - 1)
    for lane in {_lane(item) for item in items if isinstance(item, dict)}:
        state.current().gate.check(lane)
    drafts, results = [], []
    for item in items:
        try:
            draft = _draft(item if isinstance(item, dict) else {})
        except (InvalidMessage, SenderNotAllowed, MissingScope) as error:
            found = ShownProblem.model_validate(errors.body(error, most=_PROBLEMS))
            results.append(BulkResult(status=found.status, problem=found))
        else:
            drafts.append(draft)
            results.append(BulkResult(status=202, id=draft.id))
    answer = Answer(status=207, body=plain(BulkAnswer(results=results)))
    return _stored(drafts, asked, lambda _: answer)


def wake(envelopes: Sequence[tuple[str, Lane]]) -> None:
    """Wake a worker for each; the sweep looks after those for which that did not work, or took too long."""
    here, end = state.current(), time.monotonic() + _WAKING
    for number, (id, lane) in enumerate(envelopes):
        if time.monotonic() > end or not here.waker.wake(id, lane=Lane(lane), request_id=_request_id()):
            here.intake.hasten([id for id, _ in envelopes[number:]])
            return


def _items(given: Mapping[str, object]) -> list[object]:
    unknown = [Problem(f"/{name}", "is not a known field", "extra_forbidden") for name in given if name != "messages"]
    items = given.get("messages")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_AT_ONCE:
        wrong = Problem("/messages", f"must be a list of 1 to {MOST_AT_ONCE} messages", "messages")
        raise Invalid((wrong, *unknown[:100]))
    if unknown:
        raise Invalid(tuple(unknown[:100]))
    return items


def _draft(given: Mapping[str, object]) -> Submission:
    here, key = state.current(), auth.key()
    message = build(given, here.settings, now=here.intake.now())
    auth.may_send(message)
    return here.intake.draft(message, project_id=key.project_id, request_id=_request_id(), test=key.test)


def _stored(drafts: Sequence[Submission], asked: Once | None, render: Callable[[frozenset[str]], Answer]) -> Answer:
    over: set[str] = set()

    def answer(ended: frozenset[str]) -> Answer:
        over.update(ended)
        return render(ended)

    held = state.current().intake.accept(drafts, asked=asked, render=answer)
    if not held.replayed:
        wake([(d.id, d.message.lane) for d in drafts if d.status is EnvelopeStatus.QUEUED and d.id not in over])
    return held


def _lane(given: object) -> Lane:
    """Return the lane that a message names; whether it is one is seen when it is built."""
    named: Any = given.get("lane") if isinstance(given, Mapping) else None
    return Lane.BULK if named == Lane.BULK.value else Lane.TRANSACTIONAL


def _request_id() -> str:
    return request_id.current() or request_id.clean(None)
