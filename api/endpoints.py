"""`/v1/endpoints`: where the application is told what became of its messages, and what it was told."""

from __future__ import annotations

import flask

from api import announcing, auth, body, cursor, once, paging, parameters, schemas, shown, state
from api.errors import NotFound
from api.operation import operation
from mailer.endpoint import Endpoint
from mailer.endpoints import Endpoints
from mailer.feed import CallbackLog, CallbackPage, CallbackState, EndpointList, EndpointSecrets, EndpointState, Replayed
from mailer.ledger import Answer
from mailer.problem import parsed
from mailer.request import CallbackQuery, EndpointChange, EndpointRequest, ReplayRequest
from mailer.resource import Scope, plain
from mailer.settings import CALL_TASK

blueprint = flask.Blueprint("endpoints", __name__, url_prefix="/v1/endpoints")


@blueprint.post("")
@operation(scope=Scope.ENDPOINTS, body=EndpointRequest, answers={201: EndpointState}, problems=("invalid-request",))
def create() -> flask.Response:
    """Register where the application is told what became of its messages."""
    given = body.fields()
    asked = once.asked(given)

    def make() -> Answer:
        new = _here().draft(parsed(EndpointRequest, given), **auth.world())
        return _here().add(new, asked=asked, answer=Answer(status=201, body=plain(schemas.endpoint(new))))

    answer = once.held(asked, make)
    response = once.answered(answer)
    response.headers["Location"] = flask.url_for("endpoints.show", id=answer.body["id"])
    return response


@blueprint.get("")
@operation(scope=Scope.ENDPOINTS, answers={200: EndpointList})
def listed() -> flask.Response:
    """List the endpoints of this project, the newest first."""
    found = _here().listed(**auth.world())
    return flask.jsonify(plain(EndpointList(endpoints=[schemas.endpoint(e) for e in found])))


@blueprint.get("/<id:id>")
@operation(scope=Scope.ENDPOINTS, answers={200: EndpointState}, problems=("not-found",))
def show(id: str) -> flask.Response:
    """Show an endpoint, and how well it takes what it is told."""
    return shown.tagged(_render(_found(id)))


@blueprint.patch("/<id:id>")
@operation(
    scope=Scope.ENDPOINTS,
    body=EndpointChange,
    answers={200: EndpointState},
    problems=("not-found", "precondition-failed", "invalid-request"),
)
def change(id: str) -> flask.Response:
    """Change an endpoint; switch it off, or on again."""
    asked = parsed(EndpointChange, body.fields())
    answer = _here().change(id, asked, **auth.world(), check=_as_expected, render=_render)
    if answer is None:
        raise NotFound
    announcing.soon(CALL_TASK, ids=[id])
    return shown.tagged(answer)


@blueprint.delete("/<id:id>")
@operation(scope=Scope.ENDPOINTS, answers={204: None}, problems=("not-found",))
def delete(id: str) -> flask.Response:
    """Delete an endpoint, and the log of what it was told."""
    if not _here().delete(id, **auth.world()):
        raise NotFound
    return flask.Response(status=204)


@blueprint.get("/<id:id>/secrets")
@operation(scope=Scope.ENDPOINTS, answers={200: EndpointSecrets}, problems=("not-found",))
def secrets(id: str) -> flask.Response:
    """Show what the callbacks of an endpoint are signed with (https://www.standardwebhooks.com)."""
    return once.answered(_secrets(_found(id)))


@blueprint.post("/<id:id>/secrets")
@operation(scope=Scope.ENDPOINTS, answers={200: EndpointSecrets}, problems=("not-found",))
def rotate(id: str) -> flask.Response:
    """Give an endpoint a new secret. The one of until now signs too, for a day."""
    asked = once.asked()
    answer = _here().rotate(id, **auth.world(), asked=asked, render=_render)
    if answer is None:
        raise NotFound
    # A secret is in no answer that is kept.
    response = once.answered(_secrets(_found(id)))
    if answer.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@blueprint.post("/<id:id>/test")
@operation(scope=Scope.ENDPOINTS, answers={202: CallbackState}, problems=("not-found",))
def test(id: str) -> flask.Response:
    """Have a test event told to an endpoint."""
    answer = _here().test(_found(id), asked=once.asked(), render=_accepted)
    announcing.soon(CALL_TASK, ids=[id])
    return once.answered(answer)


@blueprint.get("/<id:id>/callbacks")
@operation(
    scope=Scope.ENDPOINTS, query=CallbackQuery, answers={200: CallbackPage}, problems=("not-found", "invalid-request")
)
def callbacks(id: str) -> flask.Response:
    """List what an endpoint was told and is to be told, the newest first."""
    query = parameters.parsed(CallbackQuery)
    endpoint = _found(id)
    found = _here().log(endpoint, status=query.status, after=cursor.read(query), limit=query.limit + 1)
    page = found[: query.limit]
    after = cursor.write(page[-1], query) if len(found) > query.limit else None
    return paging.answered(CallbackPage(callbacks=page, next_cursor=after), after)


@blueprint.get("/<id:id>/callbacks/<id:callback_id>/attempts")
@operation(scope=Scope.ENDPOINTS, answers={200: CallbackLog}, problems=("not-found",))
def attempts(id: str, callback_id: str) -> flask.Response:
    """List every attempt to tell an endpoint of one event.

    With status, duration and the beginning of its answer.
    """
    found = _here().attempts(_found(id), callback_id)
    if found is None:
        raise NotFound
    return flask.jsonify(plain(CallbackLog(attempts=found)))


@blueprint.post("/<id:id>/callbacks/<id:callback_id>/replay")
@operation(scope=Scope.ENDPOINTS, answers={202: CallbackState}, problems=("not-found",))
def replay(id: str, callback_id: str) -> flask.Response:
    """Have one event told again, under the same `webhook-id`."""
    answer = _here().replay(_found(id), callback_id, asked=once.asked(), render=_accepted)
    if answer is None:
        raise NotFound
    announcing.soon(CALL_TASK, ids=[id])
    return once.answered(answer)


@blueprint.post("/<id:id>/replay")
@operation(
    scope=Scope.ENDPOINTS, body=ReplayRequest, answers={202: Replayed}, problems=("not-found", "invalid-request")
)
def replay_span(id: str) -> flask.Response:
    """Have everything told again that came in a time.

    Also what came before the endpoint was registered, or while it was switched off.
    """
    endpoint = _found(id)
    given = body.fields()
    asked = once.asked(given)

    def again() -> Answer:
        span = parsed(ReplayRequest, given)
        return _here().replay_span(
            endpoint, span, asked=asked, render=lambda n: Answer(status=202, body=plain(Replayed(replayed=n)))
        )

    answer = once.held(asked, again)
    announcing.soon(CALL_TASK, ids=[id])
    return once.answered(answer)


def _here() -> Endpoints:
    return state.current().endpoints


def _found(id: str) -> Endpoint:
    found = _here().get(id, **auth.world())
    if found is None:
        raise NotFound
    return found


def _render(endpoint: Endpoint) -> Answer:
    return Answer(status=200, body=plain(schemas.endpoint(endpoint)))


def _accepted(callback: CallbackState) -> Answer:
    return Answer(status=202, body=plain(callback))


def _secrets(endpoint: Endpoint) -> Answer:
    return Answer(
        status=200, body=plain(EndpointSecrets(secrets=schemas.secrets(endpoint, now=state.current().intake.now())))
    )


def _as_expected(endpoint: Endpoint) -> None:
    shown.require_match(lambda: _render(endpoint).body)
