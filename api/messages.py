"""`/v1/messages`: hand a message over, ask what became of it."""

from __future__ import annotations

import flask
from pydantic_core import from_json

from api import schemas, state
from api.errors import NoSuchMessage, NotJson, WrongContentType
from api.operation import operation
from mailer import clock, request_id
from mailer.client.task import build
from mailer.message import Message
from mailer.resource import Accepted, MessageState, Scope

blueprint = flask.Blueprint("messages", __name__, url_prefix="/v1/messages")


@blueprint.post("")
@operation(scope=Scope.SEND, body=Message, answers={202: Accepted})
def create() -> flask.Response:
    """Store a message and wake a worker. 202: it is our responsibility from here on."""
    here = state.current()
    message = build(_fields(), here.settings, now=clock.now())
    rid = request_id.current() or request_id.clean(None)
    id = here.service.submit(message, project_id=flask.g.project_id, request_id=rid)
    flask.g.message_id = id
    if not here.waker.wake(id, lane=message.lane, request_id=rid):
        here.service.hasten([id])
    response = flask.jsonify(id=id, status="queued")
    response.status_code = 202
    response.headers["Location"] = flask.url_for("messages.show", id=id)
    return response


@blueprint.get("/<id>")
@operation(scope=Scope.READ, answers={200: MessageState})
def show(id: str) -> flask.Response:
    """Answer what is known about a message."""
    found = state.current().service.view(id, project_id=flask.g.project_id)
    if found is None:
        raise NoSuchMessage
    return flask.jsonify(schemas.message(found))


def _fields() -> dict[str, object]:
    if not flask.request.is_json:
        raise WrongContentType
    try:
        # A parser with a bound on depth; it refuses bad UTF-8 and lone surrogates too.
        fields = from_json(flask.request.get_data(cache=False))
    except ValueError as error:
        raise NotJson(str(error)) from None
    if not isinstance(fields, dict):
        raise NotJson("it is JSON, but no object")
    return fields
