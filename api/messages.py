"""`/v1/messages`: hand a message over, ask what became of it, change or cancel it while that is possible."""

from __future__ import annotations

import flask

from api import accept, announcing, auth, body, once, schemas, shown, state
from api.errors import NotFound
from api.operation import operation
from mailer.intake import Change
from mailer.ledger import Answer
from mailer.message import Message
from mailer.problem import parsed
from mailer.request import BulkRequest, ScheduleChange
from mailer.resource import Accepted, AttemptList, BulkAnswer, Event, EventList, MessageState, Scope, plain
from mailer.settings import TELL_TASK
from mailer.story import tell
from mailer.view import MessageView

blueprint = flask.Blueprint("messages", __name__, url_prefix="/v1/messages")

_SENDING = ("from-not-allowed", "invalid-message", "backlog", "uncertain")


@blueprint.post("")
@operation(scope=Scope.SEND, body=Message, answers={202: Accepted}, problems=_SENDING)
def create() -> flask.Response:
    """Hand a message over.

    202: it is on disk, and from here on the responsibility of the service.
    """
    given = body.fields()
    asked = once.asked(given)
    answer = once.held(asked, lambda: accept.one(given, asked))
    response = once.answered(answer)
    flask.g.message_id = answer.body["id"]
    response.headers["Location"] = flask.url_for("messages.show", id=answer.body["id"])
    return response


@blueprint.post("/bulk")
@operation(
    scope=Scope.SEND, body=BulkRequest, answers={207: BulkAnswer}, problems=("invalid-request", "backlog", "uncertain")
)
def bulk() -> flask.Response:
    """Hand up to 500 different messages over, in one transaction.

    207: `results` has one result for each, in the same order: 202 with its id, or the problem of that message. What was
    accepted is on disk.
    """
    given = body.fields()
    asked = once.asked(given)
    return once.answered(once.held(asked, lambda: accept.many(given, asked)))


@blueprint.get("/<id:id>")
@operation(scope=Scope.READ, answers={200: MessageState}, problems=("not-found",))
def show(id: str) -> flask.Response:
    """Tell what is known about a message."""
    found = state.current().intake.view(id, **auth.world())
    if found is None:
        raise NotFound
    return shown.tagged(_render(found))


@blueprint.patch("/<id:id>")
@operation(
    scope=Scope.SEND,
    body=ScheduleChange,
    answers={200: MessageState},
    problems=("not-found", "too-late", "precondition-failed", "invalid-request"),
)
def reschedule(id: str) -> flask.Response:
    """Change when a message is sent, or when to stop trying, until a worker has taken it."""
    given = body.fields()
    change = parsed(ScheduleChange, given, context={"now": state.current().intake.now()})
    here = state.current()
    answer = here.intake.reschedule(
        id,
        Change(given=frozenset(given), send_at=change.send_at, expires_at=change.expires_at),
        **auth.world(),
        by=auth.key().name,
        check=_as_expected,
        render=_render,
    )
    if answer is None:
        raise NotFound
    if answer.body["status"] == "queued":
        accept.wake([(id, answer.body["lane"])])
    return shown.tagged(answer)


@blueprint.post("/<id:id>/cancel")
@operation(scope=Scope.SEND, answers={200: MessageState}, problems=("not-found", "too-late", "precondition-failed"))
def cancel(id: str) -> flask.Response:
    """Cancel a message that has not been sent.

    200: it is canceled, and nobody will send it. 409: it is too late, or nobody knows; it was not canceled.
    """
    answer = state.current().intake.cancel(
        id, **auth.world(), by=auth.key().name, asked=once.asked(), check=_as_expected, render=_render
    )
    if answer is None:
        raise NotFound
    announcing.soon(TELL_TASK)
    return shown.tagged(answer)


@blueprint.get("/<id:id>/attempts")
@operation(scope=Scope.READ, answers={200: AttemptList}, problems=("not-found",))
def attempts(id: str) -> flask.Response:
    """List every call that was made to a provider for a message, the first first."""
    found = state.current().intake.view(id, **auth.world())
    if found is None:
        raise NotFound
    return flask.jsonify(plain(AttemptList(attempts=[schemas.attempt(a) for a in found.attempts])))


@blueprint.get("/<id:id>/events")
@operation(scope=Scope.EVENTS, answers={200: EventList}, problems=("not-found",))
def events(id: str) -> flask.Response:
    """Tell what happened to a message, in order of time; its present state comes last."""
    here = state.current()
    story = here.intake.story(id, **auth.world())
    if story is None:
        raise NotFound
    told = [Event(at=line.at, type=line.kind, detail=line.text) for line in tell(story, now=here.intake.now())]
    return flask.jsonify(plain(EventList(events=told)))


@blueprint.get("/<id:id>/content")
@operation(scope=Scope.CONTENT, answers={200: Message}, problems=("not-found",))
def content(id: str) -> flask.Response:
    """Return a message as it was accepted: addresses, texts, attachments."""
    found = state.current().intake.content(id, **auth.world())
    if found is None:
        raise NotFound
    return flask.jsonify(found.wire())


def _render(view: MessageView) -> Answer:
    return Answer(status=200, body=plain(schemas.message(view)))


def _as_expected(view: MessageView) -> None:
    shown.require_match(lambda: _render(view).body)
