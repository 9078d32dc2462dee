"""`/v1/messages`: hand a message over, ask what became of it."""

from __future__ import annotations

import flask

from api import body, schemas, state
from api.errors import NoSuchMessage
from mailer import clock, request_id
from mailer.client.task import build

blueprint = flask.Blueprint("messages", __name__, url_prefix="/v1/messages")


@blueprint.post("")
def create() -> flask.Response:
    """Store a message and wake a worker. 202: it is our responsibility from here on."""
    here = state.current()
    message = build(body.fields(), here.settings, now=clock.now())
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
def show(id: str) -> flask.Response:
    """Answer what is known about a message."""
    found = state.current().service.view(id, project_id=flask.g.project_id)
    if found is None:
        raise NoSuchMessage
    return flask.jsonify(schemas.message(found))
